"""`agentmart quarantine`: looking at rejected rows, and landing them after an adapter was fixed."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path

import pytest
import yaml

from orchestration.ingest.ledger import read_entries
from orchestration.ingest.quarantine import Selection
from orchestration.ingest.reread import FileReplay, replay_refused_rows
from orchestration.settings import PROJECT_ROOT, Settings
from tests.support.command_line import agentmart
from tests.support.landing import load, ndjson, put, query, row_of
from tests.support.samples import AS_OF, SAMPLES, deliver, deployment

ADAPTERS = PROJECT_ROOT / "orchestration" / "ingest" / "adapters"
TRACE = "langfuse/traces/refund.json"
SCORES = "langfuse/scores/scores.jsonl"


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return deployment(tmp_path / "home", sample="langfuse")


def counted(settings: Settings, stream: str) -> list[str]:
    """The first column, an id, of the rows of a stream in the files that the ledger lists."""
    files = [
        str(settings.lake / file)
        for entry in read_entries(settings.lake)
        if stream in entry.streams
        for file in entry.streams[stream].files
    ]
    rows = query(f"select * from read_parquet({files}, hive_partitioning = false)") if files else []
    return sorted(str(next(iter(row.values()))) for row in rows)


def still_refused(settings: Settings) -> int:
    return sum(entry.rows_quarantined for entry in read_entries(settings.lake))


def edit_adapter(settings: Settings, name: str, old: str, new: str) -> Path:
    """Put an edited copy of a shipped adapter into the deployment's own ones."""
    target = settings.config / "adapters" / f"{name}.sql"
    text = (target if target.exists() else ADAPTERS / target.name).read_text()
    assert text.count(old) == 1
    target.parent.mkdir(exist_ok=True)
    target.write_text(text.replace(old, new))
    return target


def replay(settings: Settings) -> tuple[FileReplay, ...]:
    return replay_refused_rows(
        settings=settings, landing=settings.landing, as_of=AS_OF, selection=Selection()
    )


def a_trace_with_a_score_on_another_scale(settings: Settings) -> Path:
    trace = json.loads((SAMPLES / TRACE).read_text())
    (score,) = (one for one in trace["trace"]["scores"] if one["name"] == "tone")
    score["value"] = 0.8
    return put(settings, TRACE, json.dumps(trace).encode())


def fix_the_scale_of_traces(settings: Settings) -> None:
    edit_adapter(
        settings,
        "langfuse_traces",
        "    value as score,\n",
        "    (case when number < 1 then number * 5 else number end)::varchar as score,\n",
    )


def test_a_part_of_a_raw_row_lands_after_a_fix_and_its_other_parts_not_again(
    settings: Settings,
) -> None:
    a_trace_with_a_score_on_another_scale(settings)
    load(settings, as_of=AS_OF)
    parts = {name: counted(settings, name) for name in ("agent_events", "llm_calls")}
    assert all(parts.values())
    assert (counted(settings, "quality_scores"), still_refused(settings)) == ([], 1)
    fix_the_scale_of_traces(settings)
    (outcome,) = replay(settings)
    assert (outcome.problem, outcome.rows_landed, outcome.rows_still_refused) == (None, 1, 0)
    assert (counted(settings, "quality_scores"), still_refused(settings)) == (["s-21"], 0)
    assert {name: counted(settings, name) for name in parts} == parts
    assert replay(settings) == ()


def test_rows_without_kept_text_are_said_not_to_be_replayed_once_their_file_is_gone(
    settings: Settings,
) -> None:
    path = a_trace_with_a_score_on_another_scale(settings)
    load(settings, as_of=AS_OF)
    fix_the_scale_of_traces(settings)
    kept = path.with_name("moved.json")
    path.rename(settings.home / "elsewhere.json")
    done = agentmart("quarantine", "replay", home=settings.home)
    assert done.exit_code == 2
    assert done.stdout.splitlines() == [
        f"{TRACE}: 1 rows not replayed: the adapter langfuse_traces needs the file itself and it "
        f"is no longer in {settings.landing}; put it back and run the replay again",
        "1 rows tried, 0 landed, 1 still rejected",
    ]
    assert done.stderr == ("agentmart: the rows of 1 files could not be replayed (listed above)\n")
    # Wherever in the landing folder it lies, its bytes are known.
    (settings.home / "elsewhere.json").rename(kept)
    done = agentmart("quarantine", "replay", "--as-of", "2026-05-02", home=settings.home)
    assert (done.exit_code, done.stdout.splitlines()) == (
        0,
        [
            f"{TRACE}: 1 rows tried, 1 landed, 0 still rejected",
            "1 rows tried, 1 landed, 0 still rejected",
            "`agentmart run` builds and publishes what landed.",
        ],
    )


def test_a_source_is_found_by_its_name_and_its_adapter(settings: Settings) -> None:
    deliver(settings, SCORES)
    load(settings, as_of=AS_OF)
    assert still_refused(settings) == 1
    # The first source of the name maps observations; read by it, the row would become nothing.
    declared = settings.config / "sources.yml"
    text = declared.read_text()
    sources = [
        one for one in yaml.safe_load(text)["sources"] if one["adapter"] != "langfuse_scores"
    ]
    declared.write_text(yaml.safe_dump({"sources": sources}))
    (outcome,) = replay(settings)
    assert outcome.problem == (
        "config/sources.yml declares no source langfuse with the adapter langfuse_scores any "
        "more; declare it again"
    )
    declared.write_text(text)
    edit_adapter(
        settings,
        "langfuse_scores",
        "    value::varchar as score,\n",
        "    (case when value::double < 1 then 5 * value::double else value::double end)::varchar"
        " as score,\n",
    )
    (outcome,) = replay(settings)
    assert (outcome.problem, outcome.rows_landed) == (None, 1)
    assert counted(settings, "quality_scores") == ["s-10", "s-11", "s-9"]


def test_a_row_that_the_fixed_adapter_maps_to_nothing_is_ignored_from_then_on(
    settings: Settings,
) -> None:
    deliver(settings, SCORES)
    load(settings, as_of=AS_OF)
    edit_adapter(
        settings,
        "langfuse_scores",
        "where quality_dimension(name) is not null\n    and data_type",
        "where quality_dimension(name) is not null\n    and value::double >= 1\n    and data_type",
    )
    (outcome,) = replay(settings)
    assert (outcome.rows_tried, outcome.rows_landed, outcome.rows_still_refused) == (1, 0, 0)
    entries = read_entries(settings.lake)
    assert still_refused(settings) == 0
    totals = [
        sum(getattr(entry, name) for entry in entries)
        for name in ("rows_read", "rows_expanded", "rows_ignored", "rows_landed")
    ]
    assert totals == [14, 0, 8, 6]


def test_an_adapter_edited_without_a_new_version_is_said_and_loads_nothing_twice(
    settings: Settings,
) -> None:
    deliver(settings, SCORES)
    assert load(settings, as_of=AS_OF).warnings == ()
    path = edit_adapter(
        settings,
        "langfuse_scores",
        "    value::varchar as score,\n",
        "    (case when value::double < 1 then 5 * value::double else value::double end)::varchar"
        " as score,\n",
    )
    line = (
        "source langfuse: the adapter langfuse_scores or the source's defaults were edited, still "
        "as version 1; 1 files loaded before stay as they are: raise '-- version' in the adapter "
        "to load them again, or run `agentmart quarantine replay` for their rejected rows alone"
    )
    before = [counted(settings, name) for name in ("agent_events", "quality_scores")]
    report = load(settings, as_of=AS_OF)
    assert (report.warnings, report.rows_read) == ((line,), 0)
    assert [counted(settings, name) for name in ("agent_events", "quality_scores")] == before
    checked = agentmart("sources", "check", "--as-of", "2026-05-01", home=settings.home)
    assert [one for one in checked.stdout.splitlines() if "attention" in one] == [
        f"  attention    {line}"
    ]
    replay(settings)
    assert counted(settings, "quality_scores") == ["s-10", "s-11", "s-9"]

    # The new version loads the file again; what the old one landed, replays too, counts no more.
    path.write_text(path.read_text().replace("-- version: 1", "-- version: 2"))
    report = load(settings, as_of=AS_OF)
    assert (report.warnings, report.rows_read) == ((), 14)
    assert counted(settings, "quality_scores") == ["s-10", "s-11", "s-9"]
    assert counted(settings, "agent_events") == before[0]


def test_edited_defaults_are_said_and_edited_comments_are_not(settings: Settings) -> None:
    deliver(settings, SCORES)
    load(settings, as_of=AS_OF)
    stream = "-- stream: quality_scores\n"
    edit_adapter(settings, "langfuse_scores", stream, f"{stream}-- What judges say.\n")
    assert load(settings, as_of=AS_OF).warnings == ()
    declared = settings.config / "sources.yml"
    declared.write_text(declared.read_text().replace("agent_id: support-agent", "agent_id: other"))
    (line,) = load(settings, as_of=AS_OF).warnings
    assert line.startswith("source langfuse: the adapter langfuse_scores or the source's defaults")


@pytest.fixture
def rejected(tmp_path: Path) -> Settings:
    settings = Settings(home=tmp_path / "home", threads=1)
    rows = [
        row_of("charges", charge_id="c-1", amount=-1),
        row_of("charges", charge_id="c-2", amount="-2"),
        row_of("charges", charge_id="c-3"),
    ]
    put(settings, "charges/a.ndjson", ndjson(rows) + b'{"charge_id": "\x1b[2J" \n')
    users = [row_of("tasks", attempts=-1, user_id="canary")]
    put(settings, "tasks/b.ndjson", ndjson(users))
    load(settings)
    return settings


def test_list_counts_by_source_stream_file_and_reason_in_every_format(rejected: Settings) -> None:
    expected = [
        ("native", "charges", "charges/a.ndjson", "malformed_row", 1),
        ("native", "charges", "charges/a.ndjson", "out_of_range", 2),
        ("native", "tasks", "tasks/b.ndjson", "out_of_range", 1),
    ]
    listed = agentmart("quarantine", "list", "--format", "json", home=rejected.home)
    assert [tuple(one.values()) for one in json.loads(listed.stdout)] == expected
    listed = agentmart("quarantine", "list", "--format", "csv", home=rejected.home)
    header, *rows = csv.reader(io.StringIO(listed.stdout))
    assert header == ["source", "stream", "file", "reason", "rows"]
    assert [(*row[:-1], int(row[-1])) for row in rows] == expected
    listed = agentmart("quarantine", "list", "--stream", "charges", home=rejected.home)
    assert listed.stdout.splitlines() == [
        "source  stream   file              reason         rows",
        "native  charges  charges/a.ndjson  malformed_row     1",
        "native  charges  charges/a.ndjson  out_of_range      2",
        "3 rows",
    ]


def test_show_names_row_rule_and_field_and_keeps_private_and_control_text_away(
    rejected: Settings,
) -> None:
    shown = agentmart("quarantine", "show", "--limit", "2", home=rejected.home)
    lines = shown.stdout.splitlines()
    assert lines[:2] == [
        "charges/a.ndjson, row 1 (source native): out_of_range",
        "  charges.amount must be 0 or more; got -1",
    ]
    assert json.loads(lines[2])["charge_id"] == "c-1"
    assert len(lines) == 6
    shown = agentmart("quarantine", "show", "--reason", "malformed_row", home=rejected.home)
    assert '{"charge_id": " [2J"' in shown.stdout
    assert "\x1b" not in shown.stdout
    shown = agentmart(
        "quarantine", "show", "--stream", "tasks", "--format", "json", home=rejected.home
    )
    (row,) = json.loads(shown.stdout)
    assert (row["row"], row["field"]) == (1, "attempts")
    assert "canary" not in shown.stdout
    assert json.loads(row["text"])["user_id"].startswith("sha256:")


@pytest.mark.parametrize("command", ["list", "show"])
def test_nothing_rejected_is_said(tmp_path: Path, command: str) -> None:
    done = agentmart("quarantine", command, home=tmp_path)
    assert (done.exit_code, done.stdout) == (0, "Nothing is rejected.\n")


def test_an_unknown_stream_reason_or_source_is_wrong_usage(rejected: Settings) -> None:
    for option, value in (("--stream", "sales"), ("--reason", "bad"), ("--source", "nobody")):
        done = agentmart("quarantine", "list", option, value, home=rejected.home)
        assert done.exit_code == 2
        assert value in done.stderr
        assert "Traceback" not in done.stderr
