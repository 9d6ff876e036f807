"""`agentmart erase`: everything of one tenant or user, shown or removed.

Belongs here: options, and the lines a person reads. Does not belong here: finding and removing (retention/).
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import click

from orchestration.errors import UserError
from orchestration.settings import Settings

if TYPE_CHECKING:
    from orchestration.retention.erasure import ErasurePlan

_SHOWN_FILES = 20


@click.command()
@click.option("--tenant", "tenant_id", metavar="ID", help="Erase this tenant.")
@click.option("--user", "user_id", metavar="ID", help="Erase this user, as extracts name it.")
@click.option("--source", metavar="NAME", help="Only in this source.")
@click.option(
    "--landing",
    metavar="FOLDER|URL",
    help="Where extracts lie; files on this machine are rewritten."
    "  [default: $AGENTMART_LANDING, else $AGENTMART_HOME/landing]",
)
@click.option("--apply", "is_applied", is_flag=True, help="Erase; without, nothing is changed.")
@click.pass_obj
def erase(
    settings: Settings,
    tenant_id: str | None,
    user_id: str | None,
    source: str | None,
    landing: str | None,
    is_applied: bool,
) -> None:
    """Show, or remove with --apply, everything of a tenant or user, and keep it out for good.

    Landing files, the lake, refused rows, all tables and publications, reports, mails and logs. A file that
    is delivered again does not bring it back.

    Example: agentmart erase --tenant acme --apply
    """
    from orchestration.cli.removals import finish_pending, publish_without, say
    from orchestration.clock import now
    from orchestration.ingest.shared_lake import take_over_lake
    from orchestration.ingest.tombstones import TENANT, USER
    from orchestration.retention.erasure import Subject, plan_erasure
    from orchestration.retention.removal import mend
    from orchestration.warehouse.engines import engine_of

    if (tenant_id is None) == (user_id is None):
        raise UserError("name who is to be erased: either --tenant ID or --user ID")
    subject = (
        Subject(kind=TENANT, id=tenant_id, source_name=source)
        if tenant_id is not None
        else Subject(kind=USER, id=str(user_id), source_name=source)
    )
    place = landing or settings.default_landing
    if not is_applied:
        take_over_lake(settings, is_alone=False)
        plan = plan_erasure(settings, subject, landing=place, as_of=now(), is_applied=False)
        for line in _lines(settings, plan):
            click.echo(line)
        click.echo("Nothing is changed without --apply.")
        return
    finish_pending(settings, command="agentmart erase")
    with engine_of(settings).lock(settings, on_wait=say):
        take_over_lake(settings, is_alone=True)
        plan = plan_erasure(settings, subject, landing=place, as_of=now(), is_applied=True)
        mend(settings)
    for line in _rows(plan):
        click.echo(line)
    publish_without(settings, command="agentmart erase")


def _rows(plan: ErasurePlan) -> Iterator[str]:
    yield f"{plan.row_count:,} rows of the lake"
    for name, rows in plan.removal.rows.items():
        yield f"  {name:<22} {rows:>10,}"


def _lines(settings: Settings, plan: ErasurePlan) -> Iterator[str]:
    yield from _rows(plan)
    yield f"{sum(rows for _, rows in plan.landing):,} rows of {len(plan.landing):,} landing files"
    yield from _some([f"{path}: {rows:,} rows" for path, rows in plan.landing])
    yield f"{len(plan.derived):,} files made of them, and every publication before the next"
    yield from _some([path.relative_to(settings.home).as_posix() for path in plan.derived])
    if plan.problems:
        yield "what only you can remove"
        yield from (f"  {problem}" for problem in plan.problems)


def _some(lines: list[str]) -> Iterator[str]:
    yield from (f"  {line}" for line in lines[:_SHOWN_FILES])
    if len(lines) > _SHOWN_FILES:
        yield f"  … and {len(lines) - _SHOWN_FILES:,} more"
