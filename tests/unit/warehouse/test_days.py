"""A range of event days is half-open, and refused by name where it holds nothing that could be built."""

from dataclasses import replace
from datetime import UTC, date, datetime

import pytest

from orchestration.errors import UserError
from orchestration.warehouse.days import DayRange, check_days, parse_days
from tests.support.ledger import ledger_entry

AS_OF = datetime(2026, 3, 2, 6, tzinfo=UTC)
_DAYS = DayRange(first=date(2026, 2, 27), end=date(2026, 3, 2))


def _parse(first: str | None, end: str | None) -> DayRange | None:
    return parse_days(first=first, end=end, as_of=AS_OF)


def test_the_day_after_to_is_no_part_of_the_range() -> None:
    assert _parse("2026-02-27", "2026-03-02") == _DAYS
    assert [str(day) for day in _DAYS.days()] == ["2026-02-27", "2026-02-28", "2026-03-01"]
    assert str(_DAYS) == "2026-02-27 up to 2026-03-02"


def test_the_day_that_has_begun_can_be_built_again() -> None:
    assert _parse("2026-03-02", "2026-03-03") is not None
    assert _parse(None, None) is None


@pytest.mark.parametrize(
    ("first", "end", "words"),
    [
        ("2026-02-08", "2026-02-01", "--from 2026-02-08 --to 2026-02-01 holds no day"),
        ("2026-02-08", "2026-02-08", "2026-02-08 alone is --from 2026-02-08 --to 2026-02-09"),
        ("yesterday", "2026-02-08", "--from is 'yesterday', which is not a date"),
        ("2026-02-01", "2026-02-30", "--to is '2026-02-30', which is not a date"),
        ("20260201", "2026-02-08", "--from is '20260201', which is not a date"),
        ("2026-02-01", "2026-03-04", "--to is 2026-03-04, which lies in the future"),
        ("2026-02-01", None, "--from is given without --to"),
        (None, "2026-02-01", "--to is given without --from"),
    ],
)
def test_a_range_that_cannot_be_built_is_refused_by_name(
    first: str | None, end: str | None, words: str
) -> None:
    with pytest.raises(UserError) as refused:
        _parse(first, end)
    assert words in str(refused.value)
    assert refused.value.exit_code == 2


def test_a_range_before_all_data_is_refused_with_the_first_day_of_the_data() -> None:
    entry = ledger_entry("one", event_dates=("2026-03-05", "2026-03-02"))
    with pytest.raises(UserError, match=r"before all data: the first event day .* is 2026-03-02"):
        check_days(_DAYS, entries=[entry])
    check_days(replace(_DAYS, end=date(2026, 3, 3)), entries=[entry])
    check_days(_DAYS, entries=[])
    check_days(None, entries=[entry])
