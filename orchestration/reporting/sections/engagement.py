"""Engagement: who comes, how often, for how long.

Belongs here: users, messages and sessions. Does not belong here: agents and money.
"""

from __future__ import annotations

from orchestration.reporting.formats import Unit, format_value, plural
from orchestration.reporting.gather import MartRow, ReportRows
from orchestration.reporting.model import (
    Block,
    Chart,
    ChartKind,
    ChartRow,
    Empty,
    Figures,
    Point,
    Section,
)
from orchestration.reporting.sections.common import (
    Measure,
    day_points,
    figures,
    period_noun,
    series_alt,
)

_BUSIEST = 3
_WEEKDAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
_FIGURES = (
    Measure(mart="usage_summary", column="active_users", label="Active users", unit=Unit.COUNT),
    Measure(mart="usage_summary", column="wau", label="Active in 7 days", unit=Unit.COUNT),
    Measure(mart="usage_summary", column="mau", label="Active in 30 days", unit=Unit.COUNT),
    Measure(mart="usage_summary", column="messages", label="Messages, both ways", unit=Unit.COUNT),
    Measure(
        mart="usage_summary",
        column="messages_per_session",
        label="Messages per session",
        unit=Unit.AVERAGE,
    ),
    Measure(
        mart="usage_summary",
        column="avg_session_duration_s",
        label="Session, average",
        unit=Unit.SECONDS,
    ),
    Measure(
        mart="usage_summary",
        column="median_session_duration_s",
        label="Session, median",
        unit=Unit.SECONDS,
    ),
    Measure(
        mart="usage_summary",
        column="single_message_session_rate",
        label="Single-message sessions",
        unit=Unit.FRACTION,
    ),
)


def engagement(rows: ReportRows) -> Section:
    """Users, messages and sessions over time."""
    usage = rows.summary("usage_summary")
    if not usage.count("messages"):
        reason = f"Nobody wrote to an agent in this {period_noun(rows)}."
        return _section(Empty(reason=reason))
    blocks: list[Block] = [Figures(figures=figures(rows, *_FIGURES))]
    days = rows.rows("usage_daily")
    if len(days) > 1:
        blocks.append(ChartRow(charts=(_users(days), _messages(days))))
    blocks.extend(_busy_hours(rows))
    if usage.count("sessions"):
        blocks.append(ChartRow(charts=(_durations(rows, usage), _lengths(rows, usage))))
    else:
        blocks.append(Empty(reason="No sessions: every message came without a user id."))
    return _section(*blocks)


def _section(*blocks: Block) -> Section:
    return Section(key="engagement", title="Engagement", blocks=blocks)


def _users(days: tuple[MartRow, ...]) -> Chart:
    points = day_points(days, "dau")
    return Chart(
        kind=ChartKind.LINE,
        metric="dau",
        title="Daily active users",
        caption="Users who wrote to an agent that day",
        unit=Unit.COUNT,
        points=points,
        alt=series_alt("Daily active users", points, unit=Unit.COUNT),
    )


def _messages(days: tuple[MartRow, ...]) -> Chart:
    points = day_points(days, "agent_messages")
    return Chart(
        kind=ChartKind.LINE,
        metric="agent_messages",
        title="Agent messages per day",
        caption="Answers, those that ended in an error included",
        unit=Unit.COUNT,
        points=points,
        alt=series_alt("Agent messages per day", points, unit=Unit.COUNT),
    )


def _busy_hours(rows: ReportRows) -> list[Block]:
    """Weekday by hour, and the three busiest hours of the week (DI-080)."""
    counts = {
        (row.count("iso_weekday"), row.count("hour_of_day")): row.count("agent_messages")
        for row in rows.rows("usage_by_weekday_hour")
    }
    if not counts:
        return []
    busiest = sorted(counts, key=lambda place: (-counts[place], place))[:_BUSIEST]
    points = tuple(
        Point(
            row=name,
            label=f"{hour:02d}",
            value=counts.get((weekday, hour), 0),
            note=format_value(counts[weekday, hour], Unit.TOKENS)
            if (weekday, hour) in busiest
            else "",
        )
        for weekday, name in enumerate(_WEEKDAYS, start=1)
        for hour in range(24)
    )
    named = ", ".join(
        f"{_WEEKDAYS[weekday - 1]} {hour:02d}:00"
        f" ({format_value(counts[weekday, hour], Unit.COUNT)})"
        for weekday, hour in busiest
    )
    title = "Agent messages by weekday and hour"
    chart = Chart(
        kind=ChartKind.HEAT,
        metric="agent_messages",
        title=title,
        caption=f"Local time. Busiest: {named}",
        unit=Unit.COUNT,
        points=points,
        wide=True,
        alt=f"{title}. Busiest: {named}.",
    )
    return [ChartRow(charts=(chart,))]


def _durations(rows: ReportRows, usage: MartRow) -> Chart:
    average = format_value(usage.number("avg_session_duration_s"), Unit.SECONDS)
    return _distribution(
        rows,
        "duration",
        title="Session duration",
        caption=f"Share of {plural(usage.count('sessions'), 'session')}, average {average}",
    )


def _lengths(rows: ReportRows, usage: MartRow) -> Chart:
    average = format_value(usage.number("messages_per_session"), Unit.AVERAGE)
    return _distribution(
        rows,
        "messages",
        title="Messages per session",
        caption=f"Share of {plural(usage.count('sessions'), 'session')}, average {average}",
    )


def _distribution(rows: ReportRows, name: str, *, title: str, caption: str) -> Chart:
    bins = sorted(
        (row for row in rows.rows("session_distribution") if row.text("distribution") == name),
        key=lambda row: row.count("bin_order"),
    )
    points = tuple(
        Point(label=row.text("bin_label"), value=row.number("session_share")) for row in bins
    )
    parts = ", ".join(f"{p.label}: {format_value(p.value, Unit.FRACTION)}" for p in points)
    return Chart(
        kind=ChartKind.COLUMNS,
        metric=f"session_{name}_share",
        title=title,
        caption=caption,
        unit=Unit.FRACTION,
        points=points,
        alt=f"{title} as shares of sessions. {parts}.",
    )
