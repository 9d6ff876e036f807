"""Raw files as rows: what DuckDB reads of a file, whatever its format.

Belongs here: the formats (JSON lines, JSON array, csv, Parquet) and the view ``raw_rows`` that
adapters select from. Does not belong here: finding and cutting files (files.py,
splitting.py), meaning of values (validation.py).

``raw_rows`` has ``row_number`` (1-based), ``raw_text`` (for JSON), the adapter's raw fields, and
for native rows ``has_object`` and ``object_text`` or left-over columns. ``raw_problems`` has the
rows that cannot be read.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import duckdb

from orchestration.contracts.reasons import Reason
from orchestration.ingest import sql
from orchestration.ingest.adapter import Adapter, RawField
from orchestration.ingest.files import UnusableFile
from orchestration.ingest.scanning import LineScan

# The longest row that is read at once; longer ones are quarantined.
LONGEST_ROW_BYTES = 16_000_000
# The longest object of a JSON array or document, which may be a whole answer of an API.
_LONGEST_DOCUMENT_BYTES = 128_000_000


@dataclass(frozen=True, kw_only=True)
class Unit:
    """A piece of a file that is read at once: a whole file, or a part cut between rows."""

    path: Path
    format: str  # lines, array, document, csv, parquet
    first_row: int = 1
    # For Parquet: the rows [first_row, last_row] of the file.
    last_row: int | None = None
    csv_columns: tuple[str, ...] = ()
    csv_delimiter: str = ","
    # The bytes of the file that are the unit, what is written around them to make a file of them,
    # and what lines showed.
    start: int = 0
    end: int | None = None
    head: bytes = b""
    tail: bytes = b""
    scan: LineScan | None = None
    # Files with the numbers of rows that are not to be read again.
    landed: tuple[Path, ...] = ()

    @property
    def is_json(self) -> bool:
        return self.format in ("lines", "array", "document")


@dataclass(frozen=True, kw_only=True)
class RawRows:
    """What was read: column names and types of raw_rows, and how many rows."""

    columns: dict[str, str]
    rows_read: int
    rows_unreadable: int


# Only lines that begin with white space are trimmed: trimming every line takes as long as parsing
# it.
_IS_BLANK = """(line is null
    or case when ascii(line) in (9, 13, 32) then trim(line, E' \\t\\r') = '' else false end)"""


class UnreadableRows(Exception):
    """The fast way to read a unit met bytes it cannot read."""


def open_unit(
    connection: duckdb.DuckDBPyConnection, unit: Unit, *, adapter: Adapter, is_guarded: bool
) -> RawRows:
    """Make the views raw_rows, raw_texts and raw_problems over a unit.

    Rows of JSON are first taken for valid: checking each would read it twice. When a statement over
    raw_rows then fails with ``Malformed JSON``, the unit is opened again, guarded.

    Raises:
        UnreadableRows: the unit has to be rewritten first (repair.py).
    """
    if unit.format == "parquet":
        return _open_parquet(connection, unit, adapter=adapter)
    if unit.format == "csv":
        return _open_csv(connection, unit, adapter=adapter)
    return _open_json(connection, unit, adapter=adapter, is_guarded=is_guarded)


def raw_text_of(unit: Unit) -> str:
    """SQL: the text of a row of raw_texts."""
    if unit.is_json:
        return "raw_text"
    return "json_merge_patch('{}'::json, to_json(raw_texts))::varchar"


def _open_json(
    connection: duckdb.DuckDBPyConnection, unit: Unit, *, adapter: Adapter, is_guarded: bool
) -> RawRows:
    _read_lines(connection, unit)
    total, blank, objects = connection.execute(
        f"select count(*), count(*) filter ({_IS_BLANK}), "
        "count(*) filter (starts_with(line, '{')) from raw_lines"
    ).fetchall()[0]
    unreadable = 0
    source = "select row_number, line as raw_text from raw_lines"
    problems = "select row_number, line as raw_text, '' as problem from raw_lines where false"
    if is_guarded or objects < total:
        connection.execute(
            f"""create or replace temp table raw_marked as
            select row_number, line as raw_text,
                case
                    when not json_valid(line) then {sql.text(Reason.MALFORMED_ROW.value)}
                    when json_type(line) <> 'OBJECT' then {sql.text(Reason.NOT_AN_OBJECT.value)}
                end as problem
            from raw_lines
            where not {_IS_BLANK}"""
        )
        source = "select row_number, raw_text from raw_marked where problem is null"
        problems = "select row_number, raw_text, problem from raw_marked where problem is not null"
        unreadable = connection.execute(
            "select count(*) from raw_marked where problem is not null"
        ).fetchall()[0][0]
    rows, types = json_rows(adapter, source=source)
    _views(connection, rows=rows, texts=source, problems=problems)
    return RawRows(columns=types, rows_read=total - blank, rows_unreadable=unreadable)


def json_rows(adapter: Adapter, *, source: str) -> tuple[str, dict[str, str]]:
    """SQL: raw rows from a SELECT of row_number and raw_text; and the columns they have."""
    tree = _tree(adapter.raw_fields)
    columns = ["row_number", "raw_text"]
    outputs = ["row_number", "raw_text"]
    for field in adapter.raw_fields:
        value = "parsed." + ".".join(sql.name(member) for member in field.path)
        if field.is_decimal:
            value = f"exact_number(raw_text, {sql.text(field.path[-1])}, {value})"
        outputs.append(f"{value} as {sql.name(field.column)}")
        columns.append(field.column)
    if adapter.raw_object is not None:
        # Another kind of value reads as an object without members, so the document decides.
        inner = [
            "parsed." + ".".join(map(sql.name, field.path))
            for field in adapter.raw_fields
            if len(field.path) > 1
        ]
        outputs.append(
            f"case when coalesce({', '.join(inner)}) is not null then true "
            f"when parsed.{sql.name(adapter.raw_object)} is null then false "
            f"else json_type(raw_text, '$.{adapter.raw_object}') = 'OBJECT' end as has_object"
        )
        columns.append("has_object")
    rows = (
        f"select {', '.join(outputs)} from (select row_number, raw_text, "
        f"from_json(raw_text, {sql.text(_json_shape(tree))}) as parsed from ({source}))"
    )
    types = dict.fromkeys(columns, "VARCHAR") | {"row_number": "BIGINT"}
    if "has_object" in types:
        types["has_object"] = "BOOLEAN"
    return rows, types


def _read_lines(connection: duckdb.DuckDBPyConnection, unit: Unit) -> None:
    if unit.format in ("array", "document"):
        json_format = "array" if unit.format == "array" else "unstructured"
        reader = (
            f"read_json_objects({sql.text(str(unit.path))}, "
            f"format = '{json_format}', maximum_object_size = {_LONGEST_DOCUMENT_BYTES}, "
            "compression = 'uncompressed', hive_partitioning = false)"
        )
        rows = numbered_rows(reader, unit=unit, columns=("json::varchar as line",))
    else:
        rows = numbered_rows(lines_reader(unit.path), unit=unit)
    try:
        connection.execute(f"create or replace temp table raw_lines as {rows}")
    except duckdb.InvalidInputException as error:
        if unit.format in ("array", "document"):
            if "maximum_object_size" in str(error):
                raise UnusableFile(
                    f"holds an object of more than {_LONGEST_DOCUMENT_BYTES // 1_000_000} MB; "
                    "deliver smaller ones"
                ) from error
            raise
        raise UnreadableRows(str(error).splitlines()[0]) from error


def numbered_rows(rows: str, *, unit: Unit, columns: Sequence[str] = ("*",)) -> str:
    """SQL: rows of a unit with their number in the file, without those that landed already.

    Args:
        rows: a table function that gives the unit's rows in order.
        columns: what is selected of them.
    """
    numbered = (
        f"select row_number() over () + {unit.first_row - 1} as row_number, "
        f"{', '.join(columns)} from {rows}"
    )
    if not unit.landed:
        return numbered
    landed = sql.text_list(str(path) for path in unit.landed)
    return (
        f"select * from ({numbered}) "
        f"where row_number not in (select row_number from read_parquet({landed}))"
    )


def lines_reader(*paths: Path, encoding: str | None = None) -> str:
    """SQL: a table function that gives the lines of text files as they are, file after file."""
    more = "" if encoding is None else f", encoding = {sql.text(encoding)}"
    # A delimiter that JSON text cannot hold unescaped; the engine insists on having one.
    return (
        f"read_csv({sql.text_list(map(str, paths))}, header = false, quote = '', escape = '', "
        f"delim = E'\\x01', columns = {{'line': 'VARCHAR'}}, auto_detect = false, "
        f"max_line_size = {LONGEST_ROW_BYTES}, compression = 'none', hive_partitioning = false{more})"
    )


def _tree(fields: Sequence[RawField]) -> dict[str, object]:
    tree: dict[str, object] = {}
    for field in fields:
        node = tree
        for member in field.path[:-1]:
            child = node.setdefault(member, {})
            assert isinstance(child, dict)
            node = child
        node[field.path[-1]] = "VARCHAR"
    return tree


def _json_shape(tree: dict[str, object]) -> str:
    return json.dumps(tree)


def _open_csv(connection: duckdb.DuckDBPyConnection, unit: Unit, *, adapter: Adapter) -> RawRows:
    columns = ", ".join(f"{sql.text(column)}: 'VARCHAR'" for column in unit.csv_columns)
    reader = (
        f"read_csv({sql.text(str(unit.path))}, header = true, auto_detect = false, quote = '\"', "
        f"escape = '\"', delim = {sql.text(unit.csv_delimiter)}, columns = {{{columns}}}, "
        f"max_line_size = {LONGEST_ROW_BYTES}, compression = 'none', hive_partitioning = false)"
    )
    try:
        connection.execute(f"create or replace temp table raw_table as select * from {reader}")
    except duckdb.InvalidInputException as error:
        raise UnreadableRows(str(error).splitlines()[0]) from error
    return _open_table(
        connection,
        unit,
        adapter=adapter,
        source=f"select rowid + {unit.first_row} as row_number, * from raw_table",
        types=dict.fromkeys(unit.csv_columns, "VARCHAR"),
        members={},
    )


def _open_parquet(
    connection: duckdb.DuckDBPyConnection, unit: Unit, *, adapter: Adapter
) -> RawRows:
    # What folders are called is no value of a row: a producer may file it as it likes.
    given = f"{sql.text(str(unit.path))}, hive_partitioning = false"
    types = _described(connection, f"select * from read_parquet({given})")
    last = f" and file_row_number < {unit.last_row}" if unit.last_row is not None else ""
    columns = ", ".join(sql.name(column) for column in types)
    source = (
        f"select file_row_number + 1 as row_number, {columns} "
        f"from read_parquet({given}, file_row_number = true) "
        f"where file_row_number >= {unit.first_row - 1}{last}"
    )
    inner = adapter.raw_object
    members = {}
    if inner and types.get(inner, "").startswith("STRUCT"):
        members = _described(
            connection, f"select unnest({sql.name(inner)}) from read_parquet({given})"
        )
    return _open_table(
        connection, unit, adapter=adapter, source=source, types=types, members=members
    )


def _described(connection: duckdb.DuckDBPyConnection, select: str) -> dict[str, str]:
    described = connection.execute(f"describe {select}").fetchall()
    return {str(column[0]): str(column[1]) for column in described}


def _open_table(
    connection: duckdb.DuckDBPyConnection,
    unit: Unit,
    *,
    adapter: Adapter,
    source: str,
    types: dict[str, str],
    members: dict[str, str],
) -> RawRows:
    """Views over rows that come as named columns.

    Args:
        members: name and type of the members of the adapter's raw object, where it is a column of
            that structure; their values then need no reading of text.
    """
    outputs, found = ["row_number"], {"row_number": "BIGINT"}
    used: set[str] = set()
    inner = adapter.raw_object
    object_type = types.get(inner) if inner else None
    for field in adapter.raw_fields:
        value, value_type = _table_value(field, types=types)
        if len(field.path) == 2 and field.path[0] == inner and field.path[1] in members:
            value = f"{sql.name(inner)}.{sql.name(field.path[1])}"
            value_type = members[field.path[1]]
        elif members and field.path[0] == inner and ".".join(field.path) not in types:
            # Looking for it in the text of the structure would take most of the time.
            value, value_type = "null::varchar", "VARCHAR"
        used.add(field.path[0] if field.path[0] in types else field.column)
        outputs.append(f"{value} as {sql.name(field.column)}")
        found[field.column] = value_type
    if inner and object_type:
        text = _object_text(inner, object_type=object_type)
        has_object = (
            f"coalesce(case when json_valid({text}) then json_type({text}) = 'OBJECT' end, false)"
        )
        if members:
            has_object = f"{sql.name(inner)} is not null"
            known = {field.path[1] for field in adapter.raw_fields if field.path[0] == inner}
            unknown = [name for name in members if name not in known]
            pairs = ", ".join(
                f"{sql.text(name)}, {sql.name(inner)}.{sql.name(name)}" for name in unknown
            )
            text = f"json_object({pairs})::varchar" if unknown else "null::varchar"
        outputs += [f"{text} as object_text", f"{has_object} as has_object"]
        found |= {"object_text": "VARCHAR", "has_object": "BOOLEAN"}
    if adapter.is_native:
        for column, column_type in types.items():
            if column not in used and column != "row_number":
                outputs.append(sql.name(column))
                found[column] = column_type
    _views(
        connection,
        rows=f"select {', '.join(outputs)} from ({source})",
        texts=source,
        problems="select 0 as row_number, '' as raw_text, '' as problem where false",
    )
    total = connection.execute(f"select count(*) from ({source})").fetchall()[0][0]
    return RawRows(columns=found, rows_read=total, rows_unreadable=0)


def _table_value(field: RawField, *, types: dict[str, str]) -> tuple[str, str]:
    dotted = ".".join(field.path)
    if dotted in types:
        return sql.name(dotted), types[dotted]
    top = field.path[0]
    if len(field.path) > 1 and top in types:
        text = _object_text(top, object_type=types[top])
        path = sql.text("$." + ".".join(f'"{member}"' for member in field.path[1:]))
        value = f"case when json_valid({text}) then json_extract_string({text}, {path}) end"
        return value, "VARCHAR"
    # A table may hold the members of an object as columns of their own.
    if field.column in types:
        return sql.name(field.column), types[field.column]
    return "null::varchar", "VARCHAR"


def _object_text(column: str, *, object_type: str) -> str:
    if object_type in ("VARCHAR", "JSON"):
        return f"nullif({sql.name(column)}::varchar, '')"
    return f"to_json({sql.name(column)})::varchar"


def _views(connection: duckdb.DuckDBPyConnection, *, rows: str, texts: str, problems: str) -> None:
    connection.execute(f"create or replace temp view raw_rows as {rows}")
    connection.execute(f"create or replace temp view raw_texts as {texts}")
    connection.execute(f"create or replace temp view raw_problems as {problems}")


@contextmanager
def cut(unit: Unit, *, folder: Path) -> Iterator[Unit]:
    """The unit as a file of its own, for a while."""
    if unit.end is None:
        yield unit
        return
    target = folder / "lines"
    try:
        with unit.path.open("rb") as source, target.open("wb") as piece:
            piece.write(unit.head)
            piece.flush()
            position = unit.start
            while position < unit.end:
                position += os.sendfile(
                    piece.fileno(), source.fileno(), position, unit.end - position
                )
            piece.write(unit.tail)
        yield replace(unit, path=target, start=0, end=None, head=b"", tail=b"")
    finally:
        target.unlink(missing_ok=True)
