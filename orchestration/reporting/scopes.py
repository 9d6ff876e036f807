"""Scopes: whose figures are asked for, checked against the published dimensions.

Belongs here: the forms of ``--scope``, ``--agent`` and ``--source`` and whether they exist. Does
not belong here: how a scope selects rows, which is the table functions' business.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from orchestration.errors import UserError
from orchestration.reporting.query import Published, Row

ALLOWED_SCOPES = "platform, tenant:ID or publisher:ID"


class ScopeKind(StrEnum):
    """The three viewers of a figure."""

    PLATFORM = "platform"
    TENANT = "tenant"
    PUBLISHER = "publisher"


@dataclass(frozen=True, kw_only=True)
class Scope:
    """A scope that exists: what to pass to the table functions, and what to call it.

    ``source_name`` is None when the scope spans every source; ``time_zone`` is None when the scope
    has none of its own.
    """

    kind: ScopeKind
    id: str | None
    name: str
    source_name: str | None
    time_zone: str | None
    agent_id: str | None = None
    agent_name: str | None = None

    @property
    def text(self) -> str:
        """The scope as it is written on the command line and passed to the table functions."""
        return self.kind.value if self.id is None else f"{self.kind}:{self.id}"


@dataclass(frozen=True, kw_only=True)
class _Dimension:
    """Where the members of one kind are published."""

    noun: str
    table: str
    id_column: str
    name_column: str
    extra_column: str


_TENANTS = _Dimension(
    noun="tenant",
    table="core.dim_tenants",
    id_column="tenant_id",
    name_column="tenant_name",
    extra_column="time_zone",
)
_PUBLISHERS = _Dimension(
    noun="publisher",
    table="core.dim_publishers",
    id_column="publisher_id",
    name_column="publisher_name",
    extra_column="publisher_key",
)
_AGENTS = _Dimension(
    noun="agent",
    table="core.dim_agents",
    id_column="agent_id",
    name_column="agent_name",
    extra_column="publisher_key",
)


def split_scope(text: str) -> tuple[ScopeKind, str | None]:
    """Split ``platform``, ``tenant:ID`` or ``publisher:ID`` into its kind and id.

    Raises:
        UserError: the text has none of the three forms.
    """
    kind, separator, identifier = text.partition(":")
    if kind == ScopeKind.PLATFORM and not separator:
        return ScopeKind.PLATFORM, None
    if kind in (ScopeKind.TENANT, ScopeKind.PUBLISHER) and identifier:
        return ScopeKind(kind), identifier
    raise UserError(f"unknown scope {text!r}: use {ALLOWED_SCOPES}")


def resolve_scope(
    published: Published, text: str, *, source: str | None = None, agent: str | None = None
) -> Scope:
    """Find the scope, and the agent when one is named, in the published dimensions.

    Raises:
        UserError: the scope, source or agent does not exist, or exists in several sources and none
        is named.
    """
    kind, identifier = split_scope(text)
    if source is not None:
        _check_source(published, source)
    if kind is ScopeKind.PLATFORM or identifier is None:
        scope = Scope(kind=kind, id=None, name="Platform", source_name=source, time_zone=None)
        owner = None
    else:
        dimension = _TENANTS if kind is ScopeKind.TENANT else _PUBLISHERS
        member = _find(published, dimension, identifier, source=source, owner=None)
        scope = Scope(
            kind=kind,
            id=identifier,
            name=str(member["name"] or identifier),
            source_name=str(member["source_name"]),
            time_zone=_text(member["extra"]) if kind is ScopeKind.TENANT else None,
        )
        owner = _text(member["extra"]) if kind is ScopeKind.PUBLISHER else None
    if agent is None:
        return scope
    found = _find(published, _AGENTS, agent, source=scope.source_name, owner=owner)
    return Scope(
        kind=scope.kind,
        id=scope.id,
        name=scope.name,
        source_name=str(found["source_name"]),
        time_zone=scope.time_zone,
        agent_id=agent,
        agent_name=str(found["name"] or agent),
    )


def _find(
    published: Published,
    dimension: _Dimension,
    identifier: str,
    *,
    source: str | None,
    owner: str | None,
) -> Row:
    """The one member with this id; ``owner`` narrows agents to those of one publisher."""
    members = f"""
        select
            {dimension.id_column} as id,
            {dimension.name_column} as name,
            source_name,
            {dimension.extra_column} as extra,
        from {dimension.table}
        where ($source is null or source_name = $source)
            and ($owner is null or {dimension.extra_column} = $owner)
    """
    bound: dict[str, object] = {"source": source, "owner": owner, "id": identifier}
    rows = published.rows(f"from ({members}) where id = $id order by source_name", bound)
    if len(rows) == 1:
        return rows[0]
    if rows:
        sources = ", ".join(str(row["source_name"]) for row in rows)
        raise UserError(
            f"{dimension.noun} {identifier!r} exists in several sources ({sources}); "
            "choose one with --source"
        )
    close = published.rows(
        f"select distinct id, jaro_winkler_similarity(lower(id), lower($id)) as likeness "
        f"from ({members}) order by likeness desc, id limit 5",
        bound,
    )
    where = f" in source {source!r}" if source else ""
    where += f" of publisher {owner.partition(':')[2]!r}" if owner else ""
    known = ", ".join(str(row["id"]) for row in close)
    hint = f"; the closest that exist: {known}" if known else "; none exist yet"
    raise UserError(f"unknown {dimension.noun} {identifier!r}{where}{hint}")


def _check_source(published: Published, source: str) -> None:
    rows = published.rows(
        """
        select source_name from core.dim_tenants
        union
        select source_name from core.dim_publishers
        union
        select source_name from core.dim_agents
        order by source_name
        """
    )
    names = [str(row["source_name"]) for row in rows]
    if source not in names:
        known = ", ".join(names) or "none yet"
        raise UserError(f"unknown source {source!r}; the published sources are: {known}")


def _text(value: object) -> str | None:
    return None if value is None else str(value)
