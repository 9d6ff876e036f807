"""`agentmart docs`: the documentation of every table as one file for a browser.

Belongs here: where the file goes. Does not belong here: how it is made (warehouse/docs_site).
"""

from __future__ import annotations

from pathlib import Path

import click

from orchestration.errors import RunFailure
from orchestration.settings import Settings


@click.command()
@click.option(
    "--out",
    type=click.Path(path_type=Path, dir_okay=False),
    metavar="FILE",
    help="The HTML file to write.  [default: $AGENTMART_HOME/docs/index.html]",
)
@click.pass_obj
def docs(settings: Settings, out: Path | None) -> None:
    """Write dbt's documentation site as one HTML file: tables, columns, tests, lineage, SQL.

    The file needs no server and no network.

    Example: agentmart docs --out docs.html
    """
    from orchestration.warehouse.docs_site import write_docs_site

    target = out or settings.home / "docs" / "index.html"
    try:
        write_docs_site(settings, target.resolve())
    except OSError as error:
        reason = error.strerror or str(error)
        raise RunFailure(f"{target} cannot be written ({reason}); choose another --out") from error
    click.echo(f"wrote {target}", err=True)
