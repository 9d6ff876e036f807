"""A name is found in whatever kind of file it stands, and only where it stands as a word."""

from __future__ import annotations

import gzip
import sqlite3
import zipfile
import zlib
from collections.abc import Callable
from email.message import EmailMessage
from pathlib import Path

import duckdb
import pytest
import zstandard

from orchestration.retention.records import blank_words
from orchestration.retention.search import Words, files_with

WORDS = Words(names=("ten-acme", "Ácme Ltd"))


def _text(path: Path, text: str) -> None:
    path.write_text(text, encoding="utf-8")


def _gzip(path: Path, text: str) -> None:
    path.write_bytes(gzip.compress(text.encode()))


def _zstd(path: Path, text: str) -> None:
    path.write_bytes(zstandard.compress(text.encode()))


def _zip(path: Path, text: str) -> None:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("inside.txt", text)


def _parquet(path: Path, text: str) -> None:
    duckdb.sql("select 1 as id, [$text] as texts", params={"text": text}).write_parquet(str(path))


def _database(path: Path, text: str) -> None:
    with duckdb.connect(str(path)) as connection:
        connection.execute("create schema core")
        connection.execute("create table core.things as select 1 as id, ? as name", [text])


def _sqlite(path: Path, text: str) -> None:
    connection = sqlite3.connect(path)
    connection.execute("create table things (name text)")
    connection.execute("insert into things values (?)", (text,))
    connection.commit()
    connection.close()


def _deleted_row(path: Path, text: str) -> None:
    _sqlite(path, text)
    connection = sqlite3.connect(path)
    connection.execute("pragma secure_delete = off")
    connection.execute("delete from things")
    connection.commit()
    connection.close()


def _mail(path: Path, text: str) -> None:
    message = EmailMessage()
    message["Subject"] = "Weekly"
    message.set_content("Nothing here.")
    message.add_attachment(text.encode(), maintype="text", subtype="csv", filename="rows.csv")
    path.write_bytes(message.as_bytes())


def _pdf(path: Path, text: str) -> None:
    """A page whose font numbers its glyphs from 1, in the order of their first use."""
    glyphs = {letter: place for place, letter in enumerate(dict.fromkeys(text), 1)}
    cmap = "".join(
        f"<{place:04x}> <{letter.encode('utf-16-be').hex()}>\n" for letter, place in glyphs.items()
    )
    shown = "".join(f"{glyphs[letter]:04x}" for letter in text)
    streams = [f"{len(glyphs)} beginbfchar\n{cmap}endbfchar", f"BT [<{shown}>] TJ ET"]
    packed = (
        b"<<>>\nstream\n" + zlib.compress(stream.encode()) + b"\nendstream\n" for stream in streams
    )
    path.write_bytes(b"%PDF-1.7\n" + b"".join(packed))


KINDS: list[tuple[str, Callable[[Path, str], None]]] = [
    ("rows.ndjson", _text),
    ("rows.ndjson.gz", _gzip),
    ("rows.csv.zst", _zstd),
    ("rows.zip", _zip),
    ("rows.parquet", _parquet),
    ("rows.duckdb", _database),
    ("rows.sqlite", _sqlite),
    ("freed.sqlite", _deleted_row),
    ("report.eml", _mail),
    ("report.pdf", _pdf),
]


@pytest.mark.parametrize(("name", "write"), KINDS, ids=[name for name, _ in KINDS])
@pytest.mark.parametrize(
    ("text", "is_there"),
    [
        ('{"tenant_id": "ten-acme"}', True),
        ("of Ácme Ltd, today", True),
        ('{"tenant_id": "ten-acmeister"}', False),
    ],
)
def test_a_name_is_found_in_every_kind_of_file(
    tmp_path: Path, name: str, write: Callable[[Path, str], None], text: str, is_there: bool
) -> None:
    if name == "report.pdf" and not is_there:
        # Words side by side have no space between them.
        text = '{"tenant_id": "ten-apex"}'
    (tmp_path / "folder").mkdir()
    write(tmp_path / "folder" / name, text)
    assert files_with(tmp_path, WORDS) == ([tmp_path / "folder" / name] if is_there else [])


def test_the_name_of_a_file_is_searched_too(tmp_path: Path) -> None:
    (tmp_path / "weekly-2026-W09-tenant-ten-acme-1234.eml").touch()
    (tmp_path / "weekly-2026-W09-tenant-ten-acmeister-1234.eml").touch()
    assert [path.name for path in files_with(tmp_path, WORDS)] == [
        "weekly-2026-W09-tenant-ten-acme-1234.eml"
    ]


@pytest.mark.parametrize(
    ("deleted", "kept", "described", "is_there"),
    [
        ("ten-quiet", "ten-loud", "", True),
        # Nothing lies between the texts of a file.
        ("ten-quiet", "ten-quieter", "ten-quiet-ones too", True),
        ("ten-sonorous", "ten-quieter", "ten-quiet-ones too", False),
        ("ten-sonorous", "ten-loud", "", False),
    ],
)
def test_a_name_in_a_row_that_was_deleted_from_a_database_is_found(
    tmp_path: Path, deleted: str, kept: str, described: str, is_there: bool
) -> None:
    with duckdb.connect(str(tmp_path / "rows.duckdb")) as connection:
        connection.execute("create table things (name varchar)")
        connection.execute(f"comment on table things is '{described}'")
        connection.executemany("insert into things values (?)", [[deleted], [kept]])
        connection.execute("checkpoint")
        connection.execute("delete from things where name = ?", [deleted])
    found = files_with(tmp_path, Words(names=("ten-quiet",)))
    assert found == ([tmp_path / "rows.duckdb"] if is_there else [])


def test_a_name_that_is_blanked_in_a_database_is_in_none_of_its_pages(tmp_path: Path) -> None:
    path = tmp_path / "state.sqlite"
    _deleted_row(path, "ten-acme failed")
    connection = sqlite3.connect(path)
    connection.execute("insert into things values ('publisher 7 and ten-acme failed')")
    connection.commit()
    connection.close()
    blank_words(path, WORDS)
    assert b"ten-acme" not in path.read_bytes()
    connection = sqlite3.connect(path)
    assert connection.execute("select name from things").fetchall() == [
        ("publisher 7 and [erased] failed",)
    ]
    connection.close()


NUMBERED = Words(names=("42",), kinds=("tenant",))
USERS = Words(names=("42",), kinds=("user",))


@pytest.mark.parametrize(
    ("text", "tenant_is_there", "user_is_there"),
    [
        ('{"tenant_id": "42", "rows": 1}', True, False),
        ('{"scope": "tenant:42"}', True, False),
        ('{"scope_kind": "tenant", "scope_id": "42"}', True, False),
        ("slow/tenant:42@native fires", True, False),
        ("of tenant 'native:42'", True, False),
        ("landing/tenant=42/rows.ndjson", True, False),
        ("42 on 2026-03-01", True, False),
        ('{"user_id":42}', False, True),
        ("user 42 is unknown", False, True),
        ("42 rows at 2026-03-01T06:42:00", False, False),
        ("9 tenants, 42 users", False, False),
        ('{"tenants": 42, "active_users": 42, "publisher": "publisher:42"}', False, False),
        ("cost per user 42.50 USD of tenant 4", False, False),
    ],
)
def test_a_number_is_found_where_the_text_says_whom_it_names(
    tmp_path: Path, text: str, tenant_is_there: bool, user_is_there: bool
) -> None:
    path = tmp_path / "a.log"
    _text(path, text)
    assert files_with(tmp_path, NUMBERED) == ([path] if tenant_is_there else [])
    assert files_with(tmp_path, USERS) == ([path] if user_is_there else [])
    assert files_with(tmp_path, NUMBERED.anywhere) == ([path] if "42" in text else [])


def _write_table(path: Path, rows: str) -> None:
    with duckdb.connect() as connection:
        connection.execute(f"create view table_rows as {rows}")
        if path.suffix == ".duckdb":
            connection.execute(f"attach '{path}' as target")
            connection.execute("create table target.things as from table_rows")
        else:
            connection.execute(f"copy table_rows to '{path}'")


@pytest.mark.parametrize("name", ["t.parquet", "t.duckdb", "t.csv", "t.csv.gz", "t.csv.zst"])
@pytest.mark.parametrize(
    ("rows", "is_there"),
    [
        ("select '42' as tenant_id, 1 as rows", True),
        ("select 'x' as name, 'native:42' as tenant_key", True),
        ("select 'tenant' as scope_kind, '42' as scope_id", True),
        ("select 'publisher' as scope_kind, '42' as scope_id", False),
        ("select '42' as rows, 'acme' as tenant_id", False),
        ("select '42' as user_id, '142' as tenant_id", False),
    ],
)
def test_a_number_is_found_in_the_columns_that_name_somebody(
    tmp_path: Path, name: str, rows: str, is_there: bool
) -> None:
    _write_table(tmp_path / name, rows)
    assert files_with(tmp_path, NUMBERED) == ([tmp_path / name] if is_there else [])


def test_of_numbered_tenants_only_the_files_of_one_are_found(tmp_path: Path) -> None:
    for scope in ("tenant-42", "tenant-7", "publisher-42", "platform"):
        (tmp_path / f"daily-2026-03-01-{scope}-0badcafe.eml").write_text("42 answers of 42")
    assert [path.name for path in files_with(tmp_path, NUMBERED)] == [
        "daily-2026-03-01-tenant-42-0badcafe.eml"
    ]
    assert files_with(tmp_path, USERS) == []


def test_a_table_attached_to_a_mail_is_searched_by_its_columns(tmp_path: Path) -> None:
    for number, text in enumerate(["tenant_id,rows\r\n42,7\r\n", "tenant_id,rows\r\n7,42\r\n"]):
        _mail(tmp_path / f"{number}.eml", text)
    assert files_with(tmp_path, NUMBERED) == [tmp_path / "0.eml"]
