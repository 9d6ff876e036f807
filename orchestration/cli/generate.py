"""``agentmart generate``: synthetic extracts on disk.

Belongs here: the options and what is printed. Does not belong here: how extracts are made (generate/).
"""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import click

from orchestration.errors import UserError

# A fixed end, so that the same command gives the same files on every day and every machine.
DEFAULT_UNTIL = "2026-03-02T06:00:00Z"


@click.command(
    name="generate",
    epilog="Example: agentmart generate --out data/landing --events 40000 --days 60 --seed 7",
)
@click.option(
    "--out",
    required=True,
    type=click.Path(path_type=Path, file_okay=False),
    help="Folder to write to; must be new or empty.",
)
@click.option(
    "--events",
    type=click.IntRange(min=1),
    default=40_000,
    show_default=True,
    help="About how many agent events to write.",
)
@click.option(
    "--days",
    type=click.IntRange(min=1),
    default=60,
    show_default=True,
    help="Complete days before the day of --until.",
)
@click.option("--seed", type=int, default=7, show_default=True, help="Same seed, same bytes.")
@click.option(
    "--until",
    default=DEFAULT_UNTIL,
    show_default=True,
    metavar="TIME",
    help="ISO 8601 time at which the extracts end; UTC without a zone.",
)
def generate(out: Path, events: int, days: int, seed: int, until: str) -> None:
    """Write deterministic synthetic extracts of every stream, labelled synthetic."""
    moment = _parse_moment(until)
    # DuckDB takes longer to import than the whole of --help may.
    from orchestration.generate.extracts import write_extracts

    write_extracts(out=out, events=events, days=days, seed=seed, until=moment)
    click.echo(f"Wrote synthetic extracts of {days} days to {out}", err=True)


def _parse_moment(text: str) -> datetime:
    try:
        moment = datetime.fromisoformat(text)
    except ValueError as error:
        raise UserError(
            f"--until is {text!r}, which is not a time; write it as {DEFAULT_UNTIL}"
        ) from error
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)
