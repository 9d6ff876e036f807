"""``publisher-dashboard`` (MP-033..MP-054): one publisher's agents, over all its tenants.

Belongs here: the fields, order, rounding and stated defaults of this shape. Does not belong here:
the rules of the insights, and which cells are suppressed for privacy.

This shape says 0 where its rows name 0 as the default for "none" (X-08); every other unknown stays
null. No field identifies a tenant.
"""

from __future__ import annotations

from datetime import date
from decimal import Decimal

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
from orchestration.reporting.rounding import Figure, floor, half_up, ratio, whole
from orchestration.reporting.scopes import ScopeKind
from orchestration.reporting.tables import Cell, Table

_SEVERITIES = ("critical", "warning", "info")
_NONE = Decimal("0.0")

_SUMMARY_TYPES = {
    "total_invocations": "BIGINT",
    "unique_tenants": "BIGINT",
    "active_installs": "BIGINT",
    "avg_satisfaction": "DECIMAL(38,2)",
    "error_rate": "DECIMAL(38,4)",
    "avg_response_time_ms": "BIGINT",
    "p95_response_time_ms": "BIGINT",
    "total_revenue": "DECIMAL(38,2)",
    "avg_revenue_per_tenant": "DECIMAL(38,2)",
}


def _answer(question: Question, figures: Figures) -> Answer:
    summary = _figures_of_the_window(figures)
    invocations = _invocations_trend(question, figures)
    revenue = _revenue_trend(question, figures)
    hidden_invocations = _suppressed_days(figures, "usage_daily")
    hidden_revenue = _suppressed_days(figures, "revenue_daily")
    tools = sorted(figures["tool_usage"], key=_most_used_first)
    agents = _agents(figures)
    unended = only_row(figures, "open_invocations")
    insights = sorted(figures["insight_findings"], key=_gravest_first)
    shown = [_insight(finding) for finding in insights]
    usage = {
        tool["tool_name"]: _known_whole(tool["listed_completed_count"])
        for tool in tools
        # A tool without any occurrence is not in the map; a suppressed one is, as null.
        if tool["is_suppressed"] or count(tool, "listed_completed_count")
    }
    failure_rates = {tool["tool_name"]: half_up(tool["tool_failure_rate"], 4) for tool in tools}
    document: dict[str, Json] = {
        "total_invocations": summary["total_invocations"],
        "unique_tenants": summary["unique_tenants"],
        "active_installs": summary["active_installs"],
        "invocations_trend": invocations,
        "avg_satisfaction": summary["avg_satisfaction"],
        "error_rate": summary["error_rate"],
        "avg_response_time_ms": summary["avg_response_time_ms"],
        "p95_response_time_ms": summary["p95_response_time_ms"],
        "total_revenue": summary["total_revenue"],
        "revenue_trend": revenue,
        "avg_revenue_per_tenant": summary["avg_revenue_per_tenant"],
        "tool_usage_breakdown": usage,
        "tool_failure_rates": failure_rates,
        "insights": [
            {**record, "extra": _evidence(finding)}
            for record, finding in zip(shown, insights, strict=True)
        ],
        "extra": {
            **about(question),
            **_money(figures),
            **_adoption(figures),
            "open_invocations": count(unended, "open_invocations"),
            "abandoned_invocations": count(unended, "abandoned_invocations"),
            "suppressed_days": {
                "invocations_trend": [*hidden_invocations],
                "revenue_trend": [*hidden_revenue],
            },
            "agents": agents,
            "tools": [_tool(tool) for tool in tools],
        },
    }
    return Answer(
        document=document,
        tables=(
            Table.of("publisher_dashboard", _SUMMARY_TYPES, [summary]),
            Table.of(
                "invocations_trend",
                {
                    "date": "DATE",
                    "completed": "BIGINT",
                    "errored": "BIGINT",
                    "total": "BIGINT",
                    "is_suppressed": "BOOLEAN",
                },
                _flagged(invocations, hidden_invocations),
            ),
            Table.of(
                "revenue_trend",
                {"date": "DATE", "revenue": "DECIMAL(38,2)", "is_suppressed": "BOOLEAN"},
                _flagged(revenue, hidden_revenue),
            ),
            Table.of("tools", _TOOL_TYPES, [_tool(tool) for tool in tools]),
            Table.of("agents", _AGENT_TYPES, agents),
            Table.of(
                "insights",
                dict.fromkeys(
                    ("severity", "category", "title", "description", "recommendation"), "VARCHAR"
                ),
                shown,
            ),
        ),
    )


def _figures_of_the_window(figures: Figures) -> dict[str, Cell]:
    usage = only_row(figures, "usage_summary")
    feedback = only_row(figures, "feedback_summary")
    revenue = only_row(figures, "revenue_summary")
    installs = only_row(figures, "installs_at_as_of")
    tenants = count(usage, "active_tenants")
    net = revenue["net_usd"]
    return {
        "total_invocations": count(usage, "agent_messages"),
        "unique_tenants": tenants,
        "active_installs": count(installs, "active_installs"),
        "avg_satisfaction": _or_none(half_up(feedback["avg_rating"], 2)),
        "error_rate": _or_none(half_up(usage["message_error_rate"], 4)),
        "avg_response_time_ms": floor(usage["avg_completed_duration_ms"]) or 0,
        "p95_response_time_ms": whole(usage["p95_completed_duration_ms"]) or 0,
        "total_revenue": half_up(net, 2),
        "avg_revenue_per_tenant": ratio(net, tenants, places=2) if tenants else _NONE,
    }


def _invocations_trend(question: Question, figures: Figures) -> list[dict[str, Cell]]:
    by_day = {row["date_day"]: row for row in figures["usage_daily"]}
    columns = {
        "completed": "completed_count",
        "errored": "errored_count",
        "total": "agent_messages",
    }
    return [
        {
            "date": day,
            **{
                field: _count_of_day(by_day[day], column) if day in by_day else 0
                for field, column in columns.items()
            },
        }
        for day in question.window.days()
    ]


def _count_of_day(row: Row, column: str) -> int | None:
    return None if row.get("is_suppressed") else count(row, column)


def _revenue_trend(question: Question, figures: Figures) -> list[dict[str, Cell]]:
    """Zero on days without a charge; unknown where the source delivers none at all (X-09)."""
    net_of_day = {row["date_day"]: row["net_usd"] for row in figures["revenue_daily"]}
    on_other_days = None if only_row(figures, "revenue_summary")["net_usd"] is None else _NONE
    return [
        {"date": day, "revenue": half_up(net_of_day.get(day, on_other_days), 2)}
        for day in question.window.days()
    ]


def _suppressed_days(figures: Figures, function: str) -> list[date]:
    """Days of a publisher's agent that too few tenants stand behind; its own days are all shown."""
    return sorted(row["date_day"] for row in figures[function] if row.get("is_suppressed"))


def _flagged(trend: list[dict[str, Cell]], suppressed: list[date]) -> list[dict[str, Cell]]:
    return [{**day, "is_suppressed": day["date"] in suppressed} for day in trend]


_TOOL_TYPES = {
    "tool_name": "VARCHAR",
    "completed_occurrences": "BIGINT",
    "occurrences": "BIGINT",
    "attempts": "BIGINT",
    "failures": "BIGINT",
    "failure_rate": "DECIMAL(38,4)",
    "is_suppressed": "BOOLEAN",
}


def _tool(tool: Row) -> dict[str, Cell]:
    return {
        "tool_name": tool["tool_name"],
        "completed_occurrences": _known_whole(tool["listed_completed_count"]),
        "occurrences": _known_whole(tool["listed_count"]),
        "attempts": _known_whole(tool["attempt_count"]),
        "failures": _known_whole(tool["failure_count"]),
        "failure_rate": half_up(tool["tool_failure_rate"], 4),
        "is_suppressed": bool(tool["is_suppressed"]),
    }


_AGENT_TYPES = {
    "agent_id": "VARCHAR",
    "agent_name": "VARCHAR",
    "invocations": "BIGINT",
    "errored": "BIGINT",
    "error_rate": "DECIMAL(38,4)",
    "llm_cost": "DECIMAL(38,2)",
    "avg_satisfaction": "DECIMAL(38,2)",
    "is_suppressed": "BOOLEAN",
}


def _agents(figures: Figures) -> list[dict[str, Cell]]:
    """The publisher's agents, most used first (MP-002); an agent may be hidden in one part alone."""
    ratings = {row["agent_key"]: row for row in figures["agent_quality"]}
    return [
        {
            "agent_id": row["agent_id"],
            "agent_name": row["agent_name"],
            "invocations": _known_whole(row["agent_messages"]),
            "errored": _known_whole(row["errored_count"]),
            "error_rate": half_up(row["message_error_rate"], 4),
            "llm_cost": half_up(row["cost_usd"], 2),
            "avg_satisfaction": half_up(ratings.get(row["agent_key"], {}).get("avg_rating"), 2),
            "is_suppressed": bool(row["is_suppressed"]),
        }
        for row in sorted(figures["usage_by_agent"], key=_busiest_first)
    ]


def _busiest_first(agent: Row) -> tuple[int, str]:
    return (-count(agent, "agent_messages"), agent["agent_id"])


def _insight(finding: Row) -> dict[str, Cell]:
    return {
        "severity": finding["severity"],
        "category": finding["category"],
        "title": finding["title"],
        "description": finding["description"],
        "recommendation": finding["recommendation"],
    }


def _evidence(finding: Row) -> dict[str, Json]:
    return {
        "insight_id": finding["insight_id"],
        "rule_id": finding["rule_id"],
        "subject_kind": finding["subject_kind"],
        "subject_id": finding["subject_id"],
        "metric": finding["metric"],
        "value": half_up(finding["value"], 6),
        "threshold": half_up(finding["threshold"], 6),
        "sample_size": _known_whole(finding["sample_size"]),
    }


def _money(figures: Figures) -> dict[str, Json]:
    """Gross, refunds, fees and payout behind ``total_revenue``, which is net (D-21)."""
    revenue = only_row(figures, "revenue_summary")
    usage = only_row(figures, "usage_summary")
    return {
        "gross_revenue": half_up(revenue["gross_usd"], 2),
        "refunds": half_up(revenue["refund_usd"], 2),
        "platform_fees": half_up(revenue["fee_usd"], 2),
        "payout": half_up(revenue["payout_usd"], 2),
        "paying_tenants": count(revenue, "paying_tenants"),
        "avg_revenue_per_paying_tenant": ratio(
            revenue["net_usd"], revenue["paying_tenants"], places=2
        ),
        "llm_cost": half_up(usage["cost_usd"], 2),
        "llm_cost_per_completed_invocation": ratio(
            usage["cost_usd"], usage["completed_count"], places=6
        ),
        "llm_cost_per_1k_tokens": ratio(
            usage["cost_usd"], usage["total_tokens"], places=6, times=1000
        ),
        "unconverted_charges": count(revenue, "unconverted_count"),
        "revenue_in_usd": half_up(only_row(figures, "revenue_in_usd")["net_usd"], 2),
    }


def _adoption(figures: Figures) -> dict[str, Json]:
    adoption = only_row(figures, "adoption_summary")
    return {
        "active_installs_at_end": count(adoption, "active_installs"),
        "new_installs": count(adoption, "new_installs"),
        "uninstalls": count(adoption, "uninstalls"),
        "cumulative_installs": count(adoption, "cumulative_installs"),
    }


def _most_used_first(tool: Row) -> tuple[int, str]:
    return (-count(tool, "listed_completed_count"), tool["tool_name"])


def _gravest_first(finding: Row) -> tuple[int, str, str]:
    severity = finding["severity"]
    rank = _SEVERITIES.index(severity) if severity in _SEVERITIES else len(_SEVERITIES)
    return (rank, finding["rule_id"], finding["subject_id"] or "")


def _known_whole(value: Figure) -> int | None:
    return None if value is None else int(value)


def _or_none(value: Decimal | None) -> Decimal:
    """The value, or the 0.0 that this shape's rows name for none."""
    return _NONE if value is None else value


PUBLISHER_DASHBOARD = Dataset(
    name="publisher-dashboard",
    default_period="30d",
    scopes=frozenset({ScopeKind.PUBLISHER}),
    needs={
        **needs(
            "usage_summary",
            "usage_by_agent",
            "usage_daily",
            "agent_quality",
            "open_invocations",
            "feedback_summary",
            "adoption_summary",
            "revenue_summary",
            "revenue_daily",
            "tool_usage",
        ),
        "insight_findings": Need(function="insight_findings", is_compared=True),
        "revenue_in_usd": Need(function="revenue_summary", currency=USD),
        "installs_at_as_of": Need(function="adoption_summary", window=Window.until_as_of),
    },
    answer=_answer,
)
