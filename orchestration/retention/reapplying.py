"""Erasing again who was erased, in a state folder that an older backup brought back.

Belongs here: finding out of the rows whom tombstones stand for. Does not belong here: taking them out
(removal.py).
"""

from __future__ import annotations

import uuid
from datetime import datetime

import duckdb

from orchestration.contracts.streams import STREAMS
from orchestration.ingest import sql
from orchestration.ingest.lake import staging_folder
from orchestration.ingest.tombstones import TENANT, USER, namings
from orchestration.retention.doomed import find_erased, lake_connection, raw_rows, rows_found
from orchestration.retention.erasure import names_of_tenant, written_ways
from orchestration.retention.removal import ERASURE, Removal, begin, conclude, mend
from orchestration.settings import Settings


def erase_again(settings: Settings, *, as_of: datetime) -> int:
    """Take whoever has a tombstone out of the folder; how many rows of the lake were theirs.

    The caller holds the warehouse's lock, and nothing is published from the folder.
    """
    lake = settings.lake
    with (
        staging_folder(lake) as staging,
        lake_connection(settings, scratch=staging) as connection,
    ):
        find_erased(connection, lake)
        rows = rows_found(connection)
        if not rows:
            return 0
        tenants = _named(connection, settings, kind=TENANT)
        names = {one for _, one in (*tenants, *_named(connection, settings, kind=USER))}
        for source, tenant in tenants:
            names |= names_of_tenant(connection, lake=lake, tenant_id=tenant, sources=[source])
        files = {name: staging / f"{name}.parquet" for name in ("doomed", "erased")}
        for name, path in files.items():
            connection.execute(f"copy {name} to {sql.text(str(path))} (format parquet)")
        removal = Removal(
            removal_id=uuid.uuid4().hex,
            kind=ERASURE,
            as_of=as_of,
            landing=str(settings.landing),
            words=tuple(sorted({*names, *written_ways(names)})),
            scopes=tuple(tenants),
            rows=rows,
        )
        begin(settings, removal, files=files)
    mend(settings)
    conclude(settings)
    return sum(rows.values())


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
