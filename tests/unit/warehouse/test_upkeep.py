"""A build makes what its changed inputs reach, and what an earlier build left due."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from orchestration.settings import Settings
from orchestration.warehouse.upkeep import (
    Extent,
    Lineage,
    Upkeep,
    after_success,
    fingerprint_inputs,
    plan_extent,
    read_upkeep,
    write_upkeep,
)
from tests.support.ledger import ledger_entry

AS_OF = datetime(2026, 3, 2, 6, tzinfo=UTC)


def _node(
    name: str, parents: Sequence[str], *, kind: str = "model", made: str = "table", **meta: object
) -> dict[str, Any]:
    return {
        "name": name,
        "resource_type": kind,
        "fqn": ["agentmart", "folder", name],
        "config": {"materialized": made, "meta": meta},
        "depends_on": {"nodes": list(parents)},
    }


# Calls and samples are streams; the dates to redo come from the loads, as the project has it.
NODES = [
    _node("prices", [], kind="seed", made="seed"),
    _node("stg_loads", ["loads"], made="view"),
    _node("stg_calls", ["calls"], made="view"),
    _node("stg_samples", ["samples"], made="view"),
    _node("int_pending_dates", ["stg_loads", "stg_calls", "stg_samples"]),
    _node("fct_calls", ["stg_calls", "prices", "int_pending_dates", "loads"], made="incremental"),
    _node("fct_samples", ["stg_samples", "int_pending_dates"], made="incremental"),
    _node("dim_windows", ["run_context_input"]),
    _node("usage", ["fct_calls", "dim_windows"]),
    _node("health", ["fct_samples"]),
    _node("run_context", ["run_context_input"], is_of_every_run=True),
    _node("functions", ["usage", "health"], is_made_of_code=True),
    _node("prices_test", ["prices"], kind="test"),
    _node("calls_test", ["stg_calls"], kind="test"),
    _node("usage_test", ["usage"], kind="test"),
    _node("health_test", ["health"], kind="test"),
    _node("both_test", ["usage", "health"], kind="test"),
    _node("windows_test", ["usage", "dim_windows"], kind="test"),
    _node("adds_up_test", ["usage", "dim_windows", "fct_calls"], kind="test"),
]
_TESTS_OF_USAGE = frozenset({"usage_test", "both_test", "windows_test", "adds_up_test"})
LINEAGE = Lineage(
    {"nodes": {node["name"]: node for node in NODES}, "sources": {}},
)


def _note(code: str = "code", **changed: str) -> Upkeep:
    inputs = dict.fromkeys(("loads", "calls", "samples", "run_context_input"), "1")
    return Upkeep(
        code_fingerprint=code, inputs={**inputs, **changed}, due=frozenset(), audited_by=1
    )


def _plan(
    before: Upkeep | None,
    now: Upkeep,
    *,
    selected: Collection[str] | None = None,
    is_everything: bool = False,
) -> tuple[Extent, Upkeep]:
    return plan_extent(
        LINEAGE, before=before, now=now, selected=selected, is_everything=is_everything
    )


def test_new_loads_of_one_stream_reach_what_is_made_of_it_and_its_tests() -> None:
    extent, _ = _plan(_note(), _note(loads="2", calls="2"))
    assert extent.models == {"int_pending_dates", "fct_calls", "usage", "run_context"}
    assert extent.tests == {"calls_test", *_TESTS_OF_USAGE}
    assert extent.selectors == sorted(
        f"agentmart.folder.{name}" for name in extent.models | extent.tests
    )


def test_time_alone_moves_what_looks_from_it() -> None:
    extent, _ = _plan(_note(), _note(run_context_input="2"))
    assert extent.models == {"dim_windows", "usage", "run_context"}
    assert extent.tests == _TESTS_OF_USAGE


def test_loads_that_a_publication_took_reach_no_fact() -> None:
    extent, _ = _plan(_note(), _note(loads="2"))
    assert extent.models == {"int_pending_dates", "run_context"}


def test_nothing_new_leaves_the_note_of_the_run() -> None:
    extent, _ = _plan(_note(), _note())
    assert extent.models == {"run_context"}
    assert not extent.tests


def test_everything_is_named_by_no_selector() -> None:
    for extent, _ in (
        _plan(None, _note()),
        _plan(_note(code="older"), _note()),
        _plan(_note(), _note(), is_everything=True),
    ):
        assert extent.models == LINEAGE.everything
        assert not extent.selectors


def test_a_part_of_everything_makes_its_views_and_reference_data() -> None:
    extent, noted = _plan(None, _note(), selected={"prices", "stg_calls", "fct_calls"})
    assert extent.models == {"prices", "stg_calls", "fct_calls"}
    # What the others hold is not known yet; the dates to redo are no content.
    assert extent.tests == {"prices_test", "calls_test"}
    done = after_success(LINEAGE, noted, selected=extent.models, run_id=2)
    assert done.due == LINEAGE.everything - extent.models


def test_a_table_is_held_against_what_it_was_made_of_though_that_is_due() -> None:
    """A mart that is published anew is tested; the fact took up rows that its windows know nothing of."""
    before = _note()
    now = _note(calls="2", run_context_input="2")
    extent, _ = _plan(before, now, selected={"fct_calls", "usage"})
    assert extent.tests == {"usage_test", "windows_test", "both_test"}


def test_what_was_not_selected_stays_due_with_all_that_is_made_of_it() -> None:
    extent, noted = _plan(
        _note(), _note(samples="2", calls="2"), selected={"fct_samples", "health", "usage"}
    )
    assert extent.models == {"fct_samples", "health", "usage"}
    # The usage is made of a fact that is due; the health is not, so the two stand at different states.
    assert extent.tests == {"health_test", "usage_test", "windows_test", "adds_up_test"}
    done = after_success(LINEAGE, noted, selected={"fct_samples", "health", "usage"}, run_id=2)
    later, _ = _plan(done, _note(samples="2", calls="2"))
    assert later.models == {"int_pending_dates", "fct_calls", "usage", "run_context"}
    assert later.tests == {"calls_test", *_TESTS_OF_USAGE}
    assert noted.due - done.due == {"fct_samples", "health", "usage"}


def test_a_build_that_did_not_succeed_is_made_again() -> None:
    first, noted = _plan(_note(), _note(calls="2"))
    again, _ = _plan(noted, _note(calls="2"))
    assert again == first
    done = after_success(LINEAGE, noted, selected=None, run_id=2)
    assert _plan(done, _note(calls="2"))[0].models == {"run_context"}
    assert done.audited_by == 2


def test_merged_files_of_a_stream_are_the_same_input(tmp_path: Path) -> None:
    settings = Settings(home=tmp_path)
    settings.run_inputs.mkdir(parents=True)
    (settings.run_inputs / "loads.parquet").write_bytes(b"one")
    entries = [ledger_entry("a"), ledger_entry("b")]
    first = fingerprint_inputs(settings, entries=entries, as_of=AS_OF)
    (settings.run_inputs / "lake_files.parquet").write_bytes(b"other files")
    assert fingerprint_inputs(settings, entries=entries[::-1], as_of=AS_OF) == first
    one_more = fingerprint_inputs(settings, entries=[*entries, ledger_entry("c")], as_of=AS_OF)
    assert {name for name in first if first[name] != one_more[name]} == {"charges"}


def test_the_note_outlives_the_process_on_the_engine_that_is_ours_alone(tmp_path: Path) -> None:
    settings = Settings(home=tmp_path)
    assert read_upkeep(settings) is None
    settings.run_inputs.mkdir(parents=True)
    _, noted = _plan(_note(), _note(calls="2"))
    write_upkeep(settings, noted)
    assert read_upkeep(settings) == noted
    assert read_upkeep(Settings(home=tmp_path, target="another")) is None


@pytest.mark.parametrize("zone", ["UTC", "Asia/Kolkata"])
def test_the_time_and_the_zone_that_a_run_looks_from_are_one_input(
    tmp_path: Path, zone: str
) -> None:
    here = Settings(home=tmp_path, time_zone=zone)
    elsewhere = Settings(home=tmp_path, time_zone="Europe/Berlin")
    first = fingerprint_inputs(here, entries=[], as_of=AS_OF)
    assert first != fingerprint_inputs(elsewhere, entries=[], as_of=AS_OF)
    assert first != fingerprint_inputs(here, entries=[], as_of=AS_OF.replace(hour=7))
    assert first == fingerprint_inputs(here, entries=[], as_of=AS_OF)
