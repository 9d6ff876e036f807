"""The Dagster home of a deployment: made once, so that the terminal and the web page share runs.

Belongs here: Dagster's configuration and record of runs. Does not belong here: our own record (state/).
"""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from typing import TYPE_CHECKING, Any

from orchestration.errors import RunFailure, UserError
from orchestration.settings import Settings
from orchestration.warehouse.lock import lock_if_free

if TYPE_CHECKING:
    from dagster import DagsterInstance
    from sqlalchemy import Connection, Engine

# Dagster's own: another process may write meanwhile.
_BUSY_SECONDS = 30
# By this line a configuration of ours is known from one that somebody wrote.
_OURS = "# Made from the settings at every start; without this line it stays as it is.\n"
# Dagster's own defaults except: no usage telemetry, no invitation to a newsletter, and no log lines of other
# libraries in the terminal.
_CONFIGURATION = """\
telemetry:
  enabled: false
nux:
  enabled: false
python_logs:
  python_log_level: WARNING
concurrency:
  pools:
    granularity: op
    default_limit: 1
"""
# For several hosts: what runs is known in one place, its daemon starts what is queued, and takes the slots of
# a pool from runs that are over.
_IN_POSTGRES = """\
  runs:
    max_concurrent_runs: 10
run_monitoring:
  enabled: true
  free_slots_after_run_end_seconds: 60
storage:
  postgres:
    postgres_url: "{url}"
"""


def prepare_dagster_home(settings: Settings) -> None:
    """Create the folder and its configuration unless someone has configured it already."""
    settings.dagster_home.mkdir(parents=True, exist_ok=True)
    path = settings.dagster_home / "dagster.yaml"
    wanted = _OURS + _CONFIGURATION
    if settings.dagster_postgres:
        # Without its name another driver is looked for, which Dagster does not bring along.
        scheme, _, place = settings.dagster_postgres.partition("://")
        wanted += _IN_POSTGRES.format(url=f"{scheme}+psycopg2://{place}")
    found = path.read_text(encoding="utf-8") if path.exists() else None
    # The second is what was written before there was a choice.
    is_ours = found is None or found.startswith(_OURS) or found == _CONFIGURATION
    if is_ours and found != wanted:
        unfinished = path.with_name(f".dagster.yaml.{os.getpid()}")
        unfinished.write_text(wanted, encoding="utf-8")
        unfinished.replace(path)
    settings.export_to_children()


def open_instance(settings: Settings) -> DagsterInstance:
    """Dagster's record of runs in this home, written without waiting for the disk.

    Dagster commits each of a run's thousand events by itself; with a forced write for each one they took
    45 s of a 100 s run. What must survive a power cut (ledger, state store, publication) is forced to disk
    by us and does not depend on this record.
    """
    prepare_dagster_home(settings)
    from sqlalchemy import event
    from sqlalchemy.engine import Engine

    @event.listens_for(Engine, "connect")
    def _do_not_wait(connection: object, _: object) -> None:
        if not isinstance(connection, sqlite3.Connection):
            return
        cursor = connection.cursor()
        cursor.execute("pragma synchronous = off")
        cursor.close()

    from orchestration.clock import now
    from orchestration.defs.abandoned_runs import end_abandoned_runs

    instance = _instance_of(settings)
    _keep_open(instance)
    # No lock of this host says whether a run on another one is alive; there, the daemon looks after them.
    if not settings.dagster_postgres:
        end_abandoned_runs(instance, settings, now=now())
        _free_abandoned_slots(instance, settings)
    return instance


def _instance_of(settings: Settings) -> DagsterInstance:
    from dagster import DagsterInstance

    folder = str(settings.dagster_home)
    if not settings.dagster_postgres:
        return DagsterInstance.from_config(folder)
    try:
        from dagster_postgres.utils import DagsterPostgresException
    except ImportError as error:
        raise UserError(
            f"AGENTMART_DAGSTER_POSTGRES needs a library that is not installed ({error}); install"
            " agentmart[dagster-postgres]"
        ) from error
    try:
        return DagsterInstance.from_config(folder)
    except DagsterPostgresException as error:
        said = str(error.__cause__ or error).strip().splitlines()[0]
        raise RunFailure(
            f"Dagster's record of runs in {settings.dagster_postgres} cannot be opened ({said}); see that"
            " the server runs and that AGENTMART_DAGSTER_POSTGRES and PGPASSWORD are right"
        ) from error


def _keep_open(instance: DagsterInstance) -> None:
    """Keep the files of Dagster's record of events open, each by one connection.

    It opens a file two or three times for each event that it notes; the 300 results of a build took 14 s of
    the processor so, and take 5 s. Files on other hosts have a server that keeps connections.
    """
    from sqlalchemy import create_engine
    from sqlalchemy.pool import StaticPool

    # There is no public way to it; tests/definitions/test_event_record.py fails where Dagster changes it.
    storage: Any = instance.event_log_storage
    if type(storage).__name__ != "SqliteEventLogStorage":
        return
    engines: dict[str, Engine] = {}

    @contextmanager
    def connect(shard: str) -> Iterator[Connection]:
        # One thread at a time, as Dagster has it: a connection is of whoever holds the lock.
        with storage._db_lock:
            if shard not in engines:
                opened = create_engine(
                    storage.conn_string_for_shard(shard),
                    poolclass=StaticPool,
                    connect_args={"timeout": _BUSY_SECONDS, "check_same_thread": False},
                )
                storage._initdb(opened)
                engines[shard] = opened
            with engines[shard].begin() as connection:
                yield connection

    storage._connect = connect
    # Asked before each event, through a connection of its own; no table goes while a run is at work.
    storage.has_table = cache(storage.has_table)


def _free_abandoned_slots(instance: DagsterInstance, settings: Settings) -> None:
    """Take the slots of Dagster's pool from runs that were killed.

    Whoever works in the pool holds the warehouse lock, which the operating system frees when its owner dies.
    """
    from orchestration.defs.abandoned_runs import free_slots

    with lock_if_free(settings.lock_file) as is_free:
        if is_free:
            free_slots(instance, is_over=lambda _: True)
