"""A build is planned from what is loaded, what is published, and the code."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import duckdb
import pytest

from orchestration.errors import RunFailure
from orchestration.ingest.ledger import LedgerEntry, write_entry
from orchestration.ingest.repeats import note_repeat
from orchestration.settings import Settings
from orchestration.state.store import Publication
from orchestration.warehouse.days import DayRange
from orchestration.warehouse.engines import Engine
from orchestration.warehouse.plan import (
    BuildPlan,
    Candidate,
    built_days,
    candidate_of_increment,
    end_full_refresh,
    fingerprint_code,
    plan_build,
    read_candidate,
    write_run_inputs,
)
from orchestration.warehouse.unaudited import note_models_begun, note_models_refused
from tests.support.ledger import ledger_entry

AS_OF = datetime(2026, 3, 2, 6, tzinfo=UTC)
LATER = datetime(2026, 3, 2, 7, tzinfo=UTC)
DAYS = DayRange(first=date(2026, 2, 1), end=date(2026, 2, 3))
ONE, TWO, THREE = ledger_entry("one"), ledger_entry("two"), ledger_entry("three")


def _published(*, is_complete: bool = True) -> Publication:
    return Publication(
        publication_id=1,
        run_id=1,
        as_of=AS_OF,
        code_fingerprint="code",
        is_complete=is_complete,
        load_ids=frozenset({"one", "two"}),
    )


def _plan(
    entries: Sequence[LedgerEntry],
    last: Publication | None,
    *,
    as_of: datetime = AS_OF,
    code: str = "code",
    made_by: str | None = "code",
    met: Sequence[str] = ("one", "two"),
    is_rolled_back: bool = False,
    days: DayRange | None = None,
    is_by_the_clock: bool = False,
) -> BuildPlan:
    return plan_build(
        entries=entries,
        last=last,
        as_of=as_of,
        code_fingerprint=code,
        candidate=(
            None
            if made_by is None
            else Candidate(
                run_id=1,
                code_fingerprint=made_by,
                is_complete=True,
                load_ids=frozenset({"one", "two"}),
                met_load_ids=frozenset(met),
            )
        ),
        is_rolled_back=is_rolled_back,
        days=days,
        is_by_the_clock=is_by_the_clock,
    )


def _plan_days(*entries: LedgerEntry) -> BuildPlan:
    return _plan(entries, _published(), days=DAYS)


def test_readers_that_were_taken_back_get_a_new_publication_though_nothing_is_new() -> None:
    plan = _plan([ONE, TWO], _published(), is_rolled_back=True)
    assert not plan.is_nothing
    assert not plan.is_full_refresh
    assert not plan.pending_load_ids


def test_nothing_is_to_be_done_for_the_same_loads_time_and_code() -> None:
    plan = _plan([ONE, TWO], _published())
    assert plan.is_nothing
    assert not plan.pending_load_ids


def test_days_that_are_asked_for_are_built_again_though_nothing_is_new() -> None:
    plan = _plan_days(ONE, TWO)
    assert not plan.is_nothing
    assert not plan.is_full_refresh
    assert not plan.pending_load_ids
    assert plan.reason == "the event days 2026-02-01 up to 2026-02-03 are to be built again"
    assert _plan_days(ONE, TWO, THREE).reason.endswith(", and 1 new loads")


def test_a_build_takes_up_the_days_of_its_loads_and_those_it_is_asked_for() -> None:
    new = ledger_entry("three", event_dates=("2026-02-27", "2026-02-02"))
    entries = [ONE, TWO, new]
    days = built_days(_plan(entries, _published(), days=DAYS))
    assert days == [date(2026, 2, 1), date(2026, 2, 2), date(2026, 2, 27)]


def test_new_loads_are_pending_and_only_they() -> None:
    plan = _plan([ONE, TWO, THREE], _published())
    assert not plan.is_nothing
    assert not plan.is_full_refresh
    assert plan.pending_load_ids == {"three"}


def test_a_plan_says_how_many_rows_the_lake_holds() -> None:
    loads = [ledger_entry("one", rows_landed=4), ledger_entry("three", rows_landed=3)]
    assert _plan(loads, None).lake_rows == 7


def test_a_moved_as_of_time_builds_with_nothing_pending() -> None:
    plan = _plan([ONE, TWO], _published(), as_of=LATER)
    assert not plan.is_nothing
    assert not plan.is_full_refresh
    assert not plan.pending_load_ids


def test_a_partial_publication_is_completed() -> None:
    assert not _plan([ONE, TWO], _published(is_complete=False)).is_nothing


@pytest.mark.parametrize(
    "plan",
    [
        _plan([ONE, TWO], None),
        _plan([ONE, TWO], _published(), code="changed"),
        _plan([ONE, TWO], _published(), made_by="a change that was taken back"),
        _plan([ONE, TWO], _published(), made_by=None),
        _plan([ONE], _published()),
    ],
    ids=[
        "nothing published",
        "code changed",
        "built by other code",
        "warehouse lost",
        "a published load is gone",
    ],
)
def test_everything_is_rebuilt_when_the_warehouse_cannot_be_trusted(plan: BuildPlan) -> None:
    assert plan.is_full_refresh
    assert plan.pending_load_ids == plan.load_ids


def test_the_fingerprint_follows_models_macros_and_reference_data(tmp_path: Path) -> None:
    for folder in ("dbt_project/models", "dbt_project/macros", "seeds/reference"):
        (tmp_path / folder).mkdir(parents=True)
    (tmp_path / "dbt_project" / "dbt_project.yml").write_text("name: x\n")
    seen = {fingerprint_code(tmp_path)}
    for changed in (
        "dbt_project/models/a.sql",
        "dbt_project/macros/b.sql",
        "seeds/reference/c.csv",
    ):
        (tmp_path / changed).write_text("1")
        seen.add(fingerprint_code(tmp_path))
    (tmp_path / "dbt_project" / "README.md").write_text("not code")
    seen.add(fingerprint_code(tmp_path))
    assert len(seen) == 4


def test_data_tests_have_a_fingerprint_of_their_own(tmp_path: Path) -> None:
    place = "dbt_project/data_tests"
    (tmp_path / place).mkdir(parents=True)
    before = fingerprint_code(tmp_path, places=[place])
    (tmp_path / place / "no_gaps.sql").write_text("select 1")
    assert fingerprint_code(tmp_path, places=[place]) != before


def test_run_inputs_list_loads_files_pending_dates_and_rejected_rows(tmp_path: Path) -> None:
    settings = Settings(home=tmp_path, time_zone="Europe/Berlin")
    new = ledger_entry(
        "three",
        event_dates=("2026-02-27", "2026-03-01"),
        quarantined_by_reason={"missing_required": 3},
    )
    entries = [ONE, TWO, new]
    write_run_inputs(
        settings,
        plan=_plan(entries, _published(), days=DAYS),
        run_id=7,
        as_of=AS_OF,
        is_complete=True,
    )
    with duckdb.connect() as connection:

        def rows(name: str, columns: str) -> list[tuple[object, ...]]:
            file = settings.run_inputs / f"{name}.parquet"
            return connection.execute(
                f"select {columns} from read_parquet('{file}') order by all"
            ).fetchall()

        assert rows("run_context", "*") == [("7", datetime(2026, 3, 2, 6), "Europe/Berlin")]
        assert rows("loads", "load_id, is_pending") == [
            ("one", False),
            ("three", True),
            ("two", False),
        ]
        assert rows("pending_event_dates", "*") == [
            ("charges", date(2026, 2, 27)),
            ("charges", date(2026, 3, 1)),
        ]
        assert rows("rebuilt_days", "*") == [(date(2026, 2, 1),), (date(2026, 2, 2),)]
        assert len(rows("lake_files", "path")) == 4
        assert rows("quarantine", "load_id, stream_name, reason_code, row_count") == [
            ("three", "charges", "missing_required", 3)
        ]


def test_a_build_of_some_streams_knows_of_nothing_else_new_and_takes_no_load_for_done(
    tmp_path: Path,
) -> None:
    settings = Settings(home=tmp_path)
    entries = [ONE, TWO, THREE, ledger_entry("four", stream="health_samples")]
    write_run_inputs(
        settings,
        plan=_plan(entries, _published()),
        run_id=1,
        as_of=AS_OF,
        is_complete=False,
        only_streams=frozenset({"health_samples"}),
    )
    with duckdb.connect() as connection:
        inputs = settings.run_inputs
        loads = connection.execute(
            f"select load_id, is_pending from '{inputs}/loads.parquet' order by load_id"
        ).fetchall()
        days = connection.execute(
            f"select stream_name from '{inputs}/pending_event_dates.parquet'"
        ).fetchall()
    assert loads == [("four", True), ("one", False), ("two", False)]
    assert days == [("health_samples",)]
    # The next build of all finds both of the new loads pending.
    assert read_candidate(settings, run_id=1).load_ids == {"one", "two"}


def test_a_candidate_that_another_run_rebuilt_is_not_published(tmp_path: Path) -> None:
    settings = Settings(home=tmp_path)
    write_run_inputs(settings, plan=_plan([ONE], None), run_id=1, as_of=AS_OF, is_complete=True)
    assert read_candidate(settings, run_id=1).load_ids == {"one"}
    with pytest.raises(RunFailure, match="run 1 rebuilt the warehouse"):
        read_candidate(settings, run_id=2)


def test_files_that_came_again_are_counted_under_the_one_that_was_loaded(tmp_path: Path) -> None:
    settings = Settings(home=tmp_path)
    entries = [ONE, ledger_entry("two")]
    for entry in entries:
        write_entry(settings.lake, entry, staging=tmp_path / "staging")
    for path in (ONE.path, "again.ndjson", "once more.ndjson", "again.ndjson"):
        note_repeat(settings.lake, source_name=ONE.source_name, load_id="one", path=path)
    note_repeat(settings.lake, source_name=ONE.source_name, load_id="erased", path="gone.ndjson")
    write_run_inputs(
        settings,
        plan=_plan(entries, None),
        run_id=1,
        as_of=AS_OF,
        is_complete=True,
    )
    with duckdb.connect() as connection:
        files = connection.execute(
            "select load_id, repeated_file_count"
            f" from '{settings.run_inputs}/files.parquet' order by 1"
        ).fetchall()
    assert files == [("one", 2), ("two", 0)]


def test_what_a_replay_moved_is_counted_once_under_its_file(tmp_path: Path) -> None:
    settings = Settings(home=tmp_path)
    entry = ledger_entry("one", quarantined_by_reason={"out_of_range": 3, "not_allowed": 1})
    replay = replace(
        ledger_entry(
            "again", rows_landed=2, quarantined_by_reason={"out_of_range": -3, "bad_time": 1}
        ),
        replay_of="one",
        replay_number=1,
        path=entry.path,
        rows_read=0,
    )
    entries = [entry, replay]
    write_run_inputs(
        settings,
        plan=_plan(entries, None),
        run_id=1,
        as_of=AS_OF,
        is_complete=True,
    )
    with duckdb.connect() as connection:
        inputs = settings.run_inputs
        refused = connection.execute(
            f"select load_id, reason_code, row_count from '{inputs}/quarantine.parquet' order by 2"
        ).fetchall()
        files = connection.execute(
            f"select load_id, rows_read, rows_replayed from '{inputs}/files.parquet'"
        ).fetchall()
        loads = connection.execute(
            f"select load_id, file_load_id, rows_landed from '{inputs}/loads.parquet' order by 1"
        ).fetchall()
    assert refused == [("one", "bad_time", 1), ("one", "not_allowed", 1)]
    assert files == [("one", 6, 2)]
    assert loads == [("again", "one", 2), ("one", "one", 2)]


@pytest.mark.parametrize(
    ("minute", "is_by_the_clock", "is_nothing"),
    [(59, True, True), (60, True, False), (-1, True, False), (59, False, False)],
)
def test_without_new_loads_the_published_state_holds_until_the_hour_is_over(
    minute: int, is_by_the_clock: bool, is_nothing: bool
) -> None:
    later = AS_OF + timedelta(minutes=minute)
    plan = _plan([ONE, TWO], _published(), as_of=later, is_by_the_clock=is_by_the_clock)
    assert plan.is_nothing is is_nothing
    new = _plan([ONE, TWO, THREE], _published(), as_of=later, is_by_the_clock=is_by_the_clock)
    assert not new.is_nothing


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    """A deployment with a warehouse that was built in full of one load, and published."""
    settings = Settings(home=tmp_path)
    settings.warehouse.mkdir()
    settings.warehouse_file.touch()
    _begin(settings, _plan([ONE], None))
    end_full_refresh(settings)
    return settings


def _begin(
    settings: Settings, plan: BuildPlan, *, only_streams: frozenset[str] | None = None
) -> None:
    write_run_inputs(
        settings,
        plan=plan,
        run_id=1,
        as_of=AS_OF,
        is_complete=True,
        only_streams=only_streams,
    )


def _met(settings: Settings) -> set[str] | None:
    candidate = candidate_of_increment(settings)
    return None if candidate is None else set(candidate.met_load_ids)


def test_a_full_refresh_that_was_killed_is_begun_anew(settings: Settings) -> None:
    """An erasure takes the candidate away; a run killed while it is built again left one without tables."""
    assert _met(settings) == {"one"}
    _begin(settings, _plan([ONE], None))
    assert candidate_of_increment(settings) is None
    end_full_refresh(settings)
    assert _met(settings) == {"one"}


def test_a_full_refresh_that_was_killed_before_it_made_anything_is_begun_anew(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its code would otherwise be taken back unnoticed, with tables of it in the candidate."""

    def killed(_: Path) -> dict[str, int]:
        raise KeyboardInterrupt

    monkeypatch.setattr("orchestration.warehouse.plan.count_repeats", killed)
    with pytest.raises(KeyboardInterrupt):
        _begin(settings, _plan([ONE], None))
    assert candidate_of_increment(settings) is None


def test_the_candidate_remembers_loads_of_builds_that_were_not_published(
    settings: Settings,
) -> None:
    _begin(settings, _plan([ONE, TWO, THREE], _published()))
    _begin(settings, _plan([ONE, TWO], _published()))
    assert _met(settings) == {"one", "two", "three"}
    _begin(settings, _plan([ONE, TWO], None))
    end_full_refresh(settings)
    assert _met(settings) == {"one", "two"}


def test_a_build_of_some_streams_meets_the_loads_of_those_alone(settings: Settings) -> None:
    health = ledger_entry("four", stream="health_samples")
    _begin(
        settings,
        _plan([ONE, TWO, THREE, health], _published()),
        only_streams=frozenset({"health_samples"}),
    )
    assert _met(settings) == {"one", "two", "four"}


def test_a_load_that_is_gone_after_a_build_met_it_makes_all_be_built_again() -> None:
    """What an adapter reads anew is another load. Of the first one, which no publication has, rows would
    stay in every table that only adds to itself."""
    plan = _plan([ONE, TWO, THREE], _published(), met=["one", "two", "read wrongly"])
    assert plan.is_full_refresh
    assert plan.reason == "loads that the warehouse was built from are gone"
    assert plan.pending_load_ids == {"one", "two", "three"}


def test_after_a_build_that_died_an_engine_that_does_not_replace_days_at_once_makes_all_again(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Engine, "replaces_days_at_once", False)
    assert _met(settings) == {"one"}
    note_models_begun(settings, {"fct_sessions"}, is_full_refresh=False)
    assert candidate_of_increment(settings) is None
    # Of one that made all and did not pass no day is gone.
    note_models_refused(settings)
    assert _met(settings) == {"one"}
    monkeypatch.undo()
    note_models_begun(settings, {"fct_sessions"}, is_full_refresh=False)
    assert _met(settings) == {"one"}
