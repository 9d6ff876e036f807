"""Ingestion: one asset per stream of the contract, landed by one pass over the landing folder.

Belongs here: the assets. Does not belong here: reading, checking and landing files (ingest/).
"""

from collections.abc import Iterator
from typing import Any

import dagster as dg

from orchestration.contracts.streams import STREAMS
from orchestration.defs.deployment import Deployment
from orchestration.defs.metadata import metadata_of_stream
from orchestration.defs.retries import tried_again
from orchestration.run_steps import load_extracts

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
    with tried_again(context, current):
        report = load_extracts(current, landing=deployment.landing_place(), loggers=(context.log,))
    for stream in STREAMS:
        known = metadata_of_stream(report, stream, lake=current.settings.lake)
        yield dg.MaterializeResult(asset_key=["raw", stream], metadata=known)
