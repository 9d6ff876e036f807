"""The private store keeps runs, audits and publications, and only its owner can read it."""

from datetime import UTC, datetime
from pathlib import Path

import pytest

from orchestration.state.store import Audit, StateStore

AS_OF = datetime(2026, 3, 2, 6, tzinfo=UTC)


@pytest.fixture
def store(tmp_path: Path) -> StateStore:
    return StateStore(tmp_path / "state" / "agentmart.sqlite")


def test_steps_of_one_run_share_its_as_of_time(store: StateStore) -> None:
    first = store.start_run(run_key="a", command="agentmart run", as_of=AS_OF)
    later = store.start_run(run_key="a", command="agentmart run", as_of=AS_OF.replace(hour=9))
    assert later == first
    assert later.as_of == AS_OF


def test_counts_of_several_steps_are_kept_side_by_side(store: StateStore) -> None:
    run = store.start_run(run_key="a", command="agentmart run", as_of=AS_OF)
    store.add_counts(run.run_id, {"ingest": {"rows_read": 5}})
    store.add_counts(run.run_id, {"build": {"models": 3}})
    assert store.run(run.run_id).counts == {"ingest": {"rows_read": 5}, "build": {"models": 3}}


def test_a_failed_run_says_why(store: StateStore) -> None:
    run = store.start_run(run_key="a", command="agentmart run", as_of=AS_OF)
    store.finish_run(run.run_id, status="failed", failure="a test failed")
    store.record_audits(
        run.run_id, [Audit(check_name="not_null_x", model_name="x", status="fail", failures=2)]
    )
    [recent] = store.recent_runs(1)
    assert (recent.status, recent.failure) == ("failed", "a test failed")
    [audit] = store.audits_of(run.run_id)
    assert (audit.check_name, audit.failures) == ("not_null_x", 2)


def test_the_last_publication_knows_the_loads_it_holds(store: StateStore) -> None:
    run = store.start_run(run_key="a", command="agentmart run", as_of=AS_OF)
    for publication_id, load_ids in ((1, ["one"]), (4, ["one", "two"])):
        store.record_publication(
            publication_id=publication_id,
            run_id=run.run_id,
            as_of=AS_OF,
            code_fingerprint="f",
            is_complete=True,
            load_ids=load_ids,
        )
    last = store.last_publication()
    assert last is not None
    assert last.publication_id == 4
    assert last.load_ids == {"one", "two"}


def test_nobody_else_can_read_the_store(store: StateStore, tmp_path: Path) -> None:
    file = tmp_path / "state" / "agentmart.sqlite"
    assert file.stat().st_mode & 0o077 == 0
    assert file.parent.stat().st_mode & 0o077 == 0
