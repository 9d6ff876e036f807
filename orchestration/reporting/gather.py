"""The rows that a report is made of, and those of one ad hoc window.

Belongs here: which marts a report reads. Does not belong here: the rows of many reports at once
(gather_many), what a report says about them (sections) and any formula (the marts').
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

from orchestration.contracts.streams import STREAMS
from orchestration.errors import RunFailure
from orchestration.reporting.formats import Number, format_days, format_month
from orchestration.reporting.model import Frequency, ReportScope
from orchestration.reporting.periods import Window
from orchestration.reporting.query import Published
from orchestration.reporting.reference import Reference
from orchestration.reporting.rounding import exact
from orchestration.reporting.scopes import Scope, ScopeKind

# Each is a mart and, under the same name, a table function with the same columns.
SUMMARIES = (
    "usage_summary",
    "quality_summary",
    "value_summary",
    "revenue_summary",
    "adoption_summary",
    "compliance_summary",
    "feedback_summary",
    "health_summary",
    "task_summary",
)
BREAKDOWNS = (
    "usage_by_agent",
    "usage_by_model",
    "usage_by_provider",
    "usage_daily",
    "usage_hourly",
    "session_distribution",
    "tool_usage",
    "revenue_daily",
    "compliance_by_agent_type",
    "pii_by_entity",
    "feedback_by_agent_type",
    "feedback_by_load",
    "tasks_by_steps",
    "usage_by_weekday_hour",
    "goals",
    "budgets",
)
# What was out of the ordinary on a day, which a digest asks of its own day.
DAILY_ANOMALIES = "daily_anomalies"
# What a week makes of a month.
USAGE_FORECAST = "usage_forecast"
INSIGHTS = "insights"
RESTATEMENTS = "restatements"
_INSIGHT_FUNCTION = "insight_findings"
# A digest of one day shows neither, and a goal asks for every summary again.
_NOT_IN_DIGESTS = frozenset({"tasks_by_steps", "usage_by_weekday_hour", "goals"})


@dataclass(frozen=True)
class MartRow:
    """One row of a mart, read by column name and type."""

    values: Mapping[str, Any] = field(default_factory=dict)

    def number(self, name: str) -> Number | None:
        """A figure: whole numbers as int, all others as exact decimals, None when unknown."""
        value = self._value(name)
        if value is None or isinstance(value, int | Decimal):
            return value
        return exact(value)

    def count(self, name: str) -> int:
        """A count, 0 when the window has no row at all."""
        return int(self._value(name) or 0)

    def text(self, name: str) -> str:
        value = self._value(name)
        return "" if value is None else str(value)

    def day(self, name: str) -> date:
        value = self._value(name)
        if isinstance(value, datetime):
            return value.date()
        if isinstance(value, date):
            return value
        raise RunFailure(f"the published column {name} holds {value!r}, which is not a date")

    def flag(self, name: str) -> bool:
        return bool(self._value(name))

    def _value(self, name: str) -> Any:
        if not self.values:
            return None
        try:
            return self.values[name]
        except KeyError as error:
            raise RunFailure(
                f"the published data have no column {name}; they were made by another version:"
                " run `agentmart run` again"
            ) from error


@dataclass(frozen=True, kw_only=True)
class ReportWindow:
    """One report to make: whose, and for when."""

    scope: ReportScope
    frequency: Frequency
    time_zone: str
    first_day: date
    end_day: date
    start_at: datetime
    end_at: datetime
    is_partial: bool
    window_key: str = ""
    previous_window_key: str = ""
    # False for somebody who wants the days of another zone than the scope's.
    is_own_zone: bool = True

    @property
    def period(self) -> str:
        """The name of the period: ``2026-03-01``, ``2026-W09``, ``2026-02``."""
        match self.frequency:
            case Frequency.DAILY:
                return self.first_day.isoformat()
            case Frequency.WEEKLY:
                year, week, weekday = self.first_day.isocalendar()
                if weekday == 1:
                    return f"{year:04d}-W{week:02d}"
                return f"{self.first_day}..{self.last_day}"
            case Frequency.MONTHLY:
                return f"{self.first_day:%Y-%m}"

    @property
    def edition(self) -> str:
        """The period, with the zone where that is not the scope's own: what tells reports apart."""
        return self.period if self.is_own_zone else f"{self.period} {self.time_zone}"

    @property
    def last_day(self) -> date:
        return date.fromordinal(self.end_day.toordinal() - 1)

    @property
    def previous_first_day(self) -> date:
        """The first day of the window that this one is compared with."""
        match self.frequency:
            case Frequency.DAILY:
                return self.first_day - timedelta(days=1)
            case Frequency.WEEKLY:
                return self.first_day - timedelta(days=7)
            case Frequency.MONTHLY:
                return (self.first_day - timedelta(days=1)).replace(day=1)

    @property
    def period_text(self) -> str:
        """The period as people read it."""
        if self.frequency is Frequency.MONTHLY:
            return format_month(self.first_day)
        return format_days(self.first_day, self.last_day)


@dataclass(frozen=True, kw_only=True)
class Publication:
    """The published state that a report was made from."""

    as_of: datetime
    data_until: datetime | None
    quarantined_rows: int
    # The last event of each stream that brings events.
    streams: Mapping[str, datetime] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class ReportRows:
    """Everything one report is made of."""

    window: ReportWindow
    publication: Publication
    reference: Reference
    current: Mapping[str, tuple[MartRow, ...]]
    previous: Mapping[str, tuple[MartRow, ...]]
    # When the first event of the scope came; None while there is none.
    first_event_at: datetime | None

    @property
    def first_data_day(self) -> date | None:
        """The local day of the scope's first event."""
        if self.first_event_at is None:
            return None
        return self.first_event_at.astimezone(ZoneInfo(self.window.time_zone)).date()

    @property
    def has_full_previous(self) -> bool:
        """Whether the scope had data all through the window before.

        Where its data begin inside that window, a change would measure how much of it is there. Of
        a period of days its first day counts as whole, a day by itself does not.
        """
        first = self.first_data_day
        if first is None:
            return False
        if self.window.frequency is Frequency.DAILY:
            return first < self.window.previous_first_day
        return first <= self.window.previous_first_day

    def summary(self, mart: str) -> MartRow:
        """The one row of a summary in this window."""
        return _only(self.current.get(mart, ()))

    def previous_summary(self, mart: str) -> MartRow:
        """The one row of a summary in the window before; without figures unless that is full."""
        return _only(self.previous.get(mart, ())) if self.has_full_previous else MartRow()

    def rows(self, mart: str) -> tuple[MartRow, ...]:
        """The rows of a breakdown in this window."""
        return self.current.get(mart, ())


def read_publication(published: Published) -> Publication:
    """The as-of time and freshness of what is published."""
    context = published.rows("select as_of from meta.run_context")
    fresh = published.rows(
        "select max(last_event_at) as data_until from meta.freshness where kind = 'stream'"
    )
    streams = published.rows(
        "select name, last_event_at from meta.freshness where kind = 'stream' order by name"
    )
    rejected = published.rows("select coalesce(sum(row_count), 0) as rejected from meta.quarantine")
    as_of = _utc(context[0]["as_of"])
    until = fresh[0]["data_until"]
    return Publication(
        as_of=as_of,
        data_until=None if until is None else min(_utc(until), as_of),
        quarantined_rows=int(rejected[0]["rejected"]),
        streams={
            row["name"]: _utc(row["last_event_at"])
            for row in streams
            if row["last_event_at"] is not None
            and row["name"] in STREAMS
            and not STREAMS[row["name"]].is_upsert
        },
    )


def standard_windows(published: Published) -> list[ReportWindow]:
    """The weekly and monthly window of every scope, as the warehouse has them."""
    rows = published.rows(
        """
        select
            windows.*,
            case windows.scope_kind
                when 'tenant' then tenants.tenant_name
                when 'publisher' then publishers.publisher_name
            end as scope_name
        from core.dim_windows as windows
        left join core.dim_tenants as tenants
            on windows.scope_kind = 'tenant'
            and windows.scope_key = tenants.tenant_key
        left join core.dim_publishers as publishers
            on windows.scope_kind = 'publisher'
            and windows.scope_key = publishers.publisher_key
        where windows.window_kind in ('weekly', 'monthly')
            and not windows.is_previous
        order by windows.window_key
        """
    )
    return [_standard_window(row) for row in rows]


def gather_window(
    published: Published,
    *,
    scope: Scope,
    window: Window,
    frequency: Frequency,
    publication: Publication,
    reference: Reference,
) -> ReportRows:
    """The rows of one report for any window, through the table functions."""
    before = window.previous()
    restated = restatements(published, since=window.start_at)
    return ReportRows(
        window=ReportWindow(
            scope=ReportScope(
                kind=scope.kind, id=scope.id or "", source_name=scope.source_name, name=scope.name
            ),
            frequency=frequency,
            time_zone=window.time_zone,
            first_day=window.first_day,
            end_day=date.fromordinal(window.last_day.toordinal() + 1),
            start_at=window.start_at,
            end_at=window.end_at,
            is_partial=window.is_partial,
        ),
        publication=publication,
        reference=reference,
        current={
            **{
                mart: _called(
                    published,
                    function_of(mart),
                    scope,
                    window,
                    previous=before if mart == INSIGHTS else None,
                )
                for mart in marts_of(frequency)
            },
            RESTATEMENTS: restated.get((scope.kind.value, scope.id or "", scope.source_name), ()),
        },
        previous={mart: _called(published, mart, scope, before) for mart in SUMMARIES},
        first_event_at=first_events(published).get(
            (scope.kind.value, scope.id or "", scope.source_name)
        ),
    )


def marts_of(frequency: Frequency) -> tuple[str, ...]:
    """What a report that comes that often is made of."""
    marts = (*SUMMARIES, *BREAKDOWNS, INSIGHTS)
    if frequency is Frequency.WEEKLY:
        return (*marts, USAGE_FORECAST)
    if frequency is Frequency.MONTHLY:
        return marts
    return (*(mart for mart in marts if mart not in _NOT_IN_DIGESTS), DAILY_ANOMALIES)


def function_of(mart: str) -> str:
    """The table function with the columns of a mart."""
    return _INSIGHT_FUNCTION if mart == INSIGHTS else mart


def restatements(
    published: Published, *, since: datetime | None
) -> dict[tuple[str, str, str | None], tuple[MartRow, ...]]:
    """What was restated since then of the figures of whole scopes, by the scope (D-63)."""
    if since is None:
        return {}
    by_scope: dict[tuple[str, str, str | None], list[MartRow]] = defaultdict(list)
    for row in published.rows(
        """
        from meta.restatements
        where restated_as_of >= $since::timestamp
            and subject is null
            and string_split(dataset, '.')[2] in (select unnest($summaries::varchar[]))
        order by start_at, dataset, metric_key, publication_id
        """,
        {"since": since.astimezone(UTC).replace(tzinfo=None), "summaries": list(SUMMARIES)},
    ):
        is_platform = row["scope_kind"] == ScopeKind.PLATFORM.value
        key = (row["scope_kind"], "" if is_platform else row["scope_id"], row["source_name"])
        by_scope[key].append(MartRow(row))
    return {key: tuple(rows) for key, rows in by_scope.items()}


def first_events(published: Published) -> dict[tuple[str, str, str | None], datetime]:
    """When the first event of each scope came that used an agent or a model."""
    return {
        (row["scope_kind"], row["scope_id"], row["source_name"]): _utc(row["first_at"])
        for row in published.rows(
            """
            with events as (
                select tenant_key, publisher_key, min(responded_at) as first_at
                from core.fct_invocations
                group by all
                union all
                select tenant_key, publisher_key, min(used_at) as first_at
                from core.fct_llm_calls
                group by all
            )

            select 'platform' as scope_kind, '' as scope_id, null as source_name, min(first_at) as first_at
            from events
            having count(*) > 0
            union all
            select 'tenant', tenants.tenant_id, tenants.source_name, min(events.first_at)
            from events
            inner join core.dim_tenants as tenants on events.tenant_key = tenants.tenant_key
            group by all
            union all
            select 'publisher', publishers.publisher_id, publishers.source_name, min(events.first_at)
            from events
            inner join core.dim_publishers as publishers
                on events.publisher_key = publishers.publisher_key
            group by all
            """
        )
    }


def scope_of(window: ReportWindow) -> tuple[str, str, str | None]:
    return (window.scope.kind.value, window.scope.id, window.scope.source_name)


def _called(
    published: Published,
    function: str,
    scope: Scope,
    window: Window,
    *,
    previous: Window | None = None,
) -> tuple[MartRow, ...]:
    rows = published.function(function, scope=scope, window=window, previous=previous)
    return tuple(MartRow(row) for row in rows)


def _only(rows: Iterable[MartRow]) -> MartRow:
    found = tuple(rows)
    if len(found) > 1:
        raise RunFailure(f"a summary has {len(found)} rows for one window instead of one")
    return found[0] if found else MartRow()


def _standard_window(row: Mapping[str, Any]) -> ReportWindow:
    kind = ScopeKind(row["scope_kind"])
    is_platform = kind is ScopeKind.PLATFORM
    identifier = "" if is_platform else str(row["scope_id"])
    return ReportWindow(
        scope=ReportScope(
            kind=kind,
            id=identifier,
            source_name=row["source_name"],
            name="Platform" if is_platform else str(row["scope_name"] or identifier),
        ),
        frequency=Frequency(row["window_kind"]),
        time_zone=row["time_zone"],
        first_day=_date(row["start_local"]),
        end_day=_date(row["end_local"]),
        start_at=_utc(row["start_at"]),
        end_at=_utc(row["end_at"]),
        is_partial=bool(row["is_partial"]),
        window_key=row["window_key"],
        previous_window_key=row["previous_window_key"] or "",
    )


def _date(value: date) -> date:
    return value.date() if isinstance(value, datetime) else value


def _utc(value: datetime) -> datetime:
    return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)
