"""Who subscribed to which report: the current state of the subscription extract.

Belongs here: reading subscriptions from the lake. Does not belong here: copying addresses anywhere
else (the published database never holds them).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import duckdb

from orchestration.ingest.ledger import read_entries
from orchestration.ingest.listing import LakeFile, lake_files, reading

_STREAM = "report_subscriptions"
_FORMATS = ("pdf", "csv", "json")


@dataclass(frozen=True, kw_only=True)
class Subscription:
    """Recipients of one report, as the last state of the subscription says."""

    subscription_id: str
    source_name: str
    scope_kind: str
    scope_id: str
    frequency: str
    # None takes the zone of the scope.
    time_zone: str | None
    formats: tuple[str, ...]
    recipients: tuple[str, ...]
    updated_at: datetime

    @property
    def scope_text(self) -> str:
        """The scope as people type it."""
        return (
            self.scope_kind
            if self.scope_kind == "platform"
            else f"{self.scope_kind}:{self.scope_id}"
        )


def read_subscriptions(lake: Path, *, as_of: datetime) -> list[Subscription]:
    """The subscriptions that are active at the as-of time, in order of their ids."""
    with reading(lake):
        files = [
            file for file in lake_files(lake, entries=read_entries(lake)) if file.stream == _STREAM
        ]
        rows = _last_states(lake, files, as_of=as_of) if files else []
    return [
        Subscription(
            subscription_id=subscription_id,
            source_name=source_name,
            scope_kind=scope_kind,
            scope_id="" if scope_kind == "platform" else scope_id,
            frequency=frequency,
            time_zone=time_zone,
            formats=tuple(one for one in _FORMATS if one in (formats or ())) or ("pdf",),
            recipients=tuple(dict.fromkeys(recipients or ())),
            updated_at=updated_at.replace(tzinfo=UTC),
        )
        for (
            subscription_id,
            source_name,
            scope_kind,
            scope_id,
            frequency,
            time_zone,
            formats,
            recipients,
            updated_at,
        ) in rows
    ]


def _last_states(lake: Path, files: Sequence[LakeFile], *, as_of: datetime) -> list[Any]:
    """The active states, by the columns of Subscription."""
    # Written into the statement: DuckDB imports pandas to look at a bound value, which takes 0.4 s.
    paths = ", ".join("'" + str(lake / file.path).replace("'", "''") + "'" for file in files)
    load_ids = ", ".join(
        f"'{load_id}'" for load_id in sorted({one for file in files for one in file.load_ids})
    )
    moment = as_of.astimezone(UTC).replace(tzinfo=None)
    with duckdb.connect() as connection:
        return connection.execute(
            f"""
            with states as (
                from read_parquet([{paths}], hive_partitioning = false, union_by_name = true)
                where load_id in ({load_ids})
                and updated_at <= timestamp '{moment.isoformat(sep=" ")}'
                qualify row_number() over (
                    partition by source_name, subscription_id
                    order by updated_at desc, row_hash desc
                ) = 1
            )

            select subscription_id, source_name, scope_kind, scope_id, frequency, timezone, formats,
            recipients, updated_at from states where coalesce(is_active, true) order by source_name,
            subscription_id
            """
        ).fetchall()
