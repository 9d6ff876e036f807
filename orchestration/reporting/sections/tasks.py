"""Tasks: how many ended and how, what they cost, and how well they go by their size.

Belongs here: work that agents do step by step. Does not belong here: conversations and single
answers (quality).
"""

from __future__ import annotations

from collections.abc import Sequence

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
    Sentences,
)
from orchestration.reporting.sections.common import Measure, bars_alt, figures, period_noun

_SUMMARY = "task_summary"
_FIGURES = (
    Measure(
        mart=_SUMMARY,
        column="terminal_tasks",
        label="Tasks ended",
        unit=Unit.COUNT,
        metric="total_tasks",
    ),
    Measure(
        mart=_SUMMARY,
        column="task_success_rate",
        label="Tasks completed",
        unit=Unit.FRACTION,
        metric="task_completion_rate",
    ),
    Measure(
        mart=_SUMMARY,
        column="total_tokens",
        label="Tokens of tasks",
        unit=Unit.TOKENS,
    ),
    Measure(
        mart=_SUMMARY,
        column="cost_usd",
        label="Cost of tasks",
        unit=Unit.USD,
    ),
    Measure(mart=_SUMMARY, column="avg_task_duration_s", label="Task, average", unit=Unit.SECONDS),
    Measure(mart=_SUMMARY, column="tokens_per_task", label="Tokens per task", unit=Unit.TOKENS),
    Measure(mart=_SUMMARY, column="cost_per_task_usd", label="Cost per task", unit=Unit.USD),
    Measure(
        mart=_SUMMARY,
        column="retry_rate",
        label="Tasks retried",
        unit=Unit.FRACTION,
        metric="task_retry_rate",
    ),
)


def tasks(rows: ReportRows) -> Section:
    """Cards of tasks (DI-069, DI-093), and how they end by their number of steps (DI-091)."""
    summary = rows.summary(_SUMMARY)
    if not summary.count("terminal_tasks"):
        waiting = summary.count("open_tasks")
        still = f" {plural(waiting, 'task')} begun in it had not ended." if waiting else ""
        return _section(Empty(reason=f"No task ended in this {period_noun(rows)}.{still}"))
    blocks: list[Block] = [Figures(figures=figures(rows, *_FIGURES))]
    bands = sorted(rows.rows("tasks_by_steps"), key=lambda row: row.count("band_order"))
    known = [row for row in bands if row.count("terminal_tasks")]
    if known:
        worst = _conclusion(known, minimum=rows.reference.p95_minimum)
        if worst:
            blocks.append(Sentences(sentences=(worst,)))
        blocks.append(ChartRow(charts=(_by_steps(bands), _durations(bands))))
    elif any(row.flag("is_suppressed") for row in bands):
        blocks.append(Empty(reason="Too few tenants stand behind the tasks to show them by size."))
    else:
        blocks.append(Empty(reason="No task says how many steps it took."))
    return _section(*blocks)


def _section(*blocks: Block) -> Section:
    return Section(key="tasks", title="Tasks", blocks=blocks)


def _conclusion(known: Sequence[MartRow], *, minimum: int) -> str:
    """Which size of task completes least often, if enough of two sizes ended to say so."""
    enough = [row for row in known if row.count("terminal_tasks") >= minimum]
    if len(enough) < 2:
        return ""
    worst = min(enough, key=lambda row: (row.number("task_success_rate") or 0, _order(row)))
    best = max(enough, key=lambda row: (row.number("task_success_rate") or 0, -_order(row)))
    low, high = worst.number("task_success_rate"), best.number("task_success_rate")
    if low == high:
        return ""
    return (
        f"Tasks of {worst.text('steps_range')} steps complete least often:"
        f" {format_value(low, Unit.FRACTION)} of {plural(worst.count('terminal_tasks'), 'task')},"
        f" against {format_value(high, Unit.FRACTION)} of those of"
        f" {best.text('steps_range')} steps."
    )


def _order(row: MartRow) -> int:
    return row.count("band_order")


def _by_steps(bands: Sequence[MartRow]) -> Chart:
    title = "Tasks completed, by number of steps"
    points = _points(bands, "task_success_rate")
    return Chart(
        kind=ChartKind.COLUMNS,
        metric="task_completion_rate",
        title=title,
        caption="Share of ended tasks; n = tasks",
        unit=Unit.FRACTION,
        points=points,
        alt=bars_alt(title, points, unit=Unit.FRACTION),
    )


def _durations(bands: Sequence[MartRow]) -> Chart:
    title = "Time of a task, by number of steps"
    points = _points(bands, "avg_task_duration_s")
    return Chart(
        kind=ChartKind.COLUMNS,
        metric="avg_task_duration_s",
        title=title,
        caption="Mean from start to end; n = tasks",
        unit=Unit.SECONDS,
        points=points,
        alt=bars_alt(title, points, unit=Unit.SECONDS),
    )


def _points(bands: Sequence[MartRow], column: str) -> tuple[Point, ...]:
    return tuple(
        Point(
            label=row.text("steps_range").replace("-", "–"),
            value=row.number(column),
            note="hidden"
            if row.flag("is_suppressed")
            else f"n = {format_value(row.number('terminal_tasks'), Unit.COUNT)}",
        )
        for row in bands
    )
