"""Retention: the detail that a tenant's terms do not keep any longer.

Belongs here: which tenant keeps what, what goes, and the sums that outlive it. Does not belong here: the
terms themselves (policy.py), how rows go (removal.py).

What goes is frozen first: per day the sums of all tenants' rows that go, from the published state, so that
the platform's days stay what they were and say nothing of anybody.
"""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from pathlib import Path

import duckdb

from orchestration.contracts.streams import STREAMS
from orchestration.errors import RunFailure
from orchestration.ingest import sql
from orchestration.ingest.lake import staging_folder
from orchestration.retention.doomed import find_old, lake_connection, raw_rows, rows_found
from orchestration.retention.policy import Policy, Terms, read_policy
from orchestration.retention.removal import EXPIRY, Removal, begin, has_pending, mend, note_nothing
from orchestration.settings import Settings
from orchestration.state.store import Publication
from orchestration.warehouse.publications import DATABASE, folder_of

# The published table of a tenant's days, and what of it can be added up.
TENANT_DAYS = "usage.tenant_days"
_SAYS_WHOSE = ("tenant_day_key", "source_name", "tenant_key", "event_date")


@dataclass(frozen=True, kw_only=True)
class TenantExpiry:
    """What goes of one tenant. ``kept_from`` is None under a legal hold."""

    source_name: str
    tenant_id: str
    plan_tier: str | None
    days_kept: int | None
    kept_from: date | None
    days: int = 0
    rows: int = 0
    files: int = 0
    size_bytes: int = 0


@dataclass(frozen=True, kw_only=True)
class ExpiryPlan:
    """What would go, tenant by tenant."""

    tenants: tuple[TenantExpiry, ...]

    @property
    def row_count(self) -> int:
        return sum(one.rows for one in self.tenants)


def plan_expiry(
    settings: Settings,
    policy: Policy,
    *,
    publication: Publication | None,
    as_of: datetime,
    is_applied: bool,
) -> ExpiryPlan:
    """Find the detail that is too old; if applied, write the removal down so that it will be done.

    The caller holds the warehouse's lock if it is applied.

    Raises:
        RunFailure: what is published cannot be read, so that nothing can be frozen.
    """
    lake = settings.lake
    if not lake.is_dir():
        return ExpiryPlan(tenants=())
    with (
        staging_folder(lake) as staging,
        lake_connection(settings, scratch=staging) as connection,
    ):
        tenants = _terms_of_tenants(connection, lake, as_of=as_of)
        kept = _kept(tenants, policy, settings=settings, as_of=as_of)
        _make_terms(connection, kept)
        load_ids = sorted(publication.load_ids) if publication else []
        find_old(connection, lake, load_ids=load_ids)
        plan = ExpiryPlan(tenants=_counted(connection, lake=lake, policy=policy, kept=kept))
        if is_applied and plan.row_count and publication is not None:
            removal = Removal(
                removal_id=uuid.uuid4().hex,
                kind=EXPIRY,
                as_of=as_of.astimezone(UTC),
                landing=settings.default_landing,
                kept_from=tuple(
                    (terms.source_name, terms.tenant_id, day) for terms, day in kept if day
                ),
                rows=rows_found(connection),
            )
            begin(
                settings,
                removal,
                files=_written_down(
                    settings, connection, removal=removal, publication=publication, staging=staging
                ),
            )
    return plan


def remove_expired(
    settings: Settings, *, publication: Publication | None, as_of: datetime
) -> ExpiryPlan:
    """Take out of the lake what is too old, and note that a new publication is needed.

    The caller holds the warehouse's lock.

    Raises:
        UserError: the product profile is unknown.
        RunFailure: what is published cannot be read, so that nothing can be frozen.
    """
    mend(settings)
    if has_pending(settings):
        # What it removed is not out of what is published yet; the next build sees to that.
        return ExpiryPlan(tenants=())
    policy = read_policy(settings.product_profile)
    plan = plan_expiry(settings, policy, publication=publication, as_of=as_of, is_applied=True)
    if plan.row_count:
        mend(settings)
    else:
        note_nothing(settings, kind=EXPIRY, as_of=as_of)
    return plan


def _terms_of_tenants(
    connection: duckdb.DuckDBPyConnection, lake: Path, *, as_of: datetime
) -> list[Terms]:
    """What every tenant's last state says by then."""
    moment = as_of.astimezone(UTC).replace(tzinfo=None)
    rows = connection.execute(
        f"""select source_name, tenant_id, plan_tier, retention_days,
            coalesce(legal_hold, false), timezone
        from {raw_rows(lake, STREAMS["tenants"])}
        where updated_at <= timestamp {sql.text(moment.isoformat(sep=" "))}
        qualify row_number() over (
            partition by source_name, tenant_id order by updated_at desc, row_hash desc
        ) = 1
        order by source_name, tenant_id"""
    ).fetchall()
    return [
        Terms(
            source_name=source,
            tenant_id=tenant,
            plan_tier=tier,
            retention_days=days,
            has_legal_hold=hold,
            time_zone=zone,
        )
        for source, tenant, tier, days, hold, zone in rows
    ]


Kept = Sequence[tuple[Terms, date | None]]


def _kept(
    tenants: Sequence[Terms], policy: Policy, *, settings: Settings, as_of: datetime
) -> list[tuple[Terms, date | None]]:
    return [
        (terms, policy.kept_from(terms, as_of=as_of, time_zone=settings.time_zone))
        for terms in tenants
    ]


def _make_terms(connection: duckdb.DuckDBPyConnection, kept: Kept) -> None:
    connection.execute(
        "create or replace temp table terms (source_name varchar, tenant_id varchar, kept_from date)"
    )
    values = ", ".join(
        f"({sql.text(terms.source_name)}, {sql.text(terms.tenant_id)}, date '{day}')"
        for terms, day in kept
        if day is not None
    )
    if values:
        connection.execute(f"insert into terms values {values}")


def _counted(
    connection: duckdb.DuckDBPyConnection,
    *,
    lake: Path,
    policy: Policy,
    kept: Kept,
) -> tuple[TenantExpiry, ...]:
    paths = [path for (path,) in connection.execute("select distinct path from doomed").fetchall()]
    connection.execute(
        "create or replace temp table sizes (path varchar, size_bytes bigint, num_rows bigint)"
    )
    if paths:
        sizes = ", ".join(f"({sql.text(path)}, {(lake / path).stat().st_size})" for path in paths)
        files = sql.text_list(str(lake / path) for path in paths)
        connection.execute(
            "insert into sizes select sizes.path, sizes.size_bytes, files.num_rows "
            f"from (values {sizes}) as sizes (path, size_bytes) "
            f"inner join parquet_file_metadata({files}) as files "
            f"on files.file_name = {sql.text(f'{lake}/')} || sizes.path"
        )
    found = {
        (source, tenant): figures
        for source, tenant, *figures in connection.execute(
            """select source_name, tenant_id, count(distinct day), sum(row_count)::bigint,
                count(distinct path), sum(round(size_bytes * row_count / num_rows))::bigint
            from (
                select source_name, tenant_id, day, path, count(*) as row_count
                from doomed group by all
            ) as going
            inner join sizes using (path)
            group by all"""
        ).fetchall()
    }
    return tuple(
        TenantExpiry(
            source_name=terms.source_name,
            tenant_id=terms.tenant_id,
            plan_tier=terms.plan_tier,
            days_kept=policy.days_of(terms),
            kept_from=day,
            **dict(
                zip(
                    ("days", "rows", "files", "size_bytes"),
                    found.get((terms.source_name, terms.tenant_id), (0, 0, 0, 0)),
                    strict=True,
                )
            ),
        )
        for terms, day in kept
    )


def _written_down(
    settings: Settings,
    connection: duckdb.DuckDBPyConnection,
    *,
    removal: Removal,
    publication: Publication,
    staging: Path,
) -> dict[str, Path]:
    """What the removal needs to know, each in a file."""
    _attach_published(settings, connection, publication=publication)
    measures = [
        (name, kind)
        for name, kind, *_ in connection.execute(
            f"describe published_state.{TENANT_DAYS}"
        ).fetchall()
        if name not in _SAYS_WHOSE
    ]
    sums = ", ".join(
        f"sum(days.{sql.name(name)})::{kind} as {sql.name(name)}" for name, kind in measures
    )
    queries = {
        "doomed": "from doomed",
        "kept_from": "select erased_key('tenant', source_name, tenant_id) as key, kept_from from terms",
        "frozen_days": f"""select {sql.text(removal.removal_id)} as removal_id, days.event_date,
                count(*) filter (days.agent_messages > 0) as active_tenants, {sums}
            from published_state.{TENANT_DAYS} as days
            inner join terms on days.tenant_key = terms.source_name || ':' || terms.tenant_id
            where days.event_date < terms.kept_from
            group by days.event_date order by days.event_date""",
        "removed_ranges": f"""with going as (
                select doomed.source_name, doomed.tenant_id, min(doomed.day) as first_date, kept_from
                from doomed
                inner join terms on doomed.source_name = terms.source_name
                    and doomed.tenant_id = terms.tenant_id
                where doomed.place = 'raw' group by all
            )
            select 'tenant' as scope_kind, source_name, tenant_id as scope_id, first_date, kept_from
            from going
            union all
            select 'platform', null, 'platform', min(first_date), max(kept_from) from going
            having count(*) > 0
            union all
            select distinct 'publisher', owners.source_name, owners.publisher_id, going.first_date,
                going.kept_from
            from going
            inner join ({_publishers(settings.lake)}) as owners
                on going.source_name = owners.source_name and going.tenant_id = owners.tenant_id""",
    }
    written = {}
    for name, query in queries.items():
        written[name] = staging / f"{name}.parquet"
        connection.execute(f"copy ({query}) to {sql.text(str(written[name]))} (format parquet)")
    connection.execute("detach published_state")
    return written


def _publishers(lake: Path) -> str:
    """SQL: which tenants used agents of which publishers."""
    parts = [
        f"select distinct source_name, publisher_id, tenant_id from {raw_rows(lake, STREAMS[name])}"
        for name in ("agent_events", "charges")
    ]
    return " union ".join(parts)


def _attach_published(
    settings: Settings, connection: duckdb.DuckDBPyConnection, *, publication: Publication
) -> None:
    path = folder_of(settings, publication.publication_id) / DATABASE
    try:
        connection.execute(f"attach {sql.text(str(path))} as published_state (read_only)")
        connection.execute(f"select 1 from published_state.{TENANT_DAYS} limit 0")
    except duckdb.Error as error:
        raise RunFailure(
            f"publication {publication.publication_id} cannot be read ({str(error).splitlines()[0]}), so "
            "nothing of it can be kept as sums; run `agentmart run` for a new one"
        ) from error
