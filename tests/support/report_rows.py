"""Rows of every mart for one report, made by hand for tests of reports.

The figures are round so that a test can say what a report must show; a test changes what it is
about through ``mart`` arguments.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any

from orchestration.reporting.gather import (
    MartRow,
    Publication,
    ReportRows,
    ReportWindow,
)
from orchestration.reporting.model import Frequency, ReportScope
from orchestration.reporting.reference import Reference
from orchestration.reporting.scopes import ScopeKind

Values = Mapping[str, Any]

AS_OF = datetime(2026, 3, 2, 6, tzinfo=UTC)
# Long before every window that a report is compared with.
FIRST_EVENT_AT = datetime(2025, 6, 2, 9, tzinfo=UTC)
REFERENCE = Reference(
    higher_is_better={
        "avg_dau": True,
        "sessions": True,
        "agent_messages": True,
        "active_agents": True,
        "active_tenants": True,
        "avg_response_time_ms": False,
        "cost_usd": False,
        "message_error_rate": False,
        "average_rating": True,
        "net_usd": True,
        "resolution_rate": True,
        "net_savings_usd": True,
    },
    p95_minimum=20,
    p99_minimum=100,
    minimum_tenants=3,
    monthly_cost_level_usd=Decimal(150),
)


def window(
    *,
    kind: ScopeKind = ScopeKind.TENANT,
    identifier: str = "acme",
    name: str = "Acme Support",
    frequency: Frequency = Frequency.WEEKLY,
) -> ReportWindow:
    """The last complete period before Mar 2, 2026 of a scope, in UTC."""
    first, end = {
        Frequency.DAILY: (date(2026, 3, 1), date(2026, 3, 2)),
        Frequency.WEEKLY: (date(2026, 2, 23), date(2026, 3, 2)),
        Frequency.MONTHLY: (date(2026, 2, 1), date(2026, 3, 1)),
    }[frequency]
    is_platform = kind is ScopeKind.PLATFORM
    return ReportWindow(
        scope=ReportScope(
            kind=kind,
            id="" if is_platform else identifier,
            source_name=None if is_platform else "native",
            name="Platform" if is_platform else name,
        ),
        frequency=frequency,
        time_zone="UTC",
        first_day=first,
        end_day=end,
        start_at=datetime(first.year, first.month, first.day, tzinfo=UTC),
        end_at=datetime(end.year, end.month, end.day, tzinfo=UTC),
        is_partial=False,
    )


def usage(**changes: Any) -> Values:
    """A usage_summary row: 1,000 answers of 12 agents for 234.56 USD."""
    return {
        "agent_messages": 1000,
        "completed_count": 970,
        "errored_count": 30,
        "user_messages": 1100,
        "messages": 2100,
        "input_tokens": 900_000,
        "output_tokens": 100_000,
        "total_tokens": 1_000_000,
        "cache_read_tokens": 300_000,
        "usage_count": 1000,
        "active_agents": 12,
        "active_users": 160,
        "active_tenants": 9,
        "anonymous_messages": 0,
        "avg_response_time_ms": 1850.4,
        "p50_response_time_ms": 1500.0,
        "p95_response_time_ms": 3200.0,
        "p99_response_time_ms": 5100.0,
        "response_time_count": 1000,
        "message_error_rate": 0.03,
        "cost_usd": Decimal("234.560000000000"),
        "unpriced_usage_count": 0,
        "unpriced_tokens": 0,
        "sessions": 400,
        "avg_session_duration_s": 512.0,
        "median_session_duration_s": 95.0,
        "single_message_session_rate": 0.21,
        "messages_per_session": 5.25,
        "avg_dau": 61.5,
        "wau": 160,
        "mau": 310,
        "cost_per_message_usd": Decimal("0.234560000000"),
        "cost_per_session_usd": Decimal("0.586400000000"),
        "cost_per_user_usd": Decimal("1.466000000000"),
        **changes,
    }


def agent(number: int, **changes: Any) -> Values:
    """A usage_by_agent row; smaller numbers are busier."""
    messages = max(1, 700 // number)
    return {
        "agent_key": f"native:a{number}",
        "agent_id": f"a{number}",
        "agent_name": f"Agent {number}",
        "agent_messages": messages // 2,
        "messages": messages,
        "sessions": max(1, 200 // number),
        "total_tokens": max(10, 400_000 // number),
        "cost_usd": Decimal(90) / number,
        "avg_response_time_ms": 1500.0 + 40 * number,
        "message_error_rate": 0.01 * (number % 7),
        "avg_session_duration_s": 500.0 - number,
        "avg_tokens_per_message": 640.0 + number,
        "is_suppressed": False,
        **changes,
    }


def tasks(**changes: Any) -> Values:
    """A task_summary row: 42 of 45 tasks completed for 187.50 USD and 125,000 tokens (EX-01)."""
    return {
        "terminal_tasks": 45,
        "completed_tasks": 42,
        "failed_tasks": 3,
        "task_success_rate": 42 / 45,
        "retry_rate": 3 / 45,
        "avg_task_duration_s": 9000.0,
        "total_tokens": 125_000,
        "tokens_per_task": 125_000 / 45,
        "cost_usd": Decimal("187.50"),
        "cost_per_task_usd": Decimal("4.166666666667"),
        "open_tasks": 2,
        "cancelled_tasks": 1,
        **changes,
    }


def _steps(order: int, span: str, *, ended: int, completed: int) -> Values:
    return {
        "band_order": order,
        "steps_range": span,
        "terminal_tasks": ended,
        "task_success_rate": completed / ended,
        "retry_rate": 0.0,
        "avg_task_duration_s": 600.0 * order,
        "is_suppressed": False,
    }


def watched(
    metric: str, value: float, *, is_anomaly: bool, assessment: str | None = None
) -> Values:
    """A daily_anomalies row of a day that was to have 100."""
    return {
        "metric": metric,
        "metric_value": value,
        "expected_value": 100.0,
        "usual_low": 80.0,
        "usual_high": 120.0,
        "day_status": "unusual" if is_anomaly else "usual",
        "is_anomaly": is_anomaly,
        "direction": "spike" if is_anomaly else None,
        "assessment": assessment,
    }


def goal(
    metric: str,
    label: str,
    unit: str,
    comparison: str,
    target: float,
    value: float | None,
    status: str,
) -> Values:
    """A goals row."""
    return {
        "metric": metric,
        "metric_label": label,
        "metric_unit": unit,
        "set_by": "goal",
        "comparison": comparison,
        "goal_target": Decimal(str(target)),
        "metric_value": None if value is None else Decimal(str(value)),
        "goal_status": status,
    }


def hidden(row: Values, *names: str) -> Values:
    """The row as a publisher gets it when too few tenants share it: no figures."""
    kept = {"agent_key", "agent_id", "agent_name", "model_key", "model", "provider", *names}
    return {
        **{key: value if key in kept else None for key, value in row.items()},
        "is_suppressed": True,
    }


def day(number: int, first: date, **changes: Any) -> Values:
    """A usage_daily row."""
    base = 120 + 17 * ((number * 5) % 7)
    return {
        "date_day": first + timedelta(days=number),
        "dau": base // 2,
        "agent_messages": base,
        "cost_usd": Decimal(base) / 5,
        "has_data": True,
        **changes,
    }


def report_rows(
    *,
    kind: ScopeKind = ScopeKind.TENANT,
    identifier: str = "acme",
    name: str = "Acme Support",
    frequency: Frequency = Frequency.WEEKLY,
    agents: int = 12,
    marts: Mapping[str, Sequence[Values]] | None = None,
    previous: Mapping[str, Sequence[Values]] | None = None,
    first_event_at: datetime | None = FIRST_EVENT_AT,
) -> ReportRows:
    """Everything of one report; ``marts`` and ``previous`` replace whole marts."""
    place = window(kind=kind, identifier=identifier, name=name, frequency=frequency)
    current: dict[str, Sequence[Values]] = {
        "usage_summary": [usage(active_agents=agents)],
        "usage_by_agent": [agent(number) for number in range(1, agents + 1)],
        "usage_by_model": [
            _model("openai/gpt-4o", "gpt-4o", "openai", tokens=700_000, cost=150),
            _model(
                "anthropic/claude-sonnet", "claude-sonnet", "anthropic", tokens=300_000, cost=84
            ),
        ],
        "usage_by_provider": [
            {"provider": "openai", "cost_usd": Decimal("150.00"), "is_suppressed": False},
            {"provider": "anthropic", "cost_usd": Decimal("84.56"), "is_suppressed": False},
        ],
        "usage_daily": [
            day(number, place.first_day) for number in range((place.end_day - place.first_day).days)
        ],
        "usage_hourly": [_hour(hour) for hour in range(24)],
        "session_distribution": _distributions(),
        "tool_usage": [
            _tool("search_orders", attempts=310, failures=4),
            _tool("send_refund", attempts=42, failures=9),
        ],
        "quality_summary": [_quality()],
        "value_summary": [value()],
        "revenue_summary": [_revenue()],
        "revenue_daily": [
            {
                "date_day": place.first_day + timedelta(days=number),
                "net_usd": Decimal(60 + 10 * (number % 4)),
            }
            for number in range((place.end_day - place.first_day).days)
        ],
        "adoption_summary": [_adoption()],
        "compliance_summary": [
            {
                "audited_messages": 800,
                "audit_coverage": 0.8,
                "toxic_rate": 0.003,
                "pii_rate": 0.089,
                "pii_redactions": 147,
            }
        ],
        "compliance_by_agent_type": [
            {
                "agent_type_key": "native:5",
                "agent_type_id": "5",
                "agent_type_name": "Customer Support",
                "audited_messages": 800,
                "toxic_messages": 3,
                "toxic_rate": 0.00375,
                "messages_with_pii": 89,
                "pii_redactions": 147,
                "is_suppressed": False,
            }
        ],
        "pii_by_entity": [
            {"entity_type": "EMAIL_ADDRESS", "redaction_count": 62},
            {"entity_type": "PHONE_NUMBER", "redaction_count": 45},
            {"entity_type": "PERSON", "redaction_count": 28},
            {"entity_type": "CREDIT_CARD", "redaction_count": 12},
        ],
        "feedback_summary": [_feedback()],
        "feedback_by_agent_type": [
            {
                "agent_type_key": "native:5",
                "agent_type_id": "5",
                "agent_type_name": "Customer Support",
                "feedback_count": 156,
                "avg_rating": 4.2,
                "rating_degrades_at_load": 6,
                "is_suppressed": False,
            }
        ],
        "feedback_by_load": [
            _band("low", "1-2", 1, count=45, rating=4.5),
            _band("medium", "3-5", 2, count=78, rating=4.2),
            _band("high", "6+", 3, count=33, rating=3.8),
            _band("unknown", None, 4, count=0, rating=None),
        ],
        "health_summary": [_health()],
        "task_summary": [tasks()],
        "tasks_by_steps": [
            _steps(1, "0-2", ended=5, completed=5),
            _steps(2, "3-4", ended=20, completed=19),
            _steps(3, "5-7", ended=14, completed=13),
            _steps(4, "8-12", ended=5, completed=4),
            _steps(5, "13+", ended=1, completed=1),
        ],
        "usage_by_weekday_hour": [
            {"iso_weekday": weekday, "hour_of_day": hour, "agent_messages": weekday + hour}
            for weekday in range(1, 6)
            for hour in range(8, 18)
        ],
        "goals": [
            goal("avg_dau", "Average daily active users", "users", ">=", 60, 61.5, "met"),
            goal("message_error_rate", "Message error rate", "fraction", "<", 0.01, 0.03, "missed"),
            goal("cost_per_user_usd", "Cost per user", "USD", "<=", 1.5, 1.466, "met"),
            goal("uptime", "Uptime", "fraction", ">", 1, 0.99958, "near"),
            goal("average_rating", "Average rating", "rating 1-5", ">=", 4, None, "no_data"),
        ],
        "usage_forecast": [{"projected_monthly_cost_usd": Decimal("1016.426666666667")}],
        "daily_anomalies": [
            watched("messages", 150.0, is_anomaly=True, assessment="improving"),
            watched("cost_usd", 250.5, is_anomaly=True, assessment="worsening"),
            watched("dau", 100.0, is_anomaly=False, assessment=None),
        ],
        "budgets": [
            {
                "month_start": place.first_day.replace(day=1),
                "month_days": 28,
                "month_elapsed_days": 14,
                "month_budget_usd": Decimal(500),
                "month_spent_usd": Decimal(300),
                "month_left_usd": Decimal(200),
                "month_budget_utilization": 0.6,
                "month_run_rate_usd": Decimal(600),
                "budget_status": "at_risk",
            }
        ],
        "insights": [
            {
                "rule_id": "tool_failing_often",
                "severity": "warning",
                "title": "Tool send_refund Failing Often",
                "description": "21.4% of 42 calls of the tool send_refund failed.",
                "recommendation": "Check the integration configuration of send_refund.",
                "subject_id": "send_refund",
            },
            {
                "rule_id": "cost_anomaly",
                "severity": "critical",
                "title": "One Answer Cost $90.01",
                "description": "The answer inv-7 cost $90.01, 900 times the median.",
                "recommendation": "Compare the recorded cost with the provider's bill.",
                "subject_id": "inv-7",
            },
        ],
        **(marts or {}),
    }
    before: dict[str, Sequence[Values]] = {
        "usage_summary": [
            usage(
                agent_messages=950,
                sessions=401,
                total_tokens=800_000,
                active_agents=12,
                avg_response_time_ms=2100.0,
                cost_usd=Decimal("190"),
                message_error_rate=0.0305,
                avg_dau=55.0,
            )
        ],
        "value_summary": [value(net_savings_usd=Decimal("15000"))],
        "revenue_summary": [_revenue(net_usd=Decimal("500"), gross_usd=Decimal("510"))],
        "feedback_summary": [_feedback(avg_rating=4.15)],
        "task_summary": [tasks(terminal_tasks=40, cost_usd=Decimal("150"))],
        **(previous or {}),
    }
    return ReportRows(
        window=place,
        publication=Publication(
            as_of=AS_OF, data_until=AS_OF - timedelta(minutes=5), quarantined_rows=17
        ),
        reference=REFERENCE,
        current=_wrapped(current),
        previous=_wrapped(before),
        first_event_at=first_event_at,
    )


def empty_rows(rows: ReportRows) -> ReportRows:
    """The same report for a window in which nothing happened."""
    return replace(
        rows,
        current={
            "usage_summary": (
                MartRow({**dict.fromkeys(usage(), None), "messages": 0, "agent_messages": 0}),
            ),
        },
        previous={},
    )


def _wrapped(marts: Mapping[str, Sequence[Values]]) -> dict[str, tuple[MartRow, ...]]:
    return {name: tuple(MartRow(values) for values in rows) for name, rows in marts.items()}


def _model(key: str, model: str, provider: str, *, tokens: int, cost: int) -> Values:
    return {
        "model_key": key,
        "model": model,
        "provider": provider,
        "agent_messages": tokens // 1000,
        "input_tokens": tokens * 9 // 10,
        "output_tokens": tokens // 10,
        "total_tokens": tokens,
        "cost_usd": Decimal(cost),
        "avg_llm_latency_ms": 1400.5,
        "tokens_per_second": 78.7,
        "is_suppressed": False,
    }


def _hour(hour: int) -> Values:
    busy = 8 <= hour <= 19
    return {
        "hour_of_day": hour,
        "response_time_count": 70 if busy else 5,
        "avg_response_time_ms": 1500.0 + 60 * (hour % 9),
        "p95_response_time_ms": 3000.0 + 130 * (hour % 7),
    }


def _distributions() -> list[Values]:
    bins = (
        ("duration", ("< 1 min", "1–5 min", "5–10 min", "10+ min"), (120, 180, 70, 30)),
        ("messages", ("1–2", "3–5", "6–10", "11+"), (100, 150, 110, 40)),
    )
    return [
        {
            "distribution": name,
            "bin_order": order,
            "bin_label": label,
            "session_count": count,
            "session_share": count / 400,
        }
        for name, labels, counts in bins
        for order, (label, count) in enumerate(zip(labels, counts, strict=True), start=1)
    ]


def _tool(name: str, *, attempts: int, failures: int) -> Values:
    return {
        "tool_name": name,
        "attempt_count": attempts,
        "failure_count": failures,
        "tool_failure_rate": failures / attempts,
        "duration_share": 0.5,
        "is_suppressed": False,
    }


def _quality() -> Values:
    return {
        "conversations": 2400,
        "resolved_conversations": 2256,
        "escalation_rate": 0.05,
        "abandonment_rate": 0.01,
        "avg_satisfaction_score": 4.31,
        "avg_overall_score": None,
        "terminal_tasks": 45,
        "task_success_rate": 0.9333,
        "retry_rate": 0.0667,
        "avg_task_duration_s": 8220.0,
    }


def value(**changes: Any) -> Values:
    """A value_summary row: 2,400 conversations, 94 % resolved, 18,000 USD saved."""
    return {
        "conversations": 2400,
        "resolution_rate": 0.94,
        "net_savings_usd": Decimal("18000.000000000000"),
        "cost_per_resolution_usd": Decimal("0.520000000000"),
        "platform_cost_usd": Decimal("1200"),
        "roi_percent": 1500.0,
        **changes,
    }


def _revenue(**changes: Any) -> Values:
    return {
        "charge_count": 40,
        "refund_count": 2,
        "gross_usd": Decimal("560.25"),
        "refund_usd": Decimal("20"),
        "net_usd": Decimal("540.25"),
        "fee_usd": Decimal("108.05"),
        "payout_usd": Decimal("432.20"),
        "llm_cost_usd": Decimal("234.56"),
        "margin_usd": Decimal("197.64"),
        "revenue_per_paying_tenant_usd": Decimal("67.53"),
        "unconverted_count": 0,
        **changes,
    }


def _adoption() -> Values:
    return {
        "active_installs": 31,
        "new_installs": 4,
        "uninstalls": 1,
        "cumulative_installs": 40,
        "install_churn_rate": 0.0357,
        "active_tenants": 9,
        "churned_tenants": 1,
        "tenant_churn_rate": 0.1111,
        "tenant_retention_rate": 0.8889,
    }


def _feedback(**changes: Any) -> Values:
    return {
        "feedback_count": 234,
        "avg_rating": 4.14,
        "rating_1_count": 5,
        "rating_2_count": 12,
        "rating_3_count": 28,
        "rating_4_count": 89,
        "rating_5_count": 100,
        "feedback_response_rate": 0.234,
        **changes,
    }


def _band(name: str, span: str | None, order: int, *, count: int, rating: float | None) -> Values:
    return {
        "agent_type_key": "native:5",
        "load_band": name,
        "instances_range": span,
        "band_order": order,
        "feedback_count": count,
        "avg_rating": rating,
        "is_suppressed": False,
    }


def _health() -> Values:
    return {
        "uptime": 0.99958,
        "incident_count": 2,
        "request_success_rate": 0.9931,
        "p95_queue_depth": 12.0,
        "peak_rpm": 123.0,
        "capacity_rpm": 500,
        "capacity_utilisation": 0.246,
        "zero_queue_share": 0.81,
    }
