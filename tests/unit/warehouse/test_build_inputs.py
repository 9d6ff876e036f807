"""What a build takes up is decided once, whatever is loaded while it is prepared."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

import duckdb
import pytest

from orchestration.ingest.ledger import LedgerEntry
from orchestration.settings import Settings
from orchestration.state.store import StateStore
from orchestration.warehouse import build
from orchestration.warehouse.build import CurrentRun, prepare_build, prepare_extent
from orchestration.warehouse.manifest import prepare_manifest
from orchestration.warehouse.upkeep import read_upkeep
from tests.support.ledger import ledger_entry

AS_OF = datetime(2026, 3, 2, 6, tzinfo=UTC)
ONE, LATER = ledger_entry("one", stream="agents"), ledger_entry("later", stream="agents")


def _prepared(home: Path, monkeypatch: pytest.MonkeyPatch, *ledger: list[LedgerEntry]) -> Settings:
    """A build prepared while the ledger reads like this, one time after the other."""
    settings = Settings(home=home)
    settings.home.mkdir()
    prepare_manifest(settings)
    store = StateStore(settings.state_file)
    run = store.start_run(run_key="one", command="test", as_of=AS_OF)
    current = CurrentRun(settings=settings, store=store, run=run)
    found = iter([*ledger, *[ledger[-1]] * 5])

    def read(_: Path) -> Sequence[LedgerEntry]:
        return next(found)

    monkeypatch.setattr(build, "read_entries", read)
    plan = prepare_build(current, is_complete=True)
    prepare_extent(current, plan, selected=None)
    return settings


def test_a_load_that_lands_while_a_build_is_prepared_is_of_the_next_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Agents are made again when a digest of their loads has changed. One that held a load which the build
    had not met would leave it out until the next file of agents."""
    calm = _prepared(tmp_path / "calm", monkeypatch, [ONE])
    disturbed = _prepared(tmp_path / "disturbed", monkeypatch, [ONE], [ONE, LATER])
    noted, expected = read_upkeep(disturbed), read_upkeep(calm)
    assert noted is not None
    assert expected is not None
    assert noted.inputs["agents"] == expected.inputs["agents"]
    loads = duckdb.sql(f"select load_id from '{disturbed.run_inputs}/loads.parquet'").fetchall()
    assert loads == [("one",)]
