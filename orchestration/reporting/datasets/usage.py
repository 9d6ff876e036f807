"""``usage-summary``, ``usage-by-agent``, ``usage-by-model`` and ``usage-timeline`` (AG-015..046).

Belongs here: the fields, order and rounding of these four. Does not belong here: how a message, a
token or a latency is counted.
"""

from __future__ import annotations

from orchestration.reporting.datasets.dataset import (
    TENANT_OR_PLATFORM,
    Answer,
    Dataset,
    Figures,
    Question,
    about,
    count,
    model_name,
    needs,
    only_row,
)
from orchestration.reporting.documents import Json
from orchestration.reporting.query import Row
from orchestration.reporting.rounding import half_up, whole
from orchestration.reporting.tables import Cell, Table

_TOTALS = {
    "total_tokens": "BIGINT",
    "total_input_tokens": "BIGINT",
    "total_output_tokens": "BIGINT",
}


def _token_totals(row: Row) -> dict[str, Cell]:
    return {
        "total_tokens": count(row, "total_tokens"),
        "total_input_tokens": count(row, "input_tokens"),
        "total_output_tokens": count(row, "output_tokens"),
    }


def _summary(question: Question, figures: Figures) -> Answer:
    row = only_row(figures, "usage_summary")
    fields: dict[str, Cell] = {
        "period_days": question.window.period_days,
        "total_messages": count(row, "agent_messages"),
        **_token_totals(row),
        "active_agents": count(row, "active_agents"),
        "avg_response_time_ms": whole(row["avg_llm_latency_ms"]),
    }
    extra: dict[str, Json] = {
        **about(question),
        "completed_messages": count(row, "completed_count"),
        "errored_messages": count(row, "errored_count"),
        "user_messages": count(row, "user_messages"),
        "anonymous_messages": count(row, "anonymous_messages"),
        "active_users": count(row, "active_users"),
        "model_count": count(row, "model_count"),
        "cache_read_tokens": count(row, "cache_read_tokens"),
        "cache_write_tokens": count(row, "cache_write_tokens"),
        "reasoning_tokens": count(row, "reasoning_tokens"),
        "tokens_per_second": half_up(row["tokens_per_second"], 1),
        "avg_message_tokens_per_second": half_up(row["avg_message_tokens_per_second"], 1),
        "cost_usd": half_up(row["cost_usd"], 2),
        "recorded_cost_usd": half_up(row["recorded_cost_usd"], 2),
        "unpriced_usage_count": count(row, "unpriced_usage_count"),
        "unpriced_tokens": count(row, "unpriced_tokens"),
    }
    types = {
        "period_days": "BIGINT",
        "total_messages": "BIGINT",
        **_TOTALS,
        "active_agents": "BIGINT",
        "avg_response_time_ms": "BIGINT",
    }
    return Answer(
        document={**fields, "extra": extra},
        tables=(Table.of("usage_summary", types, [fields]),),
    )


def _by_agent(_question: Question, figures: Figures) -> Answer:
    rows = sorted(
        figures["usage_by_agent"],
        key=lambda row: (-count(row, "total_tokens"), row["agent_id"], row["agent_key"]),
    )
    records: list[dict[str, Cell]] = [
        {
            "agent_id": row["agent_id"],
            "agent_name": row["agent_name"],
            "message_count": count(row, "agent_messages"),
            **_token_totals(row),
            "avg_response_time_ms": whole(row["avg_llm_latency_ms"]),
        }
        for row in rows
    ]
    extras: list[Json] = [
        {
            # Two sources may use one agent id for two agents; the key tells them apart (D-33).
            "agent_key": row["agent_key"],
            "agent_type_name": row["agent_type_name"],
            "errored_messages": count(row, "errored_count"),
            "user_messages": count(row, "user_messages"),
            "sessions": count(row, "sessions"),
            "cost_usd": half_up(row["cost_usd"], 2),
        }
        for row in rows
    ]
    types = {
        "agent_id": "VARCHAR",
        "agent_name": "VARCHAR",
        "message_count": "BIGINT",
        **_TOTALS,
        "avg_response_time_ms": "BIGINT",
    }
    return Answer(
        document=_with_extras(records, extras),
        tables=(Table.of("usage_by_agent", types, records),),
    )


def _by_model(_question: Question, figures: Figures) -> Answer:
    rows = sorted(
        figures["usage_by_model"],
        key=lambda row: (-count(row, "total_tokens"), model_name(row), row["provider"] or ""),
    )
    records: list[dict[str, Cell]] = [
        {
            "model": model_name(row),
            "message_count": count(row, "agent_messages"),
            **_token_totals(row),
            "avg_response_time_ms": whole(row["avg_llm_latency_ms"]),
            "tokens_per_second": half_up(row["tokens_per_second"], 1),
        }
        for row in rows
    ]
    extras: list[Json] = [
        {
            "provider": row["provider"],
            "cost_usd": half_up(row["cost_usd"], 2),
            "avg_message_tokens_per_second": half_up(row["avg_message_tokens_per_second"], 1),
        }
        for row in rows
    ]
    types = {
        "model": "VARCHAR",
        "message_count": "BIGINT",
        **_TOTALS,
        "avg_response_time_ms": "BIGINT",
        "tokens_per_second": "DECIMAL(38,1)",
    }
    return Answer(
        document=_with_extras(records, extras),
        tables=(Table.of("usage_by_model", types, records),),
    )


def _timeline(question: Question, figures: Figures) -> Answer:
    by_day = {row["date_day"]: row for row in figures["usage_daily"]}
    days = question.window.days()
    messages = [count(by_day[day], "agent_messages") if day in by_day else 0 for day in days]
    tokens = [count(by_day[day], "total_tokens") if day in by_day else 0 for day in days]
    records: list[dict[str, Cell]] = [
        {"date": day, "messages": day_messages, "tokens": day_tokens}
        for day, day_messages, day_tokens in zip(days, messages, tokens, strict=True)
    ]
    return Answer(
        document={
            "labels": days,
            "messages": messages,
            "tokens": tokens,
            "extra": {
                **about(question),
                "has_data": [bool(day in by_day and by_day[day]["has_data"]) for day in days],
            },
        },
        tables=(
            Table.of(
                "usage_timeline",
                {"date": "DATE", "messages": "BIGINT", "tokens": "BIGINT"},
                records,
            ),
        ),
    )


def _with_extras(records: list[dict[str, Cell]], extras: list[Json]) -> Json:
    return [{**record, "extra": extra} for record, extra in zip(records, extras, strict=True)]


USAGE_SUMMARY = Dataset(
    name="usage-summary",
    default_period="7d",
    scopes=TENANT_OR_PLATFORM,
    needs=needs("usage_summary"),
    answer=_summary,
)
USAGE_BY_AGENT = Dataset(
    name="usage-by-agent",
    default_period="7d",
    scopes=TENANT_OR_PLATFORM,
    needs=needs("usage_by_agent"),
    answer=_by_agent,
)
USAGE_BY_MODEL = Dataset(
    name="usage-by-model",
    default_period="7d",
    scopes=TENANT_OR_PLATFORM,
    needs=needs("usage_by_model"),
    answer=_by_model,
)
USAGE_TIMELINE = Dataset(
    name="usage-timeline",
    default_period="30d",
    scopes=TENANT_OR_PLATFORM,
    needs=needs("usage_daily"),
    answer=_timeline,
)
