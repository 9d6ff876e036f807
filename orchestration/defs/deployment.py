"""The resource that tells every step which deployment it works on and for which time.

It lives as long as a run does: while it does, others can see that a run is at work, and the warehouse stays
with the run from its build to its publication.

Belongs here: that resource. Does not belong here: what the settings mean (settings.py).
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import ExitStack
from datetime import UTC, datetime

import dagster as dg
from pydantic import PrivateAttr

from orchestration.clock import now
from orchestration.settings import Settings
from orchestration.state.home import open_home
from orchestration.state.store import StateStore
from orchestration.warehouse.build import CurrentRun
from orchestration.warehouse.days import DayRange, parse_days
from orchestration.warehouse.engines import engine_of
from orchestration.warehouse.lock import LOGGER, shared_lock


class Deployment(dg.ConfigurableResource):  # type: ignore[type-arg]
    """A deployment's settings, and the as-of time of the run.

    ``as_of`` (ISO 8601) and ``landing`` (a folder or a URL) override the clock and the default landing
    folder.
    ``run_key`` joins several Dagster runs into one run of ours, as `agentmart run` does.
    ``first_day`` and ``end_day`` (dates, half-open) are event days to build again.
    """

    as_of: str = ""
    landing: str = ""
    command: str = "dagster"
    run_key: str = ""
    first_day: str = ""
    end_day: str = ""

    _at_work: ExitStack = PrivateAttr(default_factory=ExitStack)
    _warehouse: ExitStack | None = PrivateAttr(default=None)

    def setup_for_execution(self, context: dg.InitResourceContext) -> None:
        del context
        self._at_work.enter_context(shared_lock(self.settings().runs_lock_file))

    def teardown_after_execution(self, context: dg.InitResourceContext) -> None:
        del context
        self.release_warehouse()
        self._at_work.close()

    def hold_warehouse(self, settings: Settings, *, say: Callable[[str], object]) -> None:
        """Be the only run that builds or publishes, from now until it is released or the run ends.

        Between a build and its publication no other run may build: it would take the candidate away.
        """
        if self._warehouse is None:

            def say_everywhere(line: str) -> None:
                say(line)
                LOGGER.warning(line)

            held = ExitStack()
            held.enter_context(engine_of(settings).lock(settings, on_wait=say_everywhere))
            self._warehouse = held

    def release_warehouse(self) -> None:
        """Let the next run build."""
        if self._warehouse is not None:
            self._warehouse.close()
            self._warehouse = None

    def settings(self) -> Settings:
        return Settings.load()

    def landing_place(self) -> str:
        return self.landing or self.settings().default_landing

    def days(self, *, as_of: datetime) -> DayRange | None:
        return parse_days(first=self.first_day or None, end=self.end_day or None, as_of=as_of)

    def current_run(self, dagster_run_id: str) -> CurrentRun:
        """The run this step belongs to; all its steps share the as-of time of the first one."""
        settings = self.settings()
        open_home(settings, is_hashing=True, is_made=True, say=dg.get_dagster_logger().info)
        store = StateStore(settings.state_file)
        as_of = datetime.fromisoformat(self.as_of).astimezone(UTC) if self.as_of else now()
        run_key = self.run_key or dagster_run_id
        run = store.start_run(run_key=run_key, command=self.command, as_of=as_of)
        return CurrentRun(settings=settings, store=store, run=run)
