"""The executive summary of a month: what moved, what was planned, what comes next (FL-117).

Belongs here: sentences for those who read no further. Does not belong here: any figure that the
sections after it do not show.
"""

from __future__ import annotations

from collections.abc import Sequence

from orchestration.reporting.formats import (
    Assessment,
    Change,
    Direction,
    Unit,
    format_round_money,
    format_value,
)
from orchestration.reporting.gather import INSIGHTS, ReportRows
from orchestration.reporting.model import Empty, Notes, Section
from orchestration.reporting.sections.common import Measure, change_of, gravity, period_noun
from orchestration.reporting.sections.overview import CARDS
from orchestration.reporting.sections.plans import (
    BUDGETS,
    GOALS,
    budget_line,
    goal_text,
    goals_line,
    missed_goals,
    value_text,
)

_NAMED = 3
_FOCUS = 3
_Entry = tuple[str, str]
_COST = Measure(mart="usage_summary", column="cost_usd", label="Model cost", unit=Unit.USD)


def review(rows: ReportRows) -> Section:
    """Better, worse, goals, budget, level and trend of cost, and the focus of the next month."""
    entries = (*_movements(rows), *_plans(rows), *_cost_level(rows), *_focus(rows))
    if not entries:
        reason = f"Nothing happened in this {period_noun(rows)} that could be summed up."
        return Section(key="review", title="Executive summary", blocks=(Empty(reason=reason),))
    return Section(
        key="review",
        title="Executive summary",
        blocks=(Notes(notes=entries, prominent=True),),
    )


def _movements(rows: ReportRows) -> list[_Entry]:
    noun = period_noun(rows)
    changes = [
        (measure.label, change)
        for measure in CARDS[rows.window.scope.kind]
        if (change := change_of(rows, measure)) is not None
    ]
    if not changes:
        return []
    entries = []
    for word, assessment in (("Better", Assessment.IMPROVING), ("Worse", Assessment.WORSENING)):
        named = [(label, one) for label, one in changes if one.assessment is assessment]
        if named:
            entries.append((word, f"{_listed(named)} on the {noun} before."))
    return entries or [("Stable", f"Nothing moved much against the {noun} before.")]


def _listed(changes: Sequence[tuple[str, Change]]) -> str:
    return "; ".join(f"{label} {change.text}" for label, change in changes[:_NAMED])


def _plans(rows: ReportRows) -> list[_Entry]:
    entries = []
    if rows.rows(GOALS):
        entries.append(("Goals", goals_line(rows.rows(GOALS))))
    budgets = sorted(rows.rows(BUDGETS), key=lambda row: row.day("month_start"))
    return [*entries, *(("Budget", budget_line(row)) for row in budgets)]


def _cost_level(rows: ReportRows) -> list[_Entry]:
    """Whether the month is dear, which is a level, and how cost moves, which is a trend (DI-095)."""
    cost = rows.summary(_COST.mart).number(_COST.column)
    if cost is None:
        return []
    limit = rows.reference.monthly_cost_level_usd
    level = "high" if cost > limit else "normal"
    side = "above" if cost > limit else "up to"
    text = (
        f"Level {level}: {format_value(cost, Unit.USD)}, {side} {format_round_money(limit)} a month"
    )
    change = change_of(rows, _COST)
    if change is None:
        return [("Cost", f"{text}.")]
    word = {Direction.UP: "rising", Direction.DOWN: "falling", Direction.FLAT: "stable"}
    return [("Cost", f"{text}. Trend {word[change.direction]}: {change.text}.")]


def _focus(rows: ReportRows) -> list[_Entry]:
    """What to do next month: the recommendations of the gravest findings, then missed goals."""
    steps = []
    for row in sorted(rows.rows(INSIGHTS), key=gravity):
        advice = row.text("recommendation")
        if advice and advice not in steps:
            steps.append(advice)
    steps += [
        f"Bring {row.text('metric_label')} from {value_text(row)} to {goal_text(row)}."
        for row in missed_goals(rows)
    ]
    return [("Next month", step) for step in steps[:_FOCUS]]
