"""A period is a half-open stretch of local days, the same for the same words and as-of time."""

from datetime import UTC, date, datetime, timedelta
from itertools import pairwise
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestration.errors import UserError
from orchestration.reporting.periods import (
    Window,
    WindowKind,
    check_zone,
    parse_as_of,
    parse_period,
)

# Sunday; 17:30 in Kolkata.
_AS_OF = datetime(2026, 3, 15, 12, tzinfo=UTC)

_ZONES = st.sampled_from(
    [
        "UTC",
        "Asia/Kolkata",
        "America/New_York",
        "Europe/Berlin",
        "Australia/Lord_Howe",
        "Pacific/Kiritimati",
        # Clocks change at midnight: some days have no 00:00.
        "America/Asuncion",
        "Africa/Cairo",
    ]
)
_MOMENTS = st.datetimes(
    min_value=datetime(2020, 1, 1), max_value=datetime(2030, 12, 31), timezones=st.just(UTC)
)
_PERIODS = st.one_of(
    st.integers(min_value=1, max_value=400).map(lambda days: f"{days}d"),
    st.sampled_from(["day", "week", "month", "year"]),
)


def _window(text: str, *, zone: str = "UTC", as_of: datetime = _AS_OF) -> Window:
    return parse_period(text, as_of=as_of, time_zone=zone)


@pytest.mark.parametrize(
    ("text", "first", "last", "days", "is_partial", "kind"),
    [
        ("7d", "2026-03-08", "2026-03-14", 7, False, WindowKind.ROLLING),
        ("1d", "2026-03-14", "2026-03-14", 1, False, WindowKind.ROLLING),
        ("day", "2026-03-15", "2026-03-15", 1, True, WindowKind.CALENDAR),
        ("week", "2026-03-09", "2026-03-15", 7, True, WindowKind.CALENDAR),
        ("month", "2026-03-01", "2026-03-15", 31, True, WindowKind.CALENDAR),
        ("year", "2026-01-01", "2026-03-15", 365, True, WindowKind.CALENDAR),
        ("2026-02", "2026-02-01", "2026-02-28", 28, False, WindowKind.CALENDAR),
        ("2024-02", "2024-02-01", "2024-02-29", 29, False, WindowKind.CALENDAR),
        ("2026-W10", "2026-03-02", "2026-03-08", 7, False, WindowKind.CALENDAR),
        ("2020-W53", "2020-12-28", "2021-01-03", 7, False, WindowKind.CALENDAR),
        ("2025", "2025-01-01", "2025-12-31", 365, False, WindowKind.CALENDAR),
        ("2026-03-01..2026-03-14", "2026-03-01", "2026-03-14", 14, False, WindowKind.CUSTOM),
        ("2026-03-14..2026-03-17", "2026-03-14", "2026-03-15", 4, True, WindowKind.CUSTOM),
    ],
)
def test_every_form_of_period_has_its_days(
    text: str, first: str, last: str, days: int, is_partial: bool, kind: WindowKind
) -> None:
    window = _window(text)
    assert (window.first_day, window.last_day) == (
        date.fromisoformat(first),
        date.fromisoformat(last),
    )
    assert (window.period_days, window.is_partial, window.kind) == (days, is_partial, kind)
    assert window.label == text


def test_days_end_with_the_open_one_where_they_are_to_include_it() -> None:
    as_of = datetime(2026, 3, 15, 6, tzinfo=UTC)
    window = parse_period("7d", as_of=as_of, time_zone="UTC", includes_open_day=True)
    assert (window.first_day, window.last_day) == (date(2026, 3, 9), date(2026, 3, 15))
    assert (window.is_partial, window.end_at) == (True, as_of)
    # Seven days before, cut after the same 6 days and 6 hours.
    before = window.previous()
    assert (before.first_day, before.end_local) == (date(2026, 3, 2), datetime(2026, 3, 8, 6))


def test_only_a_number_of_days_includes_the_open_one() -> None:
    with pytest.raises(UserError, match=r"'month'.*--include-open-day.*Nd"):
        parse_period(
            "month",
            as_of=datetime(2026, 3, 15, tzinfo=UTC),
            time_zone="UTC",
            includes_open_day=True,
        )


def test_the_as_of_day_is_that_of_the_zone() -> None:
    late = datetime(2026, 3, 15, 20, tzinfo=UTC)
    assert _window("1d", zone="Asia/Kolkata", as_of=late).first_day == date(2026, 3, 15)
    assert _window("1d", zone="UTC", as_of=late).first_day == date(2026, 3, 14)


def test_a_date_as_as_of_is_the_start_of_that_day_in_the_zone() -> None:
    as_of = parse_as_of("2026-03-01", time_zone="Asia/Kolkata")
    assert as_of == datetime(2026, 2, 28, 18, 30, tzinfo=UTC)
    assert _window("30d", zone="Asia/Kolkata", as_of=as_of).last_day == date(2026, 2, 28)
    month = _window("month", zone="Asia/Kolkata", as_of=as_of)
    assert (month.first_day, month.is_partial) == (date(2026, 3, 1), True)


@pytest.mark.parametrize(
    ("text", "utc_hour"),
    [("2026-07-01T12:00:00Z", 12), ("2026-07-01T12:00+02:00", 10), ("2026-07-01T12:00", 10)],
)
def test_a_timestamp_as_as_of_without_offset_is_a_wall_time_of_the_zone(
    text: str, utc_hour: int
) -> None:
    expected = datetime(2026, 7, 1, utc_hour, tzinfo=UTC)
    assert parse_as_of(text, time_zone="Europe/Berlin") == expected


@pytest.mark.parametrize("text", ["", "yesterday", "2026-02-30", "1772323200", "2026-03"])
def test_an_as_of_that_is_no_time_is_named(text: str) -> None:
    with pytest.raises(UserError) as raised:
        parse_as_of(text, time_zone="UTC")
    assert repr(text) in str(raised.value)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "0d",
        "-7d",
        "7",
        "7 d",
        "fortnight",
        "Month",
        "2026-13",
        "2026-00",
        "2026-3",
        "2026-W54",
        "2026-W00",
        "0000",
        "9999",
        "999999d",
        "2026-03-01",
        "2026-03-01..",
        "2026-02-30..2026-03-01",
    ],
)
def test_an_unknown_period_is_named_with_what_is_allowed(text: str) -> None:
    with pytest.raises(UserError) as raised:
        _window(text)
    assert repr(text) in str(raised.value)
    assert "YYYY-MM-DD..YYYY-MM-DD" in str(raised.value)


def test_a_range_that_ends_before_it_starts_is_refused() -> None:
    with pytest.raises(UserError, match="ends before it starts"):
        _window("2026-03-05..2026-03-01")


def test_a_period_before_all_telemetry_is_refused() -> None:
    with pytest.raises(UserError, match="begins before 1900"):
        _window("1899")


@pytest.mark.parametrize("name", ["Europe/Berln", "", "../etc/passwd", "CEST", "Mars/Base"])
def test_an_unknown_zone_is_named(name: str) -> None:
    with pytest.raises(UserError) as raised:
        check_zone(name)
    assert repr(name) in str(raised.value)


def test_a_misspelt_zone_gets_the_closest_names() -> None:
    with pytest.raises(UserError, match="Europe/Berlin"):
        check_zone("Europe/Berln")


def test_the_data_of_an_open_period_end_at_the_as_of_time() -> None:
    window = _window("month", zone="Asia/Kolkata")
    assert window.start_at == datetime(2026, 2, 28, 18, 30, tzinfo=UTC)
    assert window.end_at == _AS_OF
    assert window.last_period_day == date(2026, 3, 31)
    assert len(window.days()) == 15


@pytest.mark.parametrize(
    ("as_of", "zone", "days"),
    [
        ("2026-03-15T00:00:00+00:00", "UTC", 14),
        ("2026-03-15T00:00:00.000001+00:00", "UTC", 15),
        # Midnight in Kolkata.
        ("2026-03-14T18:30:00+00:00", "Asia/Kolkata", 14),
        ("2026-03-14T18:30:00+00:00", "UTC", 14),
        ("2026-03-01T00:00:00+00:00", "UTC", 0),
    ],
)
def test_a_day_of_which_nothing_is_over_is_no_day_of_an_open_period(
    as_of: str, zone: str, days: int
) -> None:
    window = _window("2026-03", zone=zone, as_of=datetime.fromisoformat(as_of))
    assert window.days() == tuple(date(2026, 3, 1 + number) for number in range(days))
    assert (window.first_day, window.period_days) == (date(2026, 3, 1), 31)
    assert window.is_partial
    assert window.end_at == datetime.fromisoformat(as_of)


def test_a_future_period_is_open_and_empty() -> None:
    window = _window("2027")
    assert window.is_partial
    assert window.days() == ()
    assert window.start_at == window.end_at


@pytest.mark.parametrize(
    ("text", "first", "last", "label"),
    [
        ("7d", "2026-03-01", "2026-03-07", "2026-03-01..2026-03-07"),
        ("2026-02", "2026-01-01", "2026-01-31", "2026-01"),
        ("2026-01", "2025-12-01", "2025-12-31", "2025-12"),
        ("2026-W01", "2025-12-22", "2025-12-28", "2025-W52"),
        ("2025", "2024-01-01", "2024-12-31", "2024"),
        ("2026-03-05..2026-03-06", "2026-03-03", "2026-03-04", "2026-03-03..2026-03-04"),
    ],
)
def test_the_previous_period_comes_just_before(
    text: str, first: str, last: str, label: str
) -> None:
    previous = _window(text).previous()
    assert (previous.first_day, previous.last_day) == (
        date.fromisoformat(first),
        date.fromisoformat(last),
    )
    assert (previous.label, previous.is_partial) == (label, False)


def test_an_open_period_is_compared_with_the_same_elapsed_part() -> None:
    # In Kolkata 14 days, 17 hours and 30 minutes of March have passed.
    previous = _window("month", zone="Asia/Kolkata").previous()
    assert previous.start_local == datetime(2026, 2, 1)
    assert previous.end_local == datetime(2026, 2, 15, 17, 30)
    assert (previous.period_days, previous.is_partial) == (28, True)


def test_the_elapsed_part_never_reaches_past_the_shorter_period_before() -> None:
    end_of_march = datetime(2026, 3, 31, 12, tzinfo=UTC)
    previous = _window("month", as_of=end_of_march).previous()
    assert previous.end_local == datetime(2026, 3, 1)
    assert not previous.is_partial


def test_the_elapsed_part_is_wall_time_when_the_clock_changes() -> None:
    # Clocks in Berlin went forward on 29 March 2026: until 12:00 only 11 hours had passed.
    as_of = parse_as_of("2026-03-29T12:00", time_zone="Europe/Berlin")
    previous = _window("day", zone="Europe/Berlin", as_of=as_of).previous()
    assert previous.end_local == datetime(2026, 3, 28, 12)


def test_an_as_of_in_the_repeated_hour_is_kept_to_the_instant() -> None:
    # 02:30 happens twice in Berlin on 25 October 2026; this is the second time.
    as_of = datetime(2026, 10, 25, 1, 30, tzinfo=UTC)
    assert _window("day", zone="Europe/Berlin", as_of=as_of).end_at == as_of


@pytest.mark.parametrize(("day", "hours"), [("2026-03-29", 23), ("2026-10-25", 25)])
def test_a_day_of_a_clock_change_is_shorter_or_longer(day: str, hours: int) -> None:
    as_of = datetime(2026, 12, 1, tzinfo=UTC)
    window = _window(f"{day}..{day}", zone="Europe/Berlin", as_of=as_of)
    assert window.end_at - window.start_at == timedelta(hours=hours)


def test_what_stands_at_the_as_of_time_is_asked_up_to_it() -> None:
    window = _window("2026-01").until_as_of()
    assert window.start_local == datetime(2026, 1, 1)
    assert window.end_at == _AS_OF


@given(text=_PERIODS, zone=_ZONES, as_of=_MOMENTS)
def test_a_window_never_holds_anything_after_the_as_of_time(
    text: str, zone: str, as_of: datetime
) -> None:
    window = _window(text, zone=zone, as_of=as_of)
    assert window.start_at <= window.end_at <= as_of


@given(days=st.integers(min_value=1, max_value=400), zone=_ZONES, as_of=_MOMENTS)
def test_rolling_days_are_complete_and_end_before_the_as_of_day(
    days: int, zone: str, as_of: datetime
) -> None:
    window = _window(f"{days}d", zone=zone, as_of=as_of)
    today = as_of.astimezone(ZoneInfo(zone)).date()
    assert window.days()[-1] == today - timedelta(days=1)
    assert len(window.days()) == window.period_days == days
    assert not window.is_partial


@given(text=_PERIODS, zone=_ZONES, as_of=_MOMENTS)
def test_the_previous_window_ends_where_this_one_starts_or_is_cut_before(
    text: str, zone: str, as_of: datetime
) -> None:
    window = _window(text, zone=zone, as_of=as_of)
    previous = window.previous()
    assert previous.start_local < window.start_local
    assert previous.end_local <= window.start_local
    if not window.is_partial:
        assert previous.end_local == window.start_local


@given(unit=st.sampled_from(["day", "week", "month", "year"]), zone=_ZONES, as_of=_MOMENTS)
def test_the_calendar_period_of_now_holds_the_as_of_day(
    unit: str, zone: str, as_of: datetime
) -> None:
    window = _window(unit, zone=zone, as_of=as_of)
    today, last = (
        moment.astimezone(ZoneInfo(zone)).date()
        for moment in (as_of, as_of - timedelta(microseconds=1))
    )
    assert window.first_day <= today <= window.last_period_day
    assert window.last_day == last


@given(as_of=_MOMENTS, zone=_ZONES, years=st.integers(min_value=1, max_value=3))
def test_the_months_of_a_closed_year_are_its_days_once(
    as_of: datetime, zone: str, years: int
) -> None:
    year = as_of.astimezone(ZoneInfo(zone)).year - years
    months = [_window(f"{year}-{month:02d}", zone=zone, as_of=as_of) for month in range(1, 13)]
    days = [day for month in months for day in month.days()]
    assert tuple(days) == _window(str(year), zone=zone, as_of=as_of).days()
    assert all(earlier.end_at == later.start_at for earlier, later in pairwise(months))


@given(text=_PERIODS, zone=_ZONES, as_of=_MOMENTS)
def test_the_label_of_a_closed_previous_period_means_that_period(
    text: str, zone: str, as_of: datetime
) -> None:
    previous = _window(text, zone=zone, as_of=as_of).previous()
    again = _window(previous.label, zone=zone, as_of=as_of)
    assert (again.first_day, again.period_days) == (previous.first_day, previous.period_days)


@pytest.mark.parametrize(
    ("text", "zone", "expected"),
    [
        ("month", "UTC", "2026-03-31T23:59:59+00:00"),
        ("2026-02", "UTC", "2026-02-28T23:59:59+00:00"),
        ("day", "Asia/Kolkata", "2026-03-15T18:29:59+00:00"),
    ],
)
def test_the_last_second_is_that_of_the_whole_period(text: str, zone: str, expected: str) -> None:
    assert _window(text, zone=zone).last_second.isoformat() == expected


@pytest.mark.parametrize(
    ("text", "start", "end", "is_partial"),
    [
        ("2026-02", "2025-02-01T00:00:00", "2025-03-01T00:00:00", False),
        ("2024-02", "2023-02-01T00:00:00", "2023-03-01T00:00:00", False),
        # The day before 1 March is in both years in.
        ("2024-02-29..2024-03-01", "2023-02-28T00:00:00", "2023-03-02T00:00:00", False),
        # 14 days and 12 hours of March have elapsed.
        ("month", "2025-03-01T00:00:00", "2025-03-15T12:00:00", True),
    ],
)
def test_the_year_before_has_the_same_dates_and_as_much_elapsed(
    text: str, start: str, end: str, is_partial: bool
) -> None:
    before = _window(text).year_before()
    assert (before.start_local.isoformat(), before.end_local.isoformat()) == (start, end)
    assert before.is_partial is is_partial


def test_what_trails_the_as_of_time_is_measured_by_the_clock() -> None:
    """A day ago is 24 hours ago, also over the hour that a clock change takes away."""
    as_of = datetime(2026, 3, 8, 12, tzinfo=UTC)
    day = _window("7d", zone="America/New_York", as_of=as_of).trailing(timedelta(days=1))
    assert (day.start_at, day.end_at) == (datetime(2026, 3, 7, 12, tzinfo=UTC), as_of)
    assert (day.kind, day.time_zone) == (WindowKind.TRAILING, "UTC")


def test_the_day_of_the_as_of_time_is_open() -> None:
    today = _window("2025", zone="Asia/Kolkata").as_of_day()
    assert (today.first_day, today.is_partial) == (date(2026, 3, 15), True)
    assert today.end_at == _AS_OF
