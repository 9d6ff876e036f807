"""`agentmart ui`: Dagster's web page on this deployment's state.

Belongs here: starting the page. Does not belong here: what it shows (defs/).
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

import click

from orchestration.settings import PROJECT_ROOT, Settings


@click.command()
@click.option("--port", type=int, default=3000, show_default=True)
@click.option("--host", default="127.0.0.1", show_default=True, help="Address to listen on.")
@click.pass_obj
def ui(settings: Settings, port: int, host: str) -> None:
    """Serve the asset graph, runs, checks and schedules; stop with Ctrl-C.

    Example: agentmart ui --port 3000
    """
    from orchestration.cli.dagster_home import prepare_dagster_home
    from orchestration.warehouse.manifest import prepare_manifest

    prepare_manifest(settings)
    prepare_dagster_home(settings)
    click.echo(f"Dagster on http://{host}:{port} with the state in {settings.home}", err=True)
    dagster = str(Path(sys.executable).with_name("dagster"))
    os.chdir(PROJECT_ROOT)
    os.execv(
        dagster,
        [dagster, "dev", "-m", "orchestration.definitions", "-h", host, "-p", str(port)],
    )
