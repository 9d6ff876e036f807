"""One process at a time writes the warehouse, and a dead owner never blocks the next."""

import multiprocessing
import os
import signal
from datetime import UTC, datetime
from multiprocessing.synchronize import Event
from pathlib import Path

from orchestration.warehouse.lock import exclusive_lock, lock_if_free, shared_lock


def _hold(path: Path, is_held: Event) -> None:
    with exclusive_lock(path, on_wait=lambda _: None):
        is_held.set()
        signal.pause()


def test_a_second_process_waits_says_who_it_waits_for_and_goes_on_when_the_owner_is_killed(
    tmp_path: Path,
) -> None:
    path = tmp_path / "agentmart.lock"
    context = multiprocessing.get_context("spawn")
    is_held = context.Event()
    owner = context.Process(target=_hold, args=(path, is_held))
    owner.start()
    assert is_held.wait(timeout=20)
    taken = path.stat().st_mtime
    said: list[str] = []

    def kill_the_owner(message: str) -> None:
        said.append(message)
        assert owner.pid is not None
        os.kill(owner.pid, signal.SIGKILL)

    with exclusive_lock(path, on_wait=kill_the_owner):
        since = datetime.fromtimestamp(int(taken), tz=UTC)
        assert said == [
            f"agentmart is in use by process {owner.pid} since {since:%Y-%m-%d %H:%M:%S} UTC;"
            " waiting until it is done."
        ]
        assert path.read_text() == str(os.getpid())
    owner.join()


def test_the_lock_that_all_share_is_free_once_the_last_of_them_let_go(tmp_path: Path) -> None:
    path = tmp_path / "runs.lock"
    with shared_lock(path):
        with shared_lock(path), lock_if_free(path) as is_free:
            assert not is_free
        with lock_if_free(path) as is_free:
            assert not is_free
    with lock_if_free(path) as is_free:
        assert is_free
