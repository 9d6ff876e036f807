"""Exports with money, on a deployment that has really run: what customers, publishers and the
operator are told, in any currency, counted again here in plain Python from the facts.
"""

from __future__ import annotations

import csv
import json
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, date, datetime
from decimal import ROUND_HALF_UP, Decimal
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import duckdb
import pytest

from orchestration.errors import UserError
from orchestration.reporting.datasets.asking import Request, ask, pose
from orchestration.reporting.datasets.dataset import Question
from orchestration.reporting.datasets.registry import DATASETS
from orchestration.reporting.documents import to_json
from orchestration.reporting.query import Published, Row, read_published
from orchestration.settings import PROJECT_ROOT, Settings
from tests.e2e.conftest import AS_OF, DeploymentUnderTest

_AS_OF = datetime.fromisoformat(AS_OF)
_CENT = Decimal("0.01")
_FEBRUARY = (date(2026, 2, 1), date(2026, 3, 1))


@pytest.fixture(scope="module")
def published(deployment: DeploymentUnderTest) -> Iterator[Published]:
    with read_published(Settings(home=deployment.home)) as opened:
        yield opened


@pytest.fixture(scope="module")
def rates() -> Mapping[str, list[tuple[date, Decimal]]]:
    """By currency, the days from which a rate holds and US dollars per unit."""
    found: dict[str, list[tuple[date, Decimal]]] = defaultdict(list)
    with (PROJECT_ROOT / "seeds/reference/fx_rates.csv").open(encoding="utf-8") as file:
        for row in csv.DictReader(file):
            begun = date.fromisoformat(row["valid_from"])
            found[row["currency"]].append((begun, Decimal(row["usd_per_unit"])))
    return found


Convert = Callable[[Decimal, str, date], Decimal]


@pytest.fixture(scope="module")
def convert(rates: Mapping[str, list[tuple[date, Decimal]]]) -> Convert:
    """US dollars in a currency at the rate of a day."""

    def to_currency(amount: Decimal, currency: str, day: date) -> Decimal:
        _, rate = max(one for one in rates[currency] if one[0] <= day)
        return amount / rate

    return to_currency


@pytest.fixture(scope="module")
def tenant(published: Published) -> str:
    """A tenant with conversations and with a zone other than UTC."""
    (row,) = published.rows(
        """
        select tenants.tenant_id as id
        from core.fct_conversations
        inner join core.dim_tenants as tenants using (tenant_key)
        where tenants.time_zone <> 'UTC'
        group by tenants.tenant_id
        order by count(*) desc, tenants.tenant_id
        limit 1
        """
    )
    return str(row["id"])


def _pose(published: Published, name: str, **request: Any) -> Question:
    return pose(
        Request(**request),
        dataset=DATASETS[name],
        published=published,
        platform_zone="UTC",
        now=lambda: _AS_OF,
    )


def _export(published: Published, name: str, **request: str) -> Any:
    question = _pose(published, name, **request)
    return ask(DATASETS[name], question=question, published=published).document


def _refusal(published: Published, name: str, **request: str) -> str | None:
    """Why the question is refused, if it is."""
    try:
        _pose(published, name, **request)
    except UserError as refused:
        return str(refused)
    return None


def _between(
    published: Published, fact: str, time: str, *, zone: str, days: tuple[date, date]
) -> list[Row]:
    """The rows of a fact on local days, the second one excluded."""
    first, end = days
    return [
        row
        for row in published.rows(f"from core.{fact}")
        if first <= _local_day(row[time], zone) < end
    ]


def _local_day(moment: datetime, zone: str) -> date:
    return moment.replace(tzinfo=UTC).astimezone(ZoneInfo(zone)).date()


def _cents(value: Decimal) -> Decimal:
    return value.quantize(_CENT, rounding=ROUND_HALF_UP)


def _total(amounts: Iterator[Decimal]) -> Decimal:
    return sum(amounts, Decimal(0))


@pytest.mark.parametrize("zone", ["UTC", "Asia/Kolkata", "America/New_York"])
def test_the_tenant_dashboard_counts_the_conversations_of_the_local_days(
    published: Published, tenant: str, zone: str
) -> None:
    document = _export(
        published, "tenant-dashboard", scope=f"tenant:{tenant}", period="2026-02", time_zone=zone
    )
    held = [
        row
        for row in _between(published, "fct_conversations", "created_at", zone=zone, days=_FEBRUARY)
        if row["tenant_key"] == f"native:{tenant}"
    ]
    completed = [row for row in held if row["status"] == "completed"]
    resolved = [row for row in completed if not row["is_escalated"]]
    assert document["usage"] == {
        "total_conversations": len(held),
        "active_agents": len({row["agent_key"] for row in held}),
        "active_days": len({_local_day(row["created_at"], zone) for row in held}),
    }
    rate = Decimal(100 * len(resolved)) / len(completed)
    assert document["quality"]["resolution_rate"] == rate.quantize(
        Decimal("0.1"), rounding=ROUND_HALF_UP
    )
    days = document["series"]["total_conversations"]
    assert len(days) == 28
    assert sum(point["value"] for point in days) == len(held)


@pytest.mark.parametrize("currency", ["USD", "EUR", "GBP"])
def test_costs_and_savings_are_converted_at_the_day_of_each(
    published: Published, tenant: str, convert: Convert, currency: str
) -> None:
    document = _export(
        published,
        "tenant-dashboard",
        scope=f"tenant:{tenant}",
        period="40d",
        time_zone="UTC",
        currency=currency,
    )
    key, days = f"native:{tenant}", (date(2026, 1, 21), date(2026, 3, 2))
    spent = _total(
        convert(row["cost_usd"], currency, row["used_at"].date())
        for row in _between(published, "fct_llm_calls", "used_at", zone="UTC", days=days)
        if row["tenant_key"] == key and row["has_owner"] and row["cost_usd"] is not None
    )
    resolved = [
        convert(row["human_cost_usd"], currency, row["created_at"].date())
        for row in _between(published, "fct_conversations", "created_at", zone="UTC", days=days)
        if row["tenant_key"] == key and row["is_resolved"]
    ]
    assert resolved
    assert spent
    assert document["extra"]["currency"] == currency
    assert document["business"] == {
        "total_cost_usd": _cents(spent),
        "cost_per_resolution_usd": _cents(spent / len(resolved)),
        "estimated_savings_usd": _cents(sum(resolved) - spent),
    }


@pytest.mark.parametrize("currency", ["USD", "EUR", "GBP"])
def test_charges_and_refunds_are_converted_at_the_day_of_each(
    published: Published, convert: Convert, currency: str
) -> None:
    document = _export(published, "marketplace-overview", period="2026-02", currency=currency)
    charges = _between(published, "fct_charges", "charged_at", zone="UTC", days=_FEBRUARY)

    def total(column: str, *, refunds: bool) -> Decimal:
        return _total(
            convert(row[column], currency, row["charged_at"].date())
            for row in charges
            if row["is_refund"] is refunds
        )

    gross, refunds = total("amount_usd", refunds=False), total("amount_usd", refunds=True)
    fees = total("platform_fee_usd", refunds=False) - total("platform_fee_usd", refunds=True)
    assert gross
    assert refunds
    assert document["gross_gmv"] == _cents(gross)
    assert document["refunds"] == _cents(refunds)
    assert document["net_gmv"] == _cents(gross - refunds)
    assert document["platform_fee"] == _cents(fees)


def test_charges_shown_in_their_own_currency_are_the_amounts_charged(published: Published) -> None:
    charged = published.rows(
        """
        select tenants.tenant_id, any_value(charges.currency) as currency, sum(charges.amount) as amount
        from core.fct_charges as charges
        inner join core.dim_tenants as tenants using (tenant_key)
        where not charges.is_refund and charges.charged_at < '2026-03-01'
        group by tenants.tenant_id
        having count(distinct charges.currency) = 1 and any_value(charges.currency) <> 'USD'
        """
    )
    assert {row["currency"] for row in charged} == {"EUR", "GBP"}
    for row in charged:
        (money,) = published.rows(
            "select gross_usd from revenue_summary($scope, date '2025-01-01', date '2026-03-01',"
            " currency := $currency)",
            {"scope": f"tenant:{row['tenant_id']}", "currency": row["currency"]},
        )
        assert money["gross_usd"] == row["amount"]


@pytest.mark.parametrize("name", list(DATASETS))
def test_every_dataset_says_in_which_currency_its_money_is(
    published: Published, tenant: str, name: str
) -> None:
    kinds = {str(kind) for kind in DATASETS[name].scopes}
    publisher = published.rows("select min(publisher_id) as id from core.dim_publishers")[0]["id"]
    scope = next(
        text
        for text in ("platform", f"tenant:{tenant}", f"publisher:{publisher}")
        if text.partition(":")[0] in kinds
    )
    chosen = {"metric": "cost_usd"} if name == "series" else {}
    document = _export(published, name, scope=scope, period="2026-02", currency="GBP", **chosen)
    if isinstance(document, Mapping):
        assert document["extra"]["currency"] == "GBP"


def test_cohorts_are_counted_from_the_months_in_which_tenants_answered(
    published: Published,
) -> None:
    document = _export(published, "marketplace-overview", period="2026-02")
    months: dict[str, set[int]] = defaultdict(set)
    for row in published.rows("from core.fct_invocations"):
        if row["responded_at"] < datetime(2026, 3, 1):
            months[row["tenant_key"]].add(row["responded_at"].month)
    expected = [
        (
            f"2026-{first:02d}",
            month - first,
            sum(min(active) == first for active in months.values()),
            sum(min(active) == first and month in active for active in months.values()),
        )
        for first in sorted({min(active) for active in months.values()})
        for month in range(first, 3)
    ]
    assert len(expected) > 1
    assert [
        (one["cohort_month"], one["months_since"], one["tenants"], one["retained"])
        for one in document["cohorts"]
    ] == expected
    january, february = (
        {tenant for tenant, active in months.items() if month in active} for month in (1, 2)
    )
    kept = Decimal(len(january & february)) / len(january)
    assert document["tenant_retention"] == kept.quantize(Decimal("0.0001"), rounding=ROUND_HALF_UP)
    assert document["logo_churn"] == 1 - document["tenant_retention"]


def test_recurring_revenue_is_the_subscriptions_of_the_month(published: Published) -> None:
    """Generated subscriptions never reach beyond the month they begin in."""
    by_month: dict[int, dict[str, Decimal]] = defaultdict(lambda: defaultdict(Decimal))
    for row in published.rows("from core.fct_charges where kind = 'subscription'"):
        assert row["service_start"].month == row["charged_at"].month
        by_month[row["charged_at"].month][row["tenant_key"]] += row["amount_usd"]
    before, after = by_month[1], by_month[2]
    moves = {
        "new": [after[key] for key in after if key not in before],
        "upgraded": [after[key] - before[key] for key in after if 0 < before[key] < after[key]],
        "downgraded": [before[key] - after[key] for key in after if before[key] > after[key] > 0],
        "churned": [before[key] for key in list(before) if key not in after],
    }
    (month,) = _export(published, "marketplace-overview", period="2026-02")["extra"]["mrr"]
    assert month["mrr"] == _cents(sum(after.values(), Decimal(0))) > 0
    assert month["subscribing_tenants"] == len(after)
    for name, amounts in moves.items():
        amount = _cents(sum(amounts, Decimal(0)))
        assert (month[f"{name}_tenants"], month[f"{name}_mrr"]) == (len(amounts), amount), name


def test_a_publisher_is_shown_an_agent_alone_only_when_enough_tenants_use_it(
    published: Published,
) -> None:
    """The facts say which agents have one or two tenants in some kind of row; one more may go."""
    outcomes = set()
    for row in published.rows("select publisher_id, publisher_key from core.dim_publishers"):
        for agent in published.rows(
            "select agent_id, agent_key from core.dim_agents where publisher_key = $key",
            {"key": row["publisher_key"]},
        ):
            few = published.rows(
                """
                select kind
                from (
                    select 'used' as kind, tenant_key from core.fct_invocations
                    where agent_key = $agent and responded_at >= '2026-02-01'
                        and responded_at < '2026-03-01'
                    union all
                    select 'rated', tenant_key from core.fct_feedback
                    where agent_key = $agent and rated_at >= '2026-02-01'
                        and rated_at < '2026-03-01'
                    union all
                    select 'charged', tenant_key from core.fct_charges
                    where agent_key = $agent and charged_at >= '2026-02-01'
                        and charged_at < '2026-03-01'
                )
                group by kind
                having count(distinct tenant_key) < 3
                """,
                {"agent": agent["agent_key"]},
            )
            asked = {
                "scope": f"publisher:{row['publisher_id']}",
                "agent": str(agent["agent_id"]),
                "period": "2026-02",
            }
            refusal = _refusal(published, "publisher-dashboard", **asked)
            outcomes.add(refusal is not None)
            if refusal is None:
                assert not few, agent["agent_id"]
            else:
                assert str(agent["agent_id"]) in refusal
    assert outcomes == {True, False}


def test_a_period_without_data_has_the_zeros_of_the_rows_and_unknown_otherwise(
    deployment: DeploymentUnderTest, tenant: str
) -> None:
    scope = ("--scope", f"tenant:{tenant}", "--period", "2021-02", "--as-of", AS_OF)
    done = deployment("export", "tenant-dashboard", *scope)
    assert (done.exit_code, done.stderr) == (0, "")
    document = json.loads(done.stdout)
    assert document["usage"] == {"total_conversations": 0, "active_agents": 0, "active_days": 0}
    assert document["performance"] == {"avg_response_time_ms": 0.0, "p95_response_time_ms": None}
    assert document["quality"] == {"resolution_rate": 0.0, "avg_satisfaction": 0.0}
    assert document["business"] == {
        "total_cost_usd": 0.0,
        "cost_per_resolution_usd": None,
        "estimated_savings_usd": 0.0,
    }
    assert {point["value"] for point in document["series"]["total_conversations"]} == {0.0}
    assert {point["value"] for point in document["series"]["resolution_rate"]} == {None}
    done = deployment("export", "marketplace-overview", "--period", "2021-02", "--as-of", AS_OF)
    document = json.loads(done.stdout)
    assert done.exit_code == 0
    assert (document["net_gmv"], document["active_tenants"], document["cohorts"]) == (0.0, 0, [])
    assert (document["take_rate"], document["tenant_retention"]) == (None, None)


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        (("tenant-dashboard",), ("'platform'", "tenant:ID")),
        (("marketplace-overview", "--scope", "tenant:t"), ("tenant:t", "platform")),
        (("marketplace-overview", "--currency", "XYZ"), ("'XYZ'", "EUR, GBP, USD")),
        (("tenant-dashboard", "--scope", "tenant:nobody"), ("'nobody'", "closest")),
        (("marketplace-overview", "--period", "fortnight"), ("'fortnight'", "YYYY-MM")),
        (("marketplace-overview", "--tz", "Mars/Crater"), ("'Mars/Crater'", "IANA")),
    ],
)
def test_bad_input_exits_with_2_and_says_what_is_allowed(
    deployment: DeploymentUnderTest, arguments: tuple[str, ...], named: tuple[str, ...]
) -> None:
    done = deployment("export", *arguments)
    assert (done.exit_code, done.stdout) == (2, "")
    assert len(done.stderr.splitlines()) == 1
    assert [word for word in named if word not in done.stderr] == []


def test_parquet_keeps_every_table_with_its_types(
    deployment: DeploymentUnderTest, tenant: str, tmp_path: Path
) -> None:
    out = tmp_path / "dashboard.parquet"
    done = deployment(
        *("export", "tenant-dashboard", "--scope", f"tenant:{tenant}", "--period", "2d"),
        *("--as-of", "2026-03-02", "--format", "parquet", "--out", str(out)),
    )
    assert done.exit_code == 0, done.stderr
    with duckdb.connect() as connection:
        connection.execute("set TimeZone = 'UTC'")
        series = str(tmp_path / "dashboard-series.parquet")
        summary = connection.sql(f"select * exclude (period_start, period_end) from '{out}'")
        assert summary.fetchall()[0][0] >= 0
        assert str(summary.types[-1]) == "DECIMAL(38,2)"
        hours = connection.sql(
            f"select count(*), epoch(max(timestamp) - min(timestamp)) / 3600 from '{series}'"
        )
        assert hours.fetchall() == [(48, 47)]


def test_a_table_function_gives_what_the_export_gives(published: Published) -> None:
    document = _export(published, "marketplace-overview", period="2026-02", currency="EUR")
    (row,) = published.rows(
        "from revenue_summary('platform', date '2026-02-01', date '2026-03-01', currency := 'EUR')"
    )
    assert _cents(row["gross_usd"]) == document["gross_gmv"]
    assert row["currency"] == "EUR"
    assert json.loads(to_json(document))["extra"]["currency"] == "EUR"


def test_an_unknown_currency_of_a_table_function_names_those_that_are_known(
    published: Published,
) -> None:
    with pytest.raises(duckdb.Error, match="unknown currency XYZ: use one of EUR, GBP, USD"):
        published.rows(
            "from usage_summary('platform', date '2026-02-01', date '2026-03-01',"
            " currency := 'XYZ')"
        )
