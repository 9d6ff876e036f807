"""Exports of forecasts and experiments on a deployment whose every row is planted here, so that each
figure can be derived by hand or from a textbook.

Belongs here: what a table function and its dataset say together of extracts. Does not belong here:
fields and rounding (tests/unit/reporting/datasets).
"""

from __future__ import annotations

import csv
import math
import statistics
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from orchestration.errors import UserError
from orchestration.reporting.datasets.asking import Request
from orchestration.reporting.query import Published, read_published
from orchestration.settings import PROJECT_ROOT, Settings
from tests.support.published_home import export, plant, publish_landing

# A Monday: the last complete week is Monday 23 February to Sunday 1 March.
_AS_OF = datetime(2026, 3, 2, tzinfo=UTC)
_LAST_WEEK = (30, 30, 30, 30, 30, 42, 42)
_ANY_OTHER_WEEK = (25, 25, 25, 25, 25, Decimal("37.5"), Decimal("37.5"))


def _usage(tenant: str, *, days: int) -> Iterator[dict[str, Any]]:
    """An answer a day: 234 dollars in the last week, 200 in those before, 3,000 tokens at weekends."""
    for back in range(days, 0, -1):
        day = _AS_OF - timedelta(days=back)
        yield _event(
            f"{tenant}-{back}",
            day + timedelta(hours=12),
            tenant=tenant,
            agent="steady",
            model="m",
            input_tokens=3000 if day.weekday() >= 5 else 1000,
            output_tokens=0,
            cost_usd=str((_LAST_WEEK if back <= 7 else _ANY_OTHER_WEEK)[day.weekday()]),
        )


def _event(
    name: str,
    moment: datetime,
    *,
    tenant: str,
    agent: str,
    kind: str = "agent_completed",
    **properties: Any,
) -> dict[str, Any]:
    return {
        "id": f"{kind}-{name}",
        "event_type": kind,
        "agent_id": agent,
        "publisher_id": "maker",
        "tenant_id": tenant,
        "timestamp": moment.isoformat(),
        "properties": {"invocation_id": f"invocation-{name}", **properties},
    }


_STARTED = datetime(2026, 2, 10, tzinfo=UTC)


def _arm(
    agent: str, version: str, *, answers: int, completed: int, ratings: int = 0, base_ms: int = 1000
) -> Iterator[dict[str, Any]]:
    """Answers of a version, each to a user of its own: every second one takes 200 ms longer."""
    for number in range(answers):
        name = f"{agent}-{version}-{number}"
        moment = datetime(2026, 2, 27, tzinfo=UTC) + timedelta(minutes=number)
        shared: Any = {"tenant": f"t{number % 3}", "agent": agent}
        if agent == "small":
            shared["tenant"] = "t0"
        kind = "agent_completed" if number < completed else "agent_errored"
        yield _event(
            name,
            moment,
            kind=kind,
            **shared,
            user_id=f"user-{name}",
            agent_version=version,
            duration_ms=base_ms + 200 * (number % 2),
            cost_usd="0.01",
            input_tokens=1,
            output_tokens=1,
            model="m",
        )
        if number < ratings:
            yield _event(
                name,
                moment + timedelta(seconds=30),
                kind="user_feedback",
                **shared,
                user_id=f"user-{name}",
                rating=5 if version == "2" else 4,
            )


def _experiments() -> list[dict[str, Any]]:
    starts = {"early": datetime(2026, 2, 26, tzinfo=UTC)}
    running = [
        {
            "experiment_id": f"exp-{agent}",
            "agent_id": agent,
            "version_a": "1",
            "version_b": "2",
            "started_at": starts.get(agent, _STARTED).isoformat(),
            "updated_at": starts.get(agent, _STARTED).isoformat(),
            "split_a": 0.5,
        }
        for agent in ("tested", "skewed", "early", "idle", "small")
    ]
    over = {
        **running[0],
        "experiment_id": "exp-over",
        "started_at": "2025-12-01T00:00:00Z",
        "ended_at": "2025-12-20T00:00:00Z",
    }
    return [*running, over]


def _plant(landing: Path) -> None:
    streams: dict[str, Sequence[Any]] = {
        "agent_events": [
            *_usage("acme", days=42),
            *_usage("fortnight", days=14),
            *_usage("young", days=13),
            # The example of Newcombe's paper: 56 of 70 against 48 of 80.
            *_arm("tested", "1", answers=80, completed=48, ratings=29),
            *_arm("tested", "2", answers=70, completed=56, ratings=30, base_ms=1500),
            *_arm("skewed", "1", answers=40, completed=40),
            *_arm("skewed", "2", answers=10, completed=10),
            *_arm("early", "1", answers=40, completed=0),
            *_arm("early", "2", answers=40, completed=40),
            *_arm("small", "1", answers=40, completed=0),
            *_arm("small", "2", answers=40, completed=40),
        ],
        "agents": [
            {
                "agent_id": agent,
                "agent_name": agent.title(),
                "agent_type_id": "worker",
                "publisher_id": "maker",
                "updated_at": "2025-01-01T00:00:00Z",
            }
            for agent in ("steady", "tested", "skewed", "early", "idle", "small")
        ],
        "tenants": [
            {"tenant_id": "silent", "tenant_name": "Silent", "updated_at": "2025-01-01T00:00:00Z"}
        ],
        "budgets": [
            {
                "scope_kind": "tenant",
                "scope_id": "acme",
                "month": month,
                "amount_usd": amount,
                "updated_at": "2026-02-01T00:00:00Z",
            }
            for month, amount in (("2026-02", "9999"), ("2026-03", "500"))
        ],
        "experiments": _experiments(),
    }
    plant(landing, streams)


@pytest.fixture(scope="module")
def published(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Published]:
    settings = Settings(home=tmp_path_factory.mktemp("forecast") / "home")
    _plant(settings.landing)
    publish_landing(settings, as_of=_AS_OF)
    with read_published(settings) as opened:
        yield opened


def _export(published: Published, name: str, scope: str = "platform", **options: Any) -> Any:
    request = Request(scope=scope, as_of=_AS_OF.isoformat(), **options)
    return export(published, name, request, as_of=_AS_OF)


def test_a_week_is_projected_as_in_the_published_example(published: Published) -> None:
    """EX-23: 234 x 52 / 12 = 1,014. The month of the last complete day, 1 March, has 31 days:
    234 / 7 x 31 = 1,036.29. (234 - 200) / 200 = 0.17. Tokens: 5 x 1,000 + 2 x 3,000."""
    forecast = _export(published, "forecast", "tenant:acme")
    assert (forecast["forecast_from"], forecast["history_days"]) == ("2026-03-02", 42)
    assert forecast["week"] == {
        "current_weekly_cost_usd": Decimal("234.0"),
        "projected_monthly_cost_usd": Decimal("1014.0"),
        "projected_month_by_days_usd": Decimal("1036.29"),
        "week_over_week_change": Decimal("0.17"),
        "current_weekly_tokens": 11_000,
        "week_over_week_tokens_change": Decimal("0.0"),
    }


def test_the_coming_month_is_the_mean_day_times_its_days_within_a_range(
    published: Published,
) -> None:
    """Student's t at 90 % with 29 degrees of freedom is 1.3114 in any table."""
    days = [_AS_OF - timedelta(days=back) for back in range(1, 31)]
    tokens = [3000 if day.weekday() >= 5 else 1000 for day in days]
    mean, deviation = statistics.mean(tokens), statistics.stdev(tokens)
    width = 1.3114 * deviation * math.sqrt(30 + 30**2 / 30)
    month = _export(published, "forecast", "tenant:acme")["coming_month"]
    assert (month["coming_month"], month["coming_month_days"]) == ("2026-04-01", 30)
    assert month["projected_tokens"] == sum(tokens)
    assert month["projected_tokens_low"] == pytest.approx(mean * 30 - width, abs=2)
    assert month["projected_tokens_high"] == pytest.approx(mean * 30 + width, abs=2)
    # Of the 30 days to 1 March, two Saturdays and Sundays more than whole weeks cost 234 or 200.
    costs = [
        (_LAST_WEEK if back <= 7 else _ANY_OTHER_WEEK)[day.weekday()]
        for back, day in enumerate(days, start=1)
    ]
    assert month["projected_cost_usd"] == sum(costs)


def test_a_month_so_far_is_held_against_its_own_budget(published: Published) -> None:
    """One day of March is over and cost 42: 42 x 31 = 1,302 of 500."""
    assert _export(published, "forecast", "tenant:acme")["budget"] == {
        "budget_month": "2026-03-01",
        "elapsed_days": 1,
        "spent_usd": Decimal("42.0"),
        "run_rate_usd": Decimal("1302.0"),
        "budget_usd": Decimal("500.0"),
        "budget_utilization": Decimal("0.084"),
        "projected_budget_utilization": Decimal("2.604"),
    }
    assert _export(published, "forecast", "tenant:fortnight")["budget"]["budget_usd"] is None


def test_nothing_is_projected_from_under_fourteen_days(published: Published) -> None:
    enough = _export(published, "forecast", "tenant:fortnight")
    assert enough["history_days"] == 14
    assert enough["week"]["projected_monthly_cost_usd"] == Decimal("1014.0")
    young = _export(published, "forecast", "tenant:young")
    assert young["history_days"] == 13
    assert young["week"]["current_weekly_cost_usd"] == Decimal("234.0")
    projected = {**young["week"], **young["coming_month"], **young["budget"]}
    assert [
        name
        for name, value in projected.items()
        if name.startswith(("projected", "week_over_week", "run_rate")) and value is not None
    ] == []


def test_a_mean_day_of_under_fourteen_days_makes_no_month(published: Published) -> None:
    month = _export(published, "forecast", "tenant:acme", period="month")["coming_month"]
    assert month["avg_daily_tokens"] == 3000
    assert month["projected_tokens"] is None
    assert month["projected_tokens_low"] is None


def test_a_coming_day_is_the_mean_of_its_weekday_within_the_errors_of_such_means(
    published: Published,
) -> None:
    """Six Mondays are known: (30 + 5 x 25) / 6 = 25.83; six Saturdays: (42 + 5 x 37.5) / 6 = 38.25.

    A week ahead, the rule would have missed 28 of 35 days by 0, two by 4.5 and five by 5; of 36 ranks 10 %
    are the third, 0, and 90 % the 33rd, 5. Two weeks ahead 21 of 28: the second, 0, and the 27th, 5.
    """
    days = _export(published, "forecast", "tenant:acme")["days"]
    assert [day["date"] for day in days] == [
        (_AS_OF + timedelta(days=ahead)).date().isoformat() for ahead in range(14)
    ]
    costs = [(day["cost_usd"], day["cost_usd_low"], day["cost_usd_high"]) for day in days]
    monday = (Decimal("25.83"), Decimal("25.83"), Decimal("30.83"))
    saturday = (Decimal("38.25"), Decimal("38.25"), Decimal("43.25"))
    assert (costs[0], costs[5], costs[7], costs[12]) == (monday, saturday, monday, saturday)
    # Tokens were the same every week, so no forecast of them ever failed.
    assert [day["tokens"] for day in days] == ([1000] * 5 + [3000] * 2) * 2
    assert [day["tokens_low"] for day in days] == [day["tokens_high"] for day in days]


def test_two_weeks_of_history_give_the_range_of_one_weeks_errors(published: Published) -> None:
    """(30 + 25) / 2 = 27.5; the seven errors are 4.5 and 5, and a range holds its own forecast."""
    days = _export(published, "forecast", "tenant:fortnight")["days"]
    ends = [(day["cost_usd"], day["cost_usd_low"], day["cost_usd_high"]) for day in days]
    assert ends[0] == ends[7] == (Decimal("27.5"), Decimal("27.5"), Decimal("32.5"))
    assert _export(published, "forecast", "tenant:young")["days"] == []


def test_another_currency_converts_every_day_at_its_own_rate(published: Published) -> None:
    with (PROJECT_ROOT / "seeds" / "reference" / "fx_rates.csv").open(encoding="utf-8") as lines:
        rates = sorted(
            (date.fromisoformat(row["valid_from"]), Decimal(row["usd_per_unit"]))
            for row in csv.DictReader(lines)
            if row["currency"] == "EUR"
        )
    week = Decimal(0)
    for back in range(1, 8):
        day = (_AS_OF - timedelta(days=back)).date()
        rate = [rate for valid_from, rate in rates if valid_from <= day][-1]
        week += _LAST_WEEK[day.weekday()] / rate
    shown = _export(published, "forecast", "tenant:acme", currency="EUR")["week"]
    assert shown["current_weekly_cost_usd"] == pytest.approx(week, abs=Decimal("0.005"))


def test_a_scope_without_usage_has_zeros_and_no_projection(published: Published) -> None:
    forecast = _export(published, "forecast", "tenant:silent")
    assert forecast["history_days"] == 0
    assert forecast["week"]["current_weekly_cost_usd"] == 0
    assert forecast["week"]["projected_monthly_cost_usd"] is None


def test_a_tenant_is_shown_the_experiments_that_it_took_part_in(published: Published) -> None:
    assert _export(published, "experiments", "tenant:silent")["experiments"] == []
    taking_part = _by_id(_export(published, "experiments", "tenant:t1"))
    assert set(taking_part) == {"exp-tested", "exp-skewed", "exp-early"}
    # Every third of 80 and of 70 answers, from the second on.
    tested = taking_part["exp-tested"]
    assert (tested["answers_a"], tested["answers_b"]) == (27, 23)


def _by_id(document: Any) -> dict[str, Any]:
    return {one["experiment_id"]: one for one in document["experiments"]}


def _metrics(experiment: Any) -> dict[str, Any]:
    return {one["metric"]: one for one in experiment["metrics"]}


def test_a_difference_of_shares_has_the_interval_of_newcombes_example(published: Published) -> None:
    """56 of 70 against 48 of 80: 0.2, from 0.0524 to 0.3339 (Newcombe 1998, table II, method 10)."""
    tested = _by_id(_export(published, "experiments"))["exp-tested"]
    share = _metrics(tested)["message_success_rate"]
    assert (share["value_a"], share["value_b"]) == (Decimal("0.6"), Decimal("0.8"))
    assert share["difference"] == Decimal("0.2")
    assert share["difference_low"] == pytest.approx(Decimal("0.0524"), abs=Decimal("0.00005"))
    assert share["difference_high"] == pytest.approx(Decimal("0.3339"), abs=Decimal("0.00005"))
    assert share["finding"] == "b_better"


def test_a_difference_of_means_has_welchs_interval(published: Published) -> None:
    first = [1000 + 200 * (number % 2) for number in range(80)]
    second = [1500 + 200 * (number % 2) for number in range(70)]
    errors = [statistics.variance(first) / 80, statistics.variance(second) / 70]
    freedom = sum(errors) ** 2 / (errors[0] ** 2 / 79 + errors[1] ** 2 / 69)
    width = _student_quantile(0.975, freedom) * math.sqrt(sum(errors))
    tested = _by_id(_export(published, "experiments"))["exp-tested"]
    time = _metrics(tested)["avg_response_time_ms"]
    assert time["difference"] == 500
    assert float(time["difference_low"]) == pytest.approx(500 - width, abs=0.001)
    assert float(time["difference_high"]) == pytest.approx(500 + width, abs=0.001)
    assert time["finding"] == "a_better"


def _student_quantile(level: float, freedom: float) -> float:
    """By bisection of the density's integral (Simpson), to nine digits."""

    def density(x: float) -> float:
        scale = math.gamma((freedom + 1) / 2) / math.gamma(freedom / 2)
        tail = math.pow(1 + x * x / freedom, -(freedom + 1) / 2)
        return scale / math.sqrt(freedom * math.pi) * tail

    return _root(lambda x: 0.5 + _integral(density, x) - level)


def _integral(function: Callable[[float], float], end: float, steps: int = 2000) -> float:
    step = end / steps
    inner = sum((4 if n % 2 else 2) * function(n * step) for n in range(1, steps))
    return step / 3 * (function(0) + inner + function(end))


def _root(function: Callable[[float], float], low: float = 0, high: float = 10) -> float:
    for _ in range(40):
        middle = (low + high) / 2
        low, high = (middle, high) if function(middle) < 0 else (low, middle)
    return low


def test_what_costs_the_same_differs_by_nothing_and_few_ratings_say_nothing(
    published: Published,
) -> None:
    metrics = _metrics(_by_id(_export(published, "experiments"))["exp-tested"])
    cost, rating = metrics["cost_per_message_usd"], metrics["average_rating"]
    assert (cost["value_a"], cost["difference"], cost["finding"]) == (
        Decimal("0.01"),
        Decimal(0),
        "no_difference",
    )
    # 29 ratings are one too few, however clear they look.
    assert (rating["observations_a"], rating["observations_b"]) == (29, 30)
    assert (rating["difference"], rating["finding"]) == (Decimal(1), "too_few")


def test_the_verdict_is_plain_and_comes_after_the_checks(published: Published) -> None:
    experiments = _by_id(_export(published, "experiments"))
    assert {name: one["verdict"] for name, one in experiments.items()} == {
        # More often right, and slower.
        "exp-tested": "mixed",
        "exp-skewed": "split_is_wrong",
        "exp-early": "too_early",
        "exp-idle": "no_data",
        "exp-small": "b_better",
    }
    assert experiments["exp-small"]["verdict_text"] == "2 is better than 1 and at nothing worse."


def test_traffic_is_checked_against_the_planned_split(published: Published) -> None:
    """40 and 10 users where 25 and 25 were meant: 15^2 / 25 x 2 = 18, above 10.828. 80 and 70:
    5^2 / 75 x 2 = 0.667."""
    experiments = _by_id(_export(published, "experiments"))
    skewed, tested = experiments["exp-skewed"], experiments["exp-tested"]
    assert (skewed["split_by"], skewed["split_chi_square"]) == ("user", Decimal("18.0"))
    assert (skewed["observed_split_a"], skewed["is_split_wrong"]) == (Decimal("0.8"), True)
    assert (tested["split_chi_square"], tested["is_split_wrong"]) == (Decimal("0.667"), False)


def test_an_experiment_is_listed_while_it_ran_and_compared_over_all_of_it(
    published: Published,
) -> None:
    assert "exp-over" not in _by_id(_export(published, "experiments"))
    december = _export(published, "experiments", period="2025-12")
    assert list(_by_id(december)) == ["exp-over"]
    # The answers of 27 February count although the period is the day after.
    later = _by_id(_export(published, "experiments", period="1d"))["exp-tested"]
    assert (later["answers_a"], later["answers_b"]) == (80, 70)


def test_a_publisher_sees_no_experiment_of_fewer_than_three_tenants(published: Published) -> None:
    experiments = _by_id(_export(published, "experiments", "publisher:maker"))
    small, tested = experiments["exp-small"], experiments["exp-tested"]
    assert (tested["is_suppressed"], tested["answers_a"]) == (False, 80)
    assert (small["is_suppressed"], small["verdict"], small["users_a"]) == (True, None, None)
    assert {value for one in small["metrics"] for value in one.values()} == {
        None,
        *(one["metric"] for one in small["metrics"]),
    }


@pytest.mark.parametrize("name", ["forecast", "experiments"])
def test_an_unknown_scope_is_refused_by_name(published: Published, name: str) -> None:
    with pytest.raises(UserError, match="unknown tenant 'nobody'"):
        _export(published, name, "tenant:nobody")
