"""Where a large csv file or JSON text can be cut between rows, by its bytes, a block at a time.

Belongs here: quotes, nesting, and the numbers of rows before a cut. Does not belong here: how large
pieces are and what is cut where a day begins (splitting.py).

A file whose quotes or brackets do not come in pairs has no ranges: where it is broken is only known
when it is read.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

_BLOCK = 1 << 18
_BOM = b"\xef\xbb\xbf"
_QUOTE, _BACKSLASH, _NEWLINE, _RETURN, _COMMA = (ord(each) for each in '"\\\n\r,')
# What a bracket does to the depth, told from other bytes by being over zero; a comma does nothing.
_OPENS, _SEPARATES, _CLOSES = 3, 2, 1

Positions = npt.NDArray[np.int64]
Bytes = npt.NDArray[np.uint8]


@dataclass(frozen=True, kw_only=True)
class Range:
    """A part of a file that holds whole rows.

    ``head`` and ``tail`` are to be written around its bytes, so that it is a file by itself.
    """

    start: int
    end: int
    first_row: int
    head: bytes
    tail: bytes = b""


@dataclass(frozen=True, kw_only=True)
class _Found:
    """What a block holds: where rows end or are parted, how many each such place adds."""

    positions: Positions
    rows: Positions


def csv_ranges(path: Path, *, delimiter: str, piece_bytes: int) -> list[Range] | None:
    """Ranges of whole records, each with the row of names as its head; None if it cannot be told."""
    scan = _CsvScan(delimiter=ord(delimiter))
    found = _chosen(scan.run(path), piece_bytes=piece_bytes, size=path.stat().st_size)
    if found is None or not scan.is_regular or scan.head_end is None:
        return None
    with path.open("rb") as file:
        head = file.read(scan.head_end)
    return _ranges(found, start=scan.head_end, end=path.stat().st_size, head=head)


def json_ranges(path: Path, *, is_array: bool, piece_bytes: int) -> list[Range] | None:
    """Ranges of whole elements of an array, or of whole documents; None if it cannot be told."""
    scan = _JsonScan(is_array=is_array)
    found = _chosen(scan.run(path), piece_bytes=piece_bytes, size=path.stat().st_size)
    if found is None or not scan.is_whole:
        return None
    if not is_array:
        return _ranges(found, start=0, end=path.stat().st_size, head=b"")
    return _ranges(
        found, start=scan.first + 1, end=scan.last, head=b"[", tail=b"]", separator_bytes=1
    )


def _chosen(
    blocks: Iterator[_Found | None], *, piece_bytes: int, size: int
) -> list[tuple[int, int]] | None:
    """The first place behind each multiple of the size of a piece, and the rows before it."""
    chosen: list[tuple[int, int]] = []
    rows, wanted = 0, piece_bytes
    for found in blocks:
        if found is None:
            return None
        # The last piece has at least half the size, so that the end of the file is never alone.
        while wanted <= size - piece_bytes // 2 and len(found.positions):
            index = int(np.searchsorted(found.positions, wanted))
            if index == len(found.positions):
                break
            position = int(found.positions[index])
            chosen.append((position, rows + int(found.rows[: index + 1].sum())))
            wanted = (position // piece_bytes + 1) * piece_bytes
        rows += int(found.rows.sum())
    return chosen


def _ranges(
    chosen: list[tuple[int, int]],
    *,
    start: int,
    end: int,
    head: bytes,
    tail: bytes = b"",
    separator_bytes: int = 0,
) -> list[Range]:
    starts = [start, *(position + separator_bytes for position, _ in chosen)]
    ends = [*(position for position, _ in chosen), end]
    first_rows = [1, *(rows + 1 for _, rows in chosen)]
    return [
        Range(start=start, end=end, first_row=first_row, head=head, tail=tail)
        for start, end, first_row in zip(starts, ends, first_rows, strict=True)
        if end > start
    ]


def _blocks(path: Path) -> Iterator[tuple[int, bytes]]:
    """Blocks with their positions, without the mark that says the file is UTF-8."""
    with path.open("rb") as file:
        position = len(_BOM) if file.read(len(_BOM)) == _BOM else 0
        file.seek(position)
        while block := file.read(_BLOCK):
            yield position, block
            position += len(block)


class _CsvScan:
    """Where the records of a csv file end.

    A quote begins a cell or ends one, and two in a row stand for one in a cell; so what lies behind
    an odd number of quotes lies in a cell. A file with quotes at any other place is not regular.
    """

    def __init__(self, *, delimiter: int) -> None:
        self._around = np.zeros(256, bool)
        self._around[[delimiter, _NEWLINE, _RETURN, _QUOTE]] = True
        self._is_quoted = False
        # The two bytes before a block.
        self._before = b"\n\n"
        self.is_regular = True
        self.head_end: int | None = None

    def run(self, path: Path) -> Iterator[_Found | None]:
        waiting: tuple[int, bytes] | None = None
        for position, block in _blocks(path):
            if waiting is not None:
                yield self._block(*waiting, following=block[:1])
            waiting = position, block
        if waiting is not None:
            yield self._block(*waiting, following=b"\n")
        self.is_regular = self.is_regular and not self._is_quoted

    def _block(self, position: int, block: bytes, *, following: bytes) -> _Found | None:
        # Each byte of the block has two before it and one behind it.
        content = np.frombuffer(self._before + block + following, np.uint8)
        inner = content[2:-1]
        quotes = np.flatnonzero(inner == _QUOTE)
        is_opening = (np.arange(len(quotes)) + self._is_quoted) % 2 == 0
        ends = np.flatnonzero(inner == _NEWLINE)
        ends = ends[self._is_outside(ends, quotes=quotes)]
        self.is_regular = (
            bool(self._around[content[quotes[is_opening] + 1]].all())
            and bool(self._around[content[quotes[~is_opening] + 3]].all())
            and (b"\r" not in block or self._has_whole_line_ends(content, quotes=quotes))
        )
        if not self.is_regular:
            return None
        before, before_that = content[ends + 1], content[ends]
        is_blank = (before == _NEWLINE) | ((before == _RETURN) & (before_that == _NEWLINE))
        self._is_quoted = (len(quotes) + self._is_quoted) % 2 == 1
        self._before = (self._before + block)[-2:]
        rows = (~is_blank).astype(np.int64)
        if self.head_end is None and len(ends):
            self.head_end = position + int(ends[0]) + 1
            ends, rows = ends[1:], rows[1:]
        return _Found(positions=ends + position + 1, rows=rows)

    def _is_outside(self, positions: Positions, *, quotes: Positions) -> npt.NDArray[np.bool_]:
        before: Positions = np.searchsorted(quotes, positions)
        is_outside: npt.NDArray[np.bool_] = (before + self._is_quoted) % 2 == 0
        return is_outside

    def _has_whole_line_ends(self, content: Bytes, *, quotes: Positions) -> bool:
        returns = np.flatnonzero(content[2:-1] == _RETURN)
        returns = returns[self._is_outside(returns, quotes=quotes)]
        return bool((content[returns + 3] == _NEWLINE).all())


class _JsonScan:
    """Where the elements of a JSON array are parted, or where JSON objects end."""

    def __init__(self, *, is_array: bool) -> None:
        self._is_array = is_array
        self._kinds = np.zeros(256, np.uint8)
        self._kinds[[ord("{"), ord("[")]] = _OPENS
        self._kinds[[ord("}"), ord("]")]] = _CLOSES
        if is_array:
            self._kinds[_COMMA] = _SEPARATES
        self._is_quoted = False
        self._is_escaped = False
        self._depth = 0
        self.first = self.last = -1
        self._is_regular = True

    @property
    def is_whole(self) -> bool:
        """Whether everything that was opened is closed."""
        return self._is_regular and self._depth == 0 and not self._is_quoted

    def run(self, path: Path) -> Iterator[_Found | None]:
        for position, block in _blocks(path):
            yield self._block(position, block)

    def _block(self, position: int, block: bytes) -> _Found | None:
        content = np.frombuffer(block, np.uint8)
        quotes = self._quotes(content, has_backslash=b"\\" in block)
        kinds = self._kinds[content]
        places = np.flatnonzero(kinds)
        places = places[(np.searchsorted(quotes, places) + self._is_quoted) % 2 == 0]
        self._is_quoted = (len(quotes) + self._is_quoted) % 2 == 1
        found = kinds[places]
        depths = self._depth + np.cumsum(found.astype(np.int64) - _SEPARATES)
        if not len(places):
            return _Found(positions=places, rows=places)
        if self.first < 0:
            self.first = position + int(places[0])
        is_end = (found == _CLOSES) & (depths == 0)
        # Of an array there is one, and nothing is behind it.
        is_over = self._is_array and bool(is_end[:-1].any() or self.last >= 0)
        if is_over or int(depths.min()) < 0:
            self._is_regular = False
            return None
        self._depth = int(depths[-1])
        if self._is_array:
            if is_end[-1]:
                self.last = position + int(places[-1])
            parted = places[(found == _SEPARATES) & (depths == 1)]
            return _Found(positions=parted + position, rows=np.ones_like(parted))
        ends = places[is_end]
        return _Found(positions=ends + position + 1, rows=np.ones_like(ends))

    def _quotes(self, content: Bytes, *, has_backslash: bool) -> Positions:
        """The quotes that begin and end a text."""
        quotes = np.flatnonzero(content == _QUOTE)
        if not has_backslash and not self._is_escaped:
            return quotes
        # A byte is escaped behind an odd number of backslashes.
        others = np.flatnonzero(content != _BACKSLASH)
        before = np.concatenate(([-1], others))[np.searchsorted(others, quotes)]
        backslashes = quotes - before - 1 + np.where(before < 0, self._is_escaped, 0)
        last = int(others[-1]) if len(others) else -1
        trailing = len(content) - 1 - last + (self._is_escaped if last < 0 else 0)
        self._is_escaped = trailing % 2 == 1
        plain: Positions = quotes[backslashes % 2 == 0]
        return plain
