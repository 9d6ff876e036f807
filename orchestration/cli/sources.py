"""`agentmart sources`: what the declared sources would give, before anything is loaded.

Belongs here: options, and the lines a person reads. Does not belong here: reading files (ingest/).
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import click

from orchestration.clock import now
from orchestration.errors import UserError
from orchestration.settings import Settings

if TYPE_CHECKING:
    from orchestration.ingest.preview import SourcePreview


@click.group()
def sources() -> None:
    """Look at the sources that config/sources.yml declares.

    Example: agentmart sources check
    """


@sources.command()
@click.option(
    "--landing",
    metavar="FOLDER|URL",
    help="Raw extracts.  [default: $AGENTMART_LANDING, else $AGENTMART_HOME/landing]",
)
@click.option("--as-of", "as_of_text", help="The clock of the load: date or ISO time.")
@click.option(
    "--files",
    "files_per_source",
    type=click.IntRange(min=1),
    default=3,
    show_default=True,
    help="How many files of each source, and of each stream's folder, are read.",
)
@click.pass_obj
def check(
    settings: Settings, landing: str | None, as_of_text: str | None, files_per_source: int
) -> None:
    """Read a sample of every source and say what would land and what would not.

    Nothing is written. Rows that an adapter maps to nothing are ignored; rows that break the
    contract would go to the quarantine, shown with the first of each kind.

    Example: agentmart sources check --landing ./extracts
    """
    from orchestration.ingest.preview import preview_sources
    from orchestration.reporting.periods import parse_as_of

    previews = preview_sources(
        settings=settings,
        landing=landing or settings.default_landing,
        as_of=parse_as_of(as_of_text, time_zone=settings.time_zone) if as_of_text else now(),
        files_per_source=files_per_source,
    )
    for preview in previews:
        for line in _lines(preview):
            click.echo(line)
    if not previews:
        click.echo("No source is declared and the landing folder is empty.")
    failed = sum(len(preview.problems) for preview in previews)
    if failed:
        raise UserError(f"{failed} files could not be loaded (listed above); correct or move them")


def _lines(preview: SourcePreview) -> Iterator[str]:
    mapping = "" if preview.adapter == preview.source_name else f" by {preview.adapter}"
    yield f"{preview.source_name}{mapping}: {preview.path}"
    if preview.edit is not None:
        yield f"  attention    {preview.edit}"
    if not preview.files_found:
        yield "  no file matches"
        return
    yield (
        f"  read         {preview.rows_read:>10,} rows of {preview.files_read:,}"
        f" of {preview.files_found:,} files"
    )
    for stream, rows in preview.landing_rows.items():
        yield f"  would land   {rows:>10,} rows in {stream}"
    for refusal in preview.refusals:
        yield f"  quarantined  {refusal.rows:>10,} rows of {refusal.stream}: {refusal.reason}"
        yield (f"               first: {refusal.rule} ({refusal.path}, row {refusal.row_number:,})")
    if preview.rows_ignored:
        yield f"  ignored      {preview.rows_ignored:>10,} rows that the adapter maps to nothing"
    for problem in preview.problems:
        yield f"  FAILED       {problem}"
