"""The morning check of a daily digest: what was out of the ordinary, errors, cost against budget.

Belongs here: what to look at before the day begins (FL-115). Does not belong here: trends over
weeks, and when a day is out of the ordinary (the warehouse).
"""

from __future__ import annotations

from decimal import Decimal

from orchestration.reporting.formats import Unit, format_value, plural
from orchestration.reporting.gather import DAILY_ANOMALIES, MartRow, ReportRows
from orchestration.reporting.model import Block, Column, Empty, Notes, Section, Table, TableRow
from orchestration.reporting.sections.common import Measure, change_of
from orchestration.reporting.sections.plans import BUDGETS, budget_line
from orchestration.reporting.standards import read_standards

_ERRORS = Measure(
    mart="usage_summary", column="message_error_rate", label="Error rate", unit=Unit.FRACTION
)
_WATCHED = {
    "messages": ("Messages", Unit.COUNT),
    "dau": ("Active users", Unit.COUNT),
    "total_tokens": ("Tokens", Unit.TOKENS),
    "cost_usd": ("Model cost", Unit.USD),
    "message_error_rate": ("Error rate", Unit.FRACTION),
    "p95_response_time_ms": ("Response time, P95", Unit.MILLISECONDS),
    "average_rating": ("Average rating", Unit.RATING),
}
_COLUMNS = (
    Column(metric="metric", label="Figure"),
    Column(metric="metric_value", label="The day", unit=Unit.AVERAGE),
    Column(metric="expected_value", label="Expected", unit=Unit.AVERAGE),
    Column(metric="usual_low", label="Usual from", unit=Unit.AVERAGE),
    Column(metric="usual_high", label="to", unit=Unit.AVERAGE),
    Column(metric="day_status", label="", narrow=True),
)


def morning_check(rows: ReportRows) -> Section:
    """Spikes and drops, the error rate in a word, and the month against its budget."""
    blocks: list[Block] = [Notes(notes=(_errors(rows), *_budget(rows)), prominent=True)]
    blocks.extend(_anomalies(rows))
    return Section(key="check", title="Morning check", blocks=tuple(blocks))


def _errors(rows: ReportRows) -> tuple[str, str]:
    usage = rows.summary("usage_summary")
    rate = usage.number("message_error_rate")
    if rate is None:
        return ("Errors", "No answer was given, so there is no error rate.")
    word = read_standards().label("message_error_rate", Decimal(rate))
    failed = plural(usage.count("errored_count"), "error")
    answers = plural(usage.count("agent_messages"), "answer")
    change = change_of(rows, _ERRORS)
    moved = "" if change is None else f", {change.text} on the day before"
    shown = format_value(rate, Unit.FRACTION)
    return ("Errors", f"{shown}, {word}: {failed} in {answers}{moved}.")


def _budget(rows: ReportRows) -> tuple[tuple[str, str], ...]:
    budgets = rows.rows(BUDGETS)
    if not budgets:
        cost = format_value(rows.summary("usage_summary").number("cost_usd"), Unit.USD)
        return (("Cost", f"{cost}; no budget is set for this month."),)
    return tuple(("Budget", budget_line(row)) for row in budgets)


def _anomalies(rows: ReportRows) -> list[Block]:
    judged = [
        row for row in rows.rows(DAILY_ANOMALIES) if row.text("day_status") != "not_evaluated"
    ]
    if not judged:
        reason = "Whether the day was out of the ordinary cannot be said: too few days came before."
        return [Empty(reason=reason)]
    unusual = [row for row in judged if row.flag("is_anomaly")]
    if not unusual:
        return [
            Empty(
                reason="Nothing was out of the ordinary for this weekday:"
                f" {plural(len(judged), 'figure')} checked."
            )
        ]
    return [
        Table(
            title="Out of the ordinary for this weekday",
            columns=_COLUMNS,
            rows=tuple(_row(row) for row in sorted(unusual, key=_order)),
            caption=f"Of {plural(len(judged), 'figure')} checked.",
        )
    ]


def _row(row: MartRow) -> TableRow:
    metric = row.text("metric")
    label, unit = _WATCHED.get(metric, (metric, Unit.AVERAGE))
    arrow = "↑" if row.text("direction") == "spike" else "↓"
    worse = ", worse" if row.text("assessment") == "worsening" else ""
    return TableRow(
        subject=metric,
        cells=(
            label,
            row.number("metric_value"),
            row.number("expected_value"),
            row.number("usual_low"),
            row.number("usual_high"),
            f"{arrow} {row.text('direction')}{worse}",
        ),
        units=(None, unit, unit, unit, unit, None),
    )


def _order(row: MartRow) -> tuple[bool, str]:
    return (row.text("assessment") != "worsening", row.text("metric"))
