"""`agentmart ui`: Dagster's web page on this deployment's state, and the daemon beside it.

Belongs here: starting them. Does not belong here: what they show and do (defs/).
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

import click

from orchestration.settings import PROJECT_ROOT, Settings

_CODE = ("-m", "orchestration.definitions")


@click.command()
@click.option("--port", type=int, default=3000, show_default=True)
@click.option("--host", default="127.0.0.1", show_default=True, help="Address to listen on.")
@click.option(
    "--part",
    type=click.Choice(("both", "webserver", "daemon")),
    default="both",
    show_default=True,
    help="The page, what runs schedules and sensors, or both in one process group.",
)
@click.pass_obj
def ui(settings: Settings, port: int, host: str, part: str) -> None:
    """Serve the asset graph, runs, checks and schedules; stop with Ctrl-C.

    A service starts the two parts by themselves: see orchestration/deployment.

    Example: agentmart ui --port 3000
    """
    from orchestration.cli.dagster_home import prepare_dagster_home
    from orchestration.warehouse.manifest import prepare_manifest

    prepare_manifest(settings)
    prepare_dagster_home(settings)
    where = "" if part == "daemon" else f" on http://{host}:{port}"
    click.echo(f"Dagster{where} with the state in {settings.home}", err=True)
    command = _command(part, host=host, port=port)
    os.chdir(PROJECT_ROOT)
    os.execv(command[0], command)


def _command(part: str, *, host: str, port: int) -> list[str]:
    address = ("-h", host, "-p", str(port))
    program, words = {
        "both": ("dagster", ("dev", *_CODE, *address)),
        "webserver": ("dagster-webserver", (*_CODE, *address)),
        "daemon": ("dagster-daemon", ("run", *_CODE)),
    }[part]
    return [str(Path(sys.executable).with_name(program)), *words]
