"""`agentmart deliver`: send what the outbox holds.

Belongs here: the options and what is printed. Does not belong here: sending (delivery/).
"""

from __future__ import annotations

import click

from orchestration.clock import now
from orchestration.errors import RunFailure
from orchestration.settings import Settings


@click.command()
@click.option("--dry-run", is_flag=True, help="Only list what would be sent.")
@click.option(
    "--resend",
    type=int,
    multiple=True,
    metavar="ID",
    help="First let this failed or parked message go again; its number is in `agentmart status`."
    " May be given several times.",
)
@click.option("--as-of", metavar="TIME", help="The time to note for it. Default: now.")
@click.pass_obj
def deliver(settings: Settings, dry_run: bool, resend: tuple[int, ...], as_of: str | None) -> None:
    """Send the waiting messages by mail, or write them to the outbox folder.

    Without a mail server (AGENTMART_SMTP_HOST) each message becomes an .eml file.

    \b
    Example:
      agentmart deliver --dry-run
    """
    from orchestration.delivery import send
    from orchestration.reporting.periods import parse_as_of

    moment = now() if as_of is None else parse_as_of(as_of, time_zone=settings.time_zone)
    if not dry_run:
        for message_id in resend:
            send.resend(settings=settings, message_id=message_id, as_of=moment)
    outcome = send.deliver(
        settings=settings, as_of=moment, dry_run=dry_run, on_message=lambda one: click.echo(one)
    )
    if dry_run:
        for message in outcome.waiting:
            click.echo(message)
        click.echo(f"{outcome.undelivered} would be sent", err=True)
        return
    if outcome.written:
        click.echo(f"{outcome.written} written to {settings.outbox}", err=True)
    click.echo(f"{outcome.sent} sent, {outcome.undelivered} undelivered", err=True)
    for message in outcome.waiting:
        click.echo(f"undelivered: {message}", err=True)
    if outcome.problem is not None:
        raise RunFailure(outcome.problem)
