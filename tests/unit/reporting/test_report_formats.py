"""How values, durations, dates and changes are written."""

from __future__ import annotations

from datetime import UTC, date, datetime
from decimal import Decimal

import pytest

from orchestration.reporting.formats import (
    Assessment,
    Direction,
    Unit,
    compare,
    format_days,
    format_instant,
    format_month,
    format_round_money,
    format_value,
    plural,
    shorten,
)


@pytest.mark.parametrize(
    ("value", "unit", "text"),
    [
        (None, Unit.COUNT, "–"),
        (5678, Unit.COUNT, "5,678"),
        (-12, Unit.COUNT, "−12"),
        (Decimal("61.46"), Unit.AVERAGE, "61.5"),
        (Decimal("1234.5"), Unit.AVERAGE, "1,235"),
        (Decimal("3.0"), Unit.AVERAGE, "3"),
        (9_999, Unit.TOKENS, "9,999"),
        (12_345, Unit.TOKENS, "12.3K"),
        (999_949, Unit.TOKENS, "999.9K"),
        (999_950, Unit.TOKENS, "1.0M"),
        (72_967_539, Unit.TOKENS, "73.0M"),
        (2_500_000_000, Unit.TOKENS, "2.5B"),
        (Decimal("234.565"), Unit.USD, "$234.57"),
        (Decimal("0.0042"), Unit.USD, "$0.0042"),
        (Decimal("0.01"), Unit.USD, "$0.01"),
        (Decimal("0.00001"), Unit.USD, "<$0.0001"),
        (Decimal("-1234.5"), Unit.USD, "−$1,234.50"),
        (Decimal("0"), Unit.USD, "$0.00"),
        (Decimal("0.0312"), Unit.FRACTION, "3.1%"),
        (Decimal("0.0625"), Unit.FRACTION, "6.3%"),
        (Decimal("0.99999"), Unit.UPTIME, "99.99%"),
        (1, Unit.UPTIME, "100.00%"),
        (850, Unit.MILLISECONDS, "850 ms"),
        (Decimal("1850.4"), Unit.MILLISECONDS, "1.9 s"),
        (95_000, Unit.MILLISECONDS, "1m 35s"),
        (Decimal("4.25"), Unit.SECONDS, "4.3s"),
        (45, Unit.SECONDS, "45s"),
        (512, Unit.SECONDS, "8m 32s"),
        (9000, Unit.SECONDS, "2h 30m"),
        (Decimal("4.145"), Unit.RATING, "4.15"),
        (Decimal("78.7"), Unit.TOKENS_PER_SECOND, "78.7/s"),
    ],
)
def test_a_value_is_written_with_its_unit(
    value: Decimal | int | None, unit: Unit, text: str
) -> None:
    assert format_value(value, unit) == text


@pytest.mark.parametrize(
    ("current", "previous", "unit", "direction", "text"),
    [
        (112, 100, Unit.COUNT, Direction.UP, "+12.0%"),
        (100, 112, Unit.COUNT, Direction.DOWN, "−10.7%"),
        (1009, 1000, Unit.COUNT, Direction.FLAT, "+0.9%"),
        (1010, 1000, Unit.COUNT, Direction.UP, "+1.0%"),
        (12, 12, Unit.COUNT, Direction.FLAT, "unchanged"),
        (5, 0, Unit.COUNT, Direction.UP, "from 0"),
        (0, 0, Unit.COUNT, Direction.FLAT, "unchanged"),
        (3000, 100, Unit.COUNT, Direction.UP, "+30×"),
        (Decimal("0.0309"), Decimal("0.03"), Unit.FRACTION, Direction.FLAT, "+0.1 pts"),
        (Decimal("0.031"), Decimal("0.03"), Unit.FRACTION, Direction.UP, "+0.1 pts"),
        (Decimal("-50"), Decimal("-100"), Unit.USD, Direction.UP, "+50.0%"),
    ],
)
def test_a_change_inside_the_band_is_flat(
    current: Decimal | int, previous: Decimal | int, unit: Unit, direction: Direction, text: str
) -> None:
    change = compare(current, previous, unit=unit, higher_is_better=None)

    assert change is not None
    assert (change.direction, change.text) == (direction, text)


@pytest.mark.parametrize(
    ("current", "higher_is_better", "assessment"),
    [
        (110, True, Assessment.IMPROVING),
        (110, False, Assessment.WORSENING),
        (90, True, Assessment.WORSENING),
        (90, False, Assessment.IMPROVING),
        (110, None, Assessment.NEUTRAL),
        (100, False, Assessment.STABLE),
    ],
)
def test_the_polarity_of_a_metric_decides_whether_a_change_is_welcome(
    current: int, higher_is_better: bool | None, assessment: Assessment
) -> None:
    change = compare(current, 100, unit=Unit.COUNT, higher_is_better=higher_is_better)

    assert change is not None
    assert change.assessment is assessment


def test_an_unknown_value_has_no_change() -> None:
    assert compare(None, 3, unit=Unit.COUNT, higher_is_better=True) is None
    assert compare(3, None, unit=Unit.COUNT, higher_is_better=True) is None


@pytest.mark.parametrize(
    ("first", "last", "text"),
    [
        (date(2026, 2, 23), date(2026, 3, 1), "Feb 23 – Mar 1, 2026"),
        (date(2025, 1, 15), date(2025, 1, 21), "Jan 15–21, 2025"),
        (date(2025, 12, 29), date(2026, 1, 4), "Dec 29, 2025 – Jan 4, 2026"),
        (date(2026, 3, 1), date(2026, 3, 1), "Mar 1, 2026"),
    ],
)
def test_a_span_of_days_is_written_once_per_part_that_differs(
    first: date, last: date, text: str
) -> None:
    assert format_days(first, last) == text


def test_an_instant_is_written_on_the_wall_clock_of_its_zone() -> None:
    moment = datetime(2026, 3, 2, 6, tzinfo=UTC)

    assert format_instant(moment, "Europe/Berlin") == "Mar 2, 2026, 07:00 (Europe/Berlin)"
    assert format_month(date(2026, 2, 1)) == "February 2026"


def test_money_in_running_text_has_cents_below_a_hundred_only() -> None:
    assert format_round_money(Decimal("18000.49")) == "$18,000"
    assert format_round_money(Decimal("99.5")) == "$99.50"


def test_a_long_name_is_cut_on_one_line() -> None:
    assert shorten("a\n b\tc", 10) == "a b c"
    assert shorten("abcdefghij", 5) == "abcd…"


def test_one_thing_is_singular() -> None:
    assert (plural(1, "agent"), plural(1200, "agent")) == ("1 agent", "1,200 agents")
