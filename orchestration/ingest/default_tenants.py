"""Refused rows of a source whose declaration says whose they are: the tenant stands in none of their texts.

Belongs here: the SQL that finds those whose tenant was erased. Does not belong here: rows that name somebody
(tombstones.py), and what is done about them (withholding.py, retention/).
"""

from __future__ import annotations

import re
from collections.abc import Iterable

from orchestration.ingest import sql
from orchestration.ingest.adapter import Adapter
from orchestration.ingest.sources import Source

_COLUMN = "tenant_id"


def erased_by_default(sources: Iterable[Source]) -> str:
    """SQL: whether a refused row (source_name, raw_text) names no tenant and its source's default was erased.

    A source whose adapter takes the tenant from where the text of a row does not show it is left alone: the
    row may be another's.
    """
    by_name: dict[str, list[Source]] = {}
    for source in sources:
        by_name.setdefault(source.name, []).append(source)
    return " or ".join(filter(None, map(_condition, by_name.values()))) or "false"


def _condition(declared: list[Source]) -> str | None:
    """Of the declarations that share a name: what a row refused of them does not say must be the same."""
    tenants = {source.defaults.get(_COLUMN) for source in declared}
    members: set[str] = set()
    for source in declared:
        named_by = _members(source.adapter)
        if named_by is None:
            return None
        members |= named_by
    (tenant, *others) = tenants
    if tenant is None or others:
        return None
    name = sql.text(declared[0].name)
    is_erased = (
        f"erased_key('tenant', {name}, {sql.text(tenant)}) in "
        "(select key from erased where kind = 'tenant')"
    )
    condition = f"source_name = {name} and {is_erased}"
    if members:
        own = rf'"(?:{"|".join(map(re.escape, sorted(members)))})"\s*:\s*(?:"[^"]|[0-9])'
        condition += f" and not coalesce(regexp_matches(raw_text, {sql.text(own)}), false)"
    return f"({condition})"


def _members(adapter: Adapter) -> set[str] | None:
    """By which members a row names its tenant: none where it never does, None where the text cannot tell."""
    statements = [table.sql for table in adapter.tables]
    statements += [section.sql for section in adapter.sections]
    if not any(re.search(rf"\b{_COLUMN}\b", one) for one in statements):
        return set()
    members: set[str] = set()
    hidden = set(adapter.private_members)
    for line in re.findall(rf"^(.*)\bas {_COLUMN}\b", "\n".join(statements), re.MULTILINE):
        fields = [one for one in adapter.raw_fields if re.search(rf"\b{one.column}\b", line)]
        if not fields or any(hidden.intersection((*one.path, "*")) for one in fields):
            return None
        members |= {one.path[-1] for one in fields}
    return members or None
