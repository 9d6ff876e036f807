"""`agentmart backup`: the deployment as one file.

Belongs here: options and the line at the end. Does not belong here: what is in it (state/backup).
"""

from __future__ import annotations

from pathlib import Path

import click

from orchestration.settings import Settings


@click.command()
@click.argument("file", type=click.Path(path_type=Path, dir_okay=False))
@click.pass_obj
def backup(settings: Settings, file: Path) -> None:
    """Write lake, published state, reports, outbox, private store and config to FILE, a tar archive.

    Waits for a run that is at work; runs and loads wait meanwhile. The salt is not in it: keep it elsewhere.

    Example: agentmart backup /backups/agentmart-2026-03-02.tar
    """
    from orchestration.clock import now
    from orchestration.state.backup import write_backup

    made = write_backup(settings, file, made_at=now(), say=lambda line: click.echo(line, err=True))
    published = made.publication_id or "none"
    click.echo(
        f"{file}: {len(made.digests):,} files, {file.stat().st_size:,} bytes, publication {published}"
    )
