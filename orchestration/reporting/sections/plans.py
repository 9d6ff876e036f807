"""Goals and budgets: figures beside what they should be.

Belongs here: how far the scope is from what was planned. Does not belong here: which goal holds
and when it is met (the warehouse).
"""

from __future__ import annotations

from collections.abc import Sequence

from orchestration.reporting.formats import Number, Unit, format_month, format_value, plural
from orchestration.reporting.gather import MartRow, ReportRows
from orchestration.reporting.model import (
    Block,
    Column,
    Empty,
    Figure,
    Figures,
    Section,
    Sentences,
    Table,
    TableRow,
)

GOALS = "goals"
BUDGETS = "budgets"

# How a unit of the metric catalogue is written.
_UNITS = {
    "USD": Unit.USD,
    "fraction": Unit.FRACTION,
    "ms": Unit.MILLISECONDS,
    "percent": Unit.PERCENT,
    "rating 1-5": Unit.RATING,
    "s": Unit.SECONDS,
    "score 1-5": Unit.RATING,
    "tokens": Unit.TOKENS,
    "tokens/s": Unit.TOKENS_PER_SECOND,
}
_COMPARISONS = {"<": "under", "<=": "at most", ">": "over", ">=": "at least"}
# What needs attention comes first; the mark tells it in greyscale too.
_STATUSES = {
    "missed": "✗ missed",
    "near": "≈ near",
    "met": "✓ met",
    "no_data": "no data",
    "no_direction": "–",
}
_BUDGET_WORDS = {
    "over": "spent above the budget",
    "at_risk": "at this rate above the budget",
    "within": "within the budget",
    "no_data": "nothing is known of it",
}
_COLUMNS = (
    Column(metric="metric", label="Metric"),
    Column(metric="comparison", label="Should be", narrow=True),
    Column(metric="goal_target", label="Goal", unit=Unit.AVERAGE),
    Column(metric="metric_value", label="Now", unit=Unit.AVERAGE),
    Column(metric="goal_status", label="Status", narrow=True),
)


def plans(rows: ReportRows) -> Section:
    """Goals with their status (FL-118 to FL-122), and budgets with what is left (DI-083)."""
    blocks: list[Block] = []
    goals = sorted(rows.rows(GOALS), key=_urgency)
    if goals:
        blocks.append(Sentences(sentences=(goals_line(goals),)))
        blocks.append(_goal_table(goals))
    else:
        blocks.append(Empty(reason="No goal is set for this scope."))
    budgets = sorted(rows.rows(BUDGETS), key=lambda row: row.day("month_start"))
    for row in budgets:
        blocks.append(Sentences(sentences=(budget_line(row),)))
        blocks.append(Figures(figures=_budget_figures(row)))
    if not budgets:
        blocks.append(Empty(reason="No budget is set for these months."))
    return Section(key="plans", title="Goals and budget", blocks=tuple(blocks))


def goals_line(goals: Sequence[MartRow]) -> str:
    """How many goals are met, and which are missed."""
    judged = [row for row in goals if row.text("goal_status") in ("met", "near", "missed")]
    if not judged:
        return "No goal can be judged: the figures are unknown."
    met = sum(row.text("goal_status") == "met" for row in judged)
    line = f"{met} of {plural(len(judged), 'goal')} met"
    missed = [row.text("metric_label") for row in judged if row.text("goal_status") == "missed"]
    near = [row.text("metric_label") for row in judged if row.text("goal_status") == "near"]
    if missed:
        line += f"; missed: {', '.join(missed)}"
    if near:
        line += f"; near: {', '.join(near)}"
    return f"{line}."


def goal_text(row: MartRow) -> str:
    """What a goal asks for: ``under 1.0%``."""
    target = format_value(row.number("goal_target"), _unit(row))
    return f"{_COMPARISONS.get(row.text('comparison'), '')} {target}".strip()


def value_text(row: MartRow) -> str:
    """The figure that a goal is about."""
    return format_value(row.number("metric_value"), _unit(row))


def budget_line(row: MartRow) -> str:
    """One month against its budget, in a sentence."""
    spent = format_value(row.number("month_spent_usd"), Unit.USD)
    budget = format_value(row.number("month_budget_usd"), Unit.USD)
    elapsed, days = row.count("month_elapsed_days"), row.count("month_days")
    after = "" if elapsed == days else f" after {elapsed} of {days} days"
    word = _BUDGET_WORDS.get(row.text("budget_status"), "")
    return f"{format_month(row.day('month_start'))}: {spent} of {budget} spent{after}, {word}."


def missed_goals(rows: ReportRows) -> list[MartRow]:
    """The goals that are missed, by name."""
    found = [row for row in rows.rows(GOALS) if row.text("goal_status") == "missed"]
    return sorted(found, key=_urgency)


def _budget_figures(row: MartRow) -> tuple[Figure, ...]:
    def figure(column: str, label: str, *, unit: Unit = Unit.USD) -> Figure:
        return Figure(metric=column, label=label, value=row.number(column), unit=unit)

    return (
        figure("month_budget_usd", "Budget"),
        figure("month_spent_usd", "Spent"),
        figure("month_budget_utilization", "Of the budget", unit=Unit.FRACTION),
        figure("month_run_rate_usd", "Month at this rate"),
    )


def _goal_table(goals: Sequence[MartRow]) -> Table:
    return Table(
        title="Goals",
        columns=_COLUMNS,
        rows=tuple(
            TableRow(
                subject=row.text("metric"),
                cells=_cells(row),
                units=(None, None, _unit(row), _unit(row), None),
            )
            for row in goals
        ),
        caption="Near: missed by at most a tenth. A goal of the scope's own wins over a default.",
    )


def _cells(row: MartRow) -> tuple[str | Number | None, ...]:
    return (
        row.text("metric_label") or row.text("metric"),
        _COMPARISONS.get(row.text("comparison"), ""),
        row.number("goal_target"),
        row.number("metric_value"),
        _STATUSES.get(row.text("goal_status"), row.text("goal_status")),
    )


def _unit(row: MartRow) -> Unit:
    if row.text("metric") == "uptime":
        return Unit.UPTIME
    return _UNITS.get(row.text("metric_unit"), Unit.AVERAGE)


def _urgency(row: MartRow) -> tuple[int, str]:
    statuses = list(_STATUSES)
    status = row.text("goal_status")
    return (statuses.index(status) if status in statuses else len(statuses), row.text("metric"))
