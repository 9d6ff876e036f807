"""`agentmart publications`: which published states are kept, and going back to one.

Belongs here: the table and the words. Does not belong here: how readers are switched
(warehouse/publications).
"""

from __future__ import annotations

import click

from orchestration.settings import Settings

_HEADINGS = ("id", "as of (UTC)", "published (UTC)", "run", "tables", "rows", "bytes", "")


@click.group()
def publications() -> None:
    """List the published states that are kept, or let readers see an older one again.

    Example: agentmart publications list
    """


@publications.command("list")
@click.option(
    "--format",
    "file_format",
    type=click.Choice(("table", "json")),
    default="table",
    show_default=True,
    help="Format of the output.",
)
@click.pass_obj
def list_(settings: Settings, file_format: str) -> None:
    """Show each kept publication: whose run made it, when, its size, and which one readers see.

    Example: agentmart publications list
    """
    from orchestration.reporting.documents import to_json
    from orchestration.warehouse.publications import list_publications

    kept = list_publications(settings)
    if file_format == "json":
        click.echo(
            to_json(
                [
                    {
                        "publication_id": one.publication_id,
                        "run_id": one.run_id,
                        "as_of": one.as_of,
                        "published_at": one.published_at,
                        "tables": one.table_count,
                        "rows": one.row_count,
                        "bytes": one.size_bytes,
                        "is_current": one.is_current,
                    }
                    for one in kept
                ]
            ),
            nl=False,
        )
        return
    if not kept:
        click.echo(f"nothing is published under {settings.published} yet; run `agentmart run`")
        return
    rows = [
        (
            str(one.publication_id),
            f"{one.as_of:%Y-%m-%d %H:%M}",
            f"{one.published_at:%Y-%m-%d %H:%M:%S}",
            one.run_id,
            f"{one.table_count:,}",
            f"{one.row_count:,}",
            f"{one.size_bytes:,}",
            "current" if one.is_current else "",
        )
        for one in kept
    ]
    widths = [max(len(row[place]) for row in (_HEADINGS, *rows)) for place in range(len(_HEADINGS))]
    for row in (_HEADINGS, *rows):
        cells = [cell.rjust(width) for cell, width in zip(row, widths, strict=True)]
        click.echo("  ".join([*cells[:-1], row[-1]]).rstrip())


@publications.command()
@click.argument("publication_id", required=False, type=int, metavar="[ID]")
@click.pass_obj
def rollback(settings: Settings, publication_id: int | None) -> None:
    """Let readers see publication ID again, or the one before the current.

    Readers that are open keep what they opened. The next run publishes anew, also when nothing is
    new: repair what was wrong before it.

    Example: agentmart publications rollback 12
    """
    from orchestration.warehouse.engines import engine_of
    from orchestration.warehouse.publications import roll_back

    with engine_of(settings).lock(settings, on_wait=lambda said: click.echo(said, err=True)):
        now = roll_back(settings, publication_id)
    click.echo(
        f"readers see publication {now.publication_id}, as of {now.as_of:%Y-%m-%d %H:%M} UTC;"
        " the next run publishes anew"
    )
