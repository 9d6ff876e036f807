"""`agentmart compact`: merges the small files of the lake, while readers and loads go on.

Belongs here: options, the lock, and the lines a person reads. Does not belong here: merging
(ingest/compaction.py).
"""

from __future__ import annotations

import click

from orchestration.settings import Settings


@click.command()
@click.option(
    "--most-files",
    type=click.IntRange(min=1),
    default=8,
    show_default=True,
    help="Merge where a stream has more small files than this on one event date.",
)
@click.pass_obj
def compact(settings: Settings, most_files: int) -> None:
    """Merge the small lake files of each stream and event date.

    No row changes, and nothing is built again. Files that were merged are removed by the next
    compaction. A build that is at work is waited for.

    Example: agentmart compact --most-files 20
    """
    from orchestration.ingest.compaction import compact_lake
    from orchestration.ingest.shared_lake import lake_maintained
    from orchestration.warehouse.engines import engine_of

    with (
        engine_of(settings).lock(settings, on_wait=lambda line: click.echo(line, err=True)),
        lake_maintained(settings),
    ):
        report = compact_lake(settings.lake, most_files=most_files)
    click.echo(
        f"{report.files_before:,} lake files before, {report.files_after:,} after;"
        f" {report.rows_merged:,} rows merged; {report.files_removed:,} replaced files removed"
    )
    if report.is_reader_at_work:
        click.echo("A reader is at work: what was replaced stays until the next time.", err=True)
