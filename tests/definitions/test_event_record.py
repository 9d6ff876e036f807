"""Dagster's record of events is written through connections that stay open."""

from __future__ import annotations

from pathlib import Path

import dagster as dg
import pytest
from sqlalchemy import event
from sqlalchemy.engine import Engine

from orchestration.cli.dagster_home import open_instance
from orchestration.settings import Settings


@dg.multi_asset(specs=[dg.AssetSpec(f"asset_{number}") for number in range(20)])
def _twenty_assets():  # type: ignore[no-untyped-def]
    for number in range(20):
        yield dg.MaterializeResult(asset_key=f"asset_{number}", metadata={"number": number})


def test_events_of_a_run_are_written_through_one_connection_to_each_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = Settings(home=tmp_path)
    monkeypatch.setenv("DAGSTER_HOME", str(settings.dagster_home))
    defs = dg.Definitions(
        assets=[_twenty_assets],
        jobs=[dg.define_asset_job("all_of_them")],
        executor=dg.in_process_executor,
    )
    opened: list[str] = []
    with open_instance(settings) as instance:

        @event.listens_for(Engine, "do_connect")
        def _note(_dialect: object, _record: object, arguments: list[str], _: object) -> None:
            opened.append(Path(str(arguments[0])).parent.name)

        try:
            result = defs.resolve_job_def("all_of_them").execute_in_process(instance=instance)
        finally:
            event.remove(Engine, "do_connect", _note)
        # The file of this run, and the one of all runs; without it there are some sixty.
        assert opened.count("runs") <= 4, opened
        for number in range(20):
            latest = instance.get_latest_materialization_event(dg.AssetKey(f"asset_{number}"))
            assert latest is not None
            assert latest.run_id == result.run_id
    # Another process, which opens the files anew, reads the same.
    with dg.DagsterInstance.from_config(str(settings.dagster_home)) as reopened:
        written = [one.dagster_event_type for one in reopened.all_logs(result.run_id)]
    assert written.count(dg.DagsterEventType.ASSET_MATERIALIZATION) == 20
