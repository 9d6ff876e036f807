"""How long a tenant's detail is kept follows from profile, plan, own value, hold and zone."""

from datetime import UTC, date, datetime

import pytest

from orchestration.errors import UserError
from orchestration.retention.policy import Terms, read_policy

AS_OF = datetime(2026, 3, 2, 6, tzinfo=UTC)


def terms(**settings: object) -> Terms:
    return Terms(source_name="native", tenant_id="t1", **settings)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("profile", "tier", "days"),
    [
        (None, "free", 30),
        (None, "pro", 90),
        (None, "enterprise", 365),
        ("standard", "free", 30),
        ("short", "free", 7),
        ("short", "pro", 90),
        ("short", "enterprise", 2557),
    ],
)
def test_a_plan_keeps_the_days_of_its_profile(profile: str | None, tier: str, days: int) -> None:
    assert read_policy(profile).days_of(terms(plan_tier=tier)) == days


@pytest.mark.parametrize(
    ("tier", "own", "days"),
    [
        ("enterprise", 730, 730),
        ("enterprise", 10, 10),
        ("enterprise", 5000, 2557),
        ("pro", 365, 90),
        ("free", 0, 0),
    ],
)
def test_a_tenants_own_value_counts_up_to_the_most_of_its_tier(
    tier: str, own: int, days: int
) -> None:
    assert read_policy(None).days_of(terms(plan_tier=tier, retention_days=own)) == days


def test_a_tenant_of_no_known_plan_keeps_what_the_longest_plan_keeps() -> None:
    assert read_policy(None).days_of(terms()) == 365


def test_a_legal_hold_keeps_everything() -> None:
    held = terms(plan_tier="free", retention_days=1, has_legal_hold=True)
    policy = read_policy(None)
    assert policy.days_of(held) is None
    assert policy.kept_from(held, as_of=AS_OF, time_zone="UTC") is None


@pytest.mark.parametrize(
    ("zone", "first"),
    [
        # The oldest of 30 whole local days: 31 January, which begins there and then.
        ("UTC", date(2026, 1, 31)),
        # 00:00 of 31 January is 18:30 of the day before in UTC.
        ("Asia/Kolkata", date(2026, 1, 30)),
        # It is still 1 March there, so the oldest is 30 January, from 08:00 UTC on.
        ("America/Los_Angeles", date(2026, 1, 30)),
        (None, date(2026, 1, 31)),
    ],
)
def test_all_of_the_last_whole_local_days_are_kept(zone: str | None, first: date) -> None:
    free = terms(plan_tier="free", time_zone=zone)
    assert read_policy(None).kept_from(free, as_of=AS_OF, time_zone="UTC") == first


def test_an_unknown_profile_is_named_with_those_there_are() -> None:
    with pytest.raises(UserError, match="PROFILE is 'long'; use one of short, standard"):
        read_policy("long")
