"""What the bytes of JSON lines tell before anything is parsed.

Belongs here: counts of bytes that bound what the rows can hold. Does not belong here: what follows
from them for a row (plain_rows.py).

A member of an object has a name, which ends with a quote, and a colon. So where no white space lies
before a colon, the quotes that a colon follows are at least as many as the members, whatever the
rows hold; and fewer where only members with another value than null are counted. Counting bytes
costs a third of parsing.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

_BLOCK = 1 << 17
# A value begins within so many bytes behind the quote that ends its name: `": nu`.
_AHEAD = 5
_QUOTE, _COLON, _BACKSLASH, _BRACE, _SPACE, _NEWLINE = (ord(each) for each in '":\\{ \n')


@dataclass(frozen=True, kw_only=True)
class LineScan:
    """Counts over a range of bytes that begins at a line.

    Attributes:
        rows: the lines, each with one row if the range is regular.
        is_regular: every line begins with a brace, nothing but line ends lies outside of the
            printable characters, and no white space lies between a name and its colon.
        members: at least as many as there are members that are not null, at any depth.
        objects, lists, booleans, empty_texts: the same for members whose value is an object, a
            list, true or false, or the empty text.
    """

    rows: int
    is_regular: bool
    members: int
    objects: int
    lists: int
    booleans: int
    empty_texts: int


def scan_file(path: Path, *, start: int = 0, end: int | None = None) -> LineScan:
    """Scan the lines of a file from one byte to another, both at the beginning of a line."""
    scans = [_scan(block) for block in _blocks(path, start=start, end=end)]
    return LineScan(
        rows=sum(scan.rows for scan in scans),
        is_regular=all(scan.is_regular for scan in scans),
        members=sum(scan.members for scan in scans),
        objects=sum(scan.objects for scan in scans),
        lists=sum(scan.lists for scan in scans),
        booleans=sum(scan.booleans for scan in scans),
        empty_texts=sum(scan.empty_texts for scan in scans),
    )


def scan_text(text: str) -> LineScan:
    """Scan lines that are at hand."""
    return _scan(text.encode())


def _blocks(path: Path, *, start: int, end: int | None) -> Iterator[bytes]:
    """Blocks of whole lines."""
    with path.open("rb") as file:
        file.seek(start)
        left = (path.stat().st_size if end is None else end) - start
        while left > 0 and (block := file.read(min(_BLOCK, left))):
            if len(block) < left:
                block += file.readline()
            left -= len(block)
            yield block


def _scan(lines: bytes) -> LineScan:
    # Zeros behind the end spare the checks of every position that lies ahead.
    content = np.frombuffer(lines + bytes(_AHEAD), np.uint8)
    quotes = np.flatnonzero((content[:-_AHEAD] == _QUOTE) & (content[1 : 1 - _AHEAD] == _COLON))
    if b"\\" in lines:
        # A quote behind one backslash is part of a text; behind two it may end a name.
        is_inside = (content[quotes - 1] == _BACKSLASH) & (content[quotes - 2] != _BACKSLASH)
        quotes = quotes[~is_inside]
    values = quotes + 2
    first = content[values]
    kinds = np.bincount(first, minlength=256)
    if kinds[_SPACE]:
        values = values + (first == _SPACE)
        first = content[values]
        kinds = np.bincount(first, minlength=256)
    # `nan`, which the parser takes for a number, is not null.
    nulls = np.count_nonzero(content[values[first == ord("n")] + 1] == ord("u"))
    empty_texts = np.count_nonzero(content[values[first == _QUOTE] + 1] == _QUOTE)
    line_ends = int(np.count_nonzero(content[: len(lines)] < _SPACE))
    is_ended = lines.endswith(b"\n")
    # Looking for one byte is many times as fast as looking for two of which one is common.
    has_space_before_colon = b" " in lines and b" :" in lines
    return LineScan(
        rows=line_ends + (not is_ended),
        is_regular=(
            lines.startswith(b"{")
            and lines.count(b"\n{") + is_ended == line_ends
            and not has_space_before_colon
        ),
        members=len(values) - int(nulls),
        objects=int(kinds[_BRACE]),
        lists=int(kinds[ord("[")]),
        booleans=int(kinds[ord("t")] + kinds[ord("f")]),
        empty_texts=int(empty_texts),
    )
