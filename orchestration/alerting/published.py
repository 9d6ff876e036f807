"""What the published database says of alerts.

Belongs here: reading its schema alerts and the overrides. Does not belong here: evaluating a rule (dbt) and
deciding what is told (decide).
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import duckdb

from orchestration.alerting.decide import Alert, Watch
from orchestration.alerting.rules import Override
from orchestration.reporting.rounding import half_up
from orchestration.settings import Settings
from orchestration.warehouse.publishing import open_published

_Row = dict[str, Any]


@dataclass(frozen=True, kw_only=True)
class PublishedAlerts:
    """The alerts that stand or ended lately, and every rule that is watched."""

    alerts: tuple[Alert, ...]
    watches: tuple[Watch, ...]
    overrides: tuple[Override, ...]
    lookback: timedelta


def read_alerts(
    settings: Settings, *, as_of: datetime, standing_since: datetime | None
) -> PublishedAlerts | None:
    """What the current publication says; None where it has no alerts (nothing published, or long ago).

    ``standing_since`` is when the first alert fired that was told and not yet as over: those that ended since
    then are read however long ago it is.
    """
    if not settings.published_file.exists():
        return None
    with open_published(settings) as connection:
        if not _rows(connection, _HAS_ALERTS):
            return None
        hours = int(_rows(connection, _LOOKBACK)[0]["hours"])
        lookback = timedelta(hours=hours)
        oldest = min(as_of - lookback, standing_since or as_of).astimezone(UTC).replace(tzinfo=None)
        return PublishedAlerts(
            alerts=tuple(_alert(row) for row in _rows(connection, _ALERTS, [oldest])),
            watches=tuple(_watch(row) for row in _rows(connection, _WATCHES)),
            overrides=tuple(_override(row) for row in _rows(connection, _OVERRIDES)),
            lookback=lookback,
        )


def standing_alerts(settings: Settings) -> list[str]:
    """The alerts that stand in the current publication, a line for each, for people."""
    if not settings.published_file.exists():
        return []
    with open_published(settings) as connection:
        if not _rows(connection, _HAS_ALERTS):
            return []
        return [
            f"{row['severity']:<8}  {row['title']}, since {row['fired_at']:%Y-%m-%d %H:%M} UTC"
            f"{'' if row['state'] == 'firing' else ' (no data now)'}"
            for row in _rows(connection, _STANDING)
        ]


def rule_states(settings: Settings) -> list[_Row]:
    """Every rule that is watched, with its state."""
    if not settings.published_file.exists():
        return []
    with open_published(settings) as connection:
        return _rows(connection, _STATES) if _rows(connection, _HAS_ALERTS) else []


_HAS_ALERTS = """
    select 1 from duckdb_tables()
    where schema_name = 'alerts' and table_name = 'alerts'
"""
_LOOKBACK = """
    select setting_value as hours from reference.settings where setting_key = 'alert_lookback_hours'
"""
_ALERTS = """
    select *
    from alerts.alerts
    where ended_at is null or ended_at >= ?
    order by fired_at, alert_id
"""
_WATCHES = "select * from alerts.alert_states order by rule_id, scope_kind, scope_key"
_OVERRIDES = """
    select
        overrides.*,
        case overrides.scope_kind
            when 'platform' then true
            when 'tenant' then overrides.scope_key in (select tenant_key from core.dim_tenants)
            when 'publisher' then overrides.scope_key in (select publisher_key from core.dim_publishers)
            else false
        end as is_known_scope
    from core.dim_alert_overrides as overrides
    where overrides.valid_to = timestamp '9999-12-31 00:00:00'
    order by overrides.rule_id, overrides.scope_kind, overrides.scope_key
"""
_STANDING = """
    select severity, title, fired_at, state
    from alerts.alerts
    where state in ('firing', 'no_data')
    order by case severity when 'critical' then 1 when 'warning' then 2 else 3 end, fired_at, alert_id
"""
_STATES = """
    select
        rule_id, scope_kind || case when scope_kind = 'platform' then '' else ':' || scope_id end as scope,
        state, state_since, metric, comparison, threshold, window_minutes, min_samples, channels,
        muted_until, value, sample_size
    from alerts.alert_states
    order by rule_id, scope
"""


def _rows(
    connection: duckdb.DuckDBPyConnection, query: str, parameters: list[object] | None = None
) -> list[_Row]:
    result = connection.execute(query, parameters or [])
    names = [column[0] for column in result.description or ()]
    return [dict(zip(names, row, strict=True)) for row in result.fetchall()]


def _subject_key(row: _Row) -> str:
    """The same from firing to resolved, and from run to run."""
    of_source = "" if row["source_name"] is None else f"@{row['source_name']}"
    return f"{row['rule_id']}/{row['scope_kind']}:{row['scope_id']}{of_source}"


def _alert(row: _Row) -> Alert:
    return Alert(
        alert_id=row["alert_id"],
        subject_key=_subject_key(row),
        rule_id=row["rule_id"],
        scope="platform"
        if row["scope_kind"] == "platform"
        else f"{row['scope_kind']}:{row['scope_id']}",
        source_name=row["source_name"],
        subject_kind=row["subject_kind"],
        subject_id=row["subject_id"],
        severity=row["severity"],
        title=row["title"],
        description=row["description"],
        recommendation=row["recommendation"],
        metric=row["metric"],
        comparison=row["comparison"],
        threshold=half_up(row["threshold"], 6),
        value=half_up(row["value"], 6),
        sample_size=row["sample_size"],
        fired_at=row["fired_at"].replace(tzinfo=UTC),
        ended_at=_utc(row["ended_at"]),
        state=row["state"],
        channels=_names(row["channels"]),
        cooldown=timedelta(minutes=row["cooldown_minutes"]),
        notify_on=_names(row["notify_on"]),
        muted_until=_utc(row["muted_until"]),
    )


def _watch(row: _Row) -> Watch:
    return Watch(
        subject_key=_subject_key(row),
        known_until=_utc(row["sample_until"]),
        muted_until=_utc(row["muted_until"]),
    )


def _override(row: _Row) -> Override:
    return Override(
        rule_id=row["rule_id"],
        source_name=row["source_name"],
        scope_kind=row["scope_kind"],
        scope_id=row["scope_id"],
        window_minutes=row["window_minutes"],
        channels=None if row["channels"] is None else _names(row["channels"]),
        is_known_scope=row["is_known_scope"],
    )


def _names(text: str) -> tuple[str, ...]:
    return tuple(text.split("|")) if text else ()


def _utc(moment: datetime | None) -> datetime | None:
    return None if moment is None else moment.replace(tzinfo=UTC)
