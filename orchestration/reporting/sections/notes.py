"""Data notes: what a careful reader should know about the figures.

Belongs here: window, freshness, what was left out and why. Does not belong here: any new figure.
"""

from __future__ import annotations

from datetime import date, datetime, timedelta

from orchestration.reporting.formats import (
    Unit,
    format_clock,
    format_day,
    format_days,
    format_short_day,
    format_value,
    plural,
)
from orchestration.reporting.gather import RESTATEMENTS, MartRow, ReportRows
from orchestration.reporting.model import Frequency, Notes, Section
from orchestration.reporting.scopes import ScopeKind
from orchestration.reporting.sections.common import hidden_count, period_noun

_NAMED_DAYS = 10
# Come when they come: a day without any says nothing.
_RARE_STREAMS = ("provider_bills", "deployments")
# What is said of earlier reports, by its summary and metric.
_RESTATED = {
    ("revenue_summary", "net_usd"): ("net revenue", Unit.USD),
    ("usage_summary", "agent_messages"): ("agent messages", Unit.COUNT),
    ("usage_summary", "avg_dau"): ("daily active users", Unit.AVERAGE),
    ("usage_summary", "cost_usd"): ("model cost", Unit.USD),
    ("usage_summary", "message_error_rate"): ("error rate", Unit.FRACTION),
    ("usage_summary", "sessions"): ("sessions", Unit.COUNT),
    ("usage_summary", "total_tokens"): ("tokens", Unit.TOKENS),
    ("value_summary", "resolution_rate"): ("resolved without a human", Unit.FRACTION),
}
_BREAKDOWNS_WITH_HIDDEN_CELLS = (
    "usage_by_agent",
    "usage_by_model",
    "usage_by_provider",
    "tool_usage",
    "tasks_by_steps",
    "compliance_by_agent_type",
    "feedback_by_agent_type",
)


def data_notes(rows: ReportRows) -> Section:
    """The last section of every report."""
    entries = [*_about_window(rows), *_about_changes(rows), *_about_gaps(rows)]
    return Section(key="notes", title="About these figures", blocks=(Notes(notes=tuple(entries)),))


def gaps(rows: ReportRows) -> tuple[str, ...]:
    """What the head of a report says of days and sources that are missing."""
    quiet, late = _quiet_days(rows), _late_streams(rows)
    texts = []
    if quiet and rows.summary("usage_summary").count("messages"):
        texts.append(f"{plural(len(quiet), 'day')} without data")
    if late:
        texts.append(f"late: {', '.join(name for name, _ in late)}")
    return tuple(texts)


def _quiet_days(rows: ReportRows) -> list[date]:
    return sorted(
        row.day("date_day") for row in rows.rows("usage_daily") if not row.flag("has_data")
    )


def _late_streams(rows: ReportRows) -> list[tuple[str, datetime]]:
    """Streams that bring events all the time and brought none of the last day."""
    last_day = rows.window.end_at - timedelta(days=1)
    return [
        (name, seen)
        for name, seen in sorted(rows.publication.streams.items())
        if seen < last_day and name not in _RARE_STREAMS
    ]


def _about_window(rows: ReportRows) -> list[tuple[str, str]]:
    window, publication = rows.window, rows.publication
    zone = window.time_zone
    span = f"{format_clock(window.start_at, zone)} up to {format_clock(window.end_at, zone)}"
    entries = [("Window", f"{span}, {zone}. Days are days of that zone.")]
    noun = period_noun(rows)
    if window.is_partial:
        entries.append(
            ("Open period", f"This {noun} is not over; its figures end at the as-of time.")
        )
    entries.append(("Changes", _about_comparison(rows)))
    fresh = (
        "no events yet"
        if publication.data_until is None
        else f"events up to {format_clock(publication.data_until, zone)}"
    )
    entries.append(
        (
            "Freshness",
            f"As of {format_clock(publication.as_of, zone)}; {fresh}.",
        )
    )
    return entries


def _about_comparison(rows: ReportRows) -> str:
    noun, first = period_noun(rows), rows.first_data_day
    if not rows.has_full_previous:
        began = "" if first is None else f"The data begin on {format_day(first)}: "
        text = f"{began}there is no full {noun} before to compare with, so no change is shown."
        return text[0].upper() + text[1:]
    is_month = rows.window.frequency is Frequency.MONTHLY
    compared = "the whole month before" if is_month else f"the {noun} before"
    return f"Against {compared}. Within 1%, or 0.1 points for rates, a figure counts as stable."


def _about_changes(rows: ReportRows) -> list[tuple[str, str]]:
    """Figures of earlier reports of this kind that changed since they were published (D-63)."""
    latest: dict[tuple[date, tuple[str, str]], list[MartRow]] = {}
    for row in rows.rows(RESTATEMENTS):
        first, end = row.day("start_local"), row.day("end_local")
        figure = (row.text("dataset").rpartition(".")[2], row.text("metric_key"))
        if figure in _RESTATED and _was_reported(rows, first=first, end=end):
            latest.setdefault((first, figure), []).append(row)
    spans: dict[date, list[str]] = {}
    ends: dict[date, date] = {}
    for (first, figure), changes in sorted(latest.items()):
        label, unit = _RESTATED[figure]
        before = format_value(changes[0].number("before_value"), unit)
        after = format_value(changes[-1].number("after_value"), unit)
        spans.setdefault(first, []).append(f"{label} {before} → {after}")
        ends[first] = changes[0].day("end_local") - timedelta(days=1)
    return [
        (
            "Changed since reported",
            f"{format_days(first, ends[first])}: {'; '.join(texts)}.",
        )
        for first, texts in spans.items()
    ]


def _was_reported(rows: ReportRows, *, first: date, end: date) -> bool:
    """Whether an earlier report of this kind covered the span; a digest speaks of the last weeks."""
    window = rows.window
    match window.frequency:
        case Frequency.MONTHLY:
            return first.day == end.day == 1 and end <= window.first_day
        case Frequency.WEEKLY:
            is_aligned = (window.first_day - first).days % 7 == 0
            return is_aligned and (end - first).days == 7 and end <= window.first_day
        case Frequency.DAILY:
            return first.weekday() == 0 and (end - first).days == 7 and end <= window.end_day


def _about_gaps(rows: ReportRows) -> list[tuple[str, str]]:
    usage = rows.summary("usage_summary")
    entries = []
    late = [
        f"{name} (last event {format_clock(seen, rows.window.time_zone)})"
        for name, seen in _late_streams(rows)
    ]
    if late:
        entries.append(
            (
                "Late sources",
                f"No event of the last day yet: {', '.join(late)}. Its figures may rise.",
            )
        )
    quiet = _quiet_days(rows)
    if quiet and usage.count("messages"):
        named = ", ".join(format_short_day(day) for day in quiet[:_NAMED_DAYS])
        more = f" and {len(quiet) - _NAMED_DAYS} more" if len(quiet) > _NAMED_DAYS else ""
        entries.append(("Days without data", f"{named}{more}. Their counts are 0."))
    anonymous = usage.count("anonymous_messages")
    if anonymous:
        entries.append(
            (
                "Anonymous messages",
                f"{plural(anonymous, 'message')} without a user id: in messages, tokens and cost,"
                " not in users or sessions.",
            )
        )
    unpriced = usage.count("unpriced_usage_count")
    if unpriced:
        tokens = format_value(usage.number("unpriced_tokens"), Unit.TOKENS)
        entries.append(
            (
                "Unpriced usage",
                f"{plural(unpriced, 'usage record')} ({tokens} tokens) without cost and without a"
                " known price: in tokens, left out of cost.",
            )
        )
    unconverted = rows.summary("revenue_summary").count("unconverted_count")
    if unconverted and rows.window.scope.kind is not ScopeKind.TENANT:
        entries.append(
            (
                "Unconverted charges",
                f"{plural(unconverted, 'charge')} without an exchange rate, left out of revenue.",
            )
        )
    hidden = sum(hidden_count(rows.rows(mart)) for mart in _BREAKDOWNS_WITH_HIDDEN_CELLS)
    if hidden:
        entries.append(
            (
                "Hidden cells",
                f"{plural(hidden, 'cell')} that fewer than {rows.reference.minimum_tenants} tenants"
                " share, or that would give such a cell away. Totals include them.",
            )
        )
    count = usage.count("response_time_count")
    entries.append(
        (
            "Percentiles",
            f"Interpolated, from {plural(count, 'response time')}; P95 from"
            f" {rows.reference.p95_minimum} values on, P99 from {rows.reference.p99_minimum}.",
        )
    )
    if rows.window.scope.kind is ScopeKind.PLATFORM:
        entries.append(
            (
                "Rejected rows",
                f"{plural(rows.publication.quarantined_rows, 'row')} in quarantine over all time;"
                " `agentmart status` lists the reasons.",
            )
        )
    entries.append(
        ("Money", "USD. Costs are what providers are paid, revenue is what tenants are charged.")
    )
    return entries
