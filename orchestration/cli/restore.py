"""`agentmart restore`: a backup in the place of a state folder.

Belongs here: options and the lines at the end. Does not belong here: how it is done (state/restore).
"""

from __future__ import annotations

from pathlib import Path

import click

from orchestration.settings import Settings


@click.command()
@click.argument("file", type=click.Path(path_type=Path, dir_okay=False, exists=True))
@click.option("--replace", "is_replacing", is_flag=True, help="Replace a deployment that exists.")
@click.option(
    "--tombstones",
    type=click.Path(path_type=Path, dir_okay=False, exists=True),
    multiple=True,
    metavar="FILE",
    help="A copy of lake/removed/erased.parquet that is newer than the backup; may be repeated.",
)
@click.pass_obj
def restore(
    settings: Settings, file: Path, is_replacing: bool, tombstones: tuple[Path, ...]
) -> None:
    """Make the state folder what it was when FILE was written; landing files stay as they are.

    Who was erased since stays erased, by the tombstones of the folder that is replaced. Messages that waited
    are parked, for they may have been sent since.

    Example: agentmart restore /backups/agentmart-2026-03-02.tar
    """
    from orchestration.clock import now
    from orchestration.state.home import keep_private
    from orchestration.state.restore import restore_backup

    keep_private()
    restored = restore_backup(
        file,
        settings,
        is_replacing=is_replacing,
        tombstones=tombstones,
        as_of=now(),
        say=lambda line: click.echo(line, err=True),
    )
    if restored.backup is None:
        click.echo(f"{settings.home}: the interrupted restore is ended; run `agentmart run`")
        return
    click.echo(
        f"{settings.home}: as of {restored.backup.made_at:%Y-%m-%d %H:%M} UTC,"
        f" {len(restored.backup.digests):,} files"
    )
    if restored.rows_erased:
        click.echo(
            f"{restored.rows_erased:,} rows of who was erased since are out again; nothing is published"
            " until `agentmart run`"
        )
    if restored.parked:
        click.echo(
            f"{restored.parked:,} messages that waited are parked; see `agentmart status` and send them"
            " with `agentmart deliver --resend ID`"
        )
