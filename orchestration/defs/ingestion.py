"""Ingestion: one asset per stream of the contract, landed by one pass over the landing folder."""

from collections.abc import Iterator

import dagster as dg

from orchestration.contracts.streams import STREAMS
from orchestration.defs.deployment import Deployment
from orchestration.ingest.load import FAILED, NEW, REPEATED, LoadReport, load_landing

OWNERS = ["team:data-platform"]


@dg.multi_asset(
    name="landed_extracts",
    specs=[
        dg.AssetSpec(
            key=["raw", stream.name],
            group_name="ingestion",
            kinds={"parquet", "duckdb"},
            owners=OWNERS,
            description=(
                f"Extracts of the stream {stream.name} that keep the contract, typed, one Parquet file"
                " per load and event date."
            ),
        )
        for stream in STREAMS.values()
    ],
)
def landed_extracts(
    context: dg.AssetExecutionContext, deployment: Deployment
) -> Iterator[dg.MaterializeResult]:
    """Load every new file of the landing folder into the lake."""
    run = deployment.run_of(context.run_id)
    report = load_landing(
        settings=deployment.settings(),
        landing=deployment.landing_folder(),
        as_of=run.as_of,
        on_file=lambda outcome: context.log.info(str(outcome)),
    )
    deployment.store().add_counts(run.run_id, {"ingest": _counts(report)})
    for stream, totals in report.streams.items():
        yield dg.MaterializeResult(
            asset_key=["raw", stream],
            metadata={
                "dagster/row_count": totals.rows_landed,
                "quarantined": totals.rows_quarantined,
            },
        )


def _counts(report: LoadReport) -> dict[str, object]:
    return {
        "files_new": len(report.with_status(NEW)),
        "files_repeated": len(report.with_status(REPEATED)),
        "failed_files": [f"{one.path}: {one.error}" for one in report.with_status(FAILED)],
        "rows_read": report.rows_read,
        "rows_landed": report.rows_landed,
        "rows_quarantined": report.rows_quarantined,
        "rows_ignored": report.rows_ignored,
    }
