"""``marketplace-overview`` (MP-001..MP-009): the whole marketplace, for who operates it.

Belongs here: the fields, order and rounding of this shape (D-45). Does not belong here: when a
tenant is active, kept or lost, and how recurring revenue is spread over months.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from decimal import Decimal
from zoneinfo import ZoneInfo

from orchestration.reporting.datasets.dataset import (
    Answer,
    Dataset,
    Figures,
    Need,
    Question,
    about,
    count,
    needs,
    only_row,
)
from orchestration.reporting.documents import Json
from orchestration.reporting.periods import Window
from orchestration.reporting.query import USD, Row
from orchestration.reporting.rounding import half_up
from orchestration.reporting.scopes import ScopeKind
from orchestration.reporting.tables import Cell, Table

_SUMMARY_TYPES = {
    "gross_gmv": "DECIMAL(38,2)",
    "refunds": "DECIMAL(38,2)",
    "net_gmv": "DECIMAL(38,2)",
    "platform_fee": "DECIMAL(38,2)",
    "take_rate": "DECIMAL(38,4)",
    "active_publishers": "BIGINT",
    "active_tenants": "BIGINT",
    "tenant_retention": "DECIMAL(38,4)",
    "logo_churn": "DECIMAL(38,4)",
}
_COHORT_TYPES = {
    "cohort_month": "VARCHAR",
    "months_since": "BIGINT",
    "tenants": "BIGINT",
    "retained": "BIGINT",
    "retention": "DECIMAL(38,4)",
}
_MOVEMENTS = ("new", "reactivated", "upgraded", "downgraded", "churned")
_MRR_TYPES = {
    "month": "VARCHAR",
    "is_open": "BOOLEAN",
    "mrr_before": "DECIMAL(38,2)",
    **{
        f"{movement}_{part}": kind
        for movement in _MOVEMENTS
        for part, kind in (("mrr", "DECIMAL(38,2)"), ("tenants", "BIGINT"))
    },
    "mrr": "DECIMAL(38,2)",
    "subscribing_tenants": "BIGINT",
}


def _answer(question: Question, figures: Figures) -> Answer:
    window = question.window
    usage = only_row(figures, "usage_summary")
    adoption = only_row(figures, "adoption_summary")
    revenue = only_row(figures, "revenue_summary")
    summary: dict[str, Cell] = {
        **_gmv(revenue),
        "active_publishers": count(usage, "active_publishers"),
        "active_tenants": count(usage, "active_tenants"),
        "tenant_retention": half_up(adoption["tenant_retention_rate"], 4),
        "logo_churn": half_up(adoption["tenant_churn_rate"], 4),
    }
    cohorts = sorted(figures["tenant_cohorts"], key=_oldest_first)
    bounded = [_cohort(row, "retained_tenants", "cohort_retention") for row in cohorts]
    unbounded = [
        _cohort(row, "retained_or_later_tenants", "unbounded_cohort_retention") for row in cohorts
    ]
    months = _mrr(figures["mrr_movements"], window)
    document: dict[str, Json] = {
        "period": {
            "label": window.label,
            "start": window.first_day,
            "end": window.last_period_day,
            "days": window.period_days,
            "time_zone": window.time_zone,
        },
        **summary,
        "cohorts": bounded,
        "extra": {
            **about(question),
            "invocations": count(usage, "agent_messages"),
            "paying_tenants": count(revenue, "paying_tenants"),
            "payout": half_up(revenue["payout_usd"], 2),
            "llm_cost": half_up(revenue["llm_cost_usd"], 2),
            "margin": half_up(revenue["margin_usd"], 2),
            "unconverted_charges": count(revenue, "unconverted_count"),
            "previous_active_tenants": count(adoption, "previous_active_tenants"),
            "retained_tenants": count(adoption, "retained_tenants"),
            "churned_tenants": count(adoption, "churned_tenants"),
            "new_installs": count(adoption, "new_installs"),
            "uninstalls": count(adoption, "uninstalls"),
            "active_installs": count(adoption, "active_installs"),
            "cumulative_installs": count(adoption, "cumulative_installs"),
            "install_churn": half_up(adoption["install_churn_rate"], 4),
            "mrr": months,
            "unbounded_cohorts": unbounded,
            "gmv_in_usd": _gmv(only_row(figures, "revenue_in_usd")),
        },
    }
    return Answer(
        document=document,
        tables=(
            Table.of("marketplace_overview", _SUMMARY_TYPES, [summary]),
            Table.of("cohorts", _COHORT_TYPES, bounded),
            Table.of("mrr", _MRR_TYPES, months),
        ),
    )


def _gmv(revenue: Row) -> dict[str, Decimal | None]:
    """What tenants were charged, before and after refunds, and the platform's part of it (X-09)."""
    return {
        "gross_gmv": half_up(revenue["gross_usd"], 2),
        "refunds": half_up(revenue["refund_usd"], 2),
        "net_gmv": half_up(revenue["net_usd"], 2),
        "platform_fee": half_up(revenue["fee_usd"], 2),
        "take_rate": half_up(revenue["take_rate"], 4),
    }


def _oldest_first(row: Row) -> tuple[date, int]:
    return (row["cohort_month"], row["months_since"])


def _cohort(row: Row, retained: str, retention: str) -> dict[str, Cell]:
    return {
        "cohort_month": f"{row['cohort_month']:%Y-%m}",
        "months_since": count(row, "months_since"),
        "tenants": count(row, "cohort_tenants"),
        "retained": count(row, retained),
        "retention": half_up(row[retention], 4),
    }


def _mrr(rows: Sequence[Row], window: Window) -> list[dict[str, Cell]]:
    """Recurring revenue by month; in an open month a charge to come looks like a tenant lost."""
    this_month = window.as_of.astimezone(ZoneInfo(window.time_zone)).date().replace(day=1)
    return [
        {
            "month": f"{row['month_start']:%Y-%m}",
            "is_open": row["month_start"] >= this_month,
            "mrr_before": half_up(row["mrr_before_usd"], 2),
            **{
                key: cell
                for movement in _MOVEMENTS
                for key, cell in (
                    (f"{movement}_mrr", half_up(row[f"{movement}_mrr_usd"], 2)),
                    (f"{movement}_tenants", count(row, f"{movement}_tenants")),
                )
            },
            "mrr": half_up(row["mrr_usd"], 2),
            "subscribing_tenants": count(row, "subscribing_tenants"),
        }
        for row in sorted(rows, key=lambda row: row["month_start"])
    ]


MARKETPLACE_OVERVIEW = Dataset(
    name="marketplace-overview",
    default_period="month",
    scopes=frozenset({ScopeKind.PLATFORM}),
    needs={
        **needs(
            "usage_summary",
            "revenue_summary",
            "tenant_cohorts",
            "mrr_movements",
        ),
        "adoption_summary": Need(function="adoption_summary", is_compared=True),
        "revenue_in_usd": Need(function="revenue_summary", currency=USD),
    },
    answer=_answer,
)
