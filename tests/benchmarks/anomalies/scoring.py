"""Days and hours judged by the product's own SQL, the macros of dbt_project/macros/domain/anomalies.sql.

Belongs here: handing made-up rows to them with the settings of the product. Does not belong here: any
of the statistics.
"""

from __future__ import annotations

import csv
from collections.abc import Iterator
from contextlib import contextmanager

import duckdb
import pandas as pd

from orchestration.settings import PROJECT_ROOT
from tests.benchmarks.anomalies.series import FIRST_DAY
from tests.support.rendered_macros import render

_SETTINGS = PROJECT_ROOT / "seeds" / "reference" / "settings.csv"


def score_days(frame: pd.DataFrame) -> pd.DataFrame:
    """One row per series and judged day: window_key, metric, day, score,
    score_limit, expected_value, is_anomaly."""
    with _prepared() as connection:
        connection.register("made_up", frame)
        connection.execute(
            f"""
            create table series as
            select
                window_key, metric, kind, min_observations, observations, true as is_asked,
                date '{FIRST_DAY}' + cast(day as integer) as date_day,
                case when not isnan(total) then cast(total as decimal(38, 12)) end as total,
                case when not isnan(square_total) then cast(square_total as decimal(38, 12)) end
                    as square_total
            from made_up
            """
        )
        return connection.execute(
            f"""
            select
                window_key, metric, date_day - date '{FIRST_DAY}' as day, score, score_limit,
                expected_value, abs(score) > score_limit as is_anomaly
            from ({render("scored_days_sql", "series")}) as scored
            where score is not null
            order by all
            """
        ).df()


def score_hours(frame: pd.DataFrame, *, from_day: int) -> pd.DataFrame:
    """One row per series and judged hour from a day on: window_key, day, hour_of_day, is_anomaly."""
    with _prepared() as connection:
        connection.register("made_up", frame)
        connection.execute(
            f"""
            create table hours as
            select
                window_key, date '{FIRST_DAY}' + cast(day as integer) as date_day, hour_of_day,
                observations, errors, day as history_days, day >= {from_day} as is_asked
            from made_up
            where observations > 0
            """
        )
        return connection.execute(
            f"""
            select
                window_key, date_day - date '{FIRST_DAY}' as day, hour_of_day,
                score > score_limit and errors >= {render("setting", "anomaly_burst_min_errors")}
                    as is_anomaly
            from ({render("scored_hours_sql", "hours")}) as scored
            where score is not null
            order by all
            """
        ).df()


@contextmanager
def _prepared() -> Iterator[duckdb.DuckDBPyConnection]:
    with _SETTINGS.open(encoding="utf-8", newline="") as lines:
        rows = [(row["setting_key"], row["setting_value"]) for row in csv.DictReader(lines)]
    with duckdb.connect() as connection:
        connection.execute("set threads = 2")
        connection.execute(
            "create table settings (setting_key varchar, setting_value decimal(18, 6))"
        )
        connection.executemany("insert into settings values (?, ?)", rows)
        yield connection
