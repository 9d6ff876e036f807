"""Searching everything in a folder for names: whatever the format, however it is packed.

Belongs here: reading each kind of file as far as a search needs it. Does not belong here: what is done
about what is found (removal.py).

A name is found where it stands as a word: no letter, digit, ``_`` or ``-`` beside it.
"""

from __future__ import annotations

import gzip
import mmap
import re
import sqlite3
import zipfile
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass
from email import message_from_bytes
from email.policy import default
from pathlib import Path

import duckdb
import zstandard

from orchestration.ingest import sql
from orchestration.retention.pdf_text import texts_of_pdf

_BESIDE = r"[\w\-]"
_BLOCK = 1 << 22
# In files that are no text a shorter name would be found by chance.
_RARE_LENGTH = 6
# DuckDB keeps the beginnings of texts, of this length, beside the rows.
_BEGINNING = 8


@dataclass(frozen=True, kw_only=True)
class Words:
    """Names to search for."""

    names: tuple[str, ...]

    @property
    def pattern(self) -> re.Pattern[str]:
        return re.compile(f"(?<!{_BESIDE})(?:{self._alternatives})(?!{_BESIDE})")

    @property
    def _alternatives(self) -> str:
        longest_first = sorted(self.names, key=lambda name: (-len(name), name))
        return "|".join(re.escape(name) for name in longest_first)

    @property
    def sql_pattern(self) -> str:
        """The same for the engine, whose expressions cannot look around."""
        names = "|".join(re.escape(name) for name in sorted(self.names))
        return f"(^|[^\\pL\\pN_-])({names})([^\\pL\\pN_-]|$)"

    def are_in(self, text: str) -> bool:
        return self.pattern.search(text) is not None

    def are_in_bytes(self, content: bytes) -> bool:
        """Of a file that may be anything."""
        is_text = b"\0" not in content
        names = [name for name in self.names if is_text or len(name) >= _RARE_LENGTH]
        if not any(name.encode() in content for name in names):
            return False
        return self.are_in(content.decode("utf-8", errors="replace"))


def files_with(folder: Path, words: Words, *, besides: Collection[Path] = ()) -> list[Path]:
    """The files below a folder in which a name stands, or whose own name has it, in order.

    ``besides``: files and folders that are not looked at.
    """
    paths = list(_files(folder, besides=besides))
    tables = [path for path in paths if path.suffix == ".parquet"]
    found = _tables_with(tables, words)
    return [
        path
        for path in paths
        if _is_named(path, folder=folder, words=words)
        or (path in found if path.suffix == ".parquet" else _has(path, words))
    ]


def file_has(path: Path, words: Words) -> bool:
    """Whether a name stands in a file."""
    return path in _tables_with([path], words) if path.suffix == ".parquet" else _has(path, words)


def _tables_with(paths: Sequence[Path], words: Words) -> set[Path]:
    """The Parquet files with a name in any row; those of one stream are read together."""
    groups: dict[Path, list[Path]] = {}
    for path in paths:
        folder = path.parent
        groups.setdefault(folder.parent if "=" in folder.name else path, []).append(path)
    found: set[Path] = set()
    with duckdb.connect() as connection:
        for group in groups.values():
            files = sql.text_list(map(str, group))
            rows = (
                f"read_parquet({files}, hive_partitioning = false, union_by_name = true, "
                "filename = 'searched_file')"
            )
            condition = _condition(connection, rows, words=words, besides=("searched_file",))
            if condition is not None:
                found.update(
                    Path(name)
                    for (name,) in connection.execute(
                        f"select distinct searched_file from {rows} where {condition}"
                    ).fetchall()
                )
    return found


def _files(folder: Path, *, besides: Collection[Path]) -> Iterator[Path]:
    for path in sorted(folder.iterdir()):
        if path in besides or path.is_symlink():
            continue
        if path.is_dir():
            yield from _files(path, besides=besides)
        elif path.is_file():
            yield path


def _is_named(path: Path, *, folder: Path, words: Words) -> bool:
    return words.are_in(path.relative_to(folder).as_posix()) or _in_slug(path.name, words)


def _has(path: Path, words: Words) -> bool:
    if path.stat().st_size == 0:
        return False
    with path.open("rb") as file:
        head = file.read(100)
    for is_kind, search in _KINDS:
        if is_kind(path, head):
            return search(path, words)
    return _search_bytes(path, words)


def _in_slug(name: str, words: Words) -> bool:
    """Names of reports and e-mails hold the scope between other words."""
    return any(
        re.search(rf"(?:^|-)(?:tenant|publisher)-{re.escape(one)}(?:-|\.|$)", name)
        for one in words.names
    )


def _search_bytes(path: Path, words: Words) -> bool:
    """A file as it is, piece by piece; pieces overlap by more than a name."""
    overlap = max(len(name.encode()) for name in words.names) + 8
    before = b""
    with path.open("rb") as file:
        while block := file.read(_BLOCK):
            if words.are_in_bytes(before + block):
                return True
            before = block[-overlap:]
    return False


def _search_packed(path: Path, words: Words) -> bool:
    overlap = max(len(name.encode()) for name in words.names) + 8
    before = b""
    try:
        with (
            gzip.open(path)
            if path.suffix == ".gz"
            else zstandard.ZstdDecompressor().stream_reader(path.open("rb"), closefd=True)
        ) as file:
            while block := file.read(_BLOCK):
                if words.are_in_bytes(before + block):
                    return True
                before = block[-overlap:]
    except (OSError, EOFError, zstandard.ZstdError):
        return _search_bytes(path, words)
    return False


def _search_archive(path: Path, words: Words) -> bool:
    try:
        with zipfile.ZipFile(path) as archive:
            return any(
                words.are_in(name) or words.are_in_bytes(archive.read(name))
                for name in archive.namelist()
            )
    except zipfile.BadZipFile:
        return _search_bytes(path, words)


def _search_pdf(path: Path, words: Words) -> bool:
    return _pdf_has(path.read_bytes(), words)


def _pdf_has(content: bytes, words: Words) -> bool:
    # Texts of a page stand side by side without a space between them.
    return any(
        words.are_in(text) or any(len(one) >= _RARE_LENGTH and one in text for one in words.names)
        for text in texts_of_pdf(content)
    )


def _search_mail(path: Path, words: Words) -> bool:
    message = message_from_bytes(path.read_bytes(), policy=default)
    if words.are_in(" ".join(map(str, message.values()))):
        return True
    for part in message.walk():
        if part.is_multipart():
            continue
        content = part.get_payload(decode=True)
        if words.are_in(part.get_filename() or "") or _in_slug(part.get_filename() or "", words):
            return True
        if isinstance(content, bytes):
            if content.startswith(b"%PDF") and _pdf_has(content, words):
                return True
            if words.are_in_bytes(content):
                return True
    return False


def _search_database(path: Path, words: Words) -> bool:
    with duckdb.connect() as connection:
        connection.execute(f"attach {sql.text(str(path))} as searched (read_only)")
        definitions = connection.execute(
            "select coalesce(sql, '') || coalesce(comment, '') from duckdb_views() "
            "where database_name = 'searched' and not internal"
        ).fetchall()
        if any(words.are_in(text) for (text,) in definitions):
            return True
        tables = connection.execute(
            "select schema_name, table_name from duckdb_tables() where database_name = 'searched'"
        ).fetchall()
        relations = [f"searched.{sql.name(schema)}.{sql.name(table)}" for schema, table in tables]
        return any(
            _table_has(connection, relation, words=words) for relation in relations
        ) or _stands_in_deleted_rows(connection, path, relations, words=words)


def _stands_in_deleted_rows(
    connection: duckdb.DuckDBPyConnection, path: Path, relations: Sequence[str], *, words: Words
) -> bool:
    """Whether the bytes of a database, whose rows hold no name, do: those of rows that were deleted stay.

    Texts lie there with nothing between them, so a name that is a part of a longer word of a row, or of a
    description, is told from one that stands for itself by that word alone.
    """
    names = [name for name in words.names if len(name.encode()) > _BEGINNING]
    with (
        path.open("rb") as file,
        mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as content,
    ):
        standing = [name for name in names if content.find(name.encode()) >= 0]
        if not standing:
            return False
        longer = _words_around(connection, relations, standing)
        return any(_stands_alone(content, name.encode(), longer) for name in standing)


def _words_around(
    connection: duckdb.DuckDBPyConnection, relations: Sequence[str], names: Sequence[str]
) -> list[bytes]:
    """The words of rows and of descriptions of which a name is a part."""
    texts = [
        f"select {columns} from {relation}"
        for relation in relations
        if (columns := _as_text(connection, relation)) is not None
    ]
    texts += [
        f"select comment from duckdb_{kind}() where database_name = 'searched'"
        for kind in ("tables", "columns", "functions")
    ]
    texts.append("select macro_definition from duckdb_functions() where database_name = 'searched'")
    pattern = f"[\\pL\\pN_-]*(?:{'|'.join(map(re.escape, names))})[\\pL\\pN_-]*"
    found = connection.execute(
        f"select distinct unnest(regexp_extract_all(one, {sql.text(pattern)}))"
        f" from ({' union all '.join(texts)}) as texts (one)"
    ).fetchall()
    return [word.encode() for (word,) in found]


def _stands_alone(content: mmap.mmap, name: bytes, longer: Sequence[bytes]) -> bool:
    around = [(word, word.find(name)) for word in longer if name in word]
    place = content.find(name)
    while place >= 0:
        starts = [(word, place - offset) for word, offset in around if place >= offset]
        if not any(content[start : start + len(word)] == word for word, start in starts):
            return True
        place = content.find(name, place + 1)
    return False


def _table_has(connection: duckdb.DuckDBPyConnection, rows: str, *, words: Words) -> bool:
    condition = _condition(connection, rows, words=words)
    if condition is None:
        return False
    ((found,),) = connection.execute(
        f"select exists (select 1 from {rows} where {condition})"
    ).fetchall()
    return bool(found)


def _condition(
    connection: duckdb.DuckDBPyConnection,
    rows: str,
    *,
    words: Words,
    besides: Collection[str] = (),
) -> str | None:
    """SQL: whether a row holds a name; None where no column can."""
    text = _as_text(connection, rows, besides=besides)
    if text is None:
        return None
    holds = " or ".join(f"contains({text}, {sql.text(name)})" for name in words.names)
    return f"({holds}) and regexp_matches({text}, {sql.text(words.sql_pattern)})"


def _as_text(
    connection: duckdb.DuckDBPyConnection, rows: str, *, besides: Collection[str] = ()
) -> str | None:
    """SQL: the texts of a row as one; None where no column can hold a name."""
    columns = [
        f"{sql.name(str(name))}{'' if kind == 'VARCHAR' else '::varchar'}"
        for name, kind, *_ in connection.execute(f"describe select * from {rows}").fetchall()
        if ("VARCHAR" in str(kind) or str(kind) in ("JSON", "BLOB")) and name not in besides
    ]
    if not columns:
        return None
    # To make ready for a pattern takes longer than to look for it in a small table.
    return f"concat_ws(chr(31), {', '.join(columns)})"


def database_has(path: Path, words: Words) -> bool:
    """The rows, and the pages that rows have left."""
    return any(_search_bytes(one, words) for one in sqlite_files(path)) or bool(
        sqlite_rows(path, words)
    )


def sqlite_files(path: Path) -> list[Path]:
    """A database and what belongs to it."""
    beside = [path.with_name(f"{path.name}{ending}") for ending in ("-wal", "-journal")]
    return [path, *(one for one in beside if one.exists())]


def sqlite_rows(path: Path, words: Words) -> list[tuple[str, str]]:
    """The tables and columns in which a name stands."""
    connection = sqlite3.connect(f"file:{path}?mode=ro", uri=True)
    try:
        connection.create_function("has_word", 1, _searched(words), deterministic=True)
        return [
            (table, column)
            for table, column in sqlite_columns(connection)
            if connection.execute(
                f'select 1 from "{table}" where has_word("{column}") limit 1'
            ).fetchone()
        ]
    finally:
        connection.close()


def sqlite_columns(connection: sqlite3.Connection) -> Sequence[tuple[str, str]]:
    """Every table and column of a database."""
    return connection.execute(
        "select tables.name, columns.name from sqlite_master as tables "
        "join pragma_table_info(tables.name) as columns where tables.type = 'table' "
        "and tables.name not like 'sqlite_%'"
    ).fetchall()


def _searched(words: Words) -> Callable[[object], bool]:
    def has_word(value: object) -> bool:
        if isinstance(value, bytes):
            return words.are_in_bytes(value)
        return isinstance(value, str) and words.are_in(value)

    return has_word


_KINDS: Sequence[tuple[Callable[[Path, bytes], bool], Callable[[Path, Words], bool]]] = (
    (lambda path, head: head[8:12] == b"DUCK", _search_database),
    (lambda path, head: head[:15] == b"SQLite format 3", database_has),
    (lambda path, head: head[:4] == b"%PDF", _search_pdf),
    (lambda path, head: head[:2] == b"\x1f\x8b" or head[:4] == b"\x28\xb5\x2f\xfd", _search_packed),
    (lambda path, head: head[:4] == b"PK\x03\x04", _search_archive),
    (lambda path, head: path.suffix == ".eml", _search_mail),
)
