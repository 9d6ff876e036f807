"""The resource that tells every step which deployment it works on and for which time."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import dagster as dg

from orchestration.clock import now
from orchestration.settings import Settings
from orchestration.state.store import Run, StateStore


class Deployment(dg.ConfigurableResource):  # type: ignore[type-arg]
    """A deployment's settings, and the as-of time of the run.

    ``as_of`` (ISO 8601) and ``landing`` (a folder) override the clock and the default landing folder.
    ``run_key`` joins several Dagster runs into one run of ours, as `agentmart run` does.
    """

    as_of: str = ""
    landing: str = ""
    command: str = "dagster"
    run_key: str = ""

    def settings(self) -> Settings:
        settings = Settings.load()
        settings.export_for_dbt()
        return settings

    def landing_folder(self) -> Path:
        return Path(self.landing) if self.landing else self.settings().landing

    def store(self) -> StateStore:
        return StateStore(self.settings().state_file)

    def run_of(self, dagster_run_id: str) -> Run:
        """The run this step belongs to; all steps of a run share the as-of time of its first one."""
        as_of = datetime.fromisoformat(self.as_of).astimezone(UTC) if self.as_of else now()
        return self.store().start_run(
            run_key=self.run_key or dagster_run_id, command=self.command, as_of=as_of
        )
