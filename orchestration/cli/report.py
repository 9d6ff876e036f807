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
    "--period",
    metavar="PERIOD",
    help="Another period than the last complete one: 2026-W09 (the ISO week), 2026-02,"
    " 2026-03-01..2026-03-01.",
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
    "--preview",
    is_flag=True,
    help="Every format, and the e-mail as a file that a mail program opens, as text and as a page;"
    " sends nothing, opens nothing, needs no mail server.",
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
    period: str | None,
    formats: str,
    preview: bool,
    out: Path | None,
) -> None:
    """Make one daily, weekly or monthly report and print the paths of its files.

    A daily report covers yesterday, a weekly one the last seven whole days, a monthly one the last
    calendar month, in the time zone of the scope.

    \b
    Example:
      agentmart report weekly --scope tenant:t1 --as-of 2026-03-02 --format pdf,csv --out ./out
    """
    from orchestration.reporting.model import Frequency
    from orchestration.reporting.periods import parse_as_of
    from orchestration.reporting.preview import preview_mail
    from orchestration.reporting.render import FORMATS
    from orchestration.reporting.run import make_report

    wanted = [name.strip().lower() for name in formats.split(",") if name.strip()]
    unknown = [name for name in wanted if name not in FORMATS]
    if unknown or not wanted:
        raise UserError(
            f"--format {formats!r} names no known format; use any of {', '.join(FORMATS)}"
        )
    if preview:
        wanted = [*FORMATS, "mail"]
    moment = None if as_of is None else parse_as_of(as_of, time_zone=settings.time_zone)
    paths = make_report(
        settings=settings,
        scope_text=scope,
        source=source,
        frequency=Frequency(frequency),
        as_of=moment,
        period=period,
        formats=wanted,
        folder=out or settings.reports,
    )
    if preview:
        paths = preview_mail(paths, sender=settings.mail_from)
    for path in paths:
        click.echo(path)
