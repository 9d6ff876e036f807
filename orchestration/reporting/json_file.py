"""The report as one JSON document, for programs that read reports.

Belongs here: the shape of the document. Does not belong here: how JSON text is written (documents).
"""

from __future__ import annotations

from orchestration.reporting.documents import Json, to_json
from orchestration.reporting.formats import Unit
from orchestration.reporting.model import (
    Block,
    Chart,
    ChartRow,
    Empty,
    Figure,
    Figures,
    Insight,
    Insights,
    Notes,
    Point,
    Report,
    Sentences,
    Table,
)


def render_json(report: Report) -> str:
    """The report as indented JSON; money and rates are exact decimals, rates are fractions."""
    header = report.header
    return to_json(
        {
            "title": header.title,
            "scope": header.scope.text,
            "scope_name": header.scope.name,
            "frequency": header.frequency.value,
            "period": header.period,
            "first_day": header.first_day,
            "last_day": header.last_day,
            "time_zone": header.zone,
            "window_start": header.window_start,
            "window_end": header.window_end,
            "is_partial": header.is_partial,
            "as_of": header.as_of,
            "data_until": header.data_until,
            "statement": report.statement,
            "sections": [
                {
                    "key": section.key,
                    "title": section.title,
                    "blocks": [_block(block) for block in section.blocks],
                }
                for section in report.sections
            ],
        }
    )


def _block(block: Block) -> Json:
    match block:
        case Figures():
            return {"kind": "figures", "figures": [_figure(figure) for figure in block.figures]}
        case ChartRow():
            return {"kind": "charts", "charts": [_chart(chart) for chart in block.charts]}
        case Table():
            return {
                "kind": "table",
                "title": block.title,
                "columns": [
                    {
                        "metric": column.metric,
                        "label": column.label,
                        "unit": _unit(column.unit),
                    }
                    for column in block.columns
                ],
                "rows": [
                    {
                        "subject": row.subject,
                        "cells": list(row.cells),
                        "is_suppressed": row.is_suppressed,
                        **({"units": [_unit(unit) for unit in row.units]} if row.units else {}),
                    }
                    for row in (*block.rows, *block.more)
                ],
            }
        case Insights():
            return {
                "kind": "insights",
                "insights": [_insight(insight) for insight in (*block.insights, *block.more)],
            }
        case Sentences():
            return {"kind": "sentences", "sentences": list(block.sentences)}
        case Empty():
            return {"kind": "empty", "reason": block.reason}
        case Notes():
            return {
                "kind": "notes",
                "notes": [{"term": term, "text": text} for term, text in block.notes],
            }


def _unit(unit: Unit | None) -> str | None:
    return None if unit is None else unit.value


def _figure(figure: Figure) -> Json:
    change = figure.change
    return {
        "metric": figure.metric,
        "label": figure.label,
        "value": figure.value,
        "unit": figure.unit.value,
        "previous": None if change is None else change.previous,
        "change": None if change is None else change.absolute,
        "change_rate": None
        if change is None or change.relative is None
        else round(change.relative, 6),
        "direction": None if change is None else change.direction.value,
        "assessment": None if change is None else change.assessment.value,
    }


def _chart(chart: Chart) -> Json:
    series: list[Json] = [
        {"metric": metric, "points": [_point(point) for point in points]}
        for metric, points in (
            (chart.metric, chart.points),
            (chart.second_metric, chart.second),
        )
        if points
    ]
    return {"title": chart.title, "unit": chart.unit.value, "series": series}


def _point(point: Point) -> Json:
    place = {"row": point.row} if point.row else {}
    return {**place, "label": point.label, "date": point.day, "value": point.value}


def _insight(insight: Insight) -> Json:
    return {
        "rule": insight.rule,
        "severity": insight.severity,
        "subject": insight.subject,
        "title": insight.title,
        "description": insight.description,
        "recommendation": insight.recommendation,
    }
