"""Erasing a tenant or a user: everything of theirs, wherever it went, and a tombstone that keeps it out.

Belongs here: who is meant, whether they may be erased, and what goes. Does not belong here: how it goes
(removal.py).

Rows are removed, not made anonymous: what somebody did often says who it was. Of a user that is their own
events, conversations and tasks, and everything linked to them: calls, tools, audits, scores, feedback.
"""

from __future__ import annotations

import json
import uuid
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from html import escape
from pathlib import Path

import duckdb

from orchestration.contracts.streams import STREAMS
from orchestration.errors import UserError
from orchestration.ingest import sql
from orchestration.ingest.lake import staging_folder
from orchestration.ingest.sources import read_sources
from orchestration.ingest.tombstones import TENANT, USER, namings
from orchestration.ingest.worker import worker_pool
from orchestration.retention.doomed import (
    add_subject,
    erased_by_name,
    find_erased,
    lake_connection,
    raw_rows,
    rows_found,
)
from orchestration.retention.landing import rewrite_landing
from orchestration.retention.removal import (
    ERASURE,
    Removal,
    begin,
    derived_files_with,
    landing_problems,
    objects_with,
)
from orchestration.settings import Settings

# A shorter name of a tenant is a word like any other; its id is searched for in any case.
SHORTEST_NAME = 4


@dataclass(frozen=True, kw_only=True)
class Subject:
    """Who is to be erased; ``kind`` is tenant or user, ``id`` as extracts have it."""

    kind: str
    id: str
    source_name: str | None = None


@dataclass(frozen=True, kw_only=True)
class ErasurePlan:
    """What would go. Rows are by stream, refused ones under ``quarantine``."""

    removal: Removal
    # What only a person can do, a line each.
    problems: tuple[str, ...]
    landing: tuple[tuple[str, int], ...] = ()
    derived: tuple[Path, ...] = ()

    @property
    def row_count(self) -> int:
        return sum(self.removal.rows.values())

    @property
    def is_empty(self) -> bool:
        return not (self.removal.rows or self.landing or self.derived or self.problems)


def plan_erasure(
    settings: Settings, subject: Subject, *, landing: str, as_of: datetime, is_applied: bool
) -> ErasurePlan:
    """Find everything of somebody; if applied, write the removal down so that it will be done.

    The caller holds the warehouse's lock if it is applied.

    Raises:
        UserError: nobody of that id is known, several are, or a legal hold forbids it.
    """
    lake = settings.lake
    _sources(settings, subject)
    with (
        staging_folder(lake) as staging,
        lake_connection(settings, scratch=staging) as connection,
    ):
        ids = _ids(connection, settings=settings, subject=subject)
        add_subject(connection, kind=subject.kind, ids=ids, lake=lake)
        _check_holds(connection, lake=lake, subject=subject)
        find_erased(connection, lake, sources=read_sources(settings.config))
        keys = staging / "erased.parquet"
        connection.execute(f"copy erased to {sql.text(str(keys))} (format parquet)")
        names = _names(connection, lake=lake, subject=subject, ids=ids)
        removal = Removal(
            removal_id=uuid.uuid4().hex,
            kind=ERASURE,
            as_of=as_of.astimezone(UTC),
            landing=landing,
            words=tuple(sorted({*names, *written_ways(names)})),
            kinds=(subject.kind,),
            scopes=tuple(ids) if subject.kind == TENANT else (),
            rows=rows_found(connection),
            problems=tuple(
                f"{one}: lies on object storage: remove its rows there"
                for one in objects_with(settings, connection=connection)
            ),
        )
        plan = ErasurePlan(removal=removal, problems=removal.problems)
        if not (is_applied and removal.rows):
            plan = _with_files(settings, plan, keys=keys, scratch=staging / "landing")
        if plan.is_empty:
            raise UserError(
                f"{subject.kind} {subject.id!r} is in no file of {settings.home}; "
                "write the id as the extracts have it"
            )
        if is_applied:
            doomed = staging / "doomed.parquet"
            connection.execute(f"copy doomed to {sql.text(str(doomed))} (format parquet)")
            begin(settings, removal, files={"doomed": doomed, "erased": keys})
    return plan


def _with_files(settings: Settings, plan: ErasurePlan, *, keys: Path, scratch: Path) -> ErasurePlan:
    """The plan with what would go beside the lake; to apply it, that is found when it goes."""
    removal = plan.removal
    assert removal.searched is not None
    with worker_pool(settings=settings, scratch=scratch, as_of=removal.as_of) as pool:
        files = rewrite_landing(
            settings,
            landing=removal.landing,
            keys=keys,
            names=removal.landing_names,
            pool=pool,
            scratch=scratch,
            is_applied=False,
        )
    return replace(
        plan,
        landing=tuple((one.path, one.rows) for one in files if one.problem is None),
        derived=tuple(derived_files_with(settings, removal.searched)),
        problems=(*removal.problems, *landing_problems(files)),
    )


def _ids(
    connection: duckdb.DuckDBPyConnection, *, settings: Settings, subject: Subject
) -> list[tuple[str, str]]:
    """Whose rows are meant, as (source, id in the lake)."""
    sources = _sources(settings, subject)
    if subject.kind == USER:
        return [
            (
                source,
                str(
                    connection.execute(
                        f"select hashed_user({sql.text(source)}, {sql.text(subject.id)})"
                    ).fetchall()[0][0]
                ),
            )
            for source in sources
        ]
    found = [
        source
        for source in sources
        if _has_tenant(connection, settings, source=source, tenant_id=subject.id)
    ]
    if len(found) > 1:
        raise UserError(
            f"tenant {subject.id!r} exists in several sources ({', '.join(found)}); choose one with --source"
        )
    return [(source, subject.id) for source in found or sources]


def _sources(settings: Settings, subject: Subject) -> list[str]:
    folder = settings.lake / "ledger"
    known = sorted(path.name for path in folder.iterdir()) if folder.is_dir() else []
    if subject.source_name is None:
        if not known:
            raise UserError(f"nothing is loaded in {settings.home} yet")
        return known
    if subject.source_name not in known:
        raise UserError(
            f"source {subject.source_name!r} has loaded nothing; use one of {', '.join(known) or 'none'}"
        )
    return [subject.source_name]


def _has_tenant(
    connection: duckdb.DuckDBPyConnection, settings: Settings, *, source: str, tenant_id: str
) -> bool:
    for stream in STREAMS.values():
        if any(naming.column == "tenant_id" for naming in namings(stream)):
            ((found,),) = connection.execute(
                f"select exists (select 1 from {raw_rows(settings.lake, stream)} where "
                f"source_name = {sql.text(source)} and tenant_id = {sql.text(tenant_id)})"
            ).fetchall()
            if found:
                return True
    return False


def _check_holds(connection: duckdb.DuckDBPyConnection, *, lake: Path, subject: Subject) -> None:
    """Refuse to erase what a tenant has to keep as evidence.

    Raises:
        UserError: a tenant of the rows is under legal hold.
    """
    owners = []
    for stream in STREAMS.values():
        if any(naming.column == "tenant_id" for naming in namings(stream)):
            rows = raw_rows(lake, stream)
            conditions = " or ".join(erased_by_name(stream, rows=rows))
            owners.append(f"select distinct source_name, tenant_id from {rows} where {conditions}")
    held = connection.execute(
        f"""with states as (
            select source_name, tenant_id, legal_hold from {raw_rows(lake, STREAMS["tenants"])}
            qualify row_number() over (
                partition by source_name, tenant_id order by updated_at desc, row_hash desc
            ) = 1
        )
        select distinct tenant_id from states
        inner join ({" union ".join(owners)}) as owners using (source_name, tenant_id)
        where legal_hold order by tenant_id"""
    ).fetchall()
    if held:
        names = ", ".join(repr(tenant_id) for (tenant_id,) in held)
        raise UserError(
            f"{subject.kind} {subject.id!r} cannot be erased: tenant {names} is under legal hold; "
            "deliver a tenants row without it first"
        )


def _names(
    connection: duckdb.DuckDBPyConnection,
    *,
    lake: Path,
    subject: Subject,
    ids: Sequence[tuple[str, str]],
) -> set[str]:
    """What may stand anywhere for who is erased: ids, and the names that a tenant ever had."""
    names = {subject.id, *(one for _, one in ids)}
    if subject.kind == TENANT:
        sources = [source for source, _ in ids]
        names |= names_of_tenant(connection, lake=lake, tenant_id=subject.id, sources=sources)
    return names


def names_of_tenant(
    connection: duckdb.DuckDBPyConnection, *, lake: Path, tenant_id: str, sources: Sequence[str]
) -> set[str]:
    """The names that a tenant ever had, but for those that are words like any other."""
    return {
        name
        for (name,) in connection.execute(
            f"select distinct tenant_name from {raw_rows(lake, STREAMS['tenants'])} where "
            f"tenant_id = {sql.text(tenant_id)} and "
            f"list_contains({sql.text_list(sources)}, source_name)"
        ).fetchall()
        if len(name) >= SHORTEST_NAME
    }


def written_ways(names: set[str]) -> set[str]:
    """The same names as JSON and HTML write them."""
    return {
        way
        for name in names
        for way in (
            json.dumps(name)[1:-1],
            json.dumps(name, ensure_ascii=False)[1:-1],
            escape(name),
            escape(name, quote=False),
        )
    }
