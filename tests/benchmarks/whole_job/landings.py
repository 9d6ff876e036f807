"""Landings of any size: the product's own synthetic extracts, multiplied by the engine.

Belongs here: the extracts that every contender reads. Does not belong here: who reads them, and timing.

The base is what ``agentmart generate`` writes for sixty days. Each of its rows is written ``copies`` times:
ids and users of a copy are its own, its times a little earlier, so that ten copies are ten times the
conversations, users and money of the same agents and tenants. Streams that grow become Parquet, one file a
day of delivery; the others (agents, tenants, health, ...) stay as they are. Late and repeated rows stay in
proportion.

Left out: subscriptions and alert rules, whose reports and messages are no part of the job; and the few rows
that come again with other content, because which of them counts is settled by a hash that the others would
have to make too. One in a thousand rows of the last day comes again broken, once for each of ``FAULTS``.
"""

from __future__ import annotations

import shutil
from datetime import UTC, datetime
from pathlib import Path

import duckdb

from orchestration.generate import write_extracts

AS_OF = datetime(2026, 3, 2, 6, tzinfo=UTC)
SALT = "a salt of this deployment"
BASE_EVENTS = 100_000
_DAYS = 60
_SEED = 7
# Copies follow each other by this, so that their events are not of one moment.
_MILLISECONDS_BETWEEN_COPIES = 733

_ID = "varchar"
_MONEY = "decimal(24, 12)"
_PROPERTIES = {
    **dict.fromkeys(("invocation_id", "conversation_id", "session_id", "task_id", "user_id"), _ID),
    **dict.fromkeys(("instance_id", "agent_version", "model", "provider"), "varchar"),
    **dict.fromkeys(("input_tokens", "output_tokens", "cache_read_tokens"), "bigint"),
    **dict.fromkeys(("cache_write_tokens", "reasoning_tokens"), "bigint"),
    **dict.fromkeys(("llm_latency_ms", "duration_ms"), "bigint"),
    "cost_usd": _MONEY,
    "tool_calls": "varchar[]",
    **dict.fromkeys(("api_calls", "attempt"), "bigint"),
    "error_type": "varchar",
    "tool_name": "varchar",
    "tool_call_id": _ID,
    "rating": "bigint",
    "comment": "varchar",
}
_TOKENS = ("input_tokens", "output_tokens", "cache_read_tokens", "reasoning_tokens")
_COLUMNS = {
    "agent_events": {
        **dict.fromkeys(("id", "event_type", "agent_id", "publisher_id", "tenant_id"), "varchar"),
        "timestamp": "timestamptz",
        "properties": f"struct({', '.join(f'{name} {kind}' for name, kind in _PROPERTIES.items())})",
    },
    "llm_calls": {
        **dict.fromkeys(("llm_call_id", "invocation_id"), "varchar"),
        "timestamp": "bigint",
        **dict.fromkeys(("model", "provider", "span_id", "parent_span_id"), "varchar"),
        **dict.fromkeys((*_TOKENS, "latency_ms"), "bigint"),
        "cost_usd": _MONEY,
        **dict.fromkeys(("status", "error_type"), "varchar"),
    },
    "audit_events": {
        **dict.fromkeys(("audit_id", "tenant_id", "agent_id", "invocation_id"), "varchar"),
        "timestamp": "timestamptz",
        "toxicity_score": "decimal(18, 9)",
        "is_toxic": "boolean",
        "pii_redactions": "map(varchar, bigint)",
    },
    "conversations": {
        **dict.fromkeys(("conversation_id", "tenant_id", "agent_id", "status"), "varchar"),
        **dict.fromkeys(("created_at", "updated_at", "ended_at"), "timestamptz"),
        "user_id": "varchar",
        "escalated": "boolean",
        "satisfaction_score": "decimal(18, 9)",
    },
    "tasks": {
        **dict.fromkeys(("task_id", "tenant_id", "agent_id", "status", "model"), "varchar"),
        **dict.fromkeys(("created_at", "updated_at", "started_at", "ended_at"), "timestamptz"),
        **dict.fromkeys(("attempts", "steps", "api_calls"), "bigint"),
        **dict.fromkeys(("input_tokens", "output_tokens"), "bigint"),
        "cost_usd": _MONEY,
        **dict.fromkeys(("user_id", "team_id", "project_id"), "varchar"),
    },
    "quality_scores": {
        **dict.fromkeys(("score_id", "conversation_id", "tenant_id", "agent_id"), "varchar"),
        "dimension": "varchar",
        "score": "decimal(18, 9)",
        "judged_at": "timestamptz",
        "judge_model": "varchar",
    },
    "charges": {
        **dict.fromkeys(("charge_id", "tenant_id", "publisher_id", "agent_id"), "varchar"),
        "charged_at": "timestamptz",
        "amount": _MONEY,
        **dict.fromkeys(("currency", "kind"), "varchar"),
        "platform_fee": _MONEY,
        **dict.fromkeys(("service_start", "service_end"), "date"),
    },
}
_OF_EACH_COPY = (
    *("id", "invocation_id", "conversation_id", "session_id", "task_id", "user_id"),
    *("tool_call_id", "llm_call_id", "span_id", "parent_span_id"),
    *("audit_id", "score_id", "charge_id"),
)
_LEFT_OUT = ("report_subscriptions", "alert_rules")

# What is wrong with a broken row, as columns that stand for the event's own.
FAULTS = {
    "event_type": "'agent_paused' as event_type",
    "tenant": "null as tenant_id",
    "id": "'' as id",
    "time": "timestamp + to_days(400) as timestamp",
    "tokens": "struct_update(properties, input_tokens := -12) as properties",
    "rating": "'user_feedback' as event_type, struct_update(properties, rating := 9) as properties",
}


def write_landing(landing: Path, *, events: int, base_events: int = BASE_EVENTS) -> None:
    """Write extracts of about as many agent events, and what belongs to them."""
    base = landing.with_name(landing.name + ".base")
    write_extracts(out=base, events=min(events, base_events), days=_DAYS, seed=_SEED, until=AS_OF)
    multiply(base, landing, copies=max(1, round(events / base_events)))
    shutil.rmtree(base)


def multiply(base: Path, landing: Path, *, copies: int) -> None:
    """Write the extracts of ``base`` so many times over."""
    for folder in sorted(path for path in base.iterdir() if path.is_dir()):
        if folder.name not in _COLUMNS and folder.name not in _LEFT_OUT:
            shutil.copytree(folder, landing / folder.name, ignore=_planted)
    with duckdb.connect() as connection:
        connection.execute("set TimeZone = 'UTC'")
        # The order in which rows were written is not kept: an order costs their whole size in memory.
        connection.execute("set preserve_insertion_order = false")
        for stream in _COLUMNS:
            files = [
                path
                for path in sorted((base / stream).rglob("part-*"))
                if not _is_planted(path.name)
            ]
            for file in files:
                target = (
                    landing / file.relative_to(base).parent / f"{file.name.split('.')[0]}.parquet"
                )
                target.parent.mkdir(parents=True, exist_ok=True)
                rows = _copies(stream, file, copies=copies)
                _write(connection, rows, target)
        newest = max((landing / "agent_events").iterdir()) / "part-0.parquet"
        broken = [
            f"select * replace ({fault}) from "
            f"(from read_parquet('{newest}', hive_partitioning = false) "
            "qualify row_number() over (order by id) <= 3 + count(*) over () // 1000)"
            for fault in FAULTS.values()
        ]
        _write(connection, " union all ".join(broken), newest.with_name("part-broken.parquet"))


def _copies(stream: str, file: Path, *, copies: int) -> str:
    earlier = f" - to_milliseconds(copy_no * {_MILLISECONDS_BETWEEN_COPIES})"
    of_copy = "|| if(copy_no = 0, '', '-' || copy_no)"
    columns = []
    for name, kind in _COLUMNS[stream].items():
        value = f'"{name}"'
        if name == "properties":
            members = (
                f"'{member}': properties.{member}{of_copy if member in _OF_EACH_COPY else ''}"
                for member in _PROPERTIES
            )
            value = f"{{{', '.join(members)}}}"
        elif name in _OF_EACH_COPY:
            value += of_copy
        elif kind == "timestamptz":
            value += earlier
        elif name == "timestamp":
            value = f"make_timestamptz(timestamp * 1000){earlier}"
        columns.append(f'{value} as "{name}"')
    return (
        f"select {', '.join(columns)} from {_reader(stream, file)} cross join range({copies}) "
        "as numbers (copy_no)"
    )


def _reader(stream: str, file: Path) -> str:
    columns = _COLUMNS[stream]
    if file.suffix == ".parquet":
        typed = {name: f"cast({name} as {kind}) as {name}" for name, kind in columns.items()}
        if stream == "agent_events":
            shape = ", ".join(f'"{name}": "{kind}"' for name, kind in _PROPERTIES.items())
            shape = shape.replace('"varchar[]"', '["varchar"]')
            typed["properties"] = f"from_json(properties, '{{{shape}}}') as properties"
        return f"(select {', '.join(typed.values())} from read_parquet('{file}'))"
    if ".csv" in file.name:
        return f"read_csv('{file}', columns = {columns}, header = true)"
    return f"read_json('{file}', format = 'newline_delimited', columns = {columns})"


def _write(connection: duckdb.DuckDBPyConnection, rows: str, target: Path) -> None:
    connection.execute(f"copy ({rows}) to '{target}' (format parquet, compression zstd)")


def _is_planted(name: str) -> bool:
    return name.startswith(("part-broken", "part-resent"))


def _planted(_: str, names: list[str]) -> list[str]:
    return [name for name in names if _is_planted(name)]
