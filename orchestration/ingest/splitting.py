"""One file made ready to be read: checked to be whole, decompressed where need be, cut if large.

Belongs here: compressions, pieces, csv headers. Does not belong here: finding files (files.py),
rows (reader.py).
"""

from __future__ import annotations

import csv
import io
import re
import zlib
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from itertools import accumulate, pairwise
from pathlib import Path
from typing import IO

import duckdb
import zstandard

from orchestration.ingest import sql
from orchestration.ingest.cutting import csv_ranges, json_ranges
from orchestration.ingest.files import UnusableFile, format_of
from orchestration.ingest.reader import Unit
from orchestration.ingest.scanning import scan_file

# A large file is cut so that several workers share it and memory stays bounded. The cuts depend on
# the file alone, never on the machine, so that the same bytes give the same lake files everywhere.
_WHOLE_BYTES = 48_000_000
_LARGEST_PIECE_BYTES = 192_000_000
_PIECES_OF_MIDDLING_FILE = 4
# Two of the row groups the engine writes: a piece reads what its row groups hold.
_ROWS_OF_PARQUET_PIECE = 245_760
_SMALLEST_PIECE_BYTES = 16_000_000
_SCANS_AT_ONCE = 4
_TIME = re.compile(rb'"(\d{4}-\d\d-\d\d)[T ]\d\d:')
_TAIL_BYTES = 8_000
_BLOCK = 1 << 20


@dataclass(frozen=True, kw_only=True)
class Prepared:
    """A file ready to be read in pieces."""

    content_sha256: str
    size_bytes: int
    format: str
    units: tuple[Unit, ...]


def prepare(
    path: Path,
    *,
    content_sha256: str,
    scratch: Path,
    may_split: bool,
    connection: duckdb.DuckDBPyConnection,
) -> Prepared:
    """Check that a file is whole, decompress it if need be, and cut it into pieces.

    Raises:
        UnusableFile: it is empty, cut off, or not of the format its name says.
    """
    raw_format, compression = format_of(path)
    size = path.stat().st_size
    if size == 0:
        raise UnusableFile("is empty")
    scratch.mkdir(parents=True, exist_ok=True)
    if raw_format == "parquet":
        units = _parquet_units(path, may_split=may_split, connection=connection)
        return Prepared(
            content_sha256=content_sha256, size_bytes=size, format="parquet", units=units
        )
    plain = path
    if compression != "none":
        plain = scratch / "plain"
        _write(_gunzip(path) if compression == "gzip" else _unzstd(path), plain)
    if plain.stat().st_size == 0:
        raise UnusableFile("is empty")
    head = _head(plain)
    if not head.strip():
        raise UnusableFile("is empty")
    unit_format = raw_format
    if raw_format == "json":
        unit_format = _json_format(head)
    columns, delimiter = _csv_header(head) if raw_format == "csv" else ((), ",")
    whole = Unit(
        path=plain,
        format=unit_format,
        csv_columns=columns,
        csv_delimiter=delimiter,
    )
    return Prepared(
        content_sha256=content_sha256,
        size_bytes=size,
        format={"lines": "ndjson", "array": "json", "document": "json"}.get(
            unit_format, unit_format
        ),
        units=_text_units(whole) if may_split else (whole,),
    )


def _json_format(head: str) -> str:
    """What a .json file holds: an array, one object written over several lines, or lines."""
    text = head.lstrip("\ufeff \t\r\n")
    if text.startswith("["):
        return "array"
    return "document" if text.partition("\n")[0].rstrip() == "{" else "lines"


def _piece_bytes(size: int) -> int:
    if size <= _WHOLE_BYTES:
        return size
    return min(_LARGEST_PIECE_BYTES, -(-size // _PIECES_OF_MIDDLING_FILE))


def _text_units(whole: Unit) -> tuple[Unit, ...]:
    if whole.format == "lines":
        return _line_units(whole)
    # All cells or elements of a piece are held at once, so it is no larger than a file read whole.
    if whole.path.stat().st_size <= _WHOLE_BYTES:
        return (whole,)
    if whole.format == "csv":
        ranges = (
            csv_ranges(whole.path, delimiter=whole.csv_delimiter, piece_bytes=_WHOLE_BYTES)
            if len(whole.csv_columns) > 1
            else None
        )
    else:
        ranges = json_ranges(whole.path, is_array=whole.format == "array", piece_bytes=_WHOLE_BYTES)
    if ranges is None:
        return (whole,)
    return tuple(
        replace(
            whole,
            first_row=each.first_row,
            start=each.start,
            end=each.end,
            head=each.head,
            tail=each.tail,
        )
        for each in ranges
    )


def _line_units(whole: Unit) -> tuple[Unit, ...]:
    """A file of lines in pieces of whole lines, each with the number of its first row."""
    size = whole.path.stat().st_size
    piece_bytes = _piece_bytes(size)
    if piece_bytes >= size:
        return (whole,)
    with whole.path.open("rb") as file:
        cuts = _cuts(file, size=size, piece_bytes=piece_bytes)
    ranges = list(pairwise((0, *cuts, size)))
    with ThreadPoolExecutor(max_workers=_SCANS_AT_ONCE) as threads:
        scans = list(
            threads.map(lambda each: scan_file(whole.path, start=each[0], end=each[1]), ranges)
        )
    first_rows = accumulate((scan.rows for scan in scans), initial=1)
    return tuple(
        replace(whole, first_row=first_row, start=start, end=end, scan=scan)
        for first_row, (start, end), scan in zip(first_rows, ranges, scans, strict=False)
    )


def _cuts(file: IO[bytes], *, size: int, piece_bytes: int) -> list[int]:
    """Beginnings of lines where a file is cut: at equal distances, and where another day begins.

    Dividing the rows of a piece by day takes a fifth of its time. Extracts are mostly written in
    the order of time, so the days are looked for as in a sorted list; where they are not in order,
    a piece has rows of several days, as it may.
    """
    cuts: list[int] = []
    last_cut, day = 0, _day_at(file, 0)
    for nominal in (*range(piece_bytes, size, piece_bytes), size):
        end = size if nominal == size else _line_start(file, nominal)
        end_day = _day_at(file, end) if end < size else _last_day(file, size)
        while day < end_day:
            low, high = last_cut, end
            while high - low > 1:
                middle = (low + high) // 2
                if _day_at(file, _line_start(file, middle)) > day:
                    high = middle
                else:
                    low = middle
            found = _line_start(file, high)
            if found >= size:
                break
            day = _day_at(file, found)
            if found - last_cut >= _SMALLEST_PIECE_BYTES and size - found >= _SMALLEST_PIECE_BYTES:
                cuts.append(found)
                last_cut = found
        if end < size and end - last_cut >= _SMALLEST_PIECE_BYTES:
            cuts.append(end)
            last_cut = end
    return cuts


def _line_start(file: IO[bytes], position: int) -> int:
    """Where the first line begins that begins at a position or behind it."""
    file.seek(position - 1)
    while (part := file.readline(_BLOCK)) and not part.endswith(b"\n"):
        pass
    return file.tell()


def _day_at(file: IO[bytes], position: int) -> bytes:
    """The day of the first time in the line at a position, or nothing."""
    file.seek(position)
    found = _TIME.search(file.readline(_BLOCK))
    return found[1] if found else b""


def _last_day(file: IO[bytes], size: int) -> bytes:
    file.seek(max(0, size - _TAIL_BYTES))
    found = _TIME.findall(file.read())
    return found[-1] if found else b""


def _blocks(path: Path) -> Iterator[bytes]:
    with path.open("rb") as file:
        while block := file.read(_BLOCK):
            yield block


def _gunzip(path: Path) -> Iterator[bytes]:
    # DuckDB takes a cut-off gzip file for a whole one, so the end is checked here.
    inflater = zlib.decompressobj(wbits=31)
    try:
        for block in _blocks(path):
            while block:
                yield inflater.decompress(block)
                block = inflater.unused_data
                if inflater.eof:
                    if not block.strip(b"\x00"):
                        block = b""
                        continue
                    inflater = zlib.decompressobj(wbits=31)
                else:
                    block = b""
    except zlib.error as error:
        raise UnusableFile(f"is not a readable gzip file: {error}") from error
    if not inflater.eof:
        raise UnusableFile("is a gzip file that ends too early; deliver it again")


def _unzstd(path: Path) -> Iterator[bytes]:
    _check_zstd(path)
    try:
        with (
            path.open("rb") as file,
            zstandard.ZstdDecompressor().stream_reader(file, read_across_frames=True) as reader,
        ):
            while block := reader.read(_BLOCK):
                yield block
    except zstandard.ZstdError as error:
        raise UnusableFile(f"is not a readable zstd file: {error}") from error


def _check_zstd(path: Path) -> None:
    """Walk the frames and blocks of a zstd file: decompressing takes a cut-off one for a whole one.

    Raises:
        UnusableFile: the file ends before its last frame does, or is none.
    """
    too_early = UnusableFile("is a zstd file that ends too early; deliver it again")
    size = path.stat().st_size
    with path.open("rb") as file:
        while file.tell() < size:
            magic = int.from_bytes(_exactly(file, 4, otherwise=too_early), "little")
            if magic & 0xFFFFFFF0 == 0x184D2A50:  # skippable frame
                length = int.from_bytes(_exactly(file, 4, otherwise=too_early), "little")
                _skip(file, length, size=size, otherwise=too_early)
                continue
            if magic != 0xFD2FB528:
                raise UnusableFile("is not a readable zstd file")
            descriptor = _exactly(file, 1, otherwise=too_early)[0]
            is_single = bool(descriptor & 0x20)
            content_size = {0: 1 if is_single else 0, 1: 2, 2: 4, 3: 8}[descriptor >> 6]
            dictionary_size = (0, 1, 2, 4)[descriptor & 3]
            header = (0 if is_single else 1) + dictionary_size + content_size
            _skip(file, header, size=size, otherwise=too_early)
            is_last = False
            while not is_last:
                block = int.from_bytes(_exactly(file, 3, otherwise=too_early), "little")
                is_last = bool(block & 1)
                length = 1 if (block >> 1) & 3 == 1 else block >> 3
                _skip(file, length, size=size, otherwise=too_early)
            if descriptor & 4:
                _skip(file, 4, size=size, otherwise=too_early)


def _exactly(file: IO[bytes], count: int, *, otherwise: Exception) -> bytes:
    content = file.read(count)
    if len(content) < count:
        raise otherwise
    return content


def _skip(file: IO[bytes], count: int, *, size: int, otherwise: Exception) -> None:
    if file.tell() + count > size:
        raise otherwise
    file.seek(count, io.SEEK_CUR)


def _write(blocks: Iterator[bytes], path: Path) -> None:
    with path.open("wb") as file:
        for block in blocks:
            file.write(block)


def _head(path: Path) -> str:
    """The beginning of a text file."""
    with path.open("rb") as file:
        return file.read(_BLOCK).decode("utf-8", errors="replace")


def _csv_header(head: str) -> tuple[tuple[str, ...], str]:
    text = head.removeprefix("\ufeff")
    first_line = text.splitlines()[0]
    delimiter = max(",;\t|", key=first_line.count)
    columns = tuple(
        column.strip() for column in next(csv.reader(io.StringIO(text), delimiter=delimiter))
    )
    for column in columns:
        if not column.isprintable():
            raise UnusableFile("has no first row with the names of its csv columns")
        if not column:
            raise UnusableFile(
                "has a csv column without a name; name every column in the first row"
            )
        if columns.count(column) > 1:
            raise UnusableFile(f"has two csv columns {column!r}; give each its own name")
    return columns, delimiter


def _parquet_units(
    path: Path, *, may_split: bool, connection: duckdb.DuckDBPyConnection
) -> tuple[Unit, ...]:
    try:
        rows = connection.execute(
            f"select num_rows from parquet_file_metadata({sql.text(str(path))})"
        ).fetchall()[0][0]
    except duckdb.Error as error:
        raise UnusableFile(
            f"is not a readable Parquet file: {str(error).splitlines()[0]}"
        ) from error
    if not may_split or rows <= _ROWS_OF_PARQUET_PIECE:
        return (Unit(path=path, format="parquet"),)
    return tuple(
        Unit(
            path=path,
            format="parquet",
            first_row=start + 1,
            last_row=min(start + _ROWS_OF_PARQUET_PIECE, rows),
        )
        for start in range(0, rows, _ROWS_OF_PARQUET_PIECE)
    )
