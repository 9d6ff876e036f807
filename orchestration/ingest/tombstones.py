"""What must stay out of the lake: hashed keys of who was erased, and the day a tenant's data begin.

Belongs here: the two files that say so, and the SQL that finds rows they are about. Does not belong here:
who is erased and what retention decides (retention/).

A tombstone is the hash, with the deployment's salt, of a tenant, of a user (of what the lake holds for one),
or of an invocation, conversation or task that was theirs: rows that name neither tenant nor user are found by
those. A key says nothing about whom it stands for.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import duckdb

from orchestration.contracts.model import Stream
from orchestration.contracts.streams import STREAMS
from orchestration.ingest import sql

TENANT, USER = "tenant", "user"
INVOCATION, CONVERSATION, TASK = "invocation", "conversation", "task"

# Rows that retention removes: what happened. What people set up (tenants, budgets, goals, …) stays.
DETAIL_STREAMS = (
    "agent_events",
    "llm_calls",
    "audit_events",
    "quality_scores",
    "charges",
    "instance_samples",
    "conversations",
    "tasks",
)

_LINKS = {
    "agent_events": {INVOCATION: "invocation_id", CONVERSATION: "conversation_id"},
    "llm_calls": {INVOCATION: "invocation_id"},
    "audit_events": {INVOCATION: "invocation_id"},
    "quality_scores": {CONVERSATION: "conversation_id"},
    "conversations": {CONVERSATION: "conversation_id"},
    "tasks": {TASK: "task_id"},
}

_DAYS = {
    "conversations": "created_at::date",
    "tasks": "coalesce(ended_at, updated_at)::date",
}

_KEY = r"""create or replace temp macro erased_key(kind, source, id) as
    sha256(getvariable('user_salt') || '|erased|' || kind || '|' || source || '|' || id)[1:32]"""
# Every way in which a text may name somebody: strings and numbers of JSON, and the words of anything else.
# A user stands as a marked hash in texts that the quarantine keeps.
_NAMES = r"""create or replace temp macro names_in(document) as list_distinct(list_concat(
    list_transform(
        regexp_extract_all(document, '"((\\.|[^"\\])*)"', 1),
        lambda one: regexp_replace(one, '^sha256:', '')
    ),
    case
        when json_valid(document) then regexp_extract_all(document, '[:,\[]\s*(-?[0-9]+)', 1)
        else regexp_extract_all(document, '[\p{L}\p{N}_.@+-]+')
    end
))"""
_MENTIONS = r"""create or replace temp macro mentions_erased(source, document) as
    document is not null and exists (
        select 1
        from (
            select unnest(['tenant', 'user', 'invocation', 'conversation', 'task']) as kind
        ) as kinds
        cross join (select unnest(names_in(document)) as name) as names
        where erased_key(kinds.kind, source, names.name) in (select key from erased)
    )"""


def erased_file(lake: Path) -> Path:
    """The keys of everybody who was erased: (kind, key)."""
    return lake / "removed" / "erased.parquet"


def kept_file(lake: Path) -> Path:
    """From which day on a tenant's detail is kept: (key, kept_from)."""
    return lake / "removed" / "kept_from.parquet"


def frozen_file(lake: Path) -> Path:
    """Sums of what retention removed, by removal and day: (removal_id, event_date, measures)."""
    return lake / "removed" / "frozen_days.parquet"


def ranges_file(lake: Path) -> Path:
    """By scope the days of which retention removed something: (scope_kind, source_name, scope_id, …)."""
    return lake / "removed" / "removed_ranges.parquet"


def has_tombstones(lake: Path) -> bool:
    """Whether any row may have to stay out."""
    return erased_file(lake).exists() or kept_file(lake).exists()


@dataclass(frozen=True, kw_only=True)
class Naming:
    """A column that names somebody, for the rows that fulfil the condition."""

    kind: str
    column: str
    condition: str = "true"


def namings(stream: Stream) -> tuple[Naming, ...]:
    """How rows of a stream name whose they are; a row with a user of its own is never found by a link."""
    columns = {field.column for field in stream.all_fields}
    found = []
    if "tenant_id" in columns:
        found.append(Naming(kind=TENANT, column="tenant_id"))
    if "scope_kind" in columns:
        found.append(Naming(kind=TENANT, column="scope_id", condition="scope_kind = 'tenant'"))
    unowned = "true"
    if "user_id" in columns:
        found.append(Naming(kind=USER, column="user_id"))
        unowned = "user_id is null"
    for kind, column in _LINKS.get(stream.name, {}).items():
        found.append(Naming(kind=kind, column=column, condition=unowned))
    return tuple(found)


def open_tombstones(
    connection: duckdb.DuckDBPyConnection, lake: Path, *, planned: Path | None = None
) -> None:
    """Make the tables ``erased`` and ``kept`` and the macros over them; ``user_salt`` is set before.

    ``planned`` holds keys beside those of the lake.
    """
    connection.execute("create or replace temp table erased (kind varchar, key varchar)")
    connection.execute("create or replace temp table kept (key varchar, kept_from date)")
    files = [("erased", erased_file(lake)), ("kept", kept_file(lake)), ("erased", planned)]
    for table, path in files:
        if path is not None and path.exists():
            connection.execute(f"insert into {table} from read_parquet({sql.text(str(path))})")
    for macro in (_KEY, _NAMES, _MENTIONS):
        connection.execute(macro)


def erased_rows(stream: Stream, *, rows: str) -> tuple[str, ...]:
    """SQL: conditions over ``rows``, a relation with the lake's columns; any of them means erased."""
    conditions = []
    for naming in namings(stream):
        column = sql.name(naming.column)
        # Ids repeat, so that hashing each once is cheaper than hashing all.
        of_kind = (
            f"select source_name, {column} from "
            f"(select distinct source_name, {column} from {rows}) "
            f"where erased_key('{naming.kind}', source_name, {column}) in "
            f"(select key from erased where kind = '{naming.kind}')"
        )
        conditions.append(f"({naming.condition} and (source_name, {column}) in ({of_kind}))")
    return tuple(conditions)


def withheld(stream: Stream, *, rows: str) -> tuple[str, ...]:
    """SQL: conditions over ``rows``, any of which keeps a row out of the lake."""
    conditions = list(erased_rows(stream, rows=rows))
    if stream.name in DETAIL_STREAMS and TENANT in {one.kind for one in namings(stream)}:
        conditions.append(
            f"exists (select 1 from kept where {day_of(stream)} < kept.kept_from "
            "and kept.key = erased_key('tenant', source_name, tenant_id))"
        )
    return tuple(conditions)


def day_of(stream: Stream) -> str:
    """SQL: the day of the fact that a row is about, which may be before the day of a state of it."""
    return _DAYS.get(stream.name, f"{sql.name(stream.time_field)}::date")


def streams_named() -> Sequence[Stream]:
    """The streams whose rows can be somebody's."""
    return [stream for stream in STREAMS.values() if namings(stream)]
