"""Figures are rounded half up, on decimals, once."""

from decimal import Decimal

import pytest

from orchestration.reporting.rounding import Figure, floor, half_up, ratio, whole


@pytest.mark.parametrize(
    ("value", "places", "rounded"),
    [
        # Half to even would give 0.12 and 2; binary arithmetic would give 2.67.
        (Decimal("0.125"), 2, Decimal("0.13")),
        (Decimal("2.5"), 0, Decimal(3)),
        (2.675, 2, Decimal("2.68")),
        (Decimal("-0.125"), 2, Decimal("-0.13")),
        (7, 2, Decimal("7.00")),
        (Decimal("12345678901234567890123456.785"), 2, Decimal("12345678901234567890123456.79")),
        (None, 2, None),
    ],
)
def test_halves_go_away_from_zero(value: Figure, places: int, rounded: Decimal | None) -> None:
    assert half_up(value, places) == rounded


def test_whole_numbers_are_half_up_and_floors_are_not() -> None:
    assert whole(Decimal("1850.5")) == 1851
    assert floor(Decimal("1850.9")) == 1850
    assert whole(None) is None
    assert floor(None) is None


def test_a_ratio_is_rounded_once() -> None:
    # 1,499,999 / 3,000,000 = 0.4999996...: rounding to six places first would give 0.5 and then 1.
    assert ratio(1_499_999, 3_000_000, places=0) == 0
    assert ratio(234, 12, places=2, times=52) == Decimal("1014.00")


@pytest.mark.parametrize(("numerator", "denominator"), [(1, 0), (1, None), (None, 3)])
def test_a_ratio_without_a_denominator_is_unknown(numerator: Figure, denominator: Figure) -> None:
    assert ratio(numerator, denominator, places=2) is None
