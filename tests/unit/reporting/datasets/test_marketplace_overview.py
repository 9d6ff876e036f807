"""The marketplace overview: money, who is active, who stays, and how recurring revenue moves."""

from dataclasses import replace
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

from orchestration.reporting.datasets.dataset import Figures
from orchestration.reporting.datasets.marketplace_overview import MARKETPLACE_OVERVIEW
from orchestration.reporting.tables import to_csv
from tests.support.questions import question, shape_of

_USAGE: dict[str, Any] = {"active_publishers": 5, "active_tenants": 14, "agent_messages": 979}
_REVENUE: dict[str, Any] = {
    "gross_usd": Decimal("12384.985"),
    "refund_usd": Decimal("74.48"),
    "net_usd": Decimal("12310.505"),
    "fee_usd": Decimal("2216.4"),
    "take_rate": 0.18004135,
    "payout_usd": Decimal("10094.105"),
    "llm_cost_usd": Decimal("4.3"),
    "margin_usd": Decimal("10089.805"),
    "paying_tenants": 13,
    "unconverted_count": 1,
}
_ADOPTION: dict[str, Any] = {
    "tenant_retention_rate": 2 / 3,
    "tenant_churn_rate": 1 / 3,
    "previous_active_tenants": 15,
    "retained_tenants": 10,
    "churned_tenants": 5,
    "new_installs": 2,
    "uninstalls": 6,
    "active_installs": 80,
    "cumulative_installs": 86,
    "install_churn_rate": 0.0714285714,
}


def _cohort(month: date, since: int, tenants: int, retained: int, later: int) -> dict[str, Any]:
    return {
        "cohort_month": month,
        "months_since": since,
        "cohort_tenants": tenants,
        "retained_tenants": retained,
        "cohort_retention": retained / tenants,
        "retained_or_later_tenants": later,
        "unbounded_cohort_retention": later / tenants,
    }


_JANUARY, _FEBRUARY, _MARCH = (date(2026, month, 1) for month in (1, 2, 3))
_COHORTS = [
    _cohort(_FEBRUARY, 0, 2, 2, 2),
    _cohort(_JANUARY, 1, 3, 1, 2),
    _cohort(_JANUARY, 0, 3, 3, 3),
]


def _month(start: date, **other: Any) -> dict[str, Any]:
    movements = ("new", "reactivated", "upgraded", "downgraded", "churned")
    return {
        "month_start": start,
        "mrr_before_usd": Decimal(280),
        "mrr_usd": Decimal(415),
        "subscribing_tenants": 6,
        **{f"{movement}_mrr_usd": Decimal(0) for movement in movements},
        **{f"{movement}_tenants": 0 for movement in movements},
        **other,
    }


def _figures(**other: Any) -> Figures:
    return {
        "usage_summary": [_USAGE],
        "adoption_summary": [_ADOPTION],
        "revenue_summary": [_REVENUE],
        "revenue_in_usd": [_REVENUE],
        "tenant_cohorts": _COHORTS,
        "mrr_movements": [_month(_FEBRUARY)],
        **other,
    }


def _document(figures: Figures, period: str = "2026-02") -> Any:
    return MARKETPLACE_OVERVIEW.answer(question(period), figures).document


def test_the_figures_have_the_fields_and_rounding_of_the_shape() -> None:
    document = _document(_figures())
    assert [key for key in document if key != "extra"] == shape_of("marketplace-overview")
    assert document["period"]["start"] == date(2026, 2, 1)
    assert document["period"]["end"] == date(2026, 2, 28)
    shown = {key: document[key] for key in shape_of("marketplace-overview")[1:-1]}
    assert shown == {
        "gross_gmv": Decimal("12384.99"),
        "refunds": Decimal("74.48"),
        "net_gmv": Decimal("12310.51"),
        "platform_fee": Decimal("2216.40"),
        "take_rate": Decimal("0.1800"),
        "active_publishers": 5,
        "active_tenants": 14,
        "tenant_retention": Decimal("0.6667"),
        "logo_churn": Decimal("0.3333"),
    }


def test_cohorts_come_oldest_first_bounded_and_beside_them_unbounded() -> None:
    document = _document(_figures())
    assert [tuple(cohort.values()) for cohort in document["cohorts"]] == [
        ("2026-01", 0, 3, 3, Decimal("1.0000")),
        ("2026-01", 1, 3, 1, Decimal("0.3333")),
        ("2026-02", 0, 2, 2, Decimal("1.0000")),
    ]
    assert list(document["cohorts"][0]) == [
        "cohort_month",
        "months_since",
        "tenants",
        "retained",
        "retention",
    ]
    unbounded = document["extra"]["unbounded_cohorts"]
    assert [cohort["retained"] for cohort in unbounded] == [3, 2, 2]
    assert unbounded[1]["retention"] == Decimal("0.6667")


def test_recurring_revenue_moves_month_by_month() -> None:
    moved = _month(
        _FEBRUARY,
        new_mrr_usd=Decimal("150.005"),
        new_tenants=2,
        churned_mrr_usd=Decimal(15),
        churned_tenants=1,
    )
    (month,) = _document(_figures(mrr_movements=[moved]))["extra"]["mrr"]
    assert (month["month"], month["is_open"]) == ("2026-02", False)
    assert (month["mrr_before"], month["mrr"]) == (280, 415)
    assert (month["new_mrr"], month["new_tenants"]) == (Decimal("150.01"), 2)
    assert (month["churned_mrr"], month["churned_tenants"]) == (15, 1)


def test_a_month_is_open_until_it_ends_in_the_zone_of_the_question() -> None:
    figures = _figures(mrr_movements=[_month(_MARCH), _month(_FEBRUARY)])
    months = _document(figures, "2026-02-01..2026-03-31")["extra"]["mrr"]
    assert [(month["month"], month["is_open"]) for month in months] == [
        ("2026-02", False),
        ("2026-03", True),
    ]


def test_a_marketplace_without_charges_knows_no_money_and_counts_zeros() -> None:
    document = _document(
        _figures(
            usage_summary=[dict.fromkeys(_USAGE)],
            adoption_summary=[dict.fromkeys(_ADOPTION)],
            revenue_summary=[dict.fromkeys(_REVENUE)],
            revenue_in_usd=[dict.fromkeys(_REVENUE)],
            tenant_cohorts=[],
            mrr_movements=[_month(_FEBRUARY, mrr_usd=None, mrr_before_usd=None)],
        )
    )
    unknown = ("gross_gmv", "refunds", "net_gmv", "platform_fee", "take_rate")
    assert {document[key] for key in unknown} == {None}
    assert (document["active_publishers"], document["active_tenants"]) == (0, 0)
    assert (document["tenant_retention"], document["logo_churn"]) == (None, None)
    assert document["cohorts"] == []
    assert document["extra"]["mrr"][0]["mrr"] is None


def test_us_dollars_stand_beside_another_currency() -> None:
    in_euros = {**_REVENUE, "gross_usd": Decimal(10000)}
    asked = replace(question("2026-02"), currency="EUR")
    document: Any = MARKETPLACE_OVERVIEW.answer(
        asked, _figures(revenue_summary=[in_euros])
    ).document
    assert (document["gross_gmv"], document["extra"]["currency"]) == (10000, "EUR")
    assert document["extra"]["gmv_in_usd"]["gross_gmv"] == Decimal("12384.99")


def test_csv_has_a_table_for_the_figures_the_cohorts_and_the_months() -> None:
    asked = question("2026-02", as_of=datetime(2026, 3, 15, tzinfo=UTC))
    summary, cohorts, months = MARKETPLACE_OVERVIEW.answer(asked, _figures()).tables
    assert to_csv(summary).splitlines() == [
        "gross_gmv,refunds,net_gmv,platform_fee,take_rate,active_publishers,active_tenants,"
        "tenant_retention,logo_churn",
        "12384.99,74.48,12310.51,2216.4,0.18,5,14,0.6667,0.3333",
    ]
    assert to_csv(cohorts).splitlines()[1] == "2026-01,0,3,3,1.0"
    assert to_csv(months).splitlines()[0].startswith("month,is_open,mrr_before,new_mrr,new_tenants")
