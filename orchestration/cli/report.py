"""`agentmart report`: one report now, as files.

Belongs here: the options. Does not belong here: what a report says (reporting/) and sending it
(`agentmart run`, `agentmart deliver`).
"""

from __future__ import annotations

from pathlib import Path

import click

from orchestration.errors import UserError
from orchestration.settings import Settings

_FREQUENCIES = ("daily", "weekly", "monthly")


@click.command()
@click.argument("frequency", type=click.Choice(_FREQUENCIES))
@click.option(
    "--scope",
    default="platform",
    show_default=True,
    metavar="SCOPE",
    help="platform, tenant:ID or publisher:ID.",
)
@click.option("--source", metavar="NAME", help="Needed when two sources share an id.")
@click.option(
    "--as-of",
    metavar="TIME",
    help="Date or timestamp; the report is of the last complete period before it. Default: the"
    " as-of time of the published state.",
)
@click.option(
    "--format",
    "formats",
    default="pdf,csv",
    show_default=True,
    metavar="LIST",
    help="Any of pdf, csv, json, html, separated by commas.",
)
@click.option(
    "--out",
    type=click.Path(file_okay=False, path_type=Path),
    metavar="DIR",
    help="Folder to write below. Default: the reports folder.",
)
@click.pass_obj
def report(
    settings: Settings,
    frequency: str,
    scope: str,
    source: str | None,
    as_of: str | None,
    formats: str,
    out: Path | None,
) -> None:
    """Make one daily, weekly or monthly report and print the paths of its files.

    \b
    Example:
      agentmart report weekly --scope tenant:t1 --as-of 2026-03-02 --format pdf,csv --out ./out
    """
    from orchestration.reporting.model import Frequency
    from orchestration.reporting.periods import parse_as_of
    from orchestration.reporting.render import FORMATS
    from orchestration.reporting.run import make_report

    wanted = [name.strip().lower() for name in formats.split(",") if name.strip()]
    unknown = [name for name in wanted if name not in FORMATS]
    if unknown or not wanted:
        raise UserError(
            f"--format {formats!r} names no known format; use any of {', '.join(FORMATS)}"
        )
    moment = None if as_of is None else parse_as_of(as_of, time_zone=settings.time_zone)
    for path in make_report(
        settings=settings,
        scope_text=scope,
        source=source,
        frequency=Frequency(frequency),
        as_of=moment,
        formats=wanted,
        folder=out or settings.reports,
    ):
        click.echo(path)
