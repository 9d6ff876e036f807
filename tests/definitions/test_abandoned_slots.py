"""A run that is killed keeps its slot of Dagster's pool; the next one takes it, or would wait for ever."""

from __future__ import annotations

from contextlib import ExitStack
from pathlib import Path

import dagster as dg
import pytest

from orchestration.cli.dagster_home import open_instance
from orchestration.settings import Settings
from orchestration.warehouse.lock import exclusive_lock

POOL = "warehouse"


@pytest.mark.parametrize("is_owner_alive", [False, True])
def test_a_slot_is_taken_back_once_its_owner_is_dead(tmp_path: Path, is_owner_alive: bool) -> None:
    settings = Settings(home=tmp_path)
    with open_instance(settings) as instance:
        storage = instance.event_log_storage
        storage.initialize_concurrency_limit_to_default(POOL)
        claimed = storage.claim_concurrency_slot(POOL, "run-that-was-killed", "a step")
        assert claimed.is_claimed
    with ExitStack() as owner:
        if is_owner_alive:
            owner.enter_context(exclusive_lock(settings.lock_file, on_wait=lambda _: None))
        with open_instance(settings) as instance:
            storage = instance.event_log_storage
            claim = storage.claim_concurrency_slot(POOL, "next-run", "a step")
            assert claim.is_claimed is not is_owner_alive


@pytest.mark.parametrize("is_owner_alive", [False, True])
def test_within_a_minute_a_slot_is_taken_back_from_a_run_that_has_ended(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, is_owner_alive: bool
) -> None:
    from orchestration.defs.abandoned_runs import abandoned_run_sensor

    @dg.job(name="work")
    def work() -> None: ...

    monkeypatch.setenv("AGENTMART_HOME", str(tmp_path))
    status = dg.DagsterRunStatus.STARTED if is_owner_alive else dg.DagsterRunStatus.FAILURE
    with open_instance(Settings(home=tmp_path)) as instance:
        owner = instance.create_run_for_job(work, status=status)
        storage = instance.event_log_storage
        storage.initialize_concurrency_limit_to_default(POOL)
        assert storage.claim_concurrency_slot(POOL, owner.run_id, "a step").is_claimed

        abandoned_run_sensor.evaluate_tick(dg.build_sensor_context(instance=instance))

        claim = storage.claim_concurrency_slot(POOL, "next-run", "a step")
        assert claim.is_claimed is not is_owner_alive
    assert abandoned_run_sensor.default_status is dg.DefaultSensorStatus.RUNNING
    assert abandoned_run_sensor.minimum_interval_seconds == 60
