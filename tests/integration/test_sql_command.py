"""`agentmart sql` answers whole or says in one line why not."""

from __future__ import annotations

import csv
import io
import json
import sys
from collections.abc import Callable
from pathlib import Path

import duckdb
import pytest

from orchestration.cli.main import main
from tests.support.published import publish_by_hand

# One of a million rows is no number: a statement fails after most of the file is written.
_BAD_ROW = 900_000
_FAILING = "select cast(a as integer) as n from core.numbers"
_FAILURE = (
    "agentmart: the query does not run: Conversion Error: Could not convert string 'x' to INT32"
)

Run = Callable[..., tuple[int, str, str]]


@pytest.fixture
def run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfdbinary: pytest.CaptureFixture[bytes]
) -> Run:
    """Run ``agentmart sql`` on a deployment made by hand: exit code, stdout, stderr."""
    home = tmp_path / "home"
    settings = publish_by_hand(home)
    with duckdb.connect(str(settings.published_file)) as connection:
        connection.execute(
            f"create table core.numbers as select if(i = {_BAD_ROW}, 'x', i::varchar) as a"
            " from range(1000000) as numbers (i)"
        )
    monkeypatch.setenv("AGENTMART_HOME", str(home))

    def call(*arguments: str) -> tuple[int, str, str]:
        with pytest.raises(SystemExit) as leave:
            main(["sql", *arguments])
        written = capfdbinary.readouterr()
        assert isinstance(leave.value.code, int)
        return leave.value.code, written.out.decode(), written.err.decode()

    return call


@pytest.mark.parametrize("form", ["csv", "json", "parquet", "table"])
@pytest.mark.parametrize("before", [b"the old rows\n", None])
def test_a_query_that_fails_in_a_row_leaves_the_file_as_it_was(
    form: str, before: bytes | None, run: Run, tmp_path: Path
) -> None:
    folder = tmp_path / "out"
    folder.mkdir()
    out = folder / "rows"
    if before is not None:
        out.write_bytes(before)

    code, printed, said = run(_FAILING, "--format", form, "--out", str(out))

    assert (code, printed) == (2, "")
    assert said.startswith(_FAILURE)
    assert len(said.splitlines()) == 1
    assert [path.read_bytes() for path in folder.iterdir()] == ([before] if before else [])


@pytest.mark.parametrize("form", ["table", "csv", "json"])
def test_a_query_that_fails_in_a_row_prints_no_rows(form: str, run: Run) -> None:
    # A table shows the first rows alone: in order, each has to be read for them.
    code, printed, said = run(f"{_FAILING} order by n", "--format", form)

    assert (code, printed) == (2, "")
    assert said.startswith(_FAILURE)


@pytest.mark.parametrize(
    "query",
    [
        "select '=1+1' as x, 2 as y -- a note",
        "select '=1+1' as x, 2 as y; -- a note",
        "select '=1+1' as x, 2 as y /* a note */ ;\n",
        "set threads = 1; select '=1+1' as x, 2 as y",
    ],
)
def test_a_comment_or_a_statement_before_it_changes_nothing_of_an_answer(
    query: str, run: Run, tmp_path: Path
) -> None:
    out = tmp_path / "rows"
    code, printed, _ = run(query, "--format", "csv")
    assert (code, list(csv.reader(io.StringIO(printed)))) == (0, [["x", "y"], ["'=1+1", "2"]])
    assert json.loads(run(query, "--format", "json")[1]) == [{"x": "=1+1", "y": 2}]
    for form in ("csv", "parquet"):
        assert run(query, "--format", form, "--out", str(out))[0] == 0
        read = "read_parquet" if form == "parquet" else "read_csv"
        expected = "=1+1" if form == "parquet" else "'=1+1"
        assert duckdb.execute(f"from {read}(?)", [str(out)]).fetchall() == [(expected, 2)]


def test_rows_keep_the_order_that_was_asked_for(run: Run) -> None:
    query = "select a from core.numbers where a in ('2', '10', '1') order by a desc -- as text"
    assert run(query, "--format", "csv")[1] == "a\n2\n10\n1\n"


@pytest.mark.parametrize(
    ("place", "code", "reason"),
    [
        (
            "missing/rows.json",
            2,
            "the folder {home}/missing does not exist; create it or choose another --out",
        ),
        (".", 2, "{home} is not a file; choose another --out"),
        (
            "x" * 300,
            1,
            "{home}/{place} cannot be written (File name too long); choose another --out",
        ),
    ],
)
def test_a_place_where_no_file_can_be_is_named(
    place: str, code: int, reason: str, run: Run, tmp_path: Path
) -> None:
    ended, printed, said = run("select 1 as x", "--format", "json", "--out", str(tmp_path / place))

    assert (ended, printed) == (code, "")
    assert said == f"agentmart: {reason.format(home=tmp_path, place=place)}\n"


def test_a_device_is_not_replaced_by_a_file(run: Run) -> None:
    assert run("select 1 as x", "--format", "csv", "--out", "/dev/null")[0] == 2
    assert Path("/dev/null").is_char_device()


def test_a_row_that_fails_does_not_end_the_session(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    lines = iter([f"{_FAILING} order by a;", "select 41 + 1 as answer;"])

    def typed(_: str) -> str:
        try:
            return next(lines)
        except StopIteration:
            raise EOFError from None

    monkeypatch.setattr("builtins.input", typed)
    monkeypatch.setattr(sys.stdin, "isatty", lambda: True)

    code, printed, said = run()

    assert code == 0
    assert said.startswith("the query does not run: Conversion Error")
    assert " 42 " in printed
