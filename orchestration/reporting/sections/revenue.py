"""Revenue and adoption: what tenants paid, who installed, who stayed.

Belongs here: money earned and installs, for publishers and the platform. Does not belong here:
model costs (cost). Nothing here names a tenant.
"""

from __future__ import annotations

from orchestration.reporting.formats import Unit, format_short_day
from orchestration.reporting.gather import ReportRows
from orchestration.reporting.model import (
    Block,
    Chart,
    ChartKind,
    ChartRow,
    Empty,
    Figures,
    Point,
    Section,
)
from orchestration.reporting.sections.common import (
    Measure,
    figures,
    period_noun,
    series_alt,
)

_MONEY = (
    Measure(mart="revenue_summary", column="gross_usd", label="Gross charges", unit=Unit.USD),
    Measure(mart="revenue_summary", column="refund_usd", label="Refunds", unit=Unit.USD),
    Measure(mart="revenue_summary", column="net_usd", label="Net revenue", unit=Unit.USD),
    Measure(mart="revenue_summary", column="fee_usd", label="Platform fees", unit=Unit.USD),
    Measure(mart="revenue_summary", column="payout_usd", label="Payout", unit=Unit.USD),
    Measure(
        mart="revenue_summary",
        column="llm_cost_usd",
        label="Model cost",
        unit=Unit.USD,
        metric="cost_usd",
    ),
    Measure(
        mart="revenue_summary", column="margin_usd", label="Margin after model cost", unit=Unit.USD
    ),
    Measure(
        mart="revenue_summary",
        column="revenue_per_paying_tenant_usd",
        label="Per paying tenant",
        unit=Unit.USD,
    ),
)
_ADOPTION = (
    Measure(
        mart="adoption_summary", column="active_installs", label="Active installs", unit=Unit.COUNT
    ),
    Measure(mart="adoption_summary", column="new_installs", label="New installs", unit=Unit.COUNT),
    Measure(mart="adoption_summary", column="uninstalls", label="Uninstalls", unit=Unit.COUNT),
    Measure(
        mart="adoption_summary",
        column="install_churn_rate",
        label="Installs lost",
        unit=Unit.FRACTION,
    ),
    Measure(
        mart="adoption_summary", column="active_tenants", label="Active tenants", unit=Unit.COUNT
    ),
    Measure(
        mart="adoption_summary", column="churned_tenants", label="Tenants lost", unit=Unit.COUNT
    ),
    Measure(
        mart="adoption_summary",
        column="tenant_churn_rate",
        label="Tenant churn",
        unit=Unit.FRACTION,
        metric="logo_churn",
    ),
    Measure(
        mart="adoption_summary",
        column="tenant_retention_rate",
        label="Tenants kept",
        unit=Unit.FRACTION,
        metric="tenant_retention",
    ),
)


def revenue(rows: ReportRows) -> Section:
    """Gross, refunds, net, fees, payout, and net revenue per day."""
    summary = rows.summary("revenue_summary")
    if summary.number("net_usd") is None:
        if summary.count("unconverted_count"):
            reason = "Charges came only in currencies without a rate, so no amount can be shown."
        else:
            reason = "No charges are delivered for this scope, so its revenue is unknown."
        return _section(Empty(reason=reason))
    if not summary.count("charge_count") and not summary.count("refund_count"):
        return _section(Empty(reason=f"Nothing was charged in this {period_noun(rows)}."))
    blocks: list[Block] = [Figures(figures=figures(rows, *_MONEY))]
    days = sorted(rows.rows("revenue_daily"), key=lambda row: row.day("date_day"))
    if len(days) > 1:
        points = tuple(
            Point(
                label=format_short_day(row.day("date_day")),
                day=row.day("date_day"),
                value=row.number("net_usd"),
            )
            for row in days
        )
        chart = Chart(
            kind=ChartKind.LINE,
            metric="net_usd",
            title="Net revenue per day",
            caption="Charges minus refunds, in USD at the rate of the day",
            unit=Unit.USD,
            points=points,
            wide=True,
            alt=series_alt("Net revenue per day", points, unit=Unit.USD),
        )
        blocks.append(ChartRow(charts=(chart,)))
    return _section(*blocks)


def adoption(rows: ReportRows) -> Section:
    """Installs and tenants: won, kept and lost."""
    summary = rows.summary("adoption_summary")
    has_installs = summary.count("cumulative_installs") or summary.count("uninstalls")
    if not has_installs and not summary.count("active_tenants"):
        reason = f"No installs are known and no tenant was active in this {period_noun(rows)}."
        return Section(key="adoption", title="Adoption", blocks=(Empty(reason=reason),))
    return Section(
        key="adoption",
        title="Adoption",
        blocks=(Figures(figures=figures(rows, *_ADOPTION)),),
    )


def _section(*blocks: Block) -> Section:
    return Section(key="revenue", title="Revenue", blocks=blocks)
