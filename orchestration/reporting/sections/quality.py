"""Quality and what it is worth: resolution, savings, ratings, tools.

Belongs here: how well the work was done. Does not belong here: speed (agents), tasks, ratings under
load (feedback).
"""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal

from orchestration.reporting.formats import Number, Unit, format_value, plural
from orchestration.reporting.gather import MartRow, ReportRows
from orchestration.reporting.model import (
    Block,
    Chart,
    ChartKind,
    ChartRow,
    Column,
    Empty,
    Figures,
    Point,
    Section,
    Table,
)
from orchestration.reporting.sections.common import (
    Measure,
    bars_alt,
    descending,
    figure,
    figures,
    period_noun,
    table_of,
)

_TOOL_ROWS = 12
# What the work was worth (RO-003), and how it ended (RO-002).
_VALUE = (
    Measure(mart="value_summary", column="net_savings_usd", label="Saved, net", unit=Unit.USD),
    Measure(
        mart="value_summary",
        column="cost_per_resolution_usd",
        label="Cost per resolution",
        unit=Unit.USD,
    ),
    Measure(
        mart="value_summary",
        column="platform_cost_usd",
        label="Models and platform fee",
        unit=Unit.USD,
    ),
    Measure(
        mart="value_summary",
        column="roi_percent",
        label="Return on that cost",
        unit=Unit.PERCENT,
    ),
)
_CONVERSATIONS = (
    Measure(
        mart="value_summary",
        column="conversations",
        label="Conversations",
        unit=Unit.COUNT,
        metric="total_conversations",
    ),
    Measure(
        mart="value_summary",
        column="resolution_rate",
        label="Resolved without a human",
        unit=Unit.FRACTION,
    ),
    Measure(
        mart="quality_summary",
        column="resolved_conversations",
        label="Escalations avoided",
        unit=Unit.COUNT,
    ),
    Measure(
        mart="quality_summary",
        column="escalation_rate",
        label="Escalated to a human",
        unit=Unit.FRACTION,
    ),
    Measure(
        mart="quality_summary",
        column="abandonment_rate",
        label="Abandoned",
        unit=Unit.FRACTION,
    ),
    Measure(
        mart="quality_summary",
        column="avg_satisfaction_score",
        label="Satisfaction, 1 to 5",
        unit=Unit.RATING,
    ),
)
_RATING = Measure(
    mart="feedback_summary",
    column="avg_rating",
    label="Average rating",
    unit=Unit.RATING,
    metric="average_rating",
)
_RATINGS = Measure(
    mart="feedback_summary",
    column="feedback_count",
    label="Ratings",
    unit=Unit.COUNT,
    metric="rating_count",
)
_RESPONSE_RATE = Measure(
    mart="feedback_summary",
    column="feedback_response_rate",
    label="Answers rated",
    unit=Unit.FRACTION,
)
_JUDGE = Measure(
    mart="quality_summary",
    column="avg_overall_score",
    label="Judge score, 1 to 5",
    unit=Unit.RATING,
    metric="quality_score",
)
_TOOL_COLUMNS = (
    Column(metric="tool_name", label="Tool"),
    Column(metric="attempt_count", label="Calls", unit=Unit.COUNT),
    Column(metric="failure_count", label="Failed", unit=Unit.COUNT),
    Column(metric="tool_failure_rate", label="Failure rate", unit=Unit.FRACTION),
    Column(metric="duration_share", label="Share of tool time", unit=Unit.FRACTION),
)


def quality(rows: ReportRows) -> Section:
    """Conversations and savings, ratings, tools."""
    blocks: list[Block] = []
    summary = rows.summary("quality_summary")
    if summary.count("conversations"):
        blocks.append(Figures(figures=figures(rows, *_VALUE)))
        blocks.append(Figures(figures=figures(rows, *_CONVERSATIONS)))
    else:
        blocks.append(Empty(reason=f"No conversation began in this {period_noun(rows)}."))
    blocks.extend(_ratings(rows))
    blocks.append(_tools(rows))
    return Section(key="quality", title="Quality", blocks=tuple(blocks))


def _ratings(rows: ReportRows) -> list[Block]:
    ratings = rows.summary("feedback_summary")
    count = ratings.count("feedback_count")
    if not count:
        return [Empty(reason=f"Nobody rated an answer in this {period_noun(rows)}.")]
    measures = [_RATING, _RATINGS, _RESPONSE_RATE]
    if rows.summary("quality_summary").number("avg_overall_score") is not None:
        measures.append(_JUDGE)
    points = tuple(
        Point(label=f"{stars} of 5", value=ratings.number(f"rating_{stars}_count"))
        for stars in range(1, 6)
    )
    average = format_value(ratings.number("avg_rating"), Unit.RATING)
    chart = Chart(
        kind=ChartKind.COLUMNS,
        metric="rating_count",
        title="Ratings given",
        caption=f"{plural(count, 'rating')}, average {average}",
        unit=Unit.COUNT,
        points=points,
        wide=True,
        alt=bars_alt("Ratings given", points, unit=Unit.COUNT),
    )
    shown = tuple(figure(rows, measure) for measure in measures)
    return [Figures(figures=shown), ChartRow(charts=(chart,))]


def _tools(rows: ReportRows) -> Block:
    called = [
        row
        for row in rows.rows("tool_usage")
        if row.flag("is_suppressed") or row.count("attempt_count")
    ]
    if not called:
        return Empty(reason=f"No tool was called in this {period_noun(rows)}.")
    return _tool_table(sorted(called, key=_tool_order))


def _tool_table(called: Sequence[MartRow]) -> Table:
    def cells(row: MartRow) -> tuple[str | Number | None, ...]:
        return (
            row.text("tool_name"),
            *(row.number(column.metric) for column in _TOOL_COLUMNS[1:]),
        )

    return table_of(
        "Tools",
        called,
        columns=_TOOL_COLUMNS,
        subject=lambda row: row.text("tool_name"),
        cells=cells,
        noun="tools",
        caption="Most often failing first.",
        limit=_TOOL_ROWS,
    )


def _tool_order(row: MartRow) -> tuple[bool, Decimal, Decimal, str]:
    return (
        row.flag("is_suppressed"),
        descending(row.number("tool_failure_rate")),
        descending(row.number("attempt_count")),
        row.text("tool_name"),
    )
