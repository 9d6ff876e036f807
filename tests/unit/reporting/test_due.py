"""When a report is due, in its zone; due times worked out by hand from the zones' offsets."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from itertools import pairwise

import pytest

from orchestration.reporting.due import MOST_MISSED, due_periods
from orchestration.reporting.model import Frequency


def _at(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def _last(frequency: Frequency, moment: datetime, zone: str) -> str:
    (period,) = due_periods(frequency, as_of=moment, time_zone=zone)
    return period.name


# The moment of UTC at which the zone's next day begins, the period that ends with it, and the one
# before. Los Angeles is 8 hours behind UTC in March before the 8th, New York 4 hours from then on;
# Berlin is 1 hour ahead, from 29 March to 25 October 2; Kolkata 5:30; Kiritimati 14; Beirut is 2
# hours ahead, and its clocks go from 0:00 to 1:00 on 29 March.
@pytest.mark.parametrize(
    ("frequency", "zone", "due_at", "period", "before"),
    [
        (Frequency.WEEKLY, "UTC", "2026-03-02T00:00", "2026-W09", "2026-W08"),
        (Frequency.WEEKLY, "America/Los_Angeles", "2026-03-02T08:00", "2026-W09", "2026-W08"),
        (Frequency.WEEKLY, "Pacific/Kiritimati", "2026-03-01T10:00", "2026-W09", "2026-W08"),
        (Frequency.WEEKLY, "Asia/Kolkata", "2026-03-01T18:30", "2026-W09", "2026-W08"),
        (Frequency.WEEKLY, "America/New_York", "2026-03-09T04:00", "2026-W10", "2026-W09"),
        (Frequency.WEEKLY, "UTC", "2026-01-05T00:00", "2026-W01", "2025-W52"),
        (Frequency.DAILY, "Europe/Berlin", "2026-03-28T23:00", "2026-03-28", "2026-03-27"),
        (Frequency.DAILY, "Europe/Berlin", "2026-03-29T22:00", "2026-03-29", "2026-03-28"),
        (Frequency.DAILY, "Europe/Berlin", "2026-10-25T23:00", "2026-10-25", "2026-10-24"),
        (Frequency.DAILY, "Asia/Beirut", "2026-03-28T22:00", "2026-03-28", "2026-03-27"),
        (Frequency.DAILY, "Asia/Beirut", "2026-03-29T21:00", "2026-03-29", "2026-03-28"),
        (Frequency.MONTHLY, "Europe/Berlin", "2026-03-31T22:00", "2026-03", "2026-02"),
        (Frequency.MONTHLY, "America/Los_Angeles", "2026-01-01T08:00", "2025-12", "2025-11"),
    ],
)
def test_a_report_is_due_from_the_first_moment_of_the_day_after_its_period(
    frequency: Frequency, zone: str, due_at: str, period: str, before: str
) -> None:
    moment = _at(due_at)

    assert _last(frequency, moment, zone) == period
    assert _last(frequency, moment - timedelta(microseconds=1), zone) == before


@pytest.mark.parametrize(
    ("frequency", "zone", "as_of", "start", "end"),
    [
        # 23 hours: clocks go forward at 1:00 UTC.
        (Frequency.DAILY, "Europe/Berlin", "2026-03-30T06:00", "2026-03-28T23", "2026-03-29T22"),
        # 25 hours: clocks go back at 1:00 UTC.
        (Frequency.DAILY, "Europe/Berlin", "2026-10-26T06:00", "2026-10-24T22", "2026-10-25T23"),
        # 23 hours: the day has no midnight, and begins at 1:00.
        (Frequency.DAILY, "Asia/Beirut", "2026-03-30T06:00", "2026-03-28T22", "2026-03-29T21"),
        # 167 hours: its Sunday has 23.
        (
            Frequency.WEEKLY,
            "America/New_York",
            "2026-03-12T06:00",
            "2026-03-02T05",
            "2026-03-09T04",
        ),
        # 745 hours: the last Sunday of October has 25.
        (Frequency.MONTHLY, "Europe/Berlin", "2026-11-03T06:00", "2026-09-30T22", "2026-10-31T23"),
    ],
)
def test_a_period_is_as_long_as_its_local_days(
    frequency: Frequency, zone: str, as_of: str, start: str, end: str
) -> None:
    (period,) = due_periods(frequency, as_of=_at(as_of), time_zone=zone)

    window = period.window(as_of=_at(as_of), time_zone=zone)

    assert (window.start_at, window.end_at) == (_at(f"{start}:00"), _at(f"{end}:00"))
    assert not window.is_partial


@pytest.mark.parametrize(
    ("frequency", "made", "due"),
    [
        (Frequency.DAILY, {"2026-03-08"}, ["2026-03-09", "2026-03-10", "2026-03-11"]),
        (Frequency.DAILY, {"2026-03-11"}, ["2026-03-11"]),
        (Frequency.WEEKLY, {"2026-W06", "2026-W08"}, ["2026-W09", "2026-W10"]),
        (Frequency.MONTHLY, {"2025-12"}, ["2026-01", "2026-02"]),
        (Frequency.WEEKLY, set(), ["2026-W10"]),
        # Somebody looks back from an earlier day than last time.
        (Frequency.WEEKLY, {"2026-W30"}, ["2026-W10"]),
    ],
)
def test_what_was_missed_since_the_last_report_is_due_too(
    frequency: Frequency, made: set[str], due: list[str]
) -> None:
    periods = due_periods(frequency, as_of=_at("2026-03-12T06:00"), time_zone="UTC", made=made)

    assert [period.name for period in periods] == due


def test_after_a_long_silence_only_the_last_periods_are_due() -> None:
    periods = due_periods(
        Frequency.DAILY, as_of=_at("2026-03-12T06:00"), time_zone="UTC", made={"2025-06-01"}
    )

    assert periods[0].name == "2026-03-04"
    assert len(periods) == MOST_MISSED[Frequency.DAILY] + 1


def test_a_report_that_failed_stays_due_after_later_ones_were_made() -> None:
    periods = due_periods(
        Frequency.WEEKLY,
        as_of=_at("2026-03-12T06:00"),
        time_zone="UTC",
        made={"2026-W08", "2026-W10"},
        failed={"2026-W09"},
    )

    assert [period.name for period in periods] == ["2026-W09", "2026-W10"]


def test_the_periods_of_two_runs_a_week_apart_follow_each_other_without_gap_or_overlap() -> None:
    ends = []
    for week in range(60):
        moment = _at("2025-09-01T06:00") + timedelta(weeks=week)
        (period,) = due_periods(Frequency.WEEKLY, as_of=moment, time_zone="Europe/Berlin")
        window = period.window(as_of=moment, time_zone="Europe/Berlin")
        ends.append((window.start_at, window.end_at))

    assert all(earlier[1] == later[0] for earlier, later in pairwise(ends))
