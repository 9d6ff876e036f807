"""How often days are called out of the ordinary by chance, and how much of what was planted is found.

Belongs here: the trials, counts and the report. Does not belong here: what is made up (series.py) and
the statistics, which are the product's SQL (scoring.py).

    python -m tests.benchmarks.anomalies.measure --scopes 150 --date 2026-11-22 [--home HOME]

With --home, the days of a published deployment that are out of the ordinary are printed too.
"""

from __future__ import annotations

import argparse
import math
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path

import numpy as np
import pandas as pd

from orchestration.reporting.periods import parse_period
from orchestration.reporting.query import read_published
from orchestration.reporting.scopes import resolve_scope
from orchestration.settings import Settings
from tests.benchmarks.anomalies import series
from tests.benchmarks.anomalies.scoring import score_days, score_hours
from tests.benchmarks.anomalies.series import Planted, Scopes

_RESULTS = Path(__file__).parents[1] / "RESULTS.md"
_TABLE_BEGINS, _TABLE_ENDS = "<!-- anomalies -->", "<!-- /anomalies -->"
_DAYS = 200
# A day's share of false alarms that seeds/reference/settings.csv states, and an hour's.
STATED_DAYS, STATED_HOURS = 1 / 1000, 1 / 20_000
# Messages of a usual weekday.
_SIZES = {"10 to 50": (10.0, 50.0), "50 to 500": (50.0, 500.0), "500 to 5,000": (500.0, 5000.0)}
_PER_HOUR = (5.0, 20.0, 100.0)

_Maker = Callable[[series.Random, Scopes, Planted | None], pd.DataFrame]

_CLEAN: dict[str, _Maker] = {
    "messages": series.messages,
    "cost": series.cost,
    "error rate": series.errors,
    "95th percentile of times": series.response_times,
    "rating": series.ratings,
    "clustered messages": lambda random, scopes, _: series.clustered(random, scopes),
}
_PLANTED: tuple[tuple[str, _Maker, float], ...] = (
    ("messages x 1.5", series.messages, 1.5),
    ("messages x 2", series.messages, 2),
    ("messages x 4", series.messages, 4),
    ("messages x 0.5", series.messages, 0.5),
    ("a day without messages", series.messages, 0),
    ("cost of a record x 1.5", series.cost, 1.5),
    ("cost of a record x 2", series.cost, 2),
    ("cost of a record x 4", series.cost, 4),
    ("errors 10 %", series.errors, 0.1),
    ("errors 30 %", series.errors, 0.3),
    ("errors 100 %", series.errors, 1),
    ("times x 1.5", series.response_times, 1.5),
    ("times x 3", series.response_times, 3),
    ("a third of the ratings bad", series.ratings, 1 / 3),
    ("two thirds of the ratings bad", series.ratings, 2 / 3),
)


@dataclass(frozen=True, kw_only=True)
class Found:
    """Of what was planted and could be judged, what was found; and what else was found in those days."""

    planted: int
    found: int
    false: int


def rate_on_clean(maker: _Maker, random: series.Random, *, scopes: int) -> tuple[int, int]:
    """Judged days without anything planted, and those called out of the ordinary."""
    judged = flagged = 0
    for least, most in _SIZES.values():
        made = series.scopes_of_size(random, count=scopes, days=_DAYS, least=least, most=most)
        scored = score_days(maker(random, made, None))
        judged += len(scored)
        flagged += int(scored["is_anomaly"].sum())
    return judged, flagged


def plant_and_find(
    maker: _Maker, random: series.Random, *, scopes: int, size: float, volume: tuple[float, float]
) -> Found:
    """One planted day a scope, among the days on which some are planted."""
    made = series.scopes_of_size(random, count=scopes, days=_DAYS, least=volume[0], most=volume[1])
    planted = series.planted_days(random, made, size=size)
    scored = score_days(maker(random, made, planted))
    days = scored["window_key"].astype(int).map(pd.Series(planted.days))
    is_planted = scored["day"] == days
    is_near = scored["day"].between(planted.days.min(), planted.days.max())
    return Found(
        planted=int(is_planted.sum()),
        found=int((is_planted & scored["is_anomaly"]).sum()),
        false=int((~is_planted & is_near & scored["is_anomaly"]).sum()),
    )


def follow_shift(random: series.Random, *, scopes: int, size: float) -> list[float]:
    """The share of scopes whose day is called out of the ordinary, by days since usage changed for good."""
    made = series.scopes_of_size(random, count=scopes, days=_DAYS, least=500, most=5000)
    planted = series.planted_days(random, made, size=size, is_lasting=True)
    scored = score_days(series.messages(random, made, planted))
    since = scored["day"] - scored["window_key"].astype(int).map(pd.Series(planted.days))
    return [float(scored.loc[since == day, "is_anomaly"].mean()) for day in range(14)]


def rate_on_clean_hours(random: series.Random, *, scopes: int) -> tuple[int, int]:
    judged = flagged = 0
    for per_hour in _PER_HOUR:
        made, _ = series.hours(random, count=scopes, days=90, per_hour=per_hour, burst_share=None)
        scored = score_hours(made, from_day=42)
        judged += len(scored)
        flagged += int(scored["is_anomaly"].sum())
    return judged, flagged


def find_bursts(
    random: series.Random, *, scopes: int, per_hour: float, burst_share: float
) -> float:
    """The share of planted hours that are found."""
    made, planted = series.hours(
        random, count=scopes, days=90, per_hour=per_hour, burst_share=burst_share
    )
    scored = score_hours(made, from_day=42)
    keys = ["window_key", "day", "hour_of_day"]
    return float(scored.merge(planted, on=keys)["is_anomaly"].mean())


def wilson(count: int, of: int) -> tuple[float, float]:
    """The 95 % interval of a proportion."""
    z = 1.959964
    middle = (2 * count + z**2) / (2 * (of + z**2))
    half = z * math.sqrt(z**2 + 4 * count * (1 - count / of)) / (2 * (of + z**2))
    return middle - half, middle + half


def clean_table(random: series.Random, *, scopes: int) -> Iterator[str]:
    yield "| nothing planted | judged | called out of the ordinary | per 1,000 | 95 % interval |"
    yield "| --- | ---: | ---: | ---: | ---: |"
    for name, maker in _CLEAN.items():
        judged, flagged = rate_on_clean(maker, random, scopes=scopes)
        yield _rate_row(f"days: {name}", judged, flagged)
    yield _rate_row("hours: errors", *rate_on_clean_hours(random, scopes=max(scopes // 3, 10)))


def _rate_row(name: str, judged: int, flagged: int) -> str:
    low, high = wilson(flagged, judged)
    return (
        f"| {name} | {judged:,} | {flagged:,} | {1000 * flagged / judged:.2f} |"
        f" {1000 * low:.2f} to {1000 * high:.2f} |"
    )


def planted_table(random: series.Random, *, scopes: int) -> Iterator[str]:
    yield (
        "| planted, of messages a weekday | "
        + " | ".join(_SIZES)
        + " | precision, one in 40 days |"
    )
    yield "| --- |" + " ---: |" * (len(_SIZES) + 1)
    for name, maker, size in _PLANTED:
        found = [
            plant_and_find(maker, random, scopes=scopes, size=size, volume=volume)
            for volume in _SIZES.values()
        ]
        recalls = " | ".join(
            f"{one.found / one.planted:.0%}" if one.planted >= 20 else "not judged" for one in found
        )
        true, false = sum(one.found for one in found), sum(one.false for one in found)
        yield f"| {name} | {recalls} | {true / max(true + false, 1):.0%} |"


def shift_table(random: series.Random, *, scopes: int) -> Iterator[str]:
    yield "| usage changes for good, days since | " + " | ".join(map(str, range(14))) + " |"
    yield "| --- |" + " ---: |" * 14
    for size in (2.0, 0.5):
        shares = follow_shift(random, scopes=scopes, size=size)
        yield f"| x {size:g} | " + " | ".join(f"{share:.0%}" for share in shares) + " |"


def burst_table(random: series.Random, *, scopes: int) -> Iterator[str]:
    yield (
        "| an hour with errors, by answers at noon | "
        + " | ".join(f"{per_hour:g}" for per_hour in _PER_HOUR)
        + " |"
    )
    yield "| --- |" + " ---: |" * len(_PER_HOUR)
    for share in (0.25, 0.5, 1.0):
        found = [
            find_bursts(random, scopes=scopes, per_hour=per_hour, burst_share=share)
            for per_hour in _PER_HOUR
        ]
        yield f"| {share:.0%} | " + " | ".join(f"{one:.0%}" for one in found) + " |"


def days_of(home: Path, *, scope: str) -> Iterator[str]:
    """The days of all of a deployment's history that are out of the ordinary."""
    with read_published(Settings(home=home)) as published:
        end = published.as_of().date()
        window = parse_period(
            f"2020-01-01..{end - timedelta(days=1)}", as_of=published.as_of(), time_zone="UTC"
        )
        found = resolve_scope(published, scope)
        days = published.function("daily_anomalies", scope=found, window=window)
        bursts = published.function("error_bursts", scope=found, window=window)
    judged = pd.DataFrame(days).query("day_status != 'not_evaluated'")
    for metric, rows in judged.groupby("metric"):
        unusual = int((rows["day_status"] == "unusual").sum())
        yield f"{metric}: {unusual} of {len(rows)} judged days"
    for row in sorted(
        (row for row in days if row["is_anomaly"]), key=lambda row: (row["date_day"], row["metric"])
    ):
        yield (
            f"{row['date_day']} {row['date_day']:%a} {row['metric']} {row['direction']}"
            f" {row['metric_value']:,.4g}, expected {row['expected_value']:,.4g}, usual up to"
            f" {row['usual_high']:,.4g}, score {row['score']:.1f} of {row['score_limit']:.1f}"
        )
    for row in bursts:
        if row["burst_hour_count"]:
            yield (
                f"{row['date_day']} {row['burst_hour_of_day']}:00 {row['burst_errored_count']} of"
                f" {row['burst_agent_messages']} answers failed"
            )


def _write_results(lines: Sequence[str]) -> None:
    text = _RESULTS.read_text(encoding="utf-8")
    before, _, rest = text.partition(_TABLE_BEGINS)
    _, _, after = rest.partition(_TABLE_ENDS)
    table = "\n".join(lines)
    _RESULTS.write_text(
        f"{before}{_TABLE_BEGINS}\n\n{table}\n\n{_TABLE_ENDS}{after}", encoding="utf-8"
    )


def main() -> None:
    """Make up, judge, count; print the tables and write them into the results."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--scopes", type=int, default=150, help="scopes of each size")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--date", type=date.fromisoformat, required=True)
    parser.add_argument("--home", type=Path, help="a deployment whose days are printed too")
    parser.add_argument("--scope", default="platform")
    options = parser.parse_args()
    started = time.process_time()
    random = np.random.default_rng(options.seed)
    lines: list[str] = []
    for table in (clean_table, planted_table, shift_table, burst_table):
        lines += [*table(random, scopes=options.scopes), ""]
    lines.append(
        f"{options.scopes} scopes of each size, {_DAYS} days, seed {options.seed}, {options.date};"
        f" {time.process_time() - started:.0f} CPU seconds."
    )
    _write_results(lines)
    sys.stdout.write("\n".join(lines) + "\n")
    if options.home is not None:
        sys.stdout.write("\n".join(days_of(options.home, scope=options.scope)) + "\n")


if __name__ == "__main__":
    main()
