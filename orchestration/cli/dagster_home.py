"""The Dagster home of a deployment: made once, so that the terminal and the web page share runs.

Belongs here: Dagster's configuration and record of runs. Does not belong here: our own record (state/).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from orchestration.settings import Settings
from orchestration.warehouse.lock import lock_if_free

if TYPE_CHECKING:
    from dagster import DagsterInstance

# Dagster's own defaults except: no usage telemetry, and no log lines of other libraries in the terminal.
_CONFIGURATION = """\
telemetry:
  enabled: false
python_logs:
  python_log_level: WARNING
concurrency:
  pools:
    granularity: op
    default_limit: 1
"""


def prepare_dagster_home(settings: Settings) -> None:
    """Create the folder and its configuration unless someone has configured it already."""
    settings.dagster_home.mkdir(parents=True, exist_ok=True)
    configuration = settings.dagster_home / "dagster.yaml"
    if not configuration.exists():
        configuration.write_text(_CONFIGURATION, encoding="utf-8")
    settings.export_to_children()


def open_instance(settings: Settings) -> DagsterInstance:
    """Dagster's record of runs in this home, written without waiting for the disk.

    Dagster commits each of a run's thousand events by itself; with a forced write for each one they took
    45 s of a 100 s run. What must survive a power cut (ledger, state store, publication) is forced to disk
    by us and does not depend on this record.
    """
    prepare_dagster_home(settings)
    from dagster import DagsterInstance
    from sqlalchemy import event
    from sqlalchemy.engine import Engine

    @event.listens_for(Engine, "connect")
    def _do_not_wait(connection: object, _: object) -> None:
        cursor = connection.cursor()  # type: ignore[attr-defined]
        cursor.execute("pragma synchronous = off")
        cursor.close()

    from orchestration.clock import now
    from orchestration.defs.abandoned_runs import end_abandoned_runs

    instance = DagsterInstance.from_config(str(settings.dagster_home))
    end_abandoned_runs(instance, settings, now=now())
    _free_abandoned_slots(instance, settings)
    return instance


def _free_abandoned_slots(instance: DagsterInstance, settings: Settings) -> None:
    """Take the slots of Dagster's pool from runs that were killed, for which every other would wait for ever.

    Whoever works in the pool holds the warehouse lock, which the operating system frees when its owner dies.
    """
    with lock_if_free(settings.lock_file) as is_free:
        storage = instance.event_log_storage
        if is_free and storage.supports_global_concurrency_limits:
            for run_id in storage.get_concurrency_run_ids():
                storage.free_concurrency_slots_for_run(run_id)
