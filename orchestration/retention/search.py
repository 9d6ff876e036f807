"""Searching everything in a folder for names: whatever the format, however it is packed.

Belongs here: reading each kind of file as far as a search needs it. Does not belong here: what is done
about what is found (removal.py).

A name is found where it stands as a word: no letter, digit, ``_`` or ``-`` beside it. A number, a few letters
or a word that every report has may stand for anything, and is found where something says that it names
somebody: a column, a member, or the text before it.
"""

from __future__ import annotations

import csv
import gzip
import io
import mmap
import re
import sqlite3
import zipfile
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from email import message_from_bytes
from email.policy import default
from functools import cached_property
from pathlib import Path
from typing import IO

import duckdb
import zstandard

from orchestration.ingest import sql
from orchestration.ingest.tombstones import TENANT, USER
from orchestration.retention.pdf_text import texts_of_pdf

_BESIDE = r"[\w\-]"
_BLOCK = 1 << 22
# In files that are no text a shorter name would be found by chance.
_RARE_LENGTH = 6
# DuckDB keeps the beginnings of texts, of this length, beside the rows.
_BEGINNING = 8
# Fewer letters, or fewer digits without any letter, stand for something else more often than for somebody.
_FEWEST_LETTERS, _FEWEST_DIGITS = 4, 9
# What every state folder says of itself.
_OWN_WORDS = frozenset(
    (
        *("agentmart", "native", "platform", "tenant", "publisher", "user", "default", "test"),
        *("report", "reports", "alert", "info", "production", "daily", "weekly", "monthly"),
        *("email", "slack", "teams", "pagerduty", "webhook"),
    )
)
_BETWEEN_CELLS = "\x1f"
# Between the word that says whom a name is of, which may be the kind of a scope in the cell before, and the
# name; keys have the source before it.
_BETWEEN = (
    r"""(?:[ "'\\,]{1,6}scope_id)?[ \t\x1f"'\\:=|/#(\[-]{1,6}(?:[A-Za-z_][A-Za-z0-9_.-]*:)?"""
)
_LONGEST_CONTEXT = 96


@dataclass(frozen=True, kw_only=True)
class Words:
    """Names to search for, of tenants, users or both; ``is_anywhere``: all of them as any word."""

    names: tuple[str, ...]
    kinds: tuple[str, ...] = (TENANT, USER)
    is_anywhere: bool = False

    @property
    def anywhere(self) -> Words:
        return replace(self, is_anywhere=True)

    @cached_property
    def certain(self) -> tuple[str, ...]:
        """The names that stand for nothing else, wherever they are."""
        return tuple(one for one in self.names if self.is_anywhere or not _is_doubtful(one))

    @cached_property
    def doubtful(self) -> tuple[str, ...]:
        return tuple(one for one in self.names if one not in self.certain)

    @cached_property
    def _pattern(self) -> re.Pattern[str]:
        """What stands before a doubtful name is the group ``before``."""
        parts = []
        if self.certain:
            parts.append(f"(?<!{_BESIDE})(?:{_any_of(self.certain)})(?!{_BESIDE})")
        if self.doubtful:
            names, not_longer = _any_of(self.doubtful), rf"(?!{_BESIDE}|[.,]\d)"
            parts.append(f"(?P<before>(?<![^\\W_]){self._context})(?:{names}){not_longer}")
            if TENANT in self.kinds:
                # The title of a daily summary.
                parts.append(rf"(?<!{_BESIDE})(?:{names})(?= on \d{{4}}-\d\d-\d\d)")
        return re.compile("|".join(parts))

    @property
    def _context(self) -> str:
        return f"(?i:{'|'.join(self.kinds)})(?:[_ ]?(?i:id|key|name))?{_BETWEEN}"

    @property
    def sql_pattern(self) -> str:
        """The same for the engine, whose expressions cannot look around."""
        parts = []
        if self.certain:
            parts.append(f"(^|[^\\pL\\pN_-])({_any_of(self.certain)})([^\\pL\\pN_-]|$)")
        if self.doubtful:
            names = _any_of(self.doubtful)
            parts.append(f"(^|[^\\pL\\pN]){self._context}({names})([^\\pL\\pN_.,-]|$)")
        return "|".join(parts)

    @cached_property
    def _of_column(self) -> re.Pattern[str]:
        return re.compile(f"(?i:(?:.*_)?(?:{'|'.join(self.kinds)})_?(?:id|key|name)?)")

    def are_in_column(self, name: str) -> bool:
        """Whether a doubtful name as the whole value of a column or member stands for somebody."""
        return self._of_column.fullmatch(name) is not None

    @cached_property
    def value_pattern(self) -> str:
        """A whole value that is a doubtful name; keys have the source before it."""
        return f"(?:[A-Za-z_][A-Za-z0-9_.-]*:)?(?:{_any_of(self.doubtful)})"

    def are_value(self, text: str) -> bool:
        return bool(self.doubtful) and re.fullmatch(self.value_pattern, text) is not None

    def are_in(self, text: str) -> bool:
        return self._pattern.search(text) is not None

    def blanked(self, text: str, *, mark: str) -> str:
        """The text with a mark in the place of every name."""
        return self._pattern.sub(
            lambda found: f"{found.groupdict().get('before') or ''}{mark}", text
        )

    def are_in_bytes(self, content: bytes) -> bool:
        """Of a file that may be anything."""
        is_text = b"\0" not in content
        names = [name for name in self.names if is_text or len(name) >= _RARE_LENGTH]
        if not any(name.encode() in content for name in names):
            return False
        return self.are_in(content.decode("utf-8", errors="replace"))


def _is_doubtful(name: str) -> bool:
    digits = sum(one.isdigit() for one in name)
    has_letter = any(one.isalpha() for one in name)
    return (
        len(name) < _FEWEST_LETTERS
        or (not has_letter and digits < _FEWEST_DIGITS)
        or name.lower() in _OWN_WORDS
    )


def _any_of(names: Iterable[str]) -> str:
    longest_first = sorted(names, key=lambda name: (-len(name), name))
    return "|".join(re.escape(name) for name in longest_first)


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
    if words.doubtful and ".csv" in path.suffixes and _search_csv(path, words):
        return True
    with path.open("rb") as file:
        head = file.read(100)
    for is_kind, search in _KINDS:
        if is_kind(path, head):
            return search(path, words)
    return _search_bytes(path, words)


def _in_slug(name: str, words: Words) -> bool:
    """Names of reports and e-mails hold the scope between other words."""
    if TENANT not in words.kinds:
        return False
    scopes = [f"(?:tenant|publisher)-{re.escape(one)}" for one in words.certain]
    scopes += [f"tenant-{re.escape(one)}" for one in words.doubtful]
    return re.search(rf"(?:^|-)(?:{'|'.join(scopes)})(?:-|\.|$)", name) is not None


def _search_bytes(path: Path, words: Words) -> bool:
    """A file as it is, piece by piece; pieces overlap by more than a name."""
    overlap = max(len(name.encode()) for name in words.names) + _LONGEST_CONTEXT
    before = b""
    with path.open("rb") as file:
        while block := file.read(_BLOCK):
            if words.are_in_bytes(before + block):
                return True
            before = block[-overlap:]
    return False


def _search_csv(path: Path, words: Words) -> bool:
    """The columns of a CSV file, packed or not; of one that is neither, its bytes are looked at."""
    try:
        with _opened_text(path) as file:
            return _table_names(file, words)
    except (OSError, EOFError, zstandard.ZstdError):
        return False


def _opened_text(path: Path) -> IO[str]:
    if path.suffix == ".gz":
        return gzip.open(path, "rt", encoding="utf-8", errors="replace", newline="")
    if path.suffix == ".zst":
        text: IO[str] = zstandard.open(path, "rt", encoding="utf-8", errors="replace", newline="")
        return text
    return path.open(encoding="utf-8", errors="replace", newline="")


def _table_names(lines: Iterable[str], words: Words) -> bool:
    """Whether a column of CSV text that names somebody has a doubtful name as a value."""
    lines = iter(lines)
    head = next(lines, "")
    delimiter = max(",;\t|", key=head.count)
    header = next(csv.reader([head], delimiter=delimiter), [])
    places = [at for at, one in enumerate(header) if words.are_in_column(one)]
    try:
        return any(
            words.are_in(_BETWEEN_CELLS.join(row))
            or any(words.are_value(row[at]) for at in places if at < len(row))
            for row in csv.reader(lines, delimiter=delimiter)
        )
    except csv.Error:
        # Of what cannot be read nobody can say that it is not there.
        return True


def _search_packed(path: Path, words: Words) -> bool:
    overlap = max(len(name.encode()) for name in words.names) + _LONGEST_CONTEXT
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
                words.are_in(name) or _part_has(name, archive.read(name), words)
                for name in archive.namelist()
            )
    except zipfile.BadZipFile:
        return _search_bytes(path, words)


def _part_has(name: str, content: bytes, words: Words) -> bool:
    """Of a file within another."""
    if words.doubtful and name.endswith(".csv"):
        text = io.StringIO(content.decode("utf-8", errors="replace"), newline="")
        if _table_names(text, words):
            return True
    return words.are_in_bytes(content)


def _search_pdf(path: Path, words: Words) -> bool:
    return _pdf_has(path.read_bytes(), words)


def _pdf_has(content: bytes, words: Words) -> bool:
    # Texts of a page stand side by side without a space between them.
    return any(
        words.are_in(text) or any(len(one) >= _RARE_LENGTH and one in text for one in words.certain)
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
            if _part_has(part.get_filename() or "", content, words):
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
    names = [name for name in words.certain if len(name.encode()) > _BEGINNING]
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
        if (columns := _as_text(_columns_of(connection, relation))) is not None
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
    columns = _columns_of(connection, rows, besides=besides)
    conditions = [
        f"coalesce(regexp_full_match({sql.name(one)}::varchar, {sql.text(words.value_pattern)}), false)"
        for one in columns
        if words.doubtful and words.are_in_column(one)
    ]
    text = _as_text(columns, has_numbers=words.is_anywhere)
    if text is not None:
        holds = " or ".join(f"contains({text}, {sql.text(name)})" for name in words.names)
        conditions.append(f"(({holds}) and regexp_matches({text}, {sql.text(words.sql_pattern)}))")
    return " or ".join(conditions) or None


def _as_text(columns: Mapping[str, str], *, has_numbers: bool = False) -> str | None:
    """SQL: the texts of a row as one, and its whole numbers if asked; None where no column holds either."""
    texts = [
        f"{sql.name(name)}{'' if kind == 'VARCHAR' else '::varchar'}"
        for name, kind in columns.items()
        if "VARCHAR" in kind or kind in ("JSON", "BLOB") or (has_numbers and "INT" in kind)
    ]
    if not texts:
        return None
    # To make ready for a pattern takes longer than to look for it in a small table.
    return f"concat_ws({sql.text(_BETWEEN_CELLS)}, {', '.join(texts)})"


def _columns_of(
    connection: duckdb.DuckDBPyConnection, rows: str, *, besides: Collection[str] = ()
) -> dict[str, str]:
    return {
        str(name): str(kind)
        for name, kind, *_ in connection.execute(f"describe select * from {rows}").fetchall()
        if name not in besides
    }


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
        connection.create_function("has_word", 2, _searched(words), deterministic=True)
        return [
            (table, column)
            for table, column in sqlite_columns(connection)
            if connection.execute(
                f'select 1 from "{table}" where has_word(\'{column}\', "{column}") limit 1'
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


def _searched(words: Words) -> Callable[[str, object], bool]:
    def has_word(column: str, value: object) -> bool:
        if isinstance(value, bytes):
            return words.are_in_bytes(value)
        return isinstance(value, str) and (
            words.are_in(value) or (words.are_in_column(column) and words.are_value(value))
        )

    return has_word


_KINDS: Sequence[tuple[Callable[[Path, bytes], bool], Callable[[Path, Words], bool]]] = (
    (lambda path, head: head[8:12] == b"DUCK", _search_database),
    (lambda path, head: head[:15] == b"SQLite format 3", database_has),
    (lambda path, head: head[:4] == b"%PDF", _search_pdf),
    (lambda path, head: head[:2] == b"\x1f\x8b" or head[:4] == b"\x28\xb5\x2f\xfd", _search_packed),
    (lambda path, head: head[:4] == b"PK\x03\x04", _search_archive),
    (lambda path, head: path.suffix == ".eml", _search_mail),
)
