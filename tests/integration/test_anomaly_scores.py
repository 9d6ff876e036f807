"""How days are judged, against plain Python and against what is planted in made-up days."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest

from tests.benchmarks.anomalies import series
from tests.benchmarks.anomalies.measure import STATED_DAYS, follow_shift, plant_and_find
from tests.benchmarks.anomalies.scoring import score_days, score_hours
from tests.golden.oracle.anomalies import Day, Judgement, Series

_MADE = {
    "messages": series.messages,
    "cost": series.cost,
    "errors": series.errors,
    "times": series.response_times,
    "ratings": series.ratings,
}


def _scopes(random: series.Random, *, count: int, days: int) -> series.Scopes:
    return series.scopes_of_size(random, count=count, days=days, least=20, most=500)


@pytest.mark.parametrize("name", list(_MADE))
def test_every_score_is_the_one_that_plain_python_finds(name: str) -> None:
    random = np.random.default_rng(3)
    made = _disturbed(_MADE[name](random, _scopes(random, count=3, days=75), None))
    scored = {(row["window_key"], row["day"]): row for row in score_days(made).to_dict("records")}
    expected = {
        (key, place): found
        for key, rows in made.groupby("window_key")
        for place, found in enumerate(_judged(rows))
        if found is not None
    }
    assert len(expected) > 50
    assert scored.keys() == expected.keys()
    for place, found in expected.items():
        row = scored[place]
        assert row["score"] == pytest.approx(found.score, abs=1e-5), place
        assert row["score_limit"] == pytest.approx(found.limit, abs=1e-9), place
        assert row["expected_value"] == pytest.approx(found.expected, rel=1e-5), place


def _disturbed(made: pd.DataFrame) -> pd.DataFrame:
    """The first scope with a wild day and one that is unknown, the second with a silent week."""
    total, squares = made["total"].to_numpy(copy=True), made["square_total"].to_numpy(copy=True)
    observations = made["observations"].to_numpy(copy=True)
    total[50] *= 3
    total[60] = squares[60] = np.nan
    silent = slice(75 + 30, 75 + 37)
    observations[silent] = 0
    total[silent] = np.nan if made["kind"].iloc[0] == "duration" else 0
    squares[silent] = 0 if made["kind"].iloc[0] == "mean" else np.nan
    return made.assign(total=total, observations=observations, square_total=squares)


def _judged(rows: pd.DataFrame) -> list[Judgement | None]:
    one = Series(
        kind=rows["kind"].iloc[0],
        days=[_day(row) for row in rows.to_dict("records")],
        least=int(rows["min_observations"].iloc[0]),
    )
    return [one.judge(place) for place in range(len(one.days))]


def _day(row: dict[Any, Any]) -> Day:
    return Day(
        total=None if pd.isna(row["total"]) else row["total"],
        observations=row["observations"],
        squares=0 if pd.isna(row["square_total"]) else row["square_total"],
    )


def test_hardly_a_day_without_anything_planted_is_out_of_the_ordinary() -> None:
    """At most as many as one time in a thousand allows three times in a thousand."""
    random = np.random.default_rng(1)
    made = pd.concat(
        maker(random, _scopes(random, count=25, days=130), None) for maker in _MADE.values()
    )
    scored = score_days(made)
    allowed = len(scored) * STATED_DAYS
    assert len(scored) > 8_000
    assert scored["is_anomaly"].sum() <= allowed + 2.75 * allowed**0.5


def test_four_times_the_messages_and_none_are_found() -> None:
    random = np.random.default_rng(2)
    for size in (4.0, 0.0):
        found = plant_and_find(series.messages, random, scopes=20, size=size, volume=(200, 2000))
        assert found.planted == 20
        assert found.found >= 17, size


def test_usage_that_stays_changed_is_the_usual_from_the_fifth_day_on() -> None:
    shares = follow_shift(np.random.default_rng(4), scopes=20, size=4)
    assert min(shares[:3]) > 0.8
    assert max(shares[4:]) < 0.1


def test_an_hour_in_which_everything_fails_is_found_and_its_day_before_is_not() -> None:
    random = np.random.default_rng(6)
    made, planted = series.hours(random, count=4, days=90, per_hour=60, burst_share=1)
    flagged = score_hours(made, from_day=50).query("is_anomaly")
    keys = ["window_key", "day", "hour_of_day"]
    assert (
        flagged[keys]
        .reset_index(drop=True)
        .equals(planted[keys].astype(flagged[keys].dtypes).sort_values(keys).reset_index(drop=True))
    )
