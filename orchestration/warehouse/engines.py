"""The engines that the warehouse can be built on, by the name of their dbt target.

All of them run the same models; readers get the same publication from each. What differs is where the
candidate is, who may write it when, and what the engine itself keeps of a publication.

Belongs here: what an engine has to do, and finding it by name. Does not belong here: how one of them does
it (warehouse/<engine>), what a publication is (warehouse/publishing), and the SQL that differs
(macros/cross_db).
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from types import MappingProxyType
from typing import Any, ClassVar, cast

import duckdb

from orchestration.errors import UserError
from orchestration.settings import TARGETS, Settings
from orchestration.warehouse.lock import exclusive_lock

# An engine brings libraries of its own, so only the module of the one in use is imported.
_MODULES = MappingProxyType(
    {
        "duckdb": "orchestration.warehouse.duckdb",
        "ducklake": "orchestration.warehouse.ducklake",
        "spark": "orchestration.warehouse.spark",
    }
)

# What dbt calls the database of the candidate: compiled queries name it.
DATABASE = "agentmart"


@dataclass(frozen=True, kw_only=True)
class Answer:
    """The rows of one query and the names of their columns."""

    columns: Sequence[str]
    rows: Sequence[tuple[Any, ...]]


Ask = Callable[[str], Answer]


class Engine(ABC):
    """What a run needs of the engine it builds on."""

    # Whether a build that dies leaves the days of a fact as they were or as it made them, and none gone.
    replaces_days_at_once: ClassVar[bool] = True

    @abstractmethod
    def check(self, settings: Settings) -> None:
        """See whether this deployment can be built here, before anything is loaded.

        Raises:
            AgentmartError: it cannot be; the message names the target and what to do.
        """

    @abstractmethod
    def has_candidate(self, settings: Settings) -> bool:
        """Whether there is a warehouse that an increment could go on with."""

    @abstractmethod
    def attach_candidate(
        self, connection: duckdb.DuckDBPyConnection, settings: Settings, *, name: str
    ) -> None:
        """Let DuckDB read the candidate's tables as ``<name>.<schema>.<table>``."""

    @abstractmethod
    def forget_candidate(self, settings: Settings) -> None:
        """Remove every row of the candidate from every place; the next build is a full one."""

    def dbt_program(self) -> Path | None:
        """The dbt that builds here where it is of an environment of its own; None is that of this process."""
        return None

    def dbt_variables(self, settings: Settings) -> Mapping[str, str]:
        """What such a program finds in its environment beside what every dbt does."""
        del settings
        return {}

    @abstractmethod
    def prepare_build(self, settings: Settings, *, is_full_refresh: bool) -> None:
        """Do what has to be done before dbt begins. The caller holds the lock."""

    def build_threads(self, settings: Settings, *, lake_rows: int) -> int:
        """How many models dbt may build at the same time, of so many rows of all streams in the lake."""
        del lake_rows
        return settings.threads

    @contextmanager
    def asked(self, settings: Settings) -> Iterator[Ask]:
        """Ask the candidate what dbt compiled for this engine."""
        with duckdb.connect() as connection:
            connection.execute("set TimeZone = 'UTC'")
            self.attach_candidate(connection, settings, name=DATABASE)

            def ask(query: str) -> Answer:
                found = connection.execute(query)
                columns = [column[0] for column in found.description or []]
                return Answer(columns=columns, rows=found.fetchall())

            yield ask

    def lock(
        self, settings: Settings, *, on_wait: Callable[[str], object]
    ) -> AbstractContextManager[None]:
        """Be the only one who builds or publishes this warehouse meanwhile."""
        return exclusive_lock(settings.lock_file, on_wait=on_wait)

    @abstractmethod
    def keep_publication(self, settings: Settings, *, publication_id: int, folder: Path) -> None:
        """Keep what the engine itself has of a publication whose ``folder`` is complete but not seen yet."""

    @abstractmethod
    def forget_publications(self, settings: Settings, *, at_once: bool) -> None:
        """Let go of what was kept for publications that are gone; ``at_once`` also what may still be read."""


def engine_of(settings: Settings) -> Engine:
    """The engine that this deployment is built on.

    Raises:
        UserError: there is no such target.
    """
    if settings.target not in _MODULES:
        raise UserError(
            f"the warehouse cannot be built on the target {settings.target!r}; use one of"
            f" {', '.join(TARGETS)} as --target or AGENTMART_DBT_TARGET"
        )
    return cast("Engine", import_module(_MODULES[settings.target]).ENGINE)
