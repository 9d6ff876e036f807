"""Deterministic agent events in the contract's shape, as JSON lines or Parquet, made by DuckDB.

Belongs here: the rows every contender reads. Does not belong here: how they are timed (measure.py).

The rows lie in the order of time over thirty days. Four in ten are ends of an invocation with all
their properties, two of which are null; the others are requests, tool calls and ratings.
"""

from __future__ import annotations

from pathlib import Path

import duckdb

_DAYS = 30
_MILLISECONDS = _DAYS * 86_400_000

_ROWS = """
select
    number,
    picked,
    'evt-' || md5('e' || number)[1:16] as id,
    case
        when kind < 4 then 'agent_invoked'
        when kind < 8 then if(picked % 23 = 0, 'agent_errored', 'agent_completed')
        when kind = 8 then if(picked % 11 = 0, 'tool_failed', 'tool_called')
        when picked % 5 < 4 then 'tool_called'
        else 'user_feedback'
    end as event_type,
    'agt-' || picked % 40 as agent_id,
    'pub-' || picked % 40 % 7 as publisher_id,
    'ten-' || (picked >> 8) % 50 as tenant_id,
    timestamp '2026-01-01' + to_milliseconds(number * {milliseconds} // {count})
        as happened_at,
    'inv-' || md5('i' || number // 2)[1:16] as invocation_id,
    'conv-' || md5('c' || number // 12)[1:16] as conversation_id,
    'ses-' || md5('s' || number // 30)[1:16] as session_id,
    'user-' || (picked >> 8) % 50 || '-' || (picked >> 16) % 2000 as user_id
from (
    select
        range as number,
        (md5_number_lower('p' || range) >> 1)::bigint as picked,
        range % 10 as kind
    from range({count})
)
"""
_ENDED = "event_type in ('agent_completed', 'agent_errored')"
_TOOL = "event_type in ('tool_called', 'tool_failed')"
_MODELS = "['gpt-4o', 'claude-sonnet-4', 'mistral-small-latest', 'llama-3.3-70b']"
_PROVIDERS = "['openai', 'anthropic', 'mistral', 'groq']"
_TOOLS = "['price_quote', 'reset_password', 'lookup', 'search']"
# Name, SQL, type, and the rows that have the property.
_PROPERTIES = (
    ("invocation_id", "invocation_id", "varchar", "true"),
    ("conversation_id", "conversation_id", "varchar", f"not {_TOOL}"),
    ("session_id", "session_id", "varchar", f"event_type = 'agent_invoked' or {_ENDED}"),
    ("task_id", "null", "varchar", _ENDED),
    ("user_id", "user_id", "varchar", f"not {_TOOL}"),
    ("instance_id", "agent_id || '-' || picked % 3", "varchar", _ENDED),
    ("agent_version", "'1.' || picked % 4 || '.0'", "varchar", _ENDED),
    ("model", f"{_MODELS}[1 + picked % 4]", "varchar", _ENDED),
    ("provider", f"{_PROVIDERS}[1 + picked % 4]", "varchar", _ENDED),
    ("input_tokens", "200 + (picked >> 4) % 6000", "bigint", _ENDED),
    ("output_tokens", "20 + (picked >> 5) % 900", "bigint", _ENDED),
    ("cache_read_tokens", "(picked >> 4) % 200", "bigint", _ENDED),
    ("llm_latency_ms", "300 + (picked >> 6) % 4000", "bigint", _ENDED),
    ("duration_ms", "500 + (picked >> 6) % 9000", "bigint", f"{_ENDED} or {_TOOL}"),
    ("cost_usd", "((picked >> 7) % 99999999) / 100000000", "decimal(18, 8)", _ENDED),
    ("tool_calls", "['lookup', 'search']", "varchar[]", _ENDED),
    ("api_calls", "1", "bigint", _ENDED),
    ("attempt", "1", "bigint", _ENDED),
    ("error_type", "if(event_type = 'agent_errored', 'timeout', null)", "varchar", _ENDED),
    ("tool_name", f"{_TOOLS}[1 + picked % 4]", "varchar", _TOOL),
    ("tool_call_id", "'tool-' || md5('t' || number)[1:16]", "varchar", _TOOL),
    ("rating", "1 + picked % 5", "bigint", "event_type = 'user_feedback'"),
)


def write_events(path: Path, *, count: int) -> None:
    """Write as many events to a file; its name says the format."""
    with duckdb.connect() as connection:
        connection.execute("set TimeZone = 'UTC'")
        rows = _ROWS.format(count=count, milliseconds=_MILLISECONDS)
        select, options = (
            _json_lines(rows),
            "format csv, header false, quote '', escape '', delimiter E'\\x01'",
        )
        if path.suffix == ".parquet":
            select, options = _typed(rows), "format parquet"
        connection.execute(f"copy ({select}) to '{path}' ({options})")


def _typed(rows: str) -> str:
    members = ", ".join(
        f"case when {given} then ({value})::{kind} end as {name}"
        for name, value, kind, given in _PROPERTIES
    )
    shape = ", ".join(f"'{name}': {name}" for name, *_ in _PROPERTIES)
    return f"""
        select
            id, event_type, agent_id, publisher_id, tenant_id,
            happened_at at time zone 'UTC' as timestamp, {{{shape}}} as properties
        from (select rows.* exclude (invocation_id, conversation_id, session_id, user_id), {members}
        from ({rows}) as rows)"""


def _json_lines(rows: str) -> str:
    members = " || ".join(
        f"case when {given} then ',\"{name}\":' || "
        f"coalesce(to_json(({value})::{kind})::varchar, 'null') else '' end"
        for name, value, kind, given in _PROPERTIES
    )
    head = " || ".join(
        f"'\"{name}\":\"' || {name} || '\",'"
        for name in ("id", "event_type", "agent_id", "publisher_id", "tenant_id")
    )
    moment = "strftime(happened_at, '%Y-%m-%dT%H:%M:%S.%g') || 'Z'"
    return f"""
        select '{{' || {head} || '"timestamp":"' || {moment} || '","properties":{{' ||
            ({members})[2:] || '}}}}' as line
        from ({rows})"""
