"""Adapters: how one raw format maps to the streams of the contract, as one SQL file each.

Belongs here: reading and checking an adapter file, and making the native adapter from the contract.
Does not belong here: reading raw files (reader.py), checking values (validation.py).

An adapter file is a header of comments, then one section per stream:

    -- adapter: my_tool
    -- version: 1
    -- fields: event, time, properties.cost as cost decimal
    -- stream: agent_events
    select row_number, ... from raw_rows

``fields`` are the members of a raw row that the sections read; the reader provides them as text
columns of ``raw_rows``, whatever the format of the file, with NULL for what a row lacks. A dotted
name reaches into an object; ``decimal`` keeps every digit of a number. ``raw_rows`` also has
``row_number`` and ``raw_text``. A section selects ``row_number`` and contract fields by name; a
column the contract does not know goes to ``source_metadata``. A raw row that no section selects is
counted as ignored.

What several sections need is made once, by a SELECT under a line ``-- table: name`` above them;
later tables and sections read it by that name. Tables and sections see one piece of a file at a
time.

``-- private: names`` lists members whose text the quarantine must not hold; ``*`` keeps the whole
text of refused rows out of it.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from orchestration.contracts.model import Kind, Stream
from orchestration.contracts.streams import STREAMS
from orchestration.errors import UserError

NATIVE = "native"
_BUILT_IN = Path(__file__).resolve().parent / "adapters"
_HEADER = re.compile(r"^--\s*(adapter|version|fields|table|stream|private)\s*:\s*(.*?)\s*$")
_RAW_FIELD = re.compile(
    r"^(?P<path>[^\s,]+)(?:\s+as\s+(?P<column>[a-z_][a-z0-9_]*))?(?P<decimal>\s+decimal)?$"
)
_NAME = re.compile(r"^[a-z0-9_]+$")
_TABLE_NAME = re.compile(r"^[a-z][a-z0-9_]*$")
# The tables and views that reading a piece makes (reader.py, pieces.py).
_TAKEN_TABLE_NAMES = ("mapped_rows", "checked")


@dataclass(frozen=True, kw_only=True)
class RawField:
    """A member of a raw row and the column that holds it."""

    path: tuple[str, ...]
    column: str
    is_decimal: bool = False


@dataclass(frozen=True, kw_only=True)
class Table:
    """A SELECT made once per piece, for several sections."""

    name: str
    sql: str


@dataclass(frozen=True, kw_only=True)
class Section:
    """The SELECT that feeds one stream."""

    stream: Stream
    sql: str


@dataclass(frozen=True, kw_only=True)
class Adapter:
    """A mapping from a raw format to contract streams."""

    name: str
    version: str
    raw_fields: tuple[RawField, ...]
    sections: tuple[Section, ...]
    tables: tuple[Table, ...] = ()
    private_members: tuple[str, ...] = ("user_id", "comment")

    @property
    def is_native(self) -> bool:
        return self.name == NATIVE

    @property
    def is_raw_text_private(self) -> bool:
        return "*" in self.private_members

    @property
    def raw_object(self) -> str | None:
        """The object member whose own members are raw fields, in native rows."""
        return self.sections[0].stream.properties_field if self.is_native else None


def native_adapter(stream: Stream) -> Adapter:
    """The adapter of the contract's own format: each field is the member of its name."""
    raw_fields = [
        RawField(path=(field.name,), column=field.name, is_decimal=field.kind is Kind.MONEY)
        for field in stream.fields
    ]
    raw_fields += [
        RawField(
            path=(stream.properties_field or "", field.name),
            column=field.name,
            is_decimal=field.kind is Kind.MONEY,
        )
        for field in stream.properties
    ]
    return Adapter(
        name=NATIVE,
        version="1",
        raw_fields=tuple(raw_fields),
        sections=(Section(stream=stream, sql="select * from raw_rows"),),
    )


def find_adapter(name: str, *, config: Path) -> Adapter:
    """The adapter of this name: the deployment's own before a built-in one.

    Raises:
        UserError: there is none, or its file cannot be used.
    """
    for folder in (config / "adapters", _BUILT_IN):
        path = folder / f"{name}.sql"
        if path.is_file():
            return parse_adapter(path.read_text(encoding="utf-8"), path=path)
    known = sorted(
        {path.stem for folder in (config / "adapters", _BUILT_IN) for path in folder.glob("*.sql")}
    )
    raise UserError(
        f"adapter {name!r} does not exist; use one of {', '.join([NATIVE, *known])} or write "
        f"{config / 'adapters' / (name + '.sql')}"
    )


def parse_adapter(source: str, *, path: Path) -> Adapter:
    """Read an adapter file.

    Raises:
        UserError: a header is missing or wrong, or a section names no stream.
    """
    header: dict[str, list[str]] = {"adapter": [], "version": [], "fields": [], "private": []}
    sections: list[tuple[Stream, list[str]]] = []
    tables: list[tuple[str, list[str]]] = []
    below: list[str] = []
    for line in source.splitlines():
        match = _HEADER.match(line)
        if match is None:
            below.append(line)
            continue
        key, value = match.groups()
        if key == "table":
            below = []
            tables.append((value, below))
        elif key == "stream":
            if value not in STREAMS:
                raise UserError(
                    f"{path}: stream {value!r} is none of the contract; "
                    f"use one of {', '.join(STREAMS)}"
                )
            below = []
            sections.append((STREAMS[value], below))
        else:
            header[key].append(value)
    name = _only(header["adapter"], key="adapter", path=path)
    if name != path.stem:
        raise UserError(f"{path}: adapter is {name!r}; it must be the file's name, {path.stem!r}")
    version = _only(header["version"], key="version", path=path)
    if not version.isdecimal():
        raise UserError(
            f"{path}: version is {version!r}; use a whole number and raise it on a change"
        )
    if not sections:
        raise UserError(f"{path}: no section; add a line '-- stream: agent_events' and its SELECT")
    names = [stream.name for stream, _ in sections]
    for stream_name in names:
        if names.count(stream_name) > 1:
            raise UserError(f"{path}: stream {stream_name!r} has two sections; unite them in one")
    return Adapter(
        name=name,
        version=version,
        raw_fields=_raw_fields(header["fields"], path=path),
        tables=_tables(tables, path=path),
        sections=tuple(
            Section(stream=stream, sql=_statement(lines, of=f"section {stream.name!r}", path=path))
            for stream, lines in sections
        ),
        private_members=(
            "user_id",
            "comment",
            *(member.strip() for line in header["private"] for member in line.split(",")),
        ),
    )


def is_source_name(name: str) -> bool:
    """Whether a source may have this name."""
    return _NAME.match(name) is not None


def _only(values: list[str], *, key: str, path: Path) -> str:
    if len(values) != 1 or not values[0]:
        raise UserError(f"{path}: {len(values)} lines '-- {key}: ...'; write exactly one")
    return values[0]


def _raw_fields(lines: list[str], *, path: Path) -> tuple[RawField, ...]:
    fields = []
    for declaration in (part.strip() for line in lines for part in line.split(",")):
        if not declaration:
            continue
        match = _RAW_FIELD.match(declaration)
        if match is None:
            raise UserError(
                f"{path}: field {declaration!r} cannot be read; write 'name', "
                "'object.name as column' or 'object.name as column decimal'"
            )
        members = tuple(match["path"].split("."))
        fields.append(
            RawField(
                path=members,
                column=match["column"] or members[-1],
                is_decimal=match["decimal"] is not None,
            )
        )
    if not fields:
        raise UserError(f"{path}: no line '-- fields: ...'; name the raw fields the sections read")
    columns = [field.column for field in fields]
    for column in columns:
        if columns.count(column) > 1 or column in ("row_number", "raw_text"):
            raise UserError(f"{path}: column {column!r} is taken; give the field another with 'as'")
    paths = {field.path for field in fields}
    for field in fields:
        for length in range(1, len(field.path)):
            if field.path[:length] in paths:
                raise UserError(
                    f"{path}: field {'.'.join(field.path)!r} lies inside "
                    f"{'.'.join(field.path[:length])!r}, which is a field too; name only one"
                )
    return tuple(fields)


def _tables(tables: list[tuple[str, list[str]]], *, path: Path) -> tuple[Table, ...]:
    names = [name for name, _ in tables]
    for name in names:
        if _TABLE_NAME.match(name) is None:
            raise UserError(f"{path}: table {name!r}; use lower case letters, digits and _")
        if names.count(name) > 1 or name.startswith("raw_") or name in _TAKEN_TABLE_NAMES:
            raise UserError(f"{path}: table name {name!r} is taken; choose another")
    return tuple(
        Table(name=name, sql=_statement(lines, of=f"table {name!r}", path=path))
        for name, lines in tables
    )


def _statement(lines: list[str], *, of: str, path: Path) -> str:
    sql = "\n".join(lines).strip().rstrip(";").strip()
    if not sql:
        raise UserError(f"{path}: {of} is empty; write its SELECT below the line")
    return sql
