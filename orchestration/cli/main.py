"""The `agentmart` command: finds a subcommand, turns errors into one line and an exit code.

Belongs here: the list of commands and what happens around them. Does not belong here: what a command does;
each has a module of its own beside this one, imported only when it is called, so that `agentmart --help`
costs no more than click.
"""

from __future__ import annotations

import importlib
import os
import sys
from collections.abc import Mapping, Sequence

import click

from orchestration.errors import AgentmartError
from orchestration.settings import Settings

# name -> (module with a click command of that name, one line for `agentmart --help`)
COMMANDS: Mapping[str, tuple[str, str]] = {
    "run": (
        "orchestration.cli.run",
        "Run the whole pipeline once: ingest, build, audit, publish, report.",
    ),
    "load": ("orchestration.cli.load", "Load new extracts into the lake and nothing else."),
    "sources": (
        "orchestration.cli.sources",
        "Say what the declared sources would give, loading nothing.",
    ),
    "compact": ("orchestration.cli.compact", "Merge the small files of the lake."),
    "generate": ("orchestration.cli.generate", "Write synthetic extracts of every stream."),
    "export": ("orchestration.cli.export", "Write one dataset as JSON, CSV or Parquet."),
    "report": ("orchestration.cli.report", "Make one daily, weekly or monthly report."),
    "sql": ("orchestration.cli.sql", "Query the published marts, read-only."),
    "status": (
        "orchestration.cli.status",
        "Show freshness, quarantine, last runs and undelivered reports.",
    ),
    "publications": (
        "orchestration.cli.publications",
        "List the published states that are kept, or go back to one.",
    ),
    "quarantine": (
        "orchestration.cli.quarantine",
        "Look at rejected rows, and load them again after a fix.",
    ),
    "alerts": ("orchestration.cli.alerts", "Look at alert rules, or test their channels."),
    "deliver": ("orchestration.cli.deliver", "Send what the outbox holds."),
    "retention": (
        "orchestration.cli.retention",
        "Show or remove the detail that tenants' terms do not keep.",
    ),
    "erase": ("orchestration.cli.erase", "Show or remove everything of a tenant or user."),
    "backup": ("orchestration.cli.backup", "Write the deployment to one file."),
    "restore": ("orchestration.cli.restore", "Put a backup in the place of the state folder."),
    "config": (
        "orchestration.cli.config",
        "Check the settings, and show which are in force.",
    ),
    "metrics": ("orchestration.cli.metrics", "Show the metric catalogue."),
    "docs": (
        "orchestration.cli.docs",
        "Write the documentation of every table as one HTML file.",
    ),
    "ui": ("orchestration.cli.ui", "Open Dagster's web page on this state."),
}

# These hash user ids, now or in what they start.
_HASHING = ("run", "load", "quarantine", "retention", "erase", "ui")
# These touch no state folder.
_HOMELESS = ("generate", "metrics", "docs", "config", "restore")


class _LazyGroup(click.Group):
    """A group whose commands are imported when they are called."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in COMMANDS:
            return None
        module = importlib.import_module(COMMANDS[cmd_name][0])
        command: click.Command = getattr(module, cmd_name)
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        # click's own listing would import every command for its first help line.
        with formatter.section("Commands"):
            formatter.write_dl([(name, line) for name, (_, line) in COMMANDS.items()])


@click.group(cls=_LazyGroup, context_settings={"help_option_names": ["-h", "--help"]})
@click.option("--debug", is_flag=True, help="Show the traceback of an error.")
@click.version_option(package_name="agentmart", prog_name="agentmart")
@click.pass_context
def cli(ctx: click.Context, debug: bool) -> None:
    """The warehouse for AI-agent telemetry.

    State lives in the folder AGENTMART_HOME (default ./data).

    Example: agentmart run --landing ./extracts --as-of 2026-03-02
    """
    settings = Settings.load()
    ctx.obj = settings
    asks_for_help = not {"-h", "--help"}.isdisjoint(ctx.args)
    if ctx.invoked_subcommand not in _HOMELESS and not asks_for_help:
        from orchestration.state.home import open_home

        open_home(
            settings,
            is_hashing=ctx.invoked_subcommand in _HASHING,
            is_made=False,
            say=lambda line: click.echo(line, err=True),
        )


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command line and exit: 0 on success, 2 on wrong usage or input, 1 on failure."""
    words = list(sys.argv[1:] if arguments is None else arguments)
    try:
        cli.main(args=words, prog_name="agentmart", standalone_mode=False)
    except click.exceptions.Exit as leave:
        sys.exit(leave.exit_code)
    except click.Abort:
        click.echo("agentmart: stopped", err=True)
        sys.exit(130)
    except click.ClickException as wrong_usage:
        if "--debug" in words:
            raise
        _complain(_usage_message(wrong_usage))
        sys.exit(wrong_usage.exit_code)
    except AgentmartError as error:
        if "--debug" in words:
            raise
        _complain(str(error))
        sys.exit(error.exit_code)
    except BrokenPipeError:
        # The reader of our output left (`agentmart sql … | head`): not an error of ours.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(0)
    except Exception as error:
        if "--debug" in words:
            raise
        if _is_disk_full(error):
            sys.exit(1)
        _complain(f"{type(error).__name__}: {error} (run again with --debug for the traceback)")
        sys.exit(1)
    sys.exit(0)


def _is_disk_full(error: Exception) -> bool:
    """Say so if it is."""
    from orchestration.disk_space import is_out_of_space, out_of_space

    home = Settings.load().home
    if is_out_of_space(error, home=home):
        _complain(out_of_space(home))
        return True
    return False


def _usage_message(error: click.ClickException) -> str:
    if isinstance(error, click.exceptions.NoArgsIsHelpError):
        return error.format_message()
    help_hint = ""
    if isinstance(error, click.UsageError) and error.ctx is not None:
        help_hint = f" (see {error.ctx.command_path} --help)"
    return f"{error.format_message()}{help_hint}"


def _complain(message: str) -> None:
    lines = " ".join(message.split())
    click.echo(f"agentmart: {lines}", err=True)


if __name__ == "__main__":
    main()
