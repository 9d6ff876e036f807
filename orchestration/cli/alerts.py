"""`agentmart alerts`: the rules and what stands, and a test of a rule's channels.

Belongs here: the options and what is printed. Does not belong here: rules and decisions (alerting/), sending
(delivery/).
"""

from __future__ import annotations

import click

from orchestration.clock import now
from orchestration.errors import RunFailure
from orchestration.settings import Settings


@click.group()
def alerts() -> None:
    """Look at alert rules, or test their channels.

    Example: agentmart alerts list
    """


@alerts.command("list")
@click.pass_obj
def list_alerts(settings: Settings) -> None:
    """Show every rule with its state for each scope that it watches, and the alerts that stand.

    Example: agentmart alerts list
    """
    from orchestration.alerting.published import rule_states, standing_alerts
    from orchestration.alerting.run import check_default_rules

    check_default_rules(settings)
    states = rule_states(settings)
    for row in states:
        muted = (
            f", muted until {row['muted_until']:%Y-%m-%d %H:%M} UTC" if row["muted_until"] else ""
        )
        click.echo(
            f"{row['rule_id']:<20} {row['scope']:<24} {row['state']:<9}"
            f" since {row['state_since']:%Y-%m-%d %H:%M} UTC:"
            f" {row['metric']} {row['comparison']} {row['threshold']:g}"
            f" by {row['channels'].replace('|', ', ') or 'nobody'}{muted}"
        )
    if not states:
        click.echo("No rule has been looked at yet: `agentmart run` does so.")
    standing = standing_alerts(settings)
    click.echo("")
    click.echo("standing" if standing else "nothing stands")
    for line in standing:
        click.echo(f"  {line}")


@alerts.command("test")
@click.argument("rule")
@click.option("--as-of", metavar="TIME", help="The time to note for it. Default: now.")
@click.pass_obj
def test_rule(settings: Settings, rule: str, as_of: str | None) -> None:
    """Send a notification that says it is a test through every channel of RULE.

    A channel that is not configured writes a file to the outbox folder instead.

    \b
    Example:
      agentmart alerts test high_error_rate
    """
    from orchestration.alerting.run import queue_test
    from orchestration.delivery.notify import send_notifications
    from orchestration.reporting.periods import parse_as_of

    moment = now() if as_of is None else parse_as_of(as_of, time_zone=settings.time_zone)
    queued = {one.idempotency_key for one in queue_test(rule, settings=settings, as_of=moment)}
    outcome = send_notifications(settings=settings, as_of=moment)
    for row in outcome.settled:
        if row.idempotency_key in queued:
            click.echo(row)
    waiting = [row for row in outcome.waiting if row.idempotency_key in queued]
    for row in waiting:
        click.echo(row, err=True)
    if waiting:
        raise RunFailure(f"{len(waiting)} of {len(queued)} tests of {rule} did not arrive (above)")
    if not queued:
        click.echo(f"{rule} names no channel, so nobody is told")
