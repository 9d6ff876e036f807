"""The report as one tidy CSV file: a row per value, with its section, metric, subject and date.

Belongs here: flattening a report into rows. Does not belong here: quoting and the neutralising of
formulas (tables) and how values look to people (formats). Values are exact, not rounded.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import date
from decimal import Decimal

from orchestration.reporting.formats import Change, Number
from orchestration.reporting.model import (
    Chart,
    ChartRow,
    Empty,
    Figures,
    Insights,
    Notes,
    Point,
    Report,
    Section,
    Sentences,
    Table,
)
from orchestration.reporting.tables import Cell, Column, to_csv
from orchestration.reporting.tables import Table as FlatTable

COLUMNS: Mapping[str, str] = {
    "section": "Key of the section of the report that the row belongs to.",
    "kind": "What the row is: figure, series, table, insight, sentence or note.",
    "metric": "Key of the metric in the catalogue; for an insight its rule.",
    "subject": "What the value is about within the scope: an agent, model, provider, tool or bin.",
    "date": "The local day of a value of a daily series.",
    "value": "The exact value; empty when unknown, or hidden because few tenants share it.",
    "unit": "The unit of the value; fraction means a share between 0 and 1.",
    "previous": "The same figure in the window before.",
    "change": "value - previous.",
    "change_rate": "change / previous, as a fraction; empty when previous is 0.",
    "direction": "up, down or flat.",
    "assessment": "improving, worsening, stable or neutral.",
    "text": "The text of an insight, sentence, note or text cell; 'hidden' for a hidden value.",
}


def render_csv(report: Report) -> str:
    """The report as CSV text; the header names the columns described in ``COLUMNS``."""
    rows = [_row("header", "note", metric=key, text=text) for key, text in _header_notes(report)]
    rows.append(_row("overview", "sentence", metric="statement", text=report.statement))
    for section in report.sections:
        rows.extend(_section_rows(section))
    columns = tuple(Column(name=name, type="VARCHAR") for name in COLUMNS)
    return to_csv(FlatTable(name="report", columns=columns, rows=tuple(rows)))


def _header_notes(report: Report) -> Iterator[tuple[str, str]]:
    header = report.header
    yield "title", header.title
    yield "scope", header.scope.text
    yield "scope_name", header.scope.name
    yield "first_day", header.first_day.isoformat()
    yield "last_day", header.last_day.isoformat()
    yield "time_zone", header.zone
    yield "as_of", header.as_of.isoformat()


def _section_rows(section: Section) -> Iterator[tuple[Cell, ...]]:
    for block in section.blocks:
        match block:
            case Figures():
                for figure in block.figures:
                    yield _row(
                        section.key,
                        "figure",
                        metric=figure.metric,
                        value=figure.value,
                        unit=figure.unit.value,
                        change=figure.change,
                    )
            case ChartRow():
                for chart in block.charts:
                    yield from _chart_rows(section.key, chart)
            case Table():
                yield from _table_rows(section.key, block)
            case Insights():
                for insight in (*block.insights, *block.more):
                    text = f"{insight.title}. {insight.description} {insight.recommendation}"
                    yield _row(
                        section.key,
                        "insight",
                        metric=insight.rule,
                        subject=insight.subject,
                        assessment=insight.severity,
                        text=text.strip(),
                    )
            case Sentences():
                for sentence in block.sentences:
                    yield _row(section.key, "sentence", text=sentence)
            case Empty():
                yield _row(section.key, "note", text=block.reason)
            case Notes():
                for term, text in block.notes:
                    yield _row(section.key, "note", metric=term, text=text)


def _chart_rows(section: str, chart: Chart) -> Iterator[tuple[Cell, ...]]:
    for metric, points in ((chart.metric, chart.points), (chart.second_metric, chart.second)):
        for point in points:
            yield _row(
                section,
                "series",
                metric=metric,
                subject=_subject(point),
                day=point.day,
                value=point.value,
                unit=chart.unit.value,
            )


def _subject(point: Point) -> str:
    if point.day is not None:
        return ""
    return f"{point.row} {point.label}" if point.row else point.label


def _table_rows(section: str, table: Table) -> Iterator[tuple[Cell, ...]]:
    for row in (*table.rows, *table.more):
        for position, (column, cell) in enumerate(zip(table.columns, row.cells, strict=True)):
            unit = table.unit(row, position)
            if position == 0 or (unit is None and cell is None):
                continue
            is_text = isinstance(cell, str)
            yield _row(
                section,
                "table",
                metric=column.metric,
                subject=row.subject,
                value=None if isinstance(cell, str) else cell,
                unit="" if unit is None else unit.value,
                text=str(cell) if is_text else _hidden(cell, is_suppressed=row.is_suppressed),
            )


def _hidden(cell: str | Number | None, *, is_suppressed: bool) -> str:
    return "hidden" if cell is None and is_suppressed else ""


def _row(
    section: str,
    kind: str,
    *,
    metric: str = "",
    subject: str = "",
    day: date | None = None,
    value: Number | None = None,
    unit: str = "",
    change: Change | None = None,
    assessment: str = "",
    text: str = "",
) -> tuple[Cell, ...]:
    return (
        section,
        kind,
        metric,
        subject,
        day,
        _plain(value),
        unit,
        None if change is None else _plain(change.previous),
        None if change is None else _plain(change.absolute),
        None if change is None or change.relative is None else round(change.relative, 6),
        "" if change is None else change.direction.value,
        assessment if change is None else change.assessment.value,
        text,
    )


def _plain(value: Number | None) -> Number | None:
    """Without the idle zeros of the stored scale: 12.5, not 12.500000000000."""
    if isinstance(value, Decimal):
        return int(value) if value == value.to_integral_value() else value
    return value
