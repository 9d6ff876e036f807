"""Where the lines of two engines cross, by figures that can be worked out by hand."""

from __future__ import annotations

import pytest

from tests.benchmarks.engines.lines import Line, crossing, fitted


def test_a_line_through_two_sizes_goes_through_both() -> None:
    # 20 s more for 900 events more; 10 - 100 * 20 / 900 are left for none.
    line = fitted([(100, 10.0), (1_000, 30.0)])
    assert line.per_event == pytest.approx(20 / 900)
    assert line.fixed == pytest.approx(10 - 2_000 / 900)


def test_a_line_through_three_sizes_is_as_near_to_all_as_it_can_be() -> None:
    # Means 2 and 13/3; the slope is (-1 * -7/3 + 0 * 2/3 + 1 * 5/3) / (1 + 0 + 1).
    line = fitted([(1, 2.0), (2, 5.0), (3, 6.0)])
    assert (line.fixed, line.per_event) == pytest.approx((1 / 3, 2.0))
    assert line.at(10) == pytest.approx(20 + 1 / 3)


@pytest.mark.parametrize(
    ("first", "second", "events"),
    [
        ((10, 1.0), (40, 0.5), 60.0),
        ((10, 1.0), (40, 1.0), None),
        ((10, 1.0), (40, 2.0), None),
        ((40, 2.0), (10, 1.0), 0.0),
        ((40, 1.0), (10, 1.0), 0.0),
        # It costs less up to here alone, which says nothing of what is larger.
        ((40, 1.0), (10, 2.0), None),
    ],
)
def test_the_second_costs_less_from_where_its_smaller_slope_has_made_up_for_its_start(
    first: tuple[float, float], second: tuple[float, float], events: float | None
) -> None:
    found = crossing(*(Line(fixed=fixed, per_event=slope) for fixed, slope in (first, second)))
    assert found == (None if events is None else pytest.approx(events))
