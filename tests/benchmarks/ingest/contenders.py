"""One conversion of agent events to typed Parquet, by one tool, in the process of its own it is timed in.

Belongs here: how each tool does it. Does not belong here: timing (measure.py), the rows (events.py).

``python contenders.py <tool> <file> <folder>`` writes Parquet files below the folder. All use four
threads, the same columns and types, and zstd at level 1. Only ``ours`` checks anything: it is the
product's own loading of a landing folder, with its hash of the file, ledger entry, checks, hashed
users and row hashes, one folder per day.

It imports nothing but the tool that is asked for, so that each runs in an environment of its own.
"""

from __future__ import annotations

import json
import sys
from datetime import UTC, datetime
from importlib import import_module
from pathlib import Path

THREADS = 4
TEXTS = (
    *("invocation_id", "conversation_id", "session_id", "task_id", "user_id", "instance_id"),
    *("agent_version", "model", "provider", "error_type", "tool_name", "tool_call_id"),
)
COUNTS = (
    *("input_tokens", "output_tokens", "cache_read_tokens", "llm_latency_ms", "duration_ms"),
    *("api_calls", "attempt", "rating"),
)
HEAD = ("id", "event_type", "agent_id", "publisher_id", "tenant_id")


def ours(source: Path, target: Path) -> None:
    """The product: load a landing folder that holds the file."""
    load_landing = import_module("orchestration.ingest.load").load_landing
    make_settings = import_module("orchestration.settings").Settings
    landing = target / "landing" / "agent_events"
    landing.mkdir(parents=True)
    (landing / source.name).symlink_to(source)
    settings = make_settings(home=target, threads=THREADS, user_id_salt="a salt of this deployment")
    load_landing(
        settings=settings, landing=settings.landing, as_of=datetime(2026, 3, 1, tzinfo=UTC)
    )


def floor(source: Path, target: Path) -> None:
    """The engine's own COPY, without any check."""
    duckdb = import_module("duckdb")
    members = [f"{name} VARCHAR" for name in TEXTS] + [f"{name} BIGINT" for name in COUNTS]
    members += ["cost_usd DECIMAL(38, 12)", "tool_calls VARCHAR[]"]
    columns = dict.fromkeys(HEAD, "VARCHAR")
    columns |= {"timestamp": "TIMESTAMPTZ", "properties": f"STRUCT({', '.join(members)})"}
    reader = f"read_json('{source}', format = 'newline_delimited', columns = {columns})"
    if source.suffix == ".parquet":
        reader = f"read_parquet('{source}')"
    # The Parquet file holds money in fewer digits than the lake.
    flat = [f"properties.{name}" for name in (*TEXTS, *COUNTS, "tool_calls")]
    flat.append("properties.cost_usd::decimal(38, 12) as cost_usd")
    with duckdb.connect(config={"threads": THREADS}) as connection:
        connection.execute(
            f"copy (select * exclude (properties), {', '.join(flat)} from {reader}) "
            f"to '{target / 'written' / 'events.parquet'}' "
            "(format parquet, compression zstd, compression_level 1)"
        )


def polars(source: Path, target: Path) -> None:
    pl = import_module("polars")
    properties = dict.fromkeys(TEXTS, pl.String) | dict.fromkeys(COUNTS, pl.Int64)
    properties |= {"cost_usd": pl.Float64, "tool_calls": pl.List(pl.String)}
    schema = dict.fromkeys(HEAD, pl.String)
    schema |= {"timestamp": pl.String, "properties": pl.Struct(properties)}
    if source.suffix == ".parquet":
        rows = pl.scan_parquet(source)
    else:
        rows = pl.scan_ndjson(source, schema=schema).with_columns(
            pl.col("timestamp").str.to_datetime("%Y-%m-%dT%H:%M:%S%.fZ", time_zone="UTC")
        )
    rows.unnest("properties").with_columns(
        pl.col("cost_usd").cast(pl.Decimal(38, 12))
    ).sink_parquet(target / "written" / "events.parquet", compression="zstd", compression_level=1)


def chdb(source: Path, target: Path) -> None:
    engine = import_module("chdb")
    members = [f"{name} Nullable(String)" for name in TEXTS]
    members += [f"{name} Nullable(Int64)" for name in COUNTS]
    members += ["cost_usd Nullable(Decimal(38, 12))", "tool_calls Array(String)"]
    columns = [f"{name} String" for name in HEAD]
    columns += ["timestamp DateTime64(6, 'UTC')", f"properties Tuple({', '.join(members)})"]
    kind, structure = "JSONEachRow", ", ".join(columns).replace("'", "\\'")
    reader = f"file('{source}', '{kind}', '{structure}')"
    if source.suffix == ".parquet":
        reader = f"file('{source}', 'Parquet', '{structure}')"
    flat = [f"properties.{name} as {name}" for name in (*TEXTS, *COUNTS, "cost_usd", "tool_calls")]
    engine.query(
        f"insert into function file('{target / 'written' / 'events.parquet'}', 'Parquet') "
        f"select {', '.join(HEAD)}, timestamp, {', '.join(flat)} from {reader} "
        f"settings max_threads = {THREADS}, date_time_input_format = 'best_effort', "
        "output_format_parquet_compression_method = 'zstd', engine_file_truncate_on_insert = 1"
    )


def dlt(source: Path, target: Path) -> None:
    loader, parquet = import_module("dlt"), import_module("pyarrow.parquet")

    def events() -> object:
        if source.suffix == ".parquet":
            yield from parquet.ParquetFile(source).iter_batches()
            return
        with source.open(encoding="utf-8") as lines:
            batch = []
            for line in lines:
                batch.append(json.loads(line))
                if len(batch) == 10_000:
                    yield batch
                    batch = []
            yield batch

    pipeline = loader.pipeline(
        "events",
        pipelines_dir=str(target / "pipelines"),
        destination=loader.destinations.filesystem(bucket_url=(target / "written").as_uri()),
        dataset_name="events",
    )
    pipeline.run(
        loader.resource(events, name="agent_events", max_table_nesting=1),
        loader_file_format="parquet",
    )


TOOLS = {tool.__name__: tool for tool in (ours, floor, polars, chdb, dlt)}

if __name__ == "__main__":
    (Path(sys.argv[3]) / "written").mkdir()
    TOOLS[sys.argv[1]](Path(sys.argv[2]), Path(sys.argv[3]))
