"""What a publisher is not shown of one of its agents by itself (D-22, X-19).

Belongs here: which figures of an agent are withheld over a period and by hour, day, week or month of it.
Does not belong here: how few tenants are too few, which is agent_visibility's.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime
from decimal import Decimal

from orchestration.errors import UserError
from orchestration.reporting.datasets.dataset import Dataset, Need, Question
from orchestration.reporting.query import Published, Row
from orchestration.reporting.scopes import ScopeKind

# What breakdowns by agent show: an agent that one of them withholds is not shown by itself either.
_OF_BREAKDOWNS = frozenset({"usage", "quality", "tasks"})
_ALL_PARTS = _OF_BREAKDOWNS | {"tools", "scores", "audits", "charges", "installs"}

# The parts of an agent's figures that a table function reads; one that is not here reads all.
PARTS_READ: Mapping[str, frozenset[str]] = {
    "usage_summary": frozenset({"usage"}),
    "usage_daily": frozenset({"usage"}),
    "response_summary": frozenset({"usage"}),
    "ranked_response_times": frozenset({"usage"}),
    "token_summary": frozenset({"usage"}),
    "usage_by_agent": frozenset({"usage"}),
    "usage_forecast": frozenset({"usage"}),
    "usage_forecast_daily": frozenset({"usage"}),
    "open_invocations": frozenset({"usage"}),
    "agent_quality": frozenset({"quality"}),
    "quality_summary": frozenset({"quality", "scores"}),
    "feedback_summary": frozenset({"quality", "usage"}),
    "value_summary": frozenset({"quality", "usage"}),
    "task_summary": frozenset({"tasks"}),
    "tool_summary": frozenset({"tools"}),
    "tool_usage": frozenset({"tools"}),
    "compliance_summary": frozenset({"audits", "usage"}),
    "revenue_summary": frozenset({"charges", "usage"}),
    "revenue_daily": frozenset({"charges"}),
    "adoption_summary": frozenset({"installs", "usage"}),
    "insight_findings": _ALL_PARTS - {"scores"},
    "data_quality": frozenset(),
    "quarantine_reasons": frozenset(),
    "health_summary": frozenset(),
}
_BY_DAY = frozenset({"usage_daily", "revenue_daily", "tasks_daily"})

# Findings of one day or hour: they have no place to say that it is withheld.
_METRICS_OF_A_DAY = frozenset({"day_above_usual", "day_below_usual", "hour_above_usual"})


@dataclass(frozen=True, kw_only=True, order=True)
class AgentCell:
    """One part of an agent's figures in a bucket; cells order by what is behind them."""

    size: int
    start_at: datetime
    agent_id: str
    local_date: date


def check_agent_visible(published: Published, question: Question, *, dataset: Dataset) -> None:
    """Refuse a publisher's question about an agent that too few tenants use (D-22).

    All agents are asked for, because hiding one may take another with it.

    Raises:
        UserError: the figures of the agent would be those of one or two tenants.
    """
    if not _is_of_one_agent(question):
        return
    functions = {need.function for need in dataset.needs_of(question).values()}
    parts = _OF_BREAKDOWNS.union(*(PARTS_READ.get(function, _ALL_PARTS) for function in functions))
    hidden = {
        row["part"]
        for row in published.function(
            "agent_visibility",
            scope=replace(question.scope, agent_id=None, agent_name=None),
            window=question.window,
        )
        if row["agent_id"] == question.scope.agent_id and row["is_suppressed"]
    }
    if hidden & parts:
        raise UserError(
            f"agent {question.scope.agent_id!r} has too few tenants in {question.window.label} for its "
            "figures to be shown by themselves; choose a longer --period, or leave out --agent"
        )


def without_small_buckets(
    rows: Sequence[Row], *, published: Published, question: Question, need: Need
) -> Sequence[Row]:
    """The rows of a need, those of a publisher's agent with no figure where too few tenants stand behind.

    A row without its figures says ``is_suppressed``.
    """
    if not _is_of_one_agent(question):
        return rows
    if need.function == "insight_findings":
        return [row for row in rows if row["metric"] not in _METRICS_OF_A_DAY]
    window = need.window(question.window) if need.window else question.window
    bucket = need.bucket(window) if need.bucket else "day"
    if need.bucket is None and need.function not in _BY_DAY:
        return rows
    cells: dict[str, list[Row]] = defaultdict(list)
    for row in published.function(
        "agent_visibility",
        scope=replace(question.scope, agent_id=None, agent_name=None),
        window=window,
        bucket=bucket,
    ):
        cells[row["part"]].append(row)
    parts = PARTS_READ.get(need.function, _ALL_PARTS)
    withheld = {
        cell.local_date if need.function in _BY_DAY else cell.start_at
        for part in parts
        for cell in _withheld_cells(cells[part])
        if cell.agent_id == question.scope.agent_id
    }
    at = "date_day" if need.function in _BY_DAY else "start_at"
    return [_without_figures(row) if row[at] in withheld else row for row in rows]


def complete(cells: Iterable[AgentCell], small: Iterable[AgentCell]) -> frozenset[AgentCell]:
    """The small cells and those that must go with them.

    Every bucket adds up to the publisher's own figure of it, and an agent's buckets to its figure of the
    period, hours to that of their day too: where all but one of them are shown, that one is the rest.
    """
    lines: dict[object, list[AgentCell]] = defaultdict(list)
    for cell in sorted(cells):
        for line in (cell.start_at, cell.agent_id, (cell.agent_id, cell.local_date)):
            lines[line].append(cell)
    hidden, before = set(small), -1
    while len(hidden) > before:
        before = len(hidden)
        for line_cells in lines.values():
            shown = [cell for cell in line_cells if cell not in hidden]
            if shown and len(line_cells) - len(shown) == 1:
                hidden.add(shown[0])
    return frozenset(hidden)


def _withheld_cells(rows: Sequence[Row]) -> frozenset[AgentCell]:
    cells = {
        AgentCell(
            size=row["cell_size"] or 0,
            start_at=row["start_at"],
            agent_id=row["agent_id"],
            local_date=row["start_local"],
        ): bool(row["is_suppressed"])
        for row in rows
    }
    return complete(cells, [cell for cell, is_suppressed in cells.items() if is_suppressed])


def _is_of_one_agent(question: Question) -> bool:
    return question.scope.kind is ScopeKind.PUBLISHER and question.scope.agent_id is not None


def _without_figures(row: Row) -> Row:
    """Its keys and times are no figures, and neither is whether something is so."""
    figures = {
        column: None
        for column, value in row.items()
        if isinstance(value, int | float | Decimal) and not isinstance(value, bool)
    }
    return {**row, **figures, "is_suppressed": True}
