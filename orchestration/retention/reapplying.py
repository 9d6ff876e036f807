"""Erasing again who was erased: in a state folder that an older backup brought back, and where another host
loaded rows without knowing.

Belongs here: finding out of the rows whom tombstones stand for. Does not belong here: taking them out
(removal.py).
"""

from __future__ import annotations

import uuid
from collections import Counter
from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime

import duckdb

from orchestration.contracts.streams import STREAMS
from orchestration.ingest import sql
from orchestration.ingest.lake import staging_folder
from orchestration.ingest.shared_lake import note_searched, unsearched
from orchestration.ingest.sources import read_sources
from orchestration.ingest.tombstones import TENANT, USER, namings
from orchestration.retention.doomed import find_erased, lake_connection, raw_rows, rows_found
from orchestration.retention.erasure import SHORTEST_NAME, names_of_tenant, written_ways
from orchestration.retention.removal import (
    ERASURE,
    EXPIRY,
    Removal,
    begin,
    conclude,
    has_pending,
    mend,
    read_pending,
)
from orchestration.settings import Settings
from orchestration.warehouse.publications import DATABASE, folder_of, kept_ids


def erase_again(settings: Settings, *, as_of: datetime) -> int:
    """Take whoever has a tombstone out of the folder; how many rows of the lake were theirs.

    The caller holds the warehouse's lock, and nothing is published from the folder.
    """
    removal = _begin_again(settings, as_of=as_of, landing=str(settings.landing))
    if removal is None:
        return 0
    mend(settings)
    conclude(settings)
    return sum(removal.rows.values())


def apply_removals_of_others(settings: Settings, *, as_of: datetime) -> None:
    """Forget here what another host has taken out of the lake, and take whoever has a tombstone out of what
    was loaded without knowing of it.

    The caller holds the warehouse's lock and is about to publish. The whole lake is looked through, once.
    """
    found = unsearched(settings)
    if found is not None:
        is_own = has_pending(settings)
        kind = ERASURE if found.is_erasure else EXPIRY
        removal = _begin_again(
            settings,
            as_of=as_of,
            landing=settings.default_landing,
            kind=kind,
            is_forced=found.is_of_others and not is_own,
        )
        if removal is not None:
            mend(settings)
        note_searched(settings)


def _begin_again(
    settings: Settings,
    *,
    as_of: datetime,
    landing: str,
    kind: str = ERASURE,
    is_forced: bool = False,
) -> Removal | None:
    """Write down the removal of whoever has a tombstone, with one that is pending; None if nobody is found
    and it is not ``is_forced``."""
    lake, pending = settings.lake, read_pending(settings)
    with (
        staging_folder(lake) as staging,
        lake_connection(settings, scratch=staging) as connection,
    ):
        find_erased(connection, lake, sources=read_sources(settings.config))
        rows = rows_found(connection)
        if not rows and not is_forced:
            return None
        known = _published_tenants(connection, settings)
        tenants = sorted({*_named(connection, settings, kind=TENANT), *known})
        names = {one for _, one in (*tenants, *_named(connection, settings, kind=USER))}
        for source, tenant in tenants:
            names |= names_of_tenant(connection, lake=lake, tenant_id=tenant, sources=[source])
            names |= known.get((source, tenant), set())
        files = {name: staging / f"{name}.parquet" for name in ("doomed", "erased")}
        for name, path in files.items():
            connection.execute(f"copy {name} to {sql.text(str(path))} (format parquet)")
        removal = Removal(
            removal_id=uuid.uuid4().hex,
            kind=kind,
            as_of=as_of,
            landing=landing,
            words=tuple(sorted({*names, *written_ways(names)})),
            scopes=tuple(tenants),
            rows=rows,
        )
        if pending is not None:
            removal = _with(pending, removal)
        begin(settings, removal, files=files)
    return removal


def _with(pending: Removal, more: Removal) -> Removal:
    """One removal of both: the first is not concluded before the second is."""
    return replace(
        pending,
        kind=ERASURE,
        words=tuple(sorted({*pending.words, *more.words})),
        kinds=tuple(sorted({*pending.kinds, *more.kinds})),
        scopes=tuple(sorted({*pending.scopes, *more.scopes})),
        rows=dict(Counter(pending.rows) + Counter(more.rows)),
        is_mended=False,
    )


def _published_tenants(
    connection: duckdb.DuckDBPyConnection, settings: Settings
) -> Mapping[tuple[str, str], set[str]]:
    """Tenants who have a tombstone and whom the newest publication still shows, with their names.

    Once the files of the host that erased them are here the lake does not know them any more, while figures
    that were restated, reports and messages of this host do.
    """
    kept = kept_ids(settings)
    database = folder_of(settings, kept[-1]) / DATABASE if kept else None
    if database is None or not database.exists():
        return {}
    connection.execute(f"attach {sql.text(str(database))} as shown (read_only)")
    found = connection.execute(
        "select source_name, tenant_id, coalesce(tenant_name, '') from shown.core.dim_tenants "
        f"where erased_key({sql.text(TENANT)}, source_name, tenant_id) "
        f"in (select key from erased where kind = {sql.text(TENANT)})"
    ).fetchall()
    connection.execute("detach shown")
    return {
        (source, tenant): {name} if len(name) >= SHORTEST_NAME else set()
        for source, tenant, name in found
    }


def _named(
    connection: duckdb.DuckDBPyConnection, settings: Settings, *, kind: str
) -> list[tuple[str, str]]:
    """Tenants or users in the lake who have a tombstone, as (source, id in the lake)."""
    found: set[tuple[str, str]] = set()
    for stream in STREAMS.values():
        for naming in namings(stream):
            if naming.kind == kind:
                column = sql.name(naming.column)
                found |= set(
                    connection.execute(
                        f"select distinct source_name, {column} from {raw_rows(settings.lake, stream)} "
                        f"where {naming.condition} and erased_key({sql.text(kind)}, source_name, {column}) "
                        f"in (select key from erased where kind = {sql.text(kind)})"
                    ).fetchall()
                )
    return sorted(found)
