"""What tests of datasets ask, and the shapes that the answers must have."""

from __future__ import annotations

from datetime import UTC, datetime

from orchestration.reporting.datasets.dataset import Question
from orchestration.reporting.periods import parse_period
from orchestration.reporting.scopes import Scope, ScopeKind

# The fields of each shape, in their order; for a list, those of its members.
_SHAPES = {
    "usage-summary": "period_days total_messages total_tokens total_input_tokens "
    "total_output_tokens active_agents avg_response_time_ms",
    "usage-by-agent": "agent_id agent_name message_count total_tokens total_input_tokens "
    "total_output_tokens avg_response_time_ms",
    "usage-by-model": "model message_count total_tokens total_input_tokens total_output_tokens "
    "avg_response_time_ms tokens_per_second",
    "usage-timeline": "labels messages tokens",
    "compliance-summary": "period_days total_messages toxic_messages toxic_rate_percent "
    "pii_redactions messages_with_pii pii_rate_percent",
    "compliance-by-agent-type": "agent_type_id agent_type_name total_messages toxic_messages "
    "toxic_rate_percent pii_redactions_total pii_per_message",
    "feedback-summary": "period_days total_feedback average_rating rating_distribution",
    "feedback-by-agent-type": "agent_type_id agent_type_name total_feedback average_rating "
    "rating_by_load rating_degrades_at_load",
    "publisher-dashboard": "total_invocations unique_tenants active_installs invocations_trend "
    "avg_satisfaction error_rate avg_response_time_ms p95_response_time_ms total_revenue "
    "revenue_trend avg_revenue_per_tenant tool_usage_breakdown tool_failure_rates insights",
    "marketplace-overview": "period gross_gmv refunds net_gmv platform_fee take_rate "
    "active_publishers active_tenants tenant_retention logo_churn cohorts",
    "tenant-dashboard": "period usage performance quality business series",
    "agent-type-comparison": "agent_type_id name model performance compliance satisfaction",
    "task-usage": "status message data",
    "task-performance": "status message data",
    "task-costs": "status message data",
    "daily-summary": "event data",
    "series": "metric label unit bucket points",
    "insights": "insights",
    "alerts": "alerts",
    "forecast": "forecast_from history_days week coming_month budget days",
    "goals": "goals budgets",
    "experiments": "experiments",
    "deployments": "deployments",
    "bill-reconciliation": "months",
    "data-quality": "streams quarantine usage",
    "company": "period summary daily agents providers models health forecast distributions",
}


def shape_of(dataset: str) -> list[str]:
    """The fields of a dataset (or of its members) without ``extra``."""
    return _SHAPES[dataset].split()


def question(period: str, *, scope: str = "tenant", as_of: datetime | None = None) -> Question:
    """A question about one tenant or publisher in UTC, looked at on 15 March 2026."""
    moment = as_of or datetime(2026, 3, 15, tzinfo=UTC)
    return Question(
        scope=Scope(
            kind=ScopeKind(scope), id="x1", name="X One", source_name="native", time_zone=None
        ),
        window=parse_period(period, as_of=moment, time_zone="UTC"),
        data_until=moment,
    )
