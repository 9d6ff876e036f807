"""Rewriting a text file that the fast reader cannot read, row by row, so that only its bad rows are
lost.

Belongs here: broken encodings, control bytes, over-long rows, csv rows of a wrong width. Does not
belong here: whole files that are cut off (splitting.py). Only broken files come here, so it may be
slow.

The result is JSON lines. A row that cannot be kept becomes a line that is no JSON and holds what
can be shown of it, so that it goes to the quarantine under its own number.
"""

from __future__ import annotations

import csv
import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import TextIO

from orchestration.ingest.reader import LONGEST_ROW_BYTES, Unit

# Begins a line that stands for an unreadable row; no JSON text begins with it.
_UNREADABLE = "\ufffd"
_SHOWN_CHARACTERS = 10_000
_CONTROL = {number: " " for number in range(32) if number not in (9,)} | {127: " "}


def rewrite_rows(unit: Unit, *, target: Path) -> Unit:
    """Rewrite a unit as JSON lines that can be read; row numbers stay."""
    lines = _csv_lines(unit) if unit.format == "csv" else _json_lines(unit.path)
    with target.open("w", encoding="utf-8", newline="\n") as file:
        for line in lines:
            file.write(line)
            file.write("\n")
    return replace(unit, path=target, format="lines")


def _json_lines(path: Path) -> Iterator[str]:
    with path.open("rb") as file:
        first = True
        while line := file.readline(LONGEST_ROW_BYTES):
            is_cut = not line.endswith(b"\n") and len(line) == LONGEST_ROW_BYTES
            while (
                is_cut and (rest := file.readline(LONGEST_ROW_BYTES)) and not rest.endswith(b"\n")
            ):
                pass
            content = line.removeprefix(b"\xef\xbb\xbf") if first else line
            first = False
            yield _json_line(content, is_cut=is_cut)


def _json_line(line: bytes, *, is_cut: bool) -> str:
    try:
        text = line.decode("utf-8").rstrip("\r\n")
    except UnicodeDecodeError:
        return _unreadable(line.decode("utf-8", errors="replace"))
    if is_cut or any(character in text for character in "\x00\x01"):
        return _unreadable(text)
    # A carriage return between members is white space in JSON; inside a text it is not allowed.
    return text.replace("\r", " ")


def _unreadable(text: str) -> str:
    return _UNREADABLE + text[:_SHOWN_CHARACTERS].rstrip("\r\n").translate(_CONTROL)


def _csv_lines(unit: Unit) -> Iterator[str]:
    with unit.path.open(encoding="utf-8-sig", errors="replace", newline="") as file:
        yield from _rewritten_csv(file, unit)


def _rewritten_csv(file: TextIO, unit: Unit) -> Iterator[str]:
    csv.field_size_limit(LONGEST_ROW_BYTES)
    lines = (line.replace("\x00", _UNREADABLE) for line in file)
    reader = csv.reader(lines, delimiter=unit.csv_delimiter, strict=True)
    next(reader)
    while True:
        try:
            cells = next(reader)
        except StopIteration:
            return
        except csv.Error as error:
            yield _unreadable(f"csv: {error}")
            continue
        if not cells:
            continue
        if len(cells) != len(unit.csv_columns) or any(_UNREADABLE in cell for cell in cells):
            yield _unreadable(unit.csv_delimiter.join(cells))
            continue
        yield json.dumps(
            {
                column: _cell(cell)
                for column, cell in zip(unit.csv_columns, cells, strict=True)
                if cell != ""
            },
            ensure_ascii=False,
            separators=(",", ":"),
        )


def _cell(cell: str) -> object:
    # Objects and lists may be JSON text in a cell.
    if cell[:1] in ("{", "["):
        try:
            return json.loads(cell, parse_float=str)
        except ValueError:
            return cell
    return cell
