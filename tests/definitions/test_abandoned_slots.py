"""A run that is killed keeps its slot of Dagster's pool; the next one takes it, or would wait for ever."""

from __future__ import annotations

from contextlib import ExitStack
from pathlib import Path

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
