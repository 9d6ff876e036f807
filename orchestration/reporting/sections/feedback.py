"""Feedback by load: whether answers are rated worse when many instances run.

Belongs here: ratings by load band. Does not belong here: ratings as such (quality) and the bands
themselves (reference data).
"""

from __future__ import annotations

from collections.abc import Sequence

from orchestration.reporting.formats import Unit, format_value
from orchestration.reporting.gather import MartRow, ReportRows
from orchestration.reporting.model import (
    Block,
    Chart,
    ChartKind,
    ChartRow,
    Column,
    Empty,
    Point,
    Section,
    Sentences,
    Table,
    TableRow,
)
from orchestration.reporting.sections.common import bars_alt, descending, period_noun
from orchestration.reporting.sections.compliance import type_label


def feedback(rows: ReportRows) -> Section:
    """Ratings by load band, with the number of ratings behind each."""
    types = sorted(rows.rows("feedback_by_agent_type"), key=_order)
    if not types:
        reason = f"Nobody rated an answer in this {period_noun(rows)}."
        return _section(Empty(reason=reason))
    bands = sorted(rows.rows("feedback_by_load"), key=lambda row: row.count("band_order"))
    blocks: list[Block] = []
    warnings = tuple(
        f"{type_label(row)} is rated worse from {row.count('rating_degrades_at_load')} running"
        " instances on."
        for row in types
        if row.number("rating_degrades_at_load") is not None
    )
    if warnings:
        blocks.append(Sentences(sentences=warnings))
    most_rated = types[0]
    if not any(_has_known_load(row) for row in bands):
        reason = "The load is known for no rating: no sample of running instances is close enough."
        return _section(*blocks, Empty(reason=reason), _table(types, bands))
    own = [row for row in bands if _same_type(row, most_rated)]
    if any(_has_known_load(row) for row in own):
        blocks.append(ChartRow(charts=(_chart(most_rated, own),)))
    blocks.append(_table(types, bands))
    return _section(*blocks)


def _section(*blocks: Block) -> Section:
    return Section(key="feedback", title="Feedback by load", blocks=blocks)


def _chart(agent_type: MartRow, bands: Sequence[MartRow]) -> Chart:
    points = tuple(
        Point(
            label=_band_label(row),
            value=row.number("avg_rating"),
            note=f"n = {format_value(row.count('feedback_count'), Unit.COUNT)}",
        )
        for row in bands
    )
    title = "Average rating by load"
    return Chart(
        kind=ChartKind.COLUMNS,
        metric="average_rating",
        title=title,
        caption=f"{type_label(agent_type)}, the type with most ratings",
        unit=Unit.RATING,
        points=points,
        wide=True,
        alt=bars_alt(title, points, unit=Unit.RATING),
    )


def _table(types: Sequence[MartRow], bands: Sequence[MartRow]) -> Table:
    names = list(dict.fromkeys(row.text("load_band") for row in bands))
    labels = {row.text("load_band"): _band_label(row) for row in bands}
    columns = (
        Column(metric="agent_type_name", label="Agent type"),
        Column(metric="average_rating", label="All", unit=Unit.RATING),
        *(
            Column(metric=f"average_rating_{name}", label=labels[name], unit=Unit.RATING)
            for name in names
        ),
    )
    lines = []
    for agent_type in types:
        own = {row.text("load_band"): row for row in bands if _same_type(row, agent_type)}
        lines.append(
            TableRow(
                subject=agent_type.text("agent_type_id") or "unknown",
                cells=(
                    type_label(agent_type),
                    _with_count(agent_type),
                    *(_with_count(own.get(name, MartRow())) for name in names),
                ),
                is_suppressed=agent_type.flag("is_suppressed"),
            )
        )
    return Table(
        title="Average rating by agent type and load",
        columns=columns,
        rows=tuple(lines),
        caption="Running instances of the type when the answer was given; n = number of ratings.",
    )


def _with_count(row: MartRow) -> str | None:
    if row.values and row.flag("is_suppressed"):
        return None
    rating, count = row.number("avg_rating"), row.count("feedback_count")
    if rating is None:
        return "–"
    counted = format_value(count, Unit.COUNT)
    return f"{format_value(rating, Unit.RATING)} (n = {counted})"


def _band_label(row: MartRow) -> str:
    name = row.text("load_band").capitalize()
    span = row.text("instances_range")
    return f"{name}, {span}" if span and span != row.text("load_band") else name


def _same_type(row: MartRow, agent_type: MartRow) -> bool:
    return row.text("agent_type_key") == agent_type.text("agent_type_key")


def _has_known_load(row: MartRow) -> bool:
    return row.text("load_band") != "unknown" and row.number("avg_rating") is not None


def _order(row: MartRow) -> tuple[bool, object, str]:
    return (
        row.flag("is_suppressed"),
        descending(row.number("feedback_count")),
        row.text("agent_type_key"),
    )
