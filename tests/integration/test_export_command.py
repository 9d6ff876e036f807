"""`agentmart export` answers on stdout or in files, and says plainly what is wrong."""

import csv
import io
import json
from collections.abc import Callable
from datetime import date
from pathlib import Path
from typing import Any

import duckdb
import pytest

from orchestration.cli.main import main
from orchestration.reporting.datasets.registry import DATASETS
from tests.support.published import publish_by_hand

_DAYS = [
    {"date_day": date(2026, 3, day), "agent_messages": day, "total_tokens": 10, "has_data": True}
    for day in range(1, 8)
]
_AGENTS: list[dict[str, Any]] = [
    {
        "agent_key": "native:a1",
        "agent_id": "a1",
        "agent_name": "=HYPERLINK(1)",
        "agent_type_name": "Support",
        "agent_messages": 3,
        "errored_count": 1,
        "user_messages": 3,
        "sessions": 2,
        "input_tokens": 7,
        "output_tokens": 1,
        "total_tokens": 8,
        "avg_llm_latency_ms": 10.5,
        "cost_usd": None,
    }
]
_FEEDBACK = {
    "feedback_by_agent_type": [
        {
            "agent_type_key": "native:5",
            "agent_type_id": "5",
            "agent_type_name": "Support",
            "feedback_count": 1,
            "avg_rating": 4.0,
            "rating_degrades_at_load": None,
        }
    ],
    "outcomes_by_load": [
        {
            "agent_type_key": "native:5",
            "load_band": "low",
            "agent_messages": 3,
            "message_error_rate": 0.25,
            "avg_response_time_ms": 12.5,
            "avg_llm_latency_ms": 10.5,
        }
    ],
    "load_correlations": [
        {
            "agent_type_key": "native:5",
            "load_rating_count": 2,
            "load_rating_correlation": -1.0,
        }
    ],
    "feedback_by_load": [
        {
            "agent_type_key": "native:5",
            "load_band": "low",
            "instances_range": "1-2",
            "min_instances": 1,
            "feedback_count": 1,
            "avg_rating": 4.0,
        }
    ],
}

Run = Callable[..., tuple[int, str, str]]


@pytest.fixture
def run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfdbinary: pytest.CaptureFixture[bytes]
) -> Run:
    """Run ``agentmart export`` on a deployment made by hand: exit code, stdout, stderr."""
    home = tmp_path / "home"
    publish_by_hand(home, {"usage_daily": _DAYS, "usage_by_agent": _AGENTS, **_FEEDBACK})
    monkeypatch.setenv("AGENTMART_HOME", str(home))
    monkeypatch.delenv("AGENTMART_TIME_ZONE", raising=False)

    def call(*arguments: str) -> tuple[int, str, str]:
        with pytest.raises(SystemExit) as leave:
            main(["export", *arguments])
        written = capfdbinary.readouterr()
        assert isinstance(leave.value.code, int)
        return leave.value.code, written.out.decode(), written.err.decode()

    return call


def test_a_period_after_all_that_is_published_is_pointed_out(run: Run) -> None:
    # Published as of 2026-03-08 06:00: seven days that end before the 20th begin on the 13th.
    code, out, err = run("usage-timeline", "--period", "7d", "--as-of", "2026-03-20")
    assert (code, json.loads(out)["extra"]["data_to"]) == (0, "2026-03-08T06:00:00Z")
    assert err == (
        "nothing is published of 2026-03-13 to 2026-03-19: the published state is as of 2026-03-08 06:00 UTC;"
        " run `agentmart run`, or ask as of then with --as-of 2026-03-08\n"
    )
    # A part of it is there.
    assert run("usage-timeline", "--period", "7d", "--as-of", "2026-03-14")[2] == ""


def test_json_goes_to_stdout_and_nothing_else_does(run: Run) -> None:
    code, out, err = run("usage-timeline", "--period", "7d", "--as-of", "2026-03-08")
    assert (code, err) == (0, "")
    document = json.loads(out)
    assert document["labels"] == [f"2026-03-0{day}" for day in range(1, 8)]
    assert document["messages"] == [1, 2, 3, 4, 5, 6, 7]
    assert out.endswith("}\n")


def test_the_same_question_gives_the_same_bytes(run: Run) -> None:
    question = ("usage-timeline", "--period", "2026-03", "--as-of", "2026-03-08T10:00:00Z")
    assert run(*question) == run(*question)


def test_the_data_end_where_the_published_state_ends(run: Run) -> None:
    _, out, _ = run("usage-timeline", "--period", "7d", "--as-of", "2026-03-10")
    extra = json.loads(out)["extra"]
    assert (extra["last_day"], extra["data_to"]) == ("2026-03-09", "2026-03-08T06:00:00Z")


def test_the_zone_is_that_of_the_option_else_of_the_tenant_else_of_the_platform(run: Run) -> None:
    def zone(*arguments: str) -> str:
        _, out, _ = run("usage-timeline", "--as-of", "2026-03-08", *arguments)
        return str(json.loads(out)["extra"]["time_zone"])

    assert zone("--scope", "tenant:t1", "--tz", "Europe/Berlin") == "Europe/Berlin"
    assert zone("--scope", "tenant:t1") == "Asia/Kolkata"
    assert zone("--scope", "tenant:t2") == "UTC"


def test_the_currency_is_us_dollars_unless_another_is_asked_for(run: Run) -> None:
    def currency(*arguments: str) -> str:
        _, out, _ = run("usage-timeline", "--as-of", "2026-03-08", *arguments)
        return str(json.loads(out)["extra"]["currency"])

    assert (currency(), currency("--currency", "GBP")) == ("USD", "GBP")


def test_csv_on_stdout_is_rfc_4180_and_safe_to_open(run: Run) -> None:
    code, out, _ = run("usage-by-agent", "--as-of", "2026-03-08", "--format", "csv")
    assert code == 0
    header, row = csv.reader(io.StringIO(out, newline=""))
    assert header[:3] == ["agent_id", "agent_name", "message_count"]
    assert row == ["a1", "'=HYPERLINK(1)", "3", "8", "7", "1", "11"]
    assert out.count("\r\n") == 2


def test_csv_on_stdout_names_the_tables_it_leaves_out(run: Run) -> None:
    _, out, err = run("feedback-by-agent-type", "--as-of", "2026-03-08", "--format", "csv")
    assert out.startswith("agent_type_id,agent_type_name,total_feedback")
    assert "rating_by_load" in err


@pytest.mark.parametrize("file_format", ["csv", "parquet"])
def test_out_writes_every_table_to_a_file_of_its_own(
    run: Run, tmp_path: Path, file_format: str
) -> None:
    out = tmp_path / f"ratings.{file_format}"
    code, printed, err = run(
        *("feedback-by-agent-type", "--as-of", "2026-03-08"),
        *("--format", file_format, "--out", str(out)),
    )
    assert (code, printed) == (0, "")
    second = tmp_path / f"ratings-rating_by_load.{file_format}"
    assert err.splitlines() == [f"wrote {out}", f"wrote {second}"]
    rows = duckdb.sql(f"select load_band, avg_rating from '{second}'").fetchall()
    assert [(band, float(rating)) for band, rating in rows] == [("low", 4.0)]


def test_a_folder_as_out_gets_a_file_named_after_the_dataset(run: Run, tmp_path: Path) -> None:
    code, _, _ = run("usage-timeline", "--as-of", "2026-03-08", "--out", str(tmp_path))
    assert code == 0
    assert json.loads((tmp_path / "usage-timeline.json").read_text())["tokens"]


def test_no_partial_file_is_left_beside_the_result(run: Run, tmp_path: Path) -> None:
    folder = tmp_path / "exports"
    folder.mkdir()
    run("usage-timeline", "--as-of", "2026-03-08", "--out", str(folder / "t.json"))
    assert [path.name for path in folder.iterdir()] == ["t.json"]


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        (["no-such"], ["'no-such'", "usage-summary", "company"]),
        (["usage-timeline", "--scope", "team:1"], ["'team:1'", "tenant:ID"]),
        (["usage-timeline", "--scope", "tenant:zz"], ["'zz'", "t1"]),
        (["usage-timeline", "--scope", "tenant:shared"], ["native", "other", "--source"]),
        (["usage-timeline", "--source", "mars"], ["'mars'", "native"]),
        (["usage-timeline", "--agent", "a9"], ["'a9'", "a1"]),
        (["usage-timeline", "--period", "soon"], ["'soon'", "YYYY-MM"]),
        (["usage-timeline", "--tz", "Mars/Base"], ["'Mars/Base'", "IANA"]),
        (["usage-timeline", "--as-of", "soon"], ["'soon'", "2026-03-01"]),
        (["usage-timeline", "--scope", "publisher:p1"], ["publisher:p1", "platform or tenant:ID"]),
        (["publisher-dashboard"], ["'platform'", "publisher:ID"]),
        (["usage-timeline", "--currency", "JPY"], ["'JPY'", "EUR, GBP, USD"]),
        (["usage-timeline", "--format", "parquet"], ["--out"]),
        (["usage-timeline", "--format", "xlsx"], ["xlsx", "parquet"]),
        (["usage-timeline", "--out", "/no/such/folder/x.json"], ["/no/such/folder"]),
    ],
)
def test_bad_input_is_one_line_that_names_it_and_what_is_allowed(
    run: Run, arguments: list[str], named: list[str]
) -> None:
    code, out, err = run(*arguments)
    assert (code, out) == (2, "")
    assert len(err.splitlines()) == 1
    assert [word for word in named if word not in err] == []


def test_before_the_first_publication_the_fix_is_named(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AGENTMART_HOME", str(tmp_path / "empty"))
    code, _, err = run("usage-timeline")
    assert code == 1
    assert "agentmart run" in err


def test_a_folder_where_the_file_would_be_is_named(run: Run, tmp_path: Path) -> None:
    taken = tmp_path / "taken.json" / "usage-timeline.json"
    taken.mkdir(parents=True)
    code, _, err = run("usage-timeline", "--out", str(taken.parent))
    assert (code, err) == (2, f"agentmart: {taken} is not a file; choose another --out\n")


def test_the_help_names_every_dataset(run: Run) -> None:
    code, out, _ = run("--help")
    assert code == 0
    words = out.replace(",", " ").replace(".", " ").split()
    assert [name for name in DATASETS if name not in words] == []
