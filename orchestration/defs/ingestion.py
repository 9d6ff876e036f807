"""Ingestion: one asset per stream of the contract, landed by one pass over the landing folder.

Belongs here: the assets. Does not belong here: reading, checking and landing files (ingest/).
"""

import time
from collections.abc import Iterator
from typing import Any

import dagster as dg

from orchestration.contracts.streams import STREAMS
from orchestration.defs.deployment import Deployment
from orchestration.ingest.load import load_landing, log_file, log_report
from orchestration.ingest.progress import LOGGER, log_progress

OWNERS = ["team:data-platform"]


def _spec(stream: str) -> dg.AssetSpec:
    return dg.AssetSpec(
        key=["raw", stream],
        group_name="ingestion",
        kinds={"parquet", "duckdb"},
        owners=OWNERS,
        description=(
            f"Extracts of the stream {stream} that keep the contract, typed, one Parquet file per load"
            " and event date."
        ),
    )


@dg.multi_asset(name="landed_extracts", specs=[_spec(stream) for stream in STREAMS])
def landed_extracts(
    context: dg.AssetExecutionContext, deployment: Deployment
) -> Iterator[dg.MaterializeResult[Any]]:
    """Load every new file of the landing folder into the lake."""
    current = deployment.current_run(context.run_id)
    report = load_landing(
        settings=current.settings,
        landing=deployment.landing_place(),
        as_of=current.run.as_of,
        on_file=lambda outcome: log_file(outcome, loggers=(context.log, LOGGER)),
        on_progress=log_progress,
        timer=time.perf_counter,
    )
    log_report(report, loggers=(context.log, LOGGER))
    current.store.add_counts(current.run.run_id, {"ingest": report.counts()})
    for stream, totals in report.streams.items():
        figures = {"dagster/row_count": totals.rows_landed, "quarantined": totals.rows_quarantined}
        yield dg.MaterializeResult(asset_key=["raw", stream], metadata=figures)
