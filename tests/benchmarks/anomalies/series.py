"""Made-up days and hours of many scopes, with and without planted anomalies.

Belongs here: how usage, errors, times and ratings vary from day to day, and what is planted. Does not
belong here: what is found (scoring.py), and how it is counted (measure.py).

Every class but `clustered` varies by chance and by days that differ as a whole, by up to 0.28 of
their mean; weekends have from all to a twentieth of a weekday's usage; usage shrinks by 1 % or grows
by up to 3 % a week. `clustered` is what robust statistics find hard: long sessions, days that differ
by half or by their whole mean, and errors with long tails.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd

Cells = npt.NDArray[np.float64]
Random = np.random.Generator

FIRST_DAY = "2026-01-01"
# Nothing is planted before a scope can be judged, nor so late that what follows cannot be seen.
_LAST_PLANTED = 15
_PLANTED_DAYS = 40
_WEEKENDS = (1.0, 0.6, 0.25, 0.05)
_DAY_SPREADS = (0.0, 0.01, 0.03, 0.08)
_RATINGS = np.array([0.04, 0.05, 0.11, 0.3, 0.5])
_COST_PER_RECORD, _COST_SPREAD = 0.01, 0.81


@dataclass(frozen=True, kw_only=True)
class Scopes:
    """What scopes of a size use: the mean of each day, by scope and day."""

    mean: Cells
    day_spread: Cells

    @property
    def shape(self) -> tuple[int, int]:
        return (self.mean.shape[0], self.mean.shape[1])


@dataclass(frozen=True, kw_only=True)
class Planted:
    """One day of each scope, on which usage, prices, errors, times or ratings are changed."""

    days: npt.NDArray[np.int64]
    size: float
    is_lasting: bool = False

    def applied(self, values: Cells, change: Callable[[Cells, float], Cells]) -> Cells:
        places = np.arange(values.shape[1])[None, :]
        here = places >= self.days[:, None] if self.is_lasting else places == self.days[:, None]
        return np.where(here, change(values, self.size), values)


def scopes_of_size(random: Random, *, count: int, days: int, least: float, most: float) -> Scopes:
    """Scopes with a usual weekday of so many messages."""
    base = np.exp(random.uniform(np.log(least), np.log(most), count))
    growth = random.uniform(-0.01, 0.03, count) / 7
    weekend = random.choice(_WEEKENDS, count)
    weekday = np.array([1, 1.05, 1.1, 1.05, 0.95, 1, 0.9])[np.arange(days) % 7]
    is_weekend = (np.arange(days) % 7) >= 5
    pattern = weekday * np.where(is_weekend, weekend[:, None], 1)
    mean = base[:, None] * np.exp(growth[:, None] * np.arange(days)) * pattern
    return Scopes(mean=mean, day_spread=random.choice(_DAY_SPREADS, count))


def planted_days(
    random: Random, scopes: Scopes, *, size: float, is_lasting: bool = False
) -> Planted:
    count, days = scopes.shape
    place = random.integers(days - _LAST_PLANTED - _PLANTED_DAYS, days - _LAST_PLANTED, count)
    return Planted(days=place, size=size, is_lasting=is_lasting)


def messages(random: Random, scopes: Scopes, planted: Planted | None = None) -> pd.DataFrame:
    mean = scopes.mean if planted is None else planted.applied(scopes.mean, np.multiply)
    counted = random.poisson(mean * _day_factors(random, scopes))
    return _frame("messages", "amount", counted, counted)


def clustered(random: Random, scopes: Scopes) -> pd.DataFrame:
    """A fifth of the scopes each: days that differ by 0.5 and by 1 of their mean, sessions of six
    messages, days that differ by a factor of e^0.5, and by e^0.15 with long tails."""
    count, days = scopes.shape
    mean = scopes.mean
    sessions = random.poisson(mean / 6)
    forms = [
        random.poisson(mean * random.gamma(4, 1 / 4, (count, days))),
        random.poisson(mean * random.gamma(1, 1, (count, days))),
        sessions + random.negative_binomial(np.maximum(sessions, 1), 1 / 6) * (sessions > 0),
        random.poisson(mean * np.exp(random.normal(0, 0.5, (count, days)))),
        random.poisson(mean * np.exp(0.15 * random.standard_t(4, (count, days)))),
    ]
    counted = np.choose(np.arange(count)[:, None] % len(forms), forms)
    return _frame("clustered", "amount", counted, counted)


def cost(random: Random, scopes: Scopes, planted: Planted | None = None) -> pd.DataFrame:
    """Costs of records that vary by 0.9 of their mean, added up."""
    records = random.poisson(scopes.mean * _day_factors(random, scopes))
    price = np.full(scopes.shape, _COST_PER_RECORD)
    if planted is not None:
        price = planted.applied(price, np.multiply)
    shape = records / _COST_SPREAD
    spent = random.gamma(np.maximum(shape, 1e-9), _COST_SPREAD * price) * (records > 0)
    return _frame("cost_usd", "amount", np.round(spent, 9), records)


def errors(random: Random, scopes: Scopes, planted: Planted | None = None) -> pd.DataFrame:
    """Error rates from 0.2 to 10 %, alike from day to day or not."""
    count, _ = scopes.shape
    answers = random.poisson(scopes.mean * _day_factors(random, scopes))
    usual = random.choice([0.002, 0.01, 0.03, 0.1], count)[:, None]
    likeness = random.choice([0.0005, 0.002, 0.01], count)[:, None]
    rate = random.beta(
        np.broadcast_to(usual * (1 / likeness - 1), scopes.shape),
        np.broadcast_to((1 - usual) * (1 / likeness - 1), scopes.shape),
    )
    if planted is not None:
        rate = planted.applied(rate, lambda rates, share: np.maximum(rates, share))
    failed = random.binomial(answers, rate)
    return _frame("message_error_rate", "rate", failed, answers, least=1)


def response_times(random: Random, scopes: Scopes, planted: Planted | None = None) -> pd.DataFrame:
    """The 95th percentile of as many lognormal times as there are answers, by its order statistic."""
    count, _ = scopes.shape
    answers = random.poisson(scopes.mean * _day_factors(random, scopes))
    known = np.maximum(answers, 20)
    place = np.ceil(0.95 * known)
    share = random.beta(place, known + 1 - place)
    middle = (
        7.5 + random.normal(0, 1, scopes.shape) * random.choice([0, 0.05, 0.15], count)[:, None]
    )
    times = np.exp(middle + 0.8 * _normal_quantile(share))
    if planted is not None:
        times = planted.applied(times, np.multiply)
    total = np.where(answers >= 20, np.round(times, 6), np.nan)
    return _frame("p95_response_time_ms", "duration", total, answers, least=20)


def ratings(random: Random, scopes: Scopes, planted: Planted | None = None) -> pd.DataFrame:
    """Ratings of a seventh of the answers; planted are ones and twos in place of a share of them."""
    answers = random.poisson(scopes.mean * _day_factors(random, scopes))
    given = random.binomial(answers, 0.15)
    share = np.zeros(scopes.shape)
    if planted is not None:
        share = planted.applied(share, lambda _, size: np.full(scopes.shape, size))
    bad = random.binomial(given, share)
    counted = random.multinomial(given - bad, _RATINGS) + random.multinomial(
        bad, np.array([0.5, 0.5, 0, 0, 0])
    )
    stars = np.arange(1, 6)
    return _frame(
        "average_rating",
        "mean",
        (counted * stars).sum(axis=2),
        given,
        squares=(counted * stars**2).sum(axis=2),
        least=5,
    )


def hours(
    random: Random, *, count: int, days: int, per_hour: float, burst_share: float | None
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Answers and errors by hour, and the hours in which that share of the answers fails.

    The rate of a scope differs from day to day and from hour to hour, in clusters for a third of
    them, and is half as high again in the evening for half of them.
    """
    hour = np.arange(days * 24)
    of_day = hour % 24
    profile = 0.1 + np.exp(-0.5 * ((of_day - 14) / 4) ** 2)
    mean = per_hour * profile * np.where((hour // 24) % 7 >= 5, 0.3, 1)
    answers = random.poisson(np.broadcast_to(mean, (count, days * 24)))
    usual = random.choice([0.002, 0.01, 0.03, 0.1], count)[:, None]
    evening = 1 + random.choice([0, 0.5], count)[:, None] * np.maximum(
        np.sin(of_day / 24 * 6.28), 0
    )
    likeness = random.choice([0.001, 0.005, 0.02], count)[:, None]
    centre = usual * evening
    rate = random.beta(centre * (1 / likeness - 1), (1 - centre) * (1 / likeness - 1))
    planted = pd.DataFrame()
    if burst_share is not None:
        day = random.integers(days - _PLANTED_DAYS, days, count)
        at = random.integers(11, 18, count)
        rate[np.arange(count), day * 24 + at] = burst_share
        planted = pd.DataFrame(
            {"window_key": np.arange(count).astype(str), "day": day, "hour_of_day": at}
        )
    frame = pd.DataFrame(
        {
            "window_key": np.repeat(np.arange(count).astype(str), days * 24),
            "day": np.tile(hour // 24, count),
            "hour_of_day": np.tile(of_day, count),
            "observations": answers.ravel(),
            "errors": random.binomial(answers, rate).ravel(),
        }
    )
    return frame, planted


def _day_factors(random: Random, scopes: Scopes) -> Cells:
    spread = np.maximum(scopes.day_spread, 1e-9)[:, None]
    drawn = random.gamma(np.broadcast_to(1 / spread, scopes.shape), spread)
    return np.where(scopes.day_spread[:, None] > 0, drawn, 1.0)


def _normal_quantile(share: Cells) -> Cells:
    """Above the median, to within 0.0005: Abramowitz and Stegun 26.2.23."""
    low = np.sqrt(-2 * np.log(np.clip(1 - share, 1e-12, 0.5)))
    above: Cells = low - (2.515517 + 0.802853 * low + 0.010328 * low**2) / (
        1 + 1.432788 * low + 0.189269 * low**2 + 0.001308 * low**3
    )
    return above


def _frame(
    metric: str,
    kind: str,
    totals: npt.NDArray[np.generic],
    observations: npt.NDArray[np.generic],
    *,
    squares: npt.NDArray[np.generic] | None = None,
    least: int = 0,
) -> pd.DataFrame:
    count, days = totals.shape
    return pd.DataFrame(
        {
            "window_key": np.repeat(np.arange(count).astype(str), days),
            "metric": metric,
            "kind": kind,
            "day": np.tile(np.arange(days), count),
            "total": totals.ravel().astype(float),
            "observations": observations.ravel().astype(int),
            "square_total": np.nan if squares is None else squares.ravel().astype(float),
            "min_observations": least,
        }
    )
