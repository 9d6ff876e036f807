"""``company``: everything a team follows about its agents (FL-004..076), and its daily CSV.

Belongs here: the fields, order and rounding of this shape (D-45). Does not belong here: how a user, a
session or an uptime is measured, and from how much history anything is projected.
"""

from __future__ import annotations

from collections.abc import Sequence

from orchestration.reporting.datasets.company_context import CONTEXT_NEEDS, beside, health_now
from orchestration.reporting.datasets.company_steps import (
    dearest_first,
    instant,
    known,
    seconds,
    share,
    tokens_per_message,
)
from orchestration.reporting.datasets.dataset import (
    TENANT_OR_PLATFORM,
    Answer,
    Dataset,
    Figures,
    Need,
    Question,
    about,
    count,
    model_name,
    needs,
    only_row,
)
from orchestration.reporting.documents import Json
from orchestration.reporting.periods import Window, parse_period
from orchestration.reporting.query import Row
from orchestration.reporting.rounding import half_up
from orchestration.reporting.tables import Cell, Table

_WEEK = 7

# The order of these columns is part of the interface (FL-082..091).
_DAILY_TYPES = {
    "date": "DATE",
    "dau": "BIGINT",
    "wau": "BIGINT",
    "mau": "BIGINT",
    "total_sessions": "BIGINT",
    "total_messages": "BIGINT",
    "total_cost_usd": "DECIMAL(38,2)",
    "cost_per_message_usd": "DECIMAL(38,6)",
    "avg_response_time_s": "DECIMAL(38,3)",
    "error_rate": "DECIMAL(38,4)",
}
_AGENT_TYPES = {
    "agent_id": "VARCHAR",
    "agent_name": "VARCHAR",
    "sessions": "BIGINT",
    "messages": "BIGINT",
    "avg_session_duration_s": "DECIMAL(38,1)",
    "avg_response_time_s": "DECIMAL(38,3)",
    "error_rate": "DECIMAL(38,4)",
    "input_tokens": "BIGINT",
    "output_tokens": "BIGINT",
    "total_tokens": "BIGINT",
    "avg_tokens_per_message": "BIGINT",
    "total_cost_usd": "DECIMAL(38,2)",
    "cost_share": "DECIMAL(38,6)",
}
_PROVIDER_TYPES = {
    "provider": "VARCHAR",
    "total_tokens": "BIGINT",
    "total_cost_usd": "DECIMAL(38,2)",
    "cost_share": "DECIMAL(38,6)",
}
_MODEL_TYPES = {
    "model": "VARCHAR",
    "provider": "VARCHAR",
    "messages": "BIGINT",
    "input_tokens": "BIGINT",
    "output_tokens": "BIGINT",
    "total_tokens": "BIGINT",
    "token_share": "DECIMAL(38,6)",
    "tokens_per_second": "DECIMAL(38,1)",
    "total_cost_usd": "DECIMAL(38,2)",
    "cost_share": "DECIMAL(38,6)",
}

_BIN_TYPES = {"bin": "VARCHAR", "sessions": "BIGINT", "share": "DECIMAL(38,6)"}

_DISTRIBUTIONS = {"session_duration": "duration", "messages_per_session": "messages"}


def _answer(question: Question, figures: Figures) -> Answer:
    summary = only_row(figures, "usage_summary")
    daily = _daily(question, figures)
    agents = _agents(figures["usage_by_agent"], summary)
    providers = _providers(figures["usage_by_provider"], summary)
    models = _models(figures["usage_by_model"], summary)
    distributions = _distributions(figures["session_distribution"])
    window = question.window
    document: dict[str, Json] = {
        "period": {
            "label": window.label,
            "start": window.first_day,
            "end": window.last_period_day,
            "days": window.period_days,
            "time_zone": window.time_zone,
        },
        "summary": _summary(summary),
        "daily": daily,
        "agents": agents,
        "providers": providers,
        "models": models,
        "health": _health(figures, summary),
        "forecast": _forecast(figures),
        "distributions": distributions,
        "extra": {
            **about(question),
            "previous": _summary(only_row(figures, "previous")),
            **beside(question, figures),
            "days_without_data": sorted(
                row["date_day"] for row in figures["usage_daily"] if not row["has_data"]
            ),
        },
    }
    return Answer(
        document=document,
        tables=(
            Table.of("daily", _DAILY_TYPES, daily),
            Table.of("agents", _AGENT_TYPES, agents),
            Table.of("providers", _PROVIDER_TYPES, providers),
            Table.of("models", _MODEL_TYPES, models),
            *(Table.of(name, _BIN_TYPES, bins) for name, bins in distributions.items()),
        ),
    )


def _summary(row: Row) -> dict[str, Json]:
    return {
        "avg_dau": half_up(row["avg_dau"], 1),
        "wau": count(row, "wau"),
        "mau": count(row, "mau"),
        "active_users": count(row, "active_users"),
        "active_agents": count(row, "active_agents"),
        "total_sessions": count(row, "sessions"),
        "total_messages": count(row, "messages"),
        "user_messages": count(row, "user_messages"),
        "agent_messages": count(row, "agent_messages"),
        "avg_session_duration_s": half_up(row["avg_session_duration_s"], 1),
        "median_session_duration_s": half_up(row["median_session_duration_s"], 1),
        "messages_per_session": half_up(row["messages_per_session"], 1),
        "single_message_session_rate": half_up(row["single_message_session_rate"], 4),
        "avg_response_time_s": seconds(row["avg_response_time_ms"]),
        "error_rate": half_up(row["message_error_rate"], 4),
        "total_cost_usd": half_up(row["cost_usd"], 2),
        "cost_per_message_usd": half_up(row["cost_per_message_usd"], 6),
        "cost_per_session_usd": half_up(row["cost_per_session_usd"], 6),
        "cost_per_user_usd": half_up(row["cost_per_user_usd"], 6),
        "input_tokens": count(row, "input_tokens"),
        "output_tokens": count(row, "output_tokens"),
        "total_tokens": count(row, "total_tokens"),
        "avg_tokens_per_message": tokens_per_message(row),
        "unpriced_usage_count": count(row, "unpriced_usage_count"),
    }


def _daily(question: Question, figures: Figures) -> list[dict[str, Cell]]:
    by_day = {row["date_day"]: row for row in figures["usage_daily"]}
    return [_day(by_day[day]) for day in question.window.days() if day in by_day]


def _day(row: Row) -> dict[str, Cell]:
    return {
        "date": row["date_day"],
        "dau": count(row, "dau"),
        "wau": count(row, "wau"),
        "mau": count(row, "mau"),
        "total_sessions": count(row, "sessions"),
        "total_messages": count(row, "messages"),
        "total_cost_usd": half_up(row["cost_usd"], 2),
        "cost_per_message_usd": half_up(row["cost_per_message_usd"], 6),
        "avg_response_time_s": seconds(row["avg_response_time_ms"]),
        "error_rate": half_up(row["message_error_rate"], 4),
    }


def _agents(rows: Sequence[Row], summary: Row) -> list[dict[str, Cell]]:
    return [
        {
            "agent_id": row["agent_id"],
            "agent_name": row["agent_name"],
            "sessions": count(row, "sessions"),
            "messages": count(row, "messages"),
            "avg_session_duration_s": half_up(row["avg_session_duration_s"], 1),
            "avg_response_time_s": seconds(row["avg_response_time_ms"]),
            "error_rate": half_up(row["message_error_rate"], 4),
            **_tokens(row),
            "avg_tokens_per_message": tokens_per_message(row),
            "total_cost_usd": half_up(row["cost_usd"], 2),
            "cost_share": share(row["cost_usd"], summary["cost_usd"]),
        }
        for row in dearest_first(rows)
    ]


def _providers(rows: Sequence[Row], summary: Row) -> list[dict[str, Cell]]:
    return [
        {
            "provider": row["provider"],
            "total_tokens": count(row, "total_tokens"),
            "total_cost_usd": half_up(row["cost_usd"], 2),
            "cost_share": share(row["cost_usd"], summary["cost_usd"]),
        }
        for row in sorted(rows, key=lambda row: (-known(row["cost_usd"]), row["provider"] or ""))
    ]


def _models(rows: Sequence[Row], summary: Row) -> list[dict[str, Cell]]:
    return [
        {
            "model": model_name(row),
            "provider": row["provider"],
            "messages": count(row, "agent_messages"),
            **_tokens(row),
            "token_share": share(row["total_tokens"], summary["total_tokens"]),
            "tokens_per_second": half_up(row["tokens_per_second"], 1),
            "total_cost_usd": half_up(row["cost_usd"], 2),
            "cost_share": share(row["cost_usd"], summary["cost_usd"]),
        }
        for row in sorted(
            rows,
            key=lambda row: (-known(row["cost_usd"]), model_name(row), row["provider"] or ""),
        )
    ]


def _health(figures: Figures, summary: Row) -> dict[str, Json]:
    """Uptime, requests and queue are the platform's services, whatever the scope (D-61)."""
    row = only_row(figures, "health_summary")
    return {
        "scope": "platform",
        # Two places already, cut and not rounded, so that 99.995 never reads as 100.00.
        "uptime_percent": row["uptime_percent"],
        "uptime_basis": row["uptime_basis"],
        "downtime_minutes": half_up(row["downtime_minutes"], 1),
        "incident_count": row["incident_count"],
        "request_success_rate": half_up(row["request_success_rate"], 4),
        "p50_response_time_s": seconds(summary["p50_response_time_ms"]),
        "p95_response_time_s": seconds(summary["p95_response_time_ms"]),
        "p99_response_time_s": seconds(summary["p99_response_time_ms"]),
        "avg_queue_depth": half_up(row["avg_queue_depth"], 1),
        "p95_queue_depth": half_up(row["p95_queue_depth"], 1),
        "max_queue_depth": row["max_queue_depth"],
        "peak_rpm": half_up(row["peak_rpm"], 1),
        "peak_at": instant(row["peak_minute_at"]),
        "capacity_rpm": row["capacity_rpm"],
        "capacity_utilisation": half_up(row["capacity_utilisation"], 4),
        "extra": health_now(figures, summary=summary, health=row),
    }


def _forecast(figures: Figures) -> dict[str, Json]:
    """Spending ahead, from the last seven complete days (FL-060..062)."""
    row = only_row(figures, "forecast")
    return {
        "current_weekly_cost_usd": half_up(row["weekly_cost_usd"], 2),
        "projected_monthly_cost_usd": half_up(row["projected_monthly_cost_usd"], 2),
        "projected_month_by_days_usd": half_up(row["projected_month_by_days_cost_usd"], 2),
        "week_over_week_change": half_up(row["weekly_cost_change"], 4),
    }


def _distributions(rows: Sequence[Row]) -> dict[str, list[dict[str, Cell]]]:
    return {
        field: [
            {
                "bin": row["bin_label"],
                "sessions": count(row, "session_count"),
                "share": half_up(row["session_share"], 6),
            }
            for row in sorted(rows, key=lambda row: row["bin_order"])
            if row["distribution"] == distribution
        ]
        for field, distribution in _DISTRIBUTIONS.items()
    }


def _last_seven_days(window: Window) -> Window:
    return parse_period(f"{_WEEK}d", as_of=window.as_of, time_zone=window.time_zone)


def _tokens(row: Row) -> dict[str, Cell]:
    return {
        "input_tokens": count(row, "input_tokens"),
        "output_tokens": count(row, "output_tokens"),
        "total_tokens": count(row, "total_tokens"),
    }


COMPANY = Dataset(
    name="company",
    default_period="30d",
    scopes=TENANT_OR_PLATFORM,
    needs={
        **needs(
            "usage_summary",
            "usage_daily",
            "usage_by_agent",
            "usage_by_provider",
            "usage_by_model",
            "health_summary",
            "session_distribution",
        ),
        "previous": Need(function="usage_summary", window=Window.previous),
        **CONTEXT_NEEDS,
        "forecast": Need(function="usage_forecast", window=_last_seven_days),
    },
    answer=_answer,
)
