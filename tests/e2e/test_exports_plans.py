"""Exports of goals, bills and deployments on a deployment whose every row is planted here, so that each
figure can be derived by hand.

Belongs here: what a table function and its dataset say together of extracts. Does not belong here:
words and edges of labels and targets (tests/unit/reporting/test_standards).
"""

from __future__ import annotations

import csv
from collections.abc import Iterator, Sequence
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from orchestration.errors import UserError
from orchestration.reporting.datasets.asking import Request
from orchestration.reporting.gather import gather_window, read_publication
from orchestration.reporting.model import Frequency
from orchestration.reporting.periods import parse_period
from orchestration.reporting.query import Published, read_published
from orchestration.reporting.reference import read_reference
from orchestration.reporting.scopes import resolve_scope
from orchestration.settings import PROJECT_ROOT, Settings
from tests.support.published_home import export, plant, publish_landing
from tests.support.questions import shape_of

_AS_OF = datetime(2026, 3, 12, tzinfo=UTC)
_FEBRUARY = datetime(2026, 2, 10, 12, tzinfo=UTC)


def _event(
    name: str,
    moment: datetime,
    *,
    tenant: str = "acme",
    agent: str = "steady",
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


def _answers() -> Iterator[dict[str, Any]]:
    """February of acme: 100 answers of 2 s, 2 of them errors, 20 users, 60 dollars in all.

    A free answer in December makes its history long enough to carry a month on.
    """
    yield _event(
        "first", datetime(2025, 12, 20, tzinfo=UTC), cost_usd="0", input_tokens=1, output_tokens=0
    )
    for number in range(100):
        moment = _FEBRUARY + timedelta(minutes=number)
        user = f"user-{number % 20}"
        yield _event(f"a{number}", moment, kind="agent_invoked", user_id=user)
        yield _event(
            f"a{number}",
            moment + timedelta(seconds=2),
            kind="agent_errored" if number < 2 else "agent_completed",
            user_id=user,
            duration_ms=2000,
            cost_usd="0.60",
            input_tokens=10,
            output_tokens=0,
            model="flat",
            provider="flatrate",
        )


def _bills() -> Iterator[dict[str, Any]]:
    """January: answers that each bill of the month is held against."""
    usage: Sequence[tuple[str, str, dict[str, Any]]] = [
        ("near", "2026-01-05", {"cost_usd": "96"}),
        ("edge", "2026-01-05", {"cost_usd": "95"}),
        ("gap", "2026-01-05", {"cost_usd": "50", "input_tokens": 1000}),
        ("gap", "2026-01-06", {"input_tokens": 400}),
        ("euro", "2026-01-05", {"cost_usd": "10"}),
        ("half", "2026-01-10", {"cost_usd": "10"}),
        ("half", "2026-01-20", {"cost_usd": "1000"}),
        ("unbilled", "2026-01-05", {"cost_usd": "7"}),
        ("tenner", "2026-01-05", {"cost_usd": "9.50"}),
    ]
    for number, (provider, day, said) in enumerate(usage):
        yield _event(
            f"b{number}",
            datetime.fromisoformat(f"{day}T12:00:00+00:00"),
            tenant="payer",
            agent="biller",
            provider=provider,
            model=f"{provider}-model",
            **{"input_tokens": 1, "output_tokens": 0, **said},
        )


def _cached() -> dict[str, Any]:
    """A record whose producer forgot that cache reads are cheap; the list price is looked up below."""
    return _event(
        "cached",
        datetime(2026, 1, 5, 12, tzinfo=UTC),
        tenant="payer",
        agent="biller",
        provider="openai",
        model="gpt-4o",
        input_tokens=1_000_000,
        cache_read_tokens=1_000_000,
        output_tokens=0,
        cost_usd="2.50",
    )


_DEPLOYED = datetime(2026, 3, 2, 15, tzinfo=UTC)


def _around(
    agent: str, *, deployed: datetime, tenants: int, slow: bool
) -> Iterator[dict[str, Any]]:
    """Ten answers a day from eight days before the deployment to eight after: on the seventh and
    eighth they take a minute, and on the day itself."""
    for offset in range(-8, 9):
        for number in range(10):
            moment = deployed.replace(hour=10) + timedelta(days=offset, minutes=number)
            base = 60_000 if offset in (-8, 0, 8) else 1000 if offset < 0 else 2000 if slow else 900
            if moment >= _AS_OF:
                continue
            yield _event(
                f"{agent}{offset}-{number}",
                moment,
                agent=agent,
                tenant=f"d{number % tenants}",
                duration_ms=base + number,
                cost_usd="0.01",
                input_tokens=1,
                output_tokens=0,
                model="flat",
                provider="flatrate",
            )


def _fewer_users() -> Iterator[dict[str, Any]]:
    """An answer of woven in February. Then 30 users write to it from Monday to Wednesday morning, 20 of
    them until Sunday, and 20 again from Monday to Wednesday morning."""
    whose: Any = {"tenant": "wearer", "agent": "woven"}
    events = [_event("w", datetime(2026, 2, 16, 9, tzinfo=UTC), **whose)]
    for day, users in ((2, 15), (4, 30), (6, 20), (8, 20), (11, 20)):
        morning = datetime(2026, 3, day, 9, tzinfo=UTC)
        events += [
            _event(f"w{day}-{user}", morning, kind="agent_invoked", user_id=f"user-{user}", **whose)
            for user in range(users)
        ]
    yield from ({**event, "publisher_id": "weaver"} for event in events)


def _plant(landing: Path) -> None:
    bill = {"period_start": "2026-01-01", "period_end": "2026-02-01", "currency": "USD"}
    streams: dict[str, Sequence[Any]] = {
        "agent_events": [
            *_answers(),
            *_bills(),
            _cached(),
            *_around("slower", deployed=_DEPLOYED, tenants=3, slow=True),
            *_around("faster", deployed=_DEPLOYED, tenants=2, slow=False),
            *_fewer_users(),
            *_around("recent", deployed=datetime(2026, 3, 9, 15, tzinfo=UTC), tenants=3, slow=True),
        ],
        "llm_calls": [
            {
                "llm_call_id": "lost",
                "invocation_id": "nobody-knows",
                "timestamp": "2026-01-05T12:00:00Z",
                "provider": "gap",
                "model": "gap-model",
                "input_tokens": 5,
                "output_tokens": 0,
                "cost_usd": "8",
            }
        ],
        "tenants": [
            {"tenant_id": "silent", "tenant_name": "Silent", "updated_at": "2025-01-01T00:00:00Z"}
        ],
        "goals": [
            {
                "scope_kind": kind,
                "scope_id": scope,
                "metric": metric,
                "target": target,
                "updated_at": "2025-01-01T00:00:00Z",
            }
            for kind, scope, metric, target in (
                # 0.02 of messages fail: reached exactly. 100 messages of 110: near.
                ("tenant", "acme", "message_error_rate", "0.02"),
                ("tenant", "acme", "agent_messages", "110"),
                ("tenant", "acme", "completed_count", "109"),
                ("tenant", "acme", "net_usd", "1"),
                ("tenant", "acme", "total_tokens", "1000"),
                ("tenant", "acme", "cost_usd", "50"),
                ("agent", "steady", "agent_messages", "90"),
                ("publisher", "maker", "agent_messages", "1"),
            )
        ],
        "budgets": [
            {
                "scope_kind": kind,
                "scope_id": scope,
                "month": month,
                "amount_usd": amount,
                "updated_at": "2025-01-01T00:00:00Z",
            }
            for kind, scope, month, amount in (
                ("tenant", "acme", "2026-02", "80"),
                ("tenant", "acme", "2026-03", "40"),
                ("tenant", "payer", "2026-01", "100"),
                ("platform", "platform", "2026-01", "2000"),
            )
        ],
        "provider_bills": [
            {**bill, "bill_id": "1", "provider": "near", "amount": "100"},
            {**bill, "bill_id": "2", "provider": "edge", "amount": "100"},
            {**bill, "bill_id": "3", "provider": "gap", "amount": "90"},
            {**bill, "bill_id": "4", "provider": "euro", "amount": "310", "currency": "EUR"},
            {
                **bill,
                "bill_id": "5",
                "provider": "half",
                "amount": "30",
                "period_start": "2025-12-17",
                "period_end": "2026-01-16",
            },
            {**bill, "bill_id": "6", "provider": "openai", "amount": "1.25"},
            {**bill, "bill_id": "7", "provider": "strange", "amount": "5", "currency": "ZZZ"},
            {**bill, "bill_id": "8", "provider": "unused", "amount": "5"},
            {**bill, "bill_id": "9", "provider": "tenner", "amount": "10"},
        ],
        "deployments": [
            {
                "deployment_id": f"dep-{agent}",
                "agent_id": agent,
                "agent_version": "2",
                "deployed_at": moment.isoformat(),
                "note": "Planted",
            }
            for agent, moment in (
                ("slower", _DEPLOYED),
                ("faster", _DEPLOYED),
                ("recent", datetime(2026, 3, 9, 15, tzinfo=UTC)),
                ("idle", _DEPLOYED),
            )
        ],
        "agents": [
            {
                "agent_id": agent,
                "agent_name": agent.title(),
                "agent_type_id": "worker",
                "publisher_id": "maker",
                "updated_at": "2025-01-01T00:00:00Z",
            }
            for agent in ("steady", "biller", "slower", "faster", "recent", "idle")
        ],
    }
    plant(landing, streams)


@pytest.fixture(scope="module")
def published(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Published]:
    settings = Settings(home=tmp_path_factory.mktemp("plans") / "home")
    _plant(settings.landing)
    publish_landing(settings, as_of=_AS_OF)
    with read_published(settings) as opened:
        yield opened


def _export(published: Published, name: str, scope: str = "platform", **options: Any) -> Any:
    request = Request(scope=scope, as_of=_AS_OF.isoformat(), **options)
    return export(published, name, request, as_of=_AS_OF)


def _goals(published: Published, scope: str, **options: Any) -> dict[str, Any]:
    document = _export(published, "goals", scope, **{"period": "2026-02", **options})
    return {goal["metric"]: goal for goal in document["goals"]}


def test_a_goal_is_met_near_or_missed(published: Published) -> None:
    """100 of 110 messages is 10 short, within 11; 98 of 109 is 11 short, beyond 10.9. 60 dollars of at
    most 50: 50 / 60."""
    goals = _goals(published, "tenant:acme")
    shown = {
        metric: (goals[metric]["value"], goals[metric]["attainment"], goals[metric]["status"])
        for metric in (
            "message_error_rate", "agent_messages", "completed_count", "cost_usd", "total_tokens", "net_usd"
        )
    }  # fmt: skip
    assert shown == {
        "message_error_rate": (Decimal("0.02"), Decimal(1), "met"),
        "agent_messages": (Decimal(100), Decimal("0.9091"), "near"),
        "completed_count": (Decimal(98), Decimal("0.8991"), "missed"),
        "cost_usd": (Decimal(60), Decimal("0.8333"), "missed"),
        "total_tokens": (Decimal(1000), None, "no_direction"),
        "net_usd": (None, None, "no_data"),
    }


def test_what_a_scope_sets_wins_over_the_default_and_that_over_the_target(
    published: Published,
) -> None:
    goals = _goals(published, "tenant:acme")
    assert {metric: goal["set_by"] for metric, goal in goals.items()} == {
        **dict.fromkeys(
            [
                "message_error_rate",
                "agent_messages",
                "completed_count",
                "cost_usd",
                "total_tokens",
                "net_usd",
            ],
            "goal",
        ),
        **dict.fromkeys(["cost_per_user_usd", "avg_response_time_ms"], "default"),
        **dict.fromkeys(
            ["p95_response_time_ms", "uptime", "request_success_rate", "zero_queue_share"], "target"
        ),
    }
    # 60 dollars over 20 users; 2 seconds of less than 3.
    assert (goals["cost_per_user_usd"]["value"], goals["cost_per_user_usd"]["status"]) == (
        3,
        "missed",
    )
    assert goals["avg_response_time_ms"]["attainment"] == Decimal("1.5")
    # The goal for daily users is the platform's.
    assert _goals(published, "platform")["dau"]["target"] == 1000
    assert _goals(published, "platform")["message_error_rate"]["comparison"] == "<"


def test_words_say_what_an_error_rate_and_a_response_time_are(published: Published) -> None:
    goals = _goals(published, "tenant:acme")
    assert goals["message_error_rate"]["label"] == "critical"
    assert goals["avg_response_time_ms"]["label"] == "good"
    assert goals["agent_messages"]["label"] is None


def test_an_agent_has_its_own_goals_but_not_under_a_tenant(published: Published) -> None:
    assert _goals(published, "platform", agent="steady")["agent_messages"]["status"] == "met"
    assert "agent_messages" not in _goals(published, "tenant:acme", agent="steady")


def test_a_goal_of_money_is_converted_with_its_value(published: Published) -> None:
    """The target at the rate of the last day of the period, each cost at that of its own day."""
    goal = _goals(published, "tenant:acme", currency="EUR")["cost_usd"]
    assert goal["target"] == pytest.approx(
        50 / _rate("EUR", date(2026, 2, 28)), abs=Decimal("0.0001")
    )
    assert goal["value"] == pytest.approx(
        60 / _rate("EUR", date(2026, 2, 10)), abs=Decimal("0.0001")
    )


def _rate(currency: str, day: date) -> Decimal:
    with (PROJECT_ROOT / "seeds" / "reference" / "fx_rates.csv").open(encoding="utf-8") as lines:
        return max(
            (date.fromisoformat(row["valid_from"]), Decimal(row["usd_per_unit"]))
            for row in csv.DictReader(lines)
            if row["currency"] == currency and date.fromisoformat(row["valid_from"]) <= day
        )[1]


def test_months_are_held_against_their_budgets(published: Published) -> None:
    """60 of 80 in a whole February; nothing of 40 in the 11 days of March."""
    budgets = _export(published, "goals", "tenant:acme", period="2026-02-01..2026-03-11")["budgets"]
    assert budgets == [
        {
            "month": "2026-02-01",
            "elapsed_days": 28,
            "days": 28,
            "budget_usd": 80,
            "spent_usd": 60,
            "left_usd": 20,
            "budget_utilization": Decimal("0.75"),
            "run_rate_usd": 60,
            "status": "within",
        },
        {
            "month": "2026-03-01",
            "elapsed_days": 11,
            "days": 31,
            "budget_usd": 40,
            "spent_usd": 0,
            "left_usd": 40,
            "budget_utilization": 0,
            "run_rate_usd": 0,
            "status": "within",
        },
    ]


def test_a_budget_is_at_risk_by_its_run_rate_and_over_when_it_is_spent(
    published: Published,
) -> None:
    """60 dollars by 10 February make 60 x 28 / 10 = 168 of 80."""
    (early,) = _export(published, "goals", "tenant:acme", period="2026-02-01..2026-02-10")[
        "budgets"
    ]
    assert (early["run_rate_usd"], early["status"]) == (168, "at_risk")
    (spent,) = _export(published, "goals", "tenant:payer", period="2026-01")["budgets"]
    assert spent["status"] == "over"


def test_a_month_is_carried_on_from_fourteen_days_of_usage_on(published: Published) -> None:
    """payer was first used on 5 January; whole Januaries need no projection."""
    rates = {
        last: _export(published, "goals", "tenant:payer", period=f"2026-01-01..2026-01-{last}")[
            "budgets"
        ][0]["run_rate_usd"]
        for last in (17, 18, 31)
    }
    assert (rates[17], rates[18] is None, rates[31] is None) == (None, False, False)


def test_a_call_that_nobody_owns_is_in_no_budget(published: Published) -> None:
    """96 + 95 + 50 + 10 + 10 + 1,000 + 7 + 9.50 dollars of January, and 2.50 of the cached record; not the
    8 of the call that no event names."""
    (january,) = _export(published, "goals", period="2026-01")["budgets"]
    assert january["spent_usd"] == 1280


def _bills_of(published: Published, **options: Any) -> dict[str, Any]:
    months = _export(published, "bill-reconciliation", **{"period": "2026-01", **options})["months"]
    return {one["provider"]: one for one in months}


def test_a_bill_is_an_issue_from_five_percent_on(published: Published) -> None:
    bills = _bills_of(published)
    assert {name: (one["difference_usd"], one["status"]) for name, one in bills.items()} == {
        "near": (4, "agrees"),
        "edge": (5, "differs"),
        "gap": (40, "differs"),
        "euro": (bills["euro"]["difference_usd"], "differs"),
        "half": (5, "differs"),
        "openai": (Decimal("-1.25"), "differs"),
        "strange": (None, "unconverted"),
        "unused": (5, "differs"),
        "unbilled": (None, "no_bill"),
        # A thirty-first of ten dollars has no end, and thirty-one of them are ten dollars.
        "tenner": (Decimal("0.5"), "differs"),
    }
    assert bills["edge"]["difference_rate"] == Decimal("0.05")
    assert bills["unused"]["estimated_usd"] == 0


def test_a_difference_is_split_by_what_is_known_of_it(published: Published) -> None:
    """50 dollars for 1,000 tokens: 400 without a price make 20. A call that no event names cost 8. Of
    the 40 more that were billed, 12 are left. A million cached tokens at 1.25 were recorded at 2.50."""
    bills = _bills_of(published)
    assert bills["gap"]["reasons"] == {
        "unpriced_usd": 20,
        "cache_usd": 0,
        "missing_calls_usd": 8,
        "unexplained_usd": 12,
        "unpriced_tokens": 400,
    }
    assert bills["openai"]["reasons"]["cache_usd"] == Decimal("-1.25")
    assert bills["openai"]["reasons"]["unexplained_usd"] == 0


def test_a_bill_over_two_months_is_held_against_its_own_days(published: Published) -> None:
    """30 dollars over 30 days, 15 of them in January; the usage of the 20th is not billed yet."""
    half = _bills_of(published)["half"]
    assert (half["billed_days"], half["billed_usd"], half["estimated_usd"]) == (15, 15, 10)


def test_a_bill_in_another_currency_is_converted_day_by_day(published: Published) -> None:
    days = [date(2026, 1, 1) + timedelta(days=number) for number in range(31)]
    billed = sum(10 * _rate("EUR", day) for day in days)
    assert _bills_of(published)["euro"]["billed_usd"] == pytest.approx(billed, abs=Decimal("0.005"))
    in_euro = _bills_of(published, currency="EUR")["euro"]
    assert in_euro["billed_usd"] == 310


def test_a_bill_counts_once_its_days_are_over(published: Published) -> None:
    assert _bills_of(published, period="2026-01-01..2026-01-30")["near"]["status"] == "no_bill"


def test_insights_of_an_open_week_compare_it_with_the_same_part_of_the_week_before(
    published: Published,
) -> None:
    """20 users until Wednesday noon, 30 until the Wednesday noon before: a third fewer. From Friday on,
    the days just before, there were 20 as well."""
    noon = datetime(2026, 3, 11, 12, tzinfo=UTC)
    request = Request(scope="publisher:weaver", period="week", as_of=noon.isoformat())
    dashboard = export(published, "publisher-dashboard", request, as_of=_AS_OF)
    (fall,) = [one for one in dashboard["insights"] if one["title"] == "Fewer Users"]
    assert fall["extra"]["value"] == pytest.approx(Decimal(-1) / 3, abs=Decimal("0.000001"))
    assert fall["extra"]["sample_size"] == 30


def test_the_report_of_an_open_week_finds_what_its_dashboard_does(published: Published) -> None:
    noon = datetime(2026, 3, 11, 12, tzinfo=UTC)
    rows = gather_window(
        published,
        scope=resolve_scope(published, "publisher:weaver"),
        window=parse_period("week", as_of=noon, time_zone="UTC"),
        frequency=Frequency.WEEKLY,
        publication=read_publication(published),
        reference=read_reference(),
    )
    values = {row.text("rule_id"): row.number("value") for row in rows.rows("insights")}
    assert values["users_fall"] == pytest.approx(Decimal(-1) / 3, abs=Decimal("0.000001"))


def test_bills_are_the_platforms_alone(published: Published) -> None:
    with pytest.raises(UserError, match="platform"):
        _export(published, "bill-reconciliation", "tenant:acme")


def _deployments(published: Published, scope: str = "platform", **options: Any) -> dict[str, Any]:
    document = _export(published, "deployments", scope, **options)
    return {one["deployment_id"]: one for one in document["deployments"]}


def _response_time(deployment: Any) -> Any:
    return next(one for one in deployment["metrics"] if one["metric"] == "avg_response_time_ms")


def test_a_deployment_is_compared_on_the_same_weekdays_before_and_after(
    published: Published,
) -> None:
    """Seven days of ten answers on each side: 1,004.5 ms and 2,004.5 ms on average. The day itself and
    the eighth day, of a minute an answer, are in neither."""
    slower = _deployments(published)["dep-slower"]
    assert (slower["compared_days"], slower["answers_before"], slower["answers_after"]) == (
        7,
        70,
        70,
    )
    time = _response_time(slower)
    assert (time["value_before"], time["value_after"], time["difference"]) == (
        Decimal("1004.5"),
        Decimal("2004.5"),
        1000,
    )
    assert time["difference_low"] < 1000 < time["difference_high"]
    assert (time["finding"], slower["verdict"]) == ("worse", "worse")
    assert _deployments(published)["dep-faster"]["verdict"] == "better"


def test_days_after_that_are_not_over_are_compared_with_as_many_weekdays_before(
    published: Published,
) -> None:
    """Deployed on Monday 9 March, known until Wednesday: two days and twenty answers on each side."""
    recent = _deployments(published)["dep-recent"]
    assert (recent["compared_days"], recent["answers_before"], recent["answers_after"]) == (
        2,
        20,
        20,
    )
    assert recent["verdict"] == "too_early"
    assert {one["finding"] for one in recent["metrics"]} == {"too_few"}


def test_a_deployment_is_listed_in_the_period_it_was_made(published: Published) -> None:
    assert _deployments(published, period="2026-02") == {}
    assert _deployments(published)["dep-idle"]["verdict"] == "no_data"


def test_a_publisher_sees_no_deployment_of_fewer_than_three_tenants(published: Published) -> None:
    deployments = _deployments(published, "publisher:maker")
    assert deployments["dep-slower"]["is_suppressed"] is False
    faster = deployments["dep-faster"]
    assert (faster["is_suppressed"], faster["verdict"], faster["answers_after"]) == (
        True,
        None,
        None,
    )
    assert {one["value_after"] for one in faster["metrics"]} == {None}


def test_a_scope_without_data_has_its_goals_and_no_values(published: Published) -> None:
    goals = _goals(published, "tenant:silent")
    assert (goals["cost_per_user_usd"]["value"], goals["cost_per_user_usd"]["status"]) == (
        None,
        "no_data",
    )
    assert _export(published, "goals", "tenant:silent")["budgets"] == []


@pytest.mark.parametrize("name", ["goals", "deployments", "bill-reconciliation"])
def test_the_fields_are_those_of_the_shape(published: Published, name: str) -> None:
    document = _export(published, name)
    assert list(document) == [*shape_of(name), "extra"]


@pytest.mark.parametrize("name", ["goals", "deployments"])
def test_an_unknown_scope_is_refused_by_name(published: Published, name: str) -> None:
    with pytest.raises(UserError, match="unknown tenant 'nobody'"):
        _export(published, name, "tenant:nobody")
