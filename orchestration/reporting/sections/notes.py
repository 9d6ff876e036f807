"""Data notes: what a careful reader should know about the figures.

Belongs here: window, freshness, what was left out and why. Does not belong here: any new figure.
"""

from __future__ import annotations

from orchestration.reporting.formats import (
    Unit,
    format_clock,
    format_short_day,
    format_value,
    plural,
)
from orchestration.reporting.gather import ReportRows
from orchestration.reporting.model import Frequency, Notes, Section
from orchestration.reporting.scopes import ScopeKind
from orchestration.reporting.sections.common import hidden_count, period_noun

_NAMED_DAYS = 10
_BREAKDOWNS_WITH_HIDDEN_CELLS = (
    "usage_by_agent",
    "usage_by_model",
    "usage_by_provider",
    "tool_usage",
    "compliance_by_agent_type",
    "feedback_by_agent_type",
)


def data_notes(rows: ReportRows) -> Section:
    """The last section of every report."""
    entries = [*_about_window(rows), *_about_gaps(rows)]
    return Section(key="notes", title="About these figures", blocks=(Notes(notes=tuple(entries)),))


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
    compared = (
        "the whole month before" if window.frequency is Frequency.MONTHLY else f"the {noun} before"
    )
    entries.append(
        (
            "Changes",
            f"Against {compared}. Within 1%, or 0.1 points for rates, a figure counts as stable.",
        )
    )
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


def _about_gaps(rows: ReportRows) -> list[tuple[str, str]]:
    usage = rows.summary("usage_summary")
    entries = []
    quiet = [row.day("date_day") for row in rows.rows("usage_daily") if not row.flag("has_data")]
    if quiet and usage.count("messages"):
        named = ", ".join(format_short_day(day) for day in sorted(quiet)[:_NAMED_DAYS])
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
