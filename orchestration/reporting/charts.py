"""Charts as small SVG drawings, the same for PDF, web page and e-mail.

Belongs here: turning a series into marks. Does not belong here: which series a report shows
(sections) and the colours themselves (palette). One accent colour and greys, figures written next
to their marks: nothing is told by hue alone.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from decimal import Decimal
from html import escape
from math import ceil, floor, log10

from orchestration.reporting import fonts
from orchestration.reporting.formats import Number, Unit, format_value
from orchestration.reporting.model import Chart, ChartKind, Point
from orchestration.reporting.palette import LIGHT, Palette

WIDE = 510.0
HALF = 245.0

_LABEL = 7.5
_SMALL = 7.0
# Browsers without the embedded fonts draw text wider than it is measured here.
_SLACK = 1.12
_BAR_HEIGHT = 11.0
_BAR_STEP = 18.0
_HEAT_ROW = 16.0
# From this share of the darkest on, text in a cell is as light as the paper.
_DARK_CELL = 0.55
# A cell with anything in it is told from an empty one.
_PALEST_CELL = 0.14
_SECONDS_STEPS = (
    1,
    2,
    5,
    10,
    15,
    30,
    60,
    120,
    300,
    600,
    900,
    1800,
    3600,
    7200,
    14400,
    36000,
)

_Position = Callable[[int], float]
_Place = Callable[[Number], float]


def draw(chart: Chart, palette: Palette = LIGHT) -> str:
    """The chart as a complete SVG document."""
    width = WIDE if chart.wide else HALF
    match chart.kind:
        case ChartKind.LINE:
            return _line_chart(chart, width, palette)
        case ChartKind.COLUMNS:
            return _column_chart(chart, width, palette)
        case ChartKind.BARS:
            return _bar_chart(chart, width, palette)
        case ChartKind.HEAT:
            return _heat_map(chart, width, palette)


def displayable(chart: Chart) -> Chart:
    """The chart with every text limited to what the embedded fonts can show."""
    return replace(
        chart,
        alt=fonts.displayable(chart.alt),
        points=tuple(_displayable_point(point) for point in chart.points),
        second=tuple(_displayable_point(point) for point in chart.second),
    )


def _displayable_point(point: Point) -> Point:
    label, note, row = (fonts.displayable(text) for text in (point.label, point.note, point.row))
    if (label, note, row) == (point.label, point.note, point.row):
        return point
    return replace(point, label=label, note=note, row=row)


def ticks(top: Number, *, unit: Unit, bottom: Number = 0, most: int = 4) -> tuple[Decimal, ...]:
    """Round values, a few steps apart, that hold zero and reach from bottom to top."""
    top, bottom = max(Decimal(top), Decimal(0)), min(Decimal(bottom), Decimal(0))
    if top == bottom:
        return (Decimal(0), Decimal(1))
    raw = (top - bottom) / most
    if unit is Unit.SECONDS:
        step = next((Decimal(s) for s in _SECONDS_STEPS if s >= raw), _nice_step(raw))
    else:
        step = _nice_step(raw)
    if unit is Unit.COUNT or unit is Unit.TOKENS:
        step = max(step, Decimal(1))
    return tuple(step * index for index in range(floor(bottom / step), ceil(top / step) + 1))


def _nice_step(raw: Decimal) -> Decimal:
    size = Decimal(10) ** floor(log10(raw))
    return next(factor * size for factor in (1, 2, Decimal("2.5"), 5, 10) if factor * size >= raw)


def _line_chart(chart: Chart, width: float, palette: Palette) -> str:
    height = 132.0 if chart.wide else 124.0
    values = [point.value for point in (*chart.points, *chart.second) if point.value is not None]
    marks = ticks(max(values, default=0), unit=chart.unit, bottom=min(values, default=0))
    tick_texts = [_tick_text(mark, chart.unit) for mark in marks]
    left = max(fonts.text_width(text, _SMALL) for text in tick_texts) + 8
    end_texts = [
        _end_text(series, chart.unit)
        for series in (chart.points, chart.second)
        if any(point.value is not None for point in series)
    ]
    names = [name for name in (chart.label, chart.second_label) if name and chart.second]
    widest = max((fonts.text_width(text, _LABEL, bold=True) for text in end_texts), default=0)
    right = widest * _SLACK + 8
    top, bottom = (20.0 if names else 10.0), 18.0
    plot_width, plot_height = width - left - right, height - top - bottom

    def x_of(index: int) -> float:
        count = len(chart.points)
        return left + (plot_width / 2 if count == 1 else plot_width * index / (count - 1))

    def y_of(value: Number) -> float:
        height_above = (Decimal(value) - marks[0]) / (marks[-1] - marks[0])
        return top + plot_height * (1 - float(height_above))

    parts = _grid(marks, tick_texts, left=left, right=width - right, y_of=y_of, palette=palette)
    if names:
        parts.append(_text(left, 9, chart.label, fill=palette.accent, bold=True))
        offset = fonts.text_width(chart.label, _LABEL, bold=True) + 12
        parts.append(_text(left + offset, 9, chart.second_label, fill=palette.muted))
    parts += _missing_days(
        chart.points, x_of=x_of, top=top, bottom=top + plot_height, palette=palette
    )
    parts += _x_labels(
        chart.points, x_of=x_of, y=height - 5, room=width - right - left, fill=palette.muted
    )
    parts += _path(chart.second, x_of=x_of, y_of=y_of, stroke=palette.pale)
    parts += _path(chart.points, x_of=x_of, y_of=y_of, stroke=palette.accent)
    taken: list[float] = []
    for series, fill, bold in (
        (chart.points, palette.accent, True),
        (chart.second, palette.muted, False),
    ):
        last = _last_known(series)
        if last is not None and series[last].value is not None:
            x, y = x_of(last), y_of(series[last].value or 0)
            if not bold and any(abs(y - other) < _LABEL for other in taken):
                continue
            taken.append(y)
            parts.append(f'<circle cx="{x:.2f}" cy="{y:.2f}" r="2.2" fill="{fill}"/>')
            text = format_value(series[last].value, chart.unit)
            parts.append(_text(x + 5, y + 2.6, text, fill=fill, bold=bold))
    return _document(width, height, parts, chart.alt)


def _column_chart(chart: Chart, width: float, palette: Palette) -> str:
    height = 124.0
    values = [point.value for point in chart.points if point.value is not None]
    top_value = max(values, default=Decimal(0)) or Decimal(1)
    has_notes = any(point.note for point in chart.points)
    top, bottom = 14.0, 26.0 if has_notes else 17.0
    plot_height = height - top - bottom
    slot = width / max(len(chart.points), 1)
    bar = min(slot * 0.62, 58.0)
    parts = []
    for index, point in enumerate(chart.points):
        middle = slot * (index + 0.5)
        base = top + plot_height
        label = fonts.fit(point.label, _SMALL, width=slot - 3)
        parts.append(
            _text(middle, base + 10, label, fill=palette.muted, anchor="middle", size=_SMALL)
        )
        if point.note:
            note = fonts.fit(point.note, 6.5, width=slot - 2)
            parts.append(
                _text(middle, base + 19, note, fill=palette.muted, anchor="middle", size=6.5)
            )
        if point.value is None:
            parts.append(
                _text(middle, base - 3, "no data", fill=palette.muted, anchor="middle", size=6.5)
            )
            continue
        size = plot_height * max(float(Decimal(point.value) / Decimal(top_value)), 0.0)
        parts.append(
            f'<rect x="{middle - bar / 2:.2f}" y="{base - size:.2f}" width="{bar:.2f}"'
            f' height="{size:.2f}" fill="{palette.accent}"/>'
        )
        text = format_value(point.value, chart.unit)
        if fonts.text_width(text, _LABEL) <= slot or len(chart.points) <= 8:
            parts.append(_text(middle, base - size - 3.5, text, fill=palette.ink, anchor="middle"))
    parts.append(_rule(0, top + plot_height, width, top + plot_height, stroke=palette.pale))
    return _document(width, height, parts, chart.alt)


def _bar_chart(chart: Chart, width: float, palette: Palette) -> str:
    height = _BAR_STEP * max(len(chart.points), 1) + 2
    label_width = min(
        max(
            (fonts.text_width(point.label, _LABEL) for point in chart.points),
            default=0.0,
        )
        + 8,
        width * (0.34 if chart.wide else 0.42),
    )
    texts = [_bar_text(point, chart.unit) for point in chart.points]
    widest = max((fonts.text_width(text, _LABEL) for text in texts), default=0.0)
    text_width = widest * _SLACK + 6
    room = width - label_width - text_width
    top_value = max((p.value for p in chart.points if p.value is not None), default=0) or 1
    parts = []
    for index, (point, text) in enumerate(zip(chart.points, texts, strict=True)):
        y = _BAR_STEP * index + 3
        label = fonts.fit(point.label, _LABEL, width=label_width - 6)
        parts.append(_text(0, y + 8.2, label, fill=palette.ink))
        value = Decimal(point.value or 0)
        size = room * max(float(value / Decimal(top_value)), 0.0)
        fill = palette.pale if point.label.startswith("Other") else palette.accent
        if size > 0:
            parts.append(
                f'<rect x="{label_width:.2f}" y="{y:.2f}" width="{max(size, 0.75):.2f}"'
                f' height="{_BAR_HEIGHT}" fill="{fill}"/>'
            )
        parts.append(_text(label_width + size + 5, y + 8.2, text, fill=palette.ink))
    return _document(width, height, parts, chart.alt)


def _heat_map(chart: Chart, width: float, palette: Palette) -> str:
    """Rows of cells, darker where there is more; cells with a note carry their figure."""
    names = list(dict.fromkeys(point.row for point in chart.points))
    columns = list(dict.fromkeys(point.label for point in chart.points))
    left = max((fonts.text_width(name, _LABEL) for name in names), default=0.0) + 8
    cell_width = (width - left) / max(len(columns), 1)
    most = max((point.value for point in chart.points if point.value), default=1)
    parts = [
        _text(0, _HEAT_ROW * index + 11, name, fill=palette.ink) for index, name in enumerate(names)
    ]
    for point in chart.points:
        x = left + cell_width * columns.index(point.label)
        y = _HEAT_ROW * names.index(point.row)
        share = float(Decimal(point.value or 0) / Decimal(most))
        opacity = _PALEST_CELL + (1 - _PALEST_CELL) * share
        fill = f'fill="{palette.accent}" fill-opacity="{opacity:.2f}"'
        parts.append(
            f'<rect x="{x:.2f}" y="{y:.2f}" width="{cell_width - 1.5:.2f}"'
            f' height="{_HEAT_ROW - 1.5:.2f}" '
            + (fill if share else f'fill="{palette.band}"')
            + "/>"
        )
        if point.note:
            ink = palette.paper if share > _DARK_CELL else palette.ink
            middle = x + (cell_width - 1.5) / 2
            parts.append(
                _text(middle, y + 10, point.note, fill=ink, anchor="middle", size=_SMALL, bold=True)
            )
    base = _HEAT_ROW * len(names) + 9
    step = max(1, ceil(28 / cell_width))
    for index in range(0, len(columns), step):
        x = left + cell_width * (index + 0.5) - 0.75
        parts.append(
            _text(x, base, columns[index], fill=palette.muted, anchor="middle", size=_SMALL)
        )
    return _document(width, base + 3, parts, chart.alt)


def _bar_text(point: Point, unit: Unit) -> str:
    text = format_value(point.value, unit)
    return f"{text} · {point.note}" if point.note else text


def _grid(
    marks: Sequence[Decimal],
    texts: Sequence[str],
    *,
    left: float,
    right: float,
    y_of: _Place,
    palette: Palette,
) -> list[str]:
    parts = []
    for mark, text in zip(marks, texts, strict=True):
        y = y_of(mark)
        parts.append(_rule(left, y, right, y, stroke=palette.pale if mark == 0 else palette.rule))
        parts.append(_text(left - 5, y + 2.5, text, fill=palette.muted, anchor="end", size=_SMALL))
    return parts


def _path(points: Sequence[Point], *, x_of: _Position, y_of: _Place, stroke: str) -> list[str]:
    """One stroke per unbroken run of known values; a lone value is a dot."""
    parts: list[str] = []
    run: list[tuple[float, float]] = []
    for index, point in enumerate((*points, Point(label="", value=None))):
        if point.value is not None:
            run.append((x_of(index), y_of(point.value)))
            continue
        if len(run) == 1:
            parts.append(
                f'<circle cx="{run[0][0]:.2f}" cy="{run[0][1]:.2f}" r="1.6" fill="{stroke}"/>'
            )
        elif run:
            trace = " L".join(f"{x:.2f} {y:.2f}" for x, y in run)
            parts.append(
                f'<path d="M{trace}" fill="none" stroke="{stroke}" stroke-width="1.6"'
                ' stroke-linejoin="round" stroke-linecap="round"/>'
            )
        run = []
    return parts


def _missing_days(
    points: Sequence[Point], *, x_of: _Position, top: float, bottom: float, palette: Palette
) -> list[str]:
    """A pale band behind each stretch of days without data, so that a gap is not read as a zero."""
    if len(points) < 2:
        return []
    half = (x_of(1) - x_of(0)) / 2
    parts: list[str] = []
    first: int | None = None
    for index in range(len(points) + 1):
        missing = index < len(points) and not points[index].has_data
        if missing and first is None:
            first = index
        if not missing and first is not None:
            left = max(x_of(first) - half, x_of(0))
            right = min(x_of(index - 1) + half, x_of(len(points) - 1))
            parts.append(
                f'<rect x="{left:.2f}" y="{top:.2f}" width="{right - left:.2f}"'
                f' height="{bottom - top:.2f}" fill="{palette.band}"/>'
            )
            if right - left > 30:
                middle = (left + right) / 2
                parts.append(
                    _text(
                        middle,
                        bottom - 4,
                        "no data",
                        fill=palette.muted,
                        anchor="middle",
                        size=6.5,
                    )
                )
            first = None
    return parts


def _x_labels(
    points: Sequence[Point], *, x_of: _Position, y: float, room: float, fill: str
) -> list[str]:
    if not points:
        return []
    widest = max(fonts.text_width(point.label, _SMALL) for point in points) + 10
    step = max(1, ceil(widest * len(points) / max(room, 1.0)))
    parts = []
    for index in range(0, len(points), step):
        parts.append(
            _text(
                x_of(index),
                y,
                points[index].label,
                fill=fill,
                anchor="middle",
                size=_SMALL,
            )
        )
    return parts


def _last_known(points: Sequence[Point]) -> int | None:
    return next((i for i in range(len(points) - 1, -1, -1) if points[i].value is not None), None)


def _end_text(points: Sequence[Point], unit: Unit) -> str:
    last = _last_known(points)
    return "" if last is None else format_value(points[last].value, unit)


def _tick_text(value: Decimal, unit: Unit) -> str:
    if value == 0 and unit is not Unit.FRACTION:
        return "0"
    if unit is Unit.USD and value >= 1 and value == int(value):
        return f"${format_value(value, Unit.COUNT)}"
    if unit in (Unit.COUNT, Unit.AVERAGE) and value >= 10_000:
        return format_value(value, Unit.TOKENS)
    return format_value(value, unit)


def _text(
    x: float,
    y: float,
    text: str,
    *,
    fill: str,
    anchor: str = "start",
    size: float = _LABEL,
    bold: bool = False,
) -> str:
    weight = ' font-weight="700"' if bold else ""
    place = "" if anchor == "start" else f' text-anchor="{anchor}"'
    return (
        f'<text x="{x:.2f}" y="{y:.2f}" font-size="{size}" fill="{fill}"{place}{weight}>'
        f"{escape(text)}</text>"
    )


def _rule(x1: float, y1: float, x2: float, y2: float, *, stroke: str) -> str:
    return (
        f'<line x1="{x1:.2f}" y1="{y1:.2f}" x2="{x2:.2f}" y2="{y2:.2f}"'
        f' stroke="{stroke}" stroke-width="0.6"/>'
    )


def _document(width: float, height: float, parts: Sequence[str], alt: str) -> str:
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width:g} {height:g}"'
        f' width="{width:g}" height="{height:g}" role="img" aria-label="{escape(alt)}"'
        f' font-family="{fonts.FAMILIES[0]}, FiraGO, Noto Sans, sans-serif">'
        f"{''.join(parts)}</svg>"
    )
