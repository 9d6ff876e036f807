"""`agentmart quarantine`: rows that broke the contract, and loading them again after a fix.

Belongs here: options, and the lines a person reads. Does not belong here: reading the quarantine and
replaying (ingest/).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from orchestration.clock import now
from orchestration.contracts.reasons import Reason
from orchestration.contracts.streams import STREAMS
from orchestration.errors import UserError
from orchestration.settings import Settings

if TYPE_CHECKING:
    from orchestration.ingest.ledger import LedgerEntry
    from orchestration.ingest.quarantine import RefusedRow, Selection
    from orchestration.ingest.reread import FileReplay

_FORMATS = ("table", "json", "csv")
_COUNT_COLUMNS = {
    "source": "VARCHAR",
    "stream": "VARCHAR",
    "file": "VARCHAR",
    "reason": "VARCHAR",
    "rows": "BIGINT",
}
_ROW_COLUMNS = {
    "source": "VARCHAR",
    "stream": "VARCHAR",
    "file": "VARCHAR",
    "row": "BIGINT",
    "reason": "VARCHAR",
    "field": "VARCHAR",
    "rule": "VARCHAR",
    "text": "VARCHAR",
}
# What a terminal has room for; json and csv give the whole text.
_SHOWN_CHARACTERS = 1_000

_Command = Callable[..., Any]


def _selecting(command: _Command) -> _Command:
    """The options that say which refused rows are meant."""
    for option in (
        click.option("--file", "path", help="One file, or a pattern such as 'charges/*'."),
        click.option("--reason", type=click.Choice([one.value for one in Reason])),
        click.option("--stream", type=click.Choice(list(STREAMS))),
        click.option("--source", "source_name", help="A source of config/sources.yml, or native."),
    ):
        command = option(command)
    return command


_format = click.option(
    "--format", "form", type=click.Choice(_FORMATS), default="table", show_default=True
)


@click.group()
def quarantine() -> None:
    """Look at rejected rows, and load them again after a fix.

    Example: agentmart quarantine list
    """


@quarantine.command("list")
@_selecting
@_format
@click.pass_obj
def list_refused(settings: Settings, /, form: str, **selected: str | None) -> None:
    """Count the rejected rows by source, stream, file and reason.

    Example: agentmart quarantine list --stream charges
    """
    from orchestration.ingest.quarantine import count_refused

    entries, selection = _select(settings, selected)
    records = [
        {
            "source": one.source_name,
            "stream": one.stream,
            "file": one.path,
            "reason": one.reason,
            "rows": one.rows,
        }
        for one in count_refused(settings.lake, entries=entries, selection=selection)
    ]
    _write(records, types=_COUNT_COLUMNS, form=form, lines=_count_lines)


@quarantine.command()
@_selecting
@click.option("--limit", type=click.IntRange(min=1), default=20, show_default=True)
@_format
@click.pass_obj
def show(settings: Settings, /, limit: int, form: str, **selected: str | None) -> None:
    """Print rejected rows with the rule they break; user ids are hashes, comments are left out.

    Example: agentmart quarantine show --reason out_of_range --limit 5
    """
    from orchestration.ingest.quarantine import read_refused

    entries, selection = _select(settings, selected)
    rows = read_refused(settings.lake, entries=entries, selection=selection, limit=limit)
    _write([_record(row) for row in rows], types=_ROW_COLUMNS, form=form, lines=_row_lines)


@quarantine.command()
@_selecting
@click.option(
    "--landing",
    type=click.Path(path_type=Path),
    help="Folder where the files may still lie.  [default: $AGENTMART_HOME/landing]",
)
@click.option("--as-of", "as_of_text", help="The clock of the load: date or ISO time.")
@click.pass_obj
def replay(
    settings: Settings, /, landing: Path | None, as_of_text: str | None, **selected: str | None
) -> None:
    """Load rejected rows again after a rule or an adapter was fixed.

    Rows that pass now land, once; the others stay, with the reason they are rejected for now. The
    next `agentmart run` builds and publishes what landed.

    Example: agentmart quarantine replay --source aider
    """
    from orchestration.ingest.reread import replay_refused_rows
    from orchestration.reporting.periods import parse_as_of

    _, selection = _select(settings, selected)
    done = replay_refused_rows(
        settings=settings,
        landing=landing or settings.landing,
        as_of=parse_as_of(as_of_text, time_zone=settings.time_zone) if as_of_text else now(),
        selection=selection,
        on_file=lambda outcome: click.echo(_replay_line(outcome)),
    )
    landed = sum(one.rows_landed for one in done)
    click.echo(
        f"{sum(one.rows_tried for one in done):,} rows tried, {landed:,} landed, "
        f"{sum(one.rows_still_refused for one in done):,} still rejected"
    )
    if landed:
        click.echo("`agentmart run` builds and publishes what landed.")
    failed = sum(one.problem is not None for one in done)
    if failed:
        raise UserError(f"the rows of {failed} files could not be replayed (listed above)")


def _select(
    settings: Settings, selected: Mapping[str, str | None]
) -> tuple[list[LedgerEntry], Selection]:
    from orchestration.ingest.ledger import read_entries
    from orchestration.ingest.quarantine import Selection, check_selection
    from orchestration.ingest.shared_lake import take_over_lake

    take_over_lake(settings, is_alone=False)
    entries = read_entries(settings.lake)
    selection = Selection(**selected)
    check_selection(selection, entries=entries)
    return entries, selection


def _record(row: RefusedRow) -> dict[str, str | int | None]:
    return {
        "source": row.source_name,
        "stream": row.stream,
        "file": row.path,
        "row": row.row_number,
        "reason": row.reason,
        "field": row.field,
        "rule": row.rule,
        "text": row.text,
    }


def _write(
    records: Sequence[Mapping[str, Any]],
    *,
    types: Mapping[str, str],
    form: str,
    lines: Callable[[Sequence[Mapping[str, Any]]], Iterable[str]],
) -> None:
    if form == "json":
        from orchestration.reporting.documents import to_json

        click.echo(to_json(records).encode(), nl=False)
    elif form == "csv":
        from orchestration.reporting.tables import Table, to_csv

        click.echo(to_csv(Table.of("quarantine", types, records)).encode(), nl=False)
    else:
        for line in lines(records) if records else ["Nothing is rejected."]:
            click.echo(line)


def _count_lines(records: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    rows = [tuple(_COUNT_COLUMNS)] + [
        (
            *(_plain(one[name]) for name in ("source", "stream", "file", "reason")),
            f"{one['rows']:,}",
        )
        for one in records
    ]
    widths = [max(len(row[position]) for row in rows) for position in range(len(_COUNT_COLUMNS))]
    for row in rows:
        texts = [cell.ljust(width) for cell, width in zip(row[:-1], widths[:-1], strict=True)]
        yield "  ".join((*texts, row[-1].rjust(widths[-1])))
    yield f"{sum(one['rows'] for one in records):,} rows"


def _row_lines(records: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    for one in records:
        yield f"{_plain(one['file'])}, row {one['row']:,} (source {one['source']}): {one['reason']}"
        yield f"  {_plain(one['rule'])}"
        text = _plain(one["text"] or "")
        more = " …" if len(text) > _SHOWN_CHARACTERS else ""
        yield f"  {text[:_SHOWN_CHARACTERS]}{more}"


def _plain(text: str) -> str:
    """One line that a terminal only prints: what a file brings may hold its control characters."""
    return "".join(character if character.isprintable() else " " for character in text)


def _replay_line(outcome: FileReplay) -> str:
    if outcome.problem is not None:
        return f"{outcome.path}: {outcome.rows_tried:,} rows not replayed: {outcome.problem}"
    return (
        f"{outcome.path}: {outcome.rows_tried:,} rows tried, {outcome.rows_landed:,} landed, "
        f"{outcome.rows_still_refused:,} still rejected"
    )
