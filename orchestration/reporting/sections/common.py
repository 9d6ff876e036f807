"""What all sections share: figures with their change, shares, tables cut to a page, words for
periods.

Belongs here: helpers without an opinion. Does not belong here: the choice of any figure.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal

from orchestration.reporting.formats import (
    Change,
    Number,
    Unit,
    compare,
    format_short_day,
    format_value,
)
from orchestration.reporting.gather import MartRow, ReportRows
from orchestration.reporting.model import (
    Chart,
    ChartRow,
    Column,
    Figure,
    Frequency,
    Point,
    Table,
    TableRow,
)

ROWS_ON_PAPER = 40
_SEVERITIES = ("critical", "warning", "info")

PERIOD_NOUNS = {Frequency.DAILY: "day", Frequency.WEEKLY: "week", Frequency.MONTHLY: "month"}


@dataclass(frozen=True, kw_only=True)
class Measure:
    """A figure to show: its mart and column, label and unit.

    ``metric`` is its key in the catalogue where the column is called otherwise.
    """

    mart: str
    column: str
    label: str
    unit: Unit
    metric: str = ""

    @property
    def key(self) -> str:
        return self.metric or self.column


def period_noun(rows: ReportRows) -> str:
    """``week`` in a weekly report, and so on."""
    return PERIOD_NOUNS[rows.window.frequency]


def figure(rows: ReportRows, measure: Measure, *, note: str = "") -> Figure:
    """The figure of this window with its change against the window before."""
    value = rows.summary(measure.mart).number(measure.column)
    return Figure(
        metric=measure.key,
        label=measure.label,
        value=value,
        unit=measure.unit,
        change=change_of(rows, measure),
        note=note,
    )


def figures(rows: ReportRows, *measures: Measure) -> tuple[Figure, ...]:
    """Several figures."""
    return tuple(figure(rows, measure) for measure in measures)


def change_of(rows: ReportRows, measure: Measure) -> Change | None:
    """The change of a figure against the window before."""
    return compare(
        rows.summary(measure.mart).number(measure.column),
        rows.previous_summary(measure.mart).number(measure.column),
        unit=measure.unit,
        higher_is_better=rows.reference.polarity(measure.key),
    )


def percentile(rows: ReportRows, measure: Measure, *, count_column: str, minimum: int) -> Figure:
    """A percentile with its number of values; hidden when there are too few (X-03)."""
    count = rows.summary(measure.mart).count(count_column)
    if count >= minimum:
        return figure(rows, measure, note=f"n = {format_value(count, Unit.COUNT)}")
    return Figure(
        metric=measure.key,
        label=measure.label,
        value=None,
        unit=measure.unit,
        note=f"n = {format_value(count, Unit.COUNT)}, shown from {minimum} on",
    )


def share(part: Number | None, total: Number | None) -> Decimal | None:
    """Part of total as a fraction, None where it has no value."""
    if part is None or not total:
        return None
    return Decimal(part) / Decimal(total)


def share_text(part: Number | None, total: Number | None) -> str:
    """``12.3%``, or nothing where a share has no value."""
    value = share(part, total)
    return "" if value is None else format_value(value, Unit.FRACTION)


def top_and_other(
    entries: Sequence[tuple[str, Number | None]], *, keep: int, total: Number | None
) -> tuple[Point, ...]:
    """The largest entries and one for the rest, so that the parts equal the total."""
    known = sorted(
        ((label, value) for label, value in entries if value), key=lambda one: (-one[1], one[0])
    )
    points = [
        Point(label=label, value=value, note=share_text(value, total))
        for label, value in known[:keep]
    ]
    if total is None:
        return tuple(points)
    rest = Decimal(total) - sum(Decimal(value) for _, value in known[:keep])
    if rest > 0 and (len(entries) > len(points)):
        count = len(entries) - len(points)
        points.append(
            Point(
                label=f"Other ({count})",
                value=_same_kind(rest, total),
                note=share_text(rest, total),
            )
        )
    return tuple(points)


def day_points(days: Sequence[MartRow], column: str, *, is_count: bool = True) -> tuple[Point, ...]:
    """A daily series; counts are zero on a day without rows, averages a gap."""
    points = []
    for row in sorted(days, key=lambda one: one.day("date_day")):
        value = row.number(column)
        points.append(
            Point(
                label=format_short_day(row.day("date_day")),
                day=row.day("date_day"),
                value=0 if value is None and is_count else value,
                has_data=row.flag("has_data"),
            )
        )
    return tuple(points)


def table_of(
    title: str,
    rows: Sequence[MartRow],
    *,
    columns: Sequence[Column],
    subject: Callable[[MartRow], str],
    cells: Callable[[MartRow], tuple[str | Number | None, ...]],
    noun: str,
    caption: str = "",
    limit: int = ROWS_ON_PAPER,
) -> Table:
    """A table of the rows in their order, as many as paper bears; the data files have all."""
    lines = tuple(
        TableRow(
            subject=subject(row),
            cells=cells(row),
            is_suppressed="is_suppressed" in row.values and row.flag("is_suppressed"),
        )
        for row in rows
    )
    shown, more = lines[:limit], lines[limit:]
    if more:
        caption = (
            f"{caption} The first {len(shown)} of {format_value(len(lines), Unit.COUNT)} {noun};"
            " all are in the CSV file."
        )
    return Table(
        title=title, columns=tuple(columns), rows=shown, more=more, caption=caption.strip()
    )


def gravity(row: MartRow) -> tuple[int, str, str]:
    """A sort key that puts the gravest finding first."""
    severity = row.text("severity")
    rank = _SEVERITIES.index(severity) if severity in _SEVERITIES else len(_SEVERITIES)
    return rank, row.text("rule_id"), row.text("subject_id")


def in_rows(charts: Sequence[Chart]) -> list[ChartRow]:
    """Two half charts to a row; a wide one, and one without a partner, has a row of its own."""
    rows: list[ChartRow] = []
    waiting: Chart | None = None
    for chart in charts:
        if chart.wide:
            rows.append(ChartRow(charts=(chart,)))
        elif waiting is None:
            waiting = chart
        else:
            rows.append(ChartRow(charts=(waiting, chart)))
            waiting = None
    if waiting is not None:
        rows.append(ChartRow(charts=(replace(waiting, wide=True),)))
    return rows


def hidden_count(rows: Sequence[MartRow]) -> int:
    """How many cells a publisher may not see."""
    return sum(row.flag("is_suppressed") for row in rows)


def descending(value: Number | None) -> Decimal:
    """A sort key that puts the largest first and the unknown last."""
    return Decimal("Infinity") if value is None else -Decimal(value)


def series_alt(title: str, points: Sequence[Point], *, unit: Unit) -> str:
    """What a series shows, for readers who cannot see the drawing."""
    known = [point for point in points if point.value is not None]
    if not known:
        return f"{title}: no values."
    highest = max(known, key=lambda point: point.value or 0)
    return (
        f"{title} from {points[0].label} to {points[-1].label}: first"
        f" {format_value(known[0].value, unit)}, last {format_value(known[-1].value, unit)},"
        f" highest {format_value(highest.value, unit)} on {highest.label}."
    )


def bars_alt(title: str, points: Sequence[Point], *, unit: Unit) -> str:
    """What bars show, largest first, for readers who cannot see the drawing."""
    parts = ", ".join(f"{point.label}: {format_value(point.value, unit)}" for point in points)
    return f"{title}. {parts}." if parts else f"{title}: no values."


def _same_kind(value: Decimal, like: Number) -> Number:
    return int(value) if isinstance(like, int) else value
