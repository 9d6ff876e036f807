"""The Dagster home of a deployment: made once, so that the terminal and the web page share runs.

Belongs here: Dagster's configuration and record of runs. Does not belong here: our own record (state/).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from orchestration.settings import Settings

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

    return DagsterInstance.from_config(str(settings.dagster_home))
