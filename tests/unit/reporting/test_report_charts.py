"""Charts: marks, ticks, gaps, and text that stays text."""

from __future__ import annotations

import re
from datetime import date
from decimal import Decimal
from xml.etree import ElementTree

import pytest

from orchestration.reporting import charts
from orchestration.reporting.formats import Unit
from orchestration.reporting.model import Chart, ChartKind, Point
from orchestration.reporting.palette import LIGHT, VARIABLES

_SVG = "{http://www.w3.org/2000/svg}"


def _chart(kind: ChartKind, *points: Point, unit: Unit = Unit.COUNT, wide: bool = False) -> Chart:
    return Chart(
        kind=kind, metric="m", title="T", unit=unit, points=points, alt="what it shows", wide=wide
    )


def _texts(svg: str) -> list[str]:
    return [element.text or "" for element in ElementTree.fromstring(svg).iter(f"{_SVG}text")]


@pytest.mark.parametrize(
    ("top", "unit", "expected"),
    [
        (123, Unit.COUNT, [0, 50, 100, 150]),
        (0, Unit.COUNT, [0, 1]),
        (2, Unit.COUNT, [0, 1, 2]),
        (
            Decimal("0.04"),
            Unit.FRACTION,
            [0, Decimal("0.01"), Decimal("0.02"), Decimal("0.03"), Decimal("0.04")],
        ),
        (170, Unit.SECONDS, [0, 60, 120, 180]),
    ],
)
def test_an_axis_has_round_ticks_up_to_the_largest_value(
    top: Decimal | int, unit: Unit, expected: list[Decimal | int]
) -> None:
    assert list(charts.ticks(top, unit=unit)) == expected


def test_an_axis_reaches_below_zero_for_a_day_of_refunds() -> None:
    found = [int(tick) for tick in charts.ticks(60, unit=Unit.USD, bottom=-20)]

    assert found == [-20, 0, 20, 40, 60]


def test_a_line_breaks_where_a_value_is_unknown() -> None:
    points = [Point(label=str(n), value=v) for n, v in enumerate([1, 2, None, 3, 4])]

    svg = charts.draw(_chart(ChartKind.LINE, *points))

    assert svg.count("<path") == 2


def test_days_without_data_are_marked_even_though_their_count_is_zero() -> None:
    days = [
        Point(label=f"Mar {n}", day=date(2026, 3, n), value=0 if n == 2 else 5, has_data=n != 2)
        for n in (1, 2, 3)
    ]

    svg = charts.draw(_chart(ChartKind.LINE, *days))

    assert svg.count("<path") == 1
    assert svg.count('fill="#f2f4f7"') == 1


def test_bars_carry_their_label_value_and_share() -> None:
    svg = charts.draw(
        _chart(
            ChartKind.BARS, Point(label="openai", value=Decimal("150"), note="64.0%"), unit=Unit.USD
        )
    )

    assert _texts(svg) == ["openai", "$150.00 · 64.0%"]


def test_a_column_without_value_says_so() -> None:
    svg = charts.draw(_chart(ChartKind.COLUMNS, Point(label="High", value=None, note="n = 0")))

    assert _texts(svg) == ["High", "n = 0", "no data"]


@pytest.mark.parametrize("kind", list(ChartKind))
def test_markup_in_a_name_stays_text(kind: ChartKind) -> None:
    name = '<script>alert("x")</script>&amp;'

    svg = charts.draw(
        _chart(kind, Point(label=name, value=1), Point(label="b", value=2), wide=True)
    )

    root = ElementTree.fromstring(svg)
    assert not list(root.iter(f"{_SVG}script"))


@pytest.mark.parametrize("kind", list(ChartKind))
def test_a_chart_without_points_is_still_a_drawing(kind: ChartKind) -> None:
    assert ElementTree.fromstring(charts.draw(_chart(kind))).get("aria-label") == "what it shows"


def test_a_label_of_500_letters_stays_inside_the_drawing() -> None:
    svg = charts.draw(_chart(ChartKind.BARS, Point(label="W" * 500, value=1)))

    assert _texts(svg)[0].endswith("…")
    assert len(_texts(svg)[0]) < 30


def test_the_same_chart_is_drawn_with_the_same_bytes() -> None:
    chart = _chart(ChartKind.LINE, Point(label="a", value=1), Point(label="b", value=2))

    assert charts.draw(chart) == charts.draw(chart)


def test_a_negative_value_stays_inside_the_drawing() -> None:
    svg = charts.draw(
        _chart(ChartKind.LINE, Point(label="a", value=50), Point(label="b", value=-30))
    )

    height = float(ElementTree.fromstring(svg).attrib["height"])
    places = [float(y) for y in re.findall(r'cy="([\d.-]+)"', svg)]
    assert places
    assert all(0 < y < height for y in places)


def test_a_heat_map_is_darker_where_there_is_more_and_says_it_where_it_counts() -> None:
    chart = Chart(
        kind=ChartKind.HEAT,
        metric="agent_messages",
        title="By hour",
        unit=Unit.COUNT,
        points=(
            Point(row="Mon", label="00", value=0),
            Point(row="Mon", label="01", value=50),
            Point(row="Tue", label="00", value=100, note="100"),
            Point(row="Tue", label="01", value=1),
        ),
        alt="By hour.",
    )

    svg = charts.draw(chart)
    # From 14 % on: 0.14 + 0.86 x 50/100, x 100/100, x 1/100; an empty cell has no accent at all.
    assert re.findall(r'fill-opacity="([\d.]+)"', svg) == ["0.57", "1.00", "0.15"]
    assert svg.count(f'fill="{LIGHT.band}"') == 1
    assert f'fill="{LIGHT.paper}" text-anchor="middle" font-weight="700">100<' in svg


def test_a_chart_takes_every_colour_from_its_palette() -> None:
    points = tuple(
        Point(label=str(number), value=number, has_data=number != 1) for number in range(3)
    )
    for kind in ChartKind:
        svg = charts.draw(
            Chart(kind=kind, metric="m", title="T", unit=Unit.COUNT, points=points, alt="T."),
            VARIABLES,
        )
        assert "#" not in svg.replace("http://www.w3.org/2000/svg", "")
