"""The back-test scores forecasts by what came, on figures that can be added up by hand."""

import pytest

from tests.benchmarks.forecast.backtest import (
    Forecast,
    Score,
    drift_forecast,
    naive_forecast,
    score,
    table_of,
)


def test_the_naive_forecast_repeats_the_last_day_and_drift_goes_on_along_the_line() -> None:
    assert naive_forecast([1, 2, 7], 2) == [7, 7]
    # (7 - 1) / 2 = 3 a day
    assert drift_forecast([1, 2, 7], 2) == [10, 13]


def test_errors_are_averaged_over_all_days_and_the_ends_of_a_range_are_within() -> None:
    history = [0.0, 2.0, 5.0, 7.0]
    one = Forecast(values=[4, 8], lows=[4.5, 7.5], highs=[5, 9])
    other = Forecast(values=[6], lows=[6], highs=[7])
    found = score(history, [(2, one), (3, other)])
    # Ours: |5-4|, |7-8|, |7-6|. Naive: |5-2|, |7-2|, |7-5|. Drift: |5-4|, |7-6|, |7-7.5|.
    assert (found.origins, found.ours) == (2, 1.0)
    assert found.naive == pytest.approx(10 / 3)
    assert found.drift == pytest.approx(2.5 / 3)
    # 5 is held, 7 is below 7.5, 7 is held.
    assert found.coverage == pytest.approx(2 / 3)


def test_the_table_says_errors_as_parts_of_the_simple_forecasts() -> None:
    lines = list(
        table_of([("platform", Score(origins=3, ours=50, naive=100, drift=200, coverage=0.8125))])
    )
    assert lines[2] == "| platform | 3 | 50 | 0.50 | 0.25 | 81.2% |"
