"""The warehouse stays with a run from its build to its publication, and goes to the next one after it."""

from pathlib import Path

import dagster as dg
import pytest

from orchestration.settings import Settings
from orchestration.warehouse.lock import lock_if_free


@pytest.mark.parametrize("is_published", [True, False])
def test_no_other_run_comes_between_a_build_and_its_publication(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, is_published: bool
) -> None:
    from orchestration.defs.deployment import Deployment

    monkeypatch.setenv("AGENTMART_HOME", str(tmp_path))
    settings = Settings(home=tmp_path)
    seen: list[tuple[bool, bool]] = []

    def look() -> None:
        with (
            lock_if_free(settings.lock_file) as is_warehouse_free,
            lock_if_free(settings.runs_lock_file) as is_nobody_at_work,
        ):
            seen.append((is_warehouse_free, is_nobody_at_work))

    @dg.op(out=dg.Out(dg.Nothing))
    def build(deployment: Deployment) -> None:
        look()
        deployment.hold_warehouse(settings, say=lambda _: None)

    @dg.op(ins={"built": dg.In(dg.Nothing)}, out=dg.Out(dg.Nothing))
    def check() -> None:
        look()

    @dg.op(ins={"checked": dg.In(dg.Nothing)}, out=dg.Out(dg.Nothing))
    def publish(deployment: Deployment) -> None:
        if not is_published:
            raise RuntimeError("the audit failed")
        deployment.hold_warehouse(settings, say=lambda _: None)
        deployment.release_warehouse()
        look()

    @dg.job(resource_defs={"deployment": Deployment()}, executor_def=dg.in_process_executor)
    def run() -> None:
        publish(check(build()))

    result = run.execute_in_process(raise_on_error=False)
    assert result.success is is_published
    look()
    at_work = [(True, False), (False, False), *([(True, False)] if is_published else [])]
    assert seen == [*at_work, (True, True)]
