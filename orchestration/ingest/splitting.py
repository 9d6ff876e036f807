"""One file made ready to be read: checked to be whole, decompressed where need be, cut if large.

Belongs here: compressions, pieces, csv headers. Does not belong here: finding files (files.py),
rows (reader.py).
"""

from __future__ import annotations

import csv
import io
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO

import duckdb

from orchestration.ingest import sql
from orchestration.ingest.files import UnusableFile, format_of
from orchestration.ingest.reader import Unit, lines_reader

# A large file is cut so that several workers share it and memory stays bounded. The cuts depend on
# the file alone, never on the machine, so that the same bytes give the same lake files everywhere.
_WHOLE_BYTES = 48_000_000
_LARGEST_PIECE_BYTES = 192_000_000
_PIECES_OF_MIDDLING_FILE = 4
_ROWS_OF_PARQUET_PIECE = 500_000
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
    is_split = may_split and raw_format == "lines"
    if compression == "gzip":
        pieces = _write_pieces(
            _gunzip(path), scratch=scratch, piece_bytes=_LARGEST_PIECE_BYTES if is_split else None
        )
        unit_compression = "none"
    elif compression == "zstd":
        check_zstd(path)
        pieces, unit_compression = [path], "zstd"
    else:
        unit_compression = "none"
        piece_bytes = _piece_bytes(size)
        if is_split and piece_bytes < size:
            pieces = _write_pieces(_blocks(path), scratch=scratch, piece_bytes=piece_bytes)
        else:
            pieces = [path]
    if unit_compression == "none" and all(piece.stat().st_size == 0 for piece in pieces):
        raise UnusableFile("is empty")
    head = _head(pieces[0], compression=unit_compression, connection=connection)
    if not head.strip():
        raise UnusableFile("is empty")
    unit_format = raw_format
    if raw_format == "json":
        unit_format = _json_format(head)
    columns, delimiter = _csv_header(head) if raw_format == "csv" else ((), ",")
    return Prepared(
        content_sha256=content_sha256,
        size_bytes=size,
        format={"lines": "ndjson", "array": "json", "document": "json"}.get(
            unit_format, unit_format
        ),
        units=tuple(
            Unit(
                path=piece,
                format=unit_format,
                compression=unit_compression,
                first_row=first_row,
                csv_columns=columns,
                csv_delimiter=delimiter,
            )
            for piece, first_row in _numbered(pieces)
        ),
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


def _numbered(pieces: list[Path]) -> Iterator[tuple[Path, int]]:
    """Each piece with the number of its first row."""
    first_row = 1
    for position, piece in enumerate(pieces):
        yield piece, first_row
        if position < len(pieces) - 1:
            first_row += sum(block.count(b"\n") for block in _blocks(piece))


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


def check_zstd(path: Path) -> None:
    """Walk the frames and blocks of a zstd file: DuckDB takes a cut-off one for a whole one.

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


def _write_pieces(blocks: Iterator[bytes], *, scratch: Path, piece_bytes: int | None) -> list[Path]:
    """Write a stream of bytes to files cut after the first line end beyond piece_bytes."""
    pieces: list[Path] = []
    file: IO[bytes] | None = None
    written = 0
    try:
        for block in blocks:
            rest = block
            while rest:
                if file is None:
                    pieces.append(scratch / f"piece-{len(pieces):04d}")
                    file, written = pieces[-1].open("wb"), 0
                end = -1
                if piece_bytes is not None and written + len(rest) >= piece_bytes:
                    end = rest.find(b"\n", max(0, piece_bytes - written - 1))
                if end < 0:
                    written += file.write(rest)
                    rest = b""
                    continue
                file.write(rest[: end + 1])
                rest = rest[end + 1 :]
                file.close()
                file = None
    finally:
        if file is not None:
            file.close()
    if not pieces:
        raise UnusableFile("is empty")
    return pieces


def _head(path: Path, *, compression: str, connection: duckdb.DuckDBPyConnection) -> str:
    """The beginning of a text file."""
    if compression == "none":
        with path.open("rb") as file:
            return file.read(_BLOCK).decode("utf-8", errors="replace")
    # The whole file as one text would be needless: the first rows are enough.
    reader = lines_reader(path, compression=compression, encoding="latin-1")
    try:
        rows = connection.execute(f"select line from {reader} limit 200").fetchall()
    except duckdb.Error as error:
        raise UnusableFile(f"cannot be read: {str(error).splitlines()[0]}") from error
    # Latin-1 reads any byte and gives it back.
    text = "\n".join(row[0] or "" for row in rows)
    return text.encode("latin-1", errors="replace").decode("utf-8", errors="replace")


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
