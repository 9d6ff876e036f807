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
    multiple=True,
    metavar="ID",
    callback=lambda _context, _option, values: [_number(value) for value in values],
    help="First let this failed or parked message (12) or notification (n12) go again; its number"
    " is in `agentmart status`. May be given several times.",
)
@click.option("--as-of", metavar="TIME", help="The time to note for it. Default: now.")
@click.pass_obj
def deliver(
    settings: Settings, dry_run: bool, resend: list[tuple[bool, int]], as_of: str | None
) -> None:
    """Send what waits: messages by mail, notifications through their channels.

    Without a mail server (AGENTMART_SMTP_HOST) each message becomes an .eml file in the outbox
    folder; a notification becomes a file where its channel is not configured.

    \b
    Example:
      agentmart deliver --dry-run
    """
    from orchestration.delivery import notify, send
    from orchestration.reporting.periods import parse_as_of

    moment = now() if as_of is None else parse_as_of(as_of, time_zone=settings.time_zone)
    if not dry_run:
        for is_notification, number in resend:
            if is_notification:
                notify.resend_notification(settings=settings, notification_id=number, as_of=moment)
            else:
                send.resend(settings=settings, message_id=number, as_of=moment)
    told = notify.send_notifications(
        settings=settings, as_of=moment, dry_run=dry_run, on_notification=click.echo
    )
    outcome = send.deliver(
        settings=settings, as_of=moment, dry_run=dry_run, on_message=lambda one: click.echo(one)
    )
    if dry_run:
        for row in (*outcome.waiting, *told.waiting):
            click.echo(row)
        click.echo(f"{outcome.undelivered + told.undelivered} would be sent", err=True)
        return
    if outcome.written + told.written:
        click.echo(f"{outcome.written + told.written} written to {settings.outbox}", err=True)
    undelivered = outcome.undelivered + told.undelivered
    click.echo(f"{outcome.sent + told.sent} sent, {undelivered} undelivered", err=True)
    for row in (*outcome.waiting, *told.waiting):
        click.echo(f"undelivered: {row}", err=True)
    if outcome.problem is not None:
        raise RunFailure(outcome.problem)


def _number(text: str) -> tuple[bool, int]:
    """Whether it is a notification's, and the number."""
    digits = text.removeprefix("n")
    if not digits.isdecimal():
        raise click.BadParameter(f"{text!r} is no number of a message (12) or notification (n12)")
    return text.startswith("n"), int(digits)
