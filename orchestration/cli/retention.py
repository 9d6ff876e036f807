"""`agentmart retention`: what tenants' terms do not keep any longer, shown or removed.

Belongs here: options, and the table a person reads. Does not belong here: the terms and the removal
(retention/).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

import click

from orchestration.settings import Settings

if TYPE_CHECKING:
    from orchestration.retention.expiry import TenantExpiry

_HEADINGS = ("tenant", "plan", "days kept", "kept from", "days", "rows", "files", "bytes")


@click.command()
@click.option("--apply", "is_applied", is_flag=True, help="Remove it; without, nothing is changed.")
@click.option(
    "--as-of", "as_of_text", metavar="TIME", help="The time it is looked from. Default: now."
)
@click.pass_obj
def retention(settings: Settings, is_applied: bool, as_of_text: str | None) -> None:
    """Show, or remove with --apply, the detail that is older than its tenant's terms keep.

    The terms are those of the product profile (AGENTMART_PRODUCT_PROFILE) and the tenant's plan; a tenant's
    own retention_days and legal_hold come with its extract. Sums per day of the whole platform are kept.

    Example: agentmart retention --apply
    """
    from orchestration.cli.removals import finish_pending, publish_without, say
    from orchestration.clock import now
    from orchestration.ingest.shared_lake import take_over_lake
    from orchestration.reporting.periods import parse_as_of
    from orchestration.retention.expiry import plan_expiry, remove_expired
    from orchestration.retention.policy import read_policy
    from orchestration.retention.removal import has_pending
    from orchestration.state.store import StateStore
    from orchestration.warehouse.engines import engine_of

    policy = read_policy(settings.product_profile)
    as_of = parse_as_of(as_of_text, time_zone=settings.time_zone) if as_of_text else now()
    if is_applied:
        finish_pending(settings, command="agentmart retention")
    publication = (
        StateStore(settings.state_file).last_publication() if settings.state_file.exists() else None
    )
    if is_applied:
        with engine_of(settings).lock(settings, on_wait=say):
            take_over_lake(settings, is_alone=True)
            plan = remove_expired(settings, publication=publication, as_of=as_of)
    else:
        take_over_lake(settings, is_alone=False)
        plan = plan_expiry(settings, policy, publication=publication, as_of=as_of, is_applied=False)
    for line in _table(plan.tenants):
        click.echo(line)
    if is_applied and has_pending(settings):
        publish_without(settings, command="agentmart retention")
    elif not plan.row_count:
        click.echo(f"Nothing is older than profile {policy.profile} keeps.")
    else:
        click.echo(
            f"{plan.row_count:,} rows would be removed (profile {policy.profile}); nothing is changed"
            " without --apply"
        )


def _table(tenants: Sequence[TenantExpiry]) -> Iterator[str]:
    rows = [
        _HEADINGS,
        *(
            (
                f"{one.source_name}:{one.tenant_id}",
                one.plan_tier or "unknown",
                "legal hold" if one.days_kept is None else f"{one.days_kept:,}",
                "all" if one.kept_from is None else one.kept_from.isoformat(),
                *(f"{figure:,}" for figure in (one.days, one.rows, one.files, one.size_bytes)),
            )
            for one in tenants
        ),
    ]
    widths = [max(len(row[place]) for row in rows) for place in range(len(_HEADINGS))]
    for row in rows:
        cells = [
            cell.ljust(width) if place < 2 else cell.rjust(width)
            for place, (cell, width) in enumerate(zip(row, widths, strict=True))
        ]
        yield "  ".join(cells).rstrip()
