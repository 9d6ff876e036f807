"""The tables of ``meta`` that publishing itself writes: which publication it is, runs, audits, restatements.

Belongs here: their columns and descriptions, and filling all but the last. Does not belong here: tables that
dbt builds, and how restatements are found (warehouse/restatements).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType

import duckdb

from orchestration.state.store import Run
from orchestration.warehouse.check_results import CheckResult


@dataclass(frozen=True, kw_only=True)
class HistoryTable:
    """One table of ``meta``: its columns as (type, description) by name."""

    name: str
    description: str
    columns: Mapping[str, tuple[str, str]]

    @property
    def descriptions(self) -> dict[str, str]:
        return {name: text for name, (_, text) in self.columns.items()}

    @property
    def ddl(self) -> str:
        columns = ", ".join(f"{name} {kind}" for name, (kind, _) in self.columns.items())
        return f"create table meta.{self.name} ({columns})"


PUBLICATION = HistoryTable(
    name="publication",
    description=(
        "One row: the publication that all tables here are of. Whoever reads in several connections, or"
        " several Parquet files, sees by it whether another publication came in between."
    ),
    columns=MappingProxyType(
        {
            "publication_id": (
                "integer",
                "Its number, as `agentmart publications list` shows it; each is higher than the one before.",
            ),
            "run_id": ("integer", "The run that published it; see meta.runs."),
        }
    ),
)
RUNS = HistoryTable(
    name="runs",
    description="One row per run of this deployment, the last 50.",
    columns=MappingProxyType(
        {
            "run_id": ("integer", "Number of the run."),
            "command": ("varchar", "The command or job that started it."),
            "as_of": ("timestamp", "The moment the run looked from (UTC)."),
            "status": ("varchar", "running (this one), succeeded, failed or nothing new."),
            "failure": ("varchar", "Why it failed; NULL when it did not."),
        }
    ),
)
AUDITS = HistoryTable(
    name="audits",
    description=(
        "One row per check and subject of the run that made this publication, and per check that did not"
        " pass in the 50 runs before it: data tests, and measured values held against the bounds of"
        " reference.check_bounds (freshness, volume, quarantine_rate)."
    ),
    columns=MappingProxyType(
        {
            "run_id": ("integer", "The run; see meta.runs."),
            "check_name": ("varchar", "Name of the data test, or of the measured check."),
            "subject": (
                "varchar",
                "The table, stream or schema of marts it is about; NULL when it is about several.",
            ),
            "severity": ("varchar", "error (a failure stops the publication) or warn."),
            "status": ("varchar", "pass, warn, fail, error, skipped or not judged."),
            "is_passed": ("boolean", "Whether it passed; NULL where it could not be judged."),
            "value": (
                "decimal(18, 6)",
                "What was measured; of a data test the rows that break its rules.",
            ),
            "lowest": (
                "decimal(18, 6)",
                "The least that passes; NULL where nothing is too little.",
            ),
            "highest": ("decimal(18, 6)", "The most that passes."),
            "message": (
                "varchar",
                "Which rules were broken, or the unit and day of a measured value.",
            ),
        }
    ),
)
RESTATEMENTS = HistoryTable(
    name="restatements",
    description=(
        "One row per publication, dataset, window, subject and metric whose published figure differs from the"
        " one published before: the window was complete then, and late data or a changed model moved it."
    ),
    columns=MappingProxyType(
        {
            "publication_id": ("integer", "The publication that first shows the new figure."),
            "restated_as_of": ("timestamp", "As-of time of that publication (UTC)."),
            "cause": (
                "varchar",
                "data (rows that came late or were taken back) or code (models or reference data changed).",
            ),
            "dataset": ("varchar", "The table of the figure, with its schema."),
            "scope_kind": ("varchar", "Whose figure it is: platform, tenant or publisher."),
            "scope_id": ("varchar", "Id of the tenant or publisher; platform for the platform."),
            "source_name": ("varchar", "Source of the scope; NULL when it spans all sources."),
            "time_zone": ("varchar", "Time zone of the window."),
            "start_local": ("date", "First local date of the window."),
            "end_local": ("date", "The local date after its last."),
            "start_at": ("timestamp", "Start of the window (UTC)."),
            "end_at": ("timestamp", "End of the window (UTC), not part of it."),
            "subject": (
                "varchar",
                "The row within the window, such as agent_key=native:a1; NULL for its total.",
            ),
            "metric_key": ("varchar", "The metric; see meta.metric_catalogue."),
            "before_value": (
                "decimal(38, 12)",
                "As published before; NULL when unknown or absent.",
            ),
            "after_value": ("decimal(38, 12)", "As published now; NULL when unknown or absent."),
        }
    ),
)
HISTORY = (PUBLICATION, RUNS, AUDITS, RESTATEMENTS)


def write_history(
    connection: duckdb.DuckDBPyConnection,
    *,
    publication_id: int,
    run_id: int,
    runs: Sequence[Run],
    checks: Sequence[CheckResult],
) -> None:
    """Create the tables and fill those whose rows the state store has."""
    for table in HISTORY:
        connection.execute(table.ddl)
    _insert(connection, PUBLICATION, [[publication_id, run_id]])
    _insert(
        connection,
        RUNS,
        [
            [run.run_id, run.command, run.as_of.replace(tzinfo=None), run.status, run.failure]
            for run in runs
        ],
    )
    _insert(
        connection,
        AUDITS,
        [[getattr(one, column) for column in AUDITS.columns] for one in checks],
    )


def _insert(
    connection: duckdb.DuckDBPyConnection, table: HistoryTable, rows: Sequence[Sequence[object]]
) -> None:
    if rows:
        places = ", ".join("?" * len(table.columns))
        connection.executemany(f"insert into meta.{table.name} values ({places})", rows)
