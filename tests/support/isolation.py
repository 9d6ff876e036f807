"""A deployment in which every tenant, user and publisher has marks of its own, and a search for them.

A tenant's mark is in its name and ids and those of its conversations and tasks, and it has amounts
of money that no one else has; a second one, which the publishers of its agents may see, is in the
models, tools, versions and kinds of personal data of its work. A publisher's mark is in its name and
ids and those of its agents. What reaches one scope is searched for the marks of all others.

Belongs here: planting and searching. Does not belong here: which scopes are searched (the tests).
"""

from __future__ import annotations

import html
import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from email import message_from_bytes
from email.policy import default
from pathlib import Path
from typing import Any

import duckdb
from pypdf import PdfReader

from orchestration.delivery.send import deliver
from orchestration.reporting.datasets.asking import Request
from orchestration.reporting.datasets.registry import DATASETS
from orchestration.reporting.documents import to_json
from orchestration.reporting.model import Frequency
from orchestration.reporting.query import read_published
from orchestration.reporting.run import make_due_reports, make_report
from orchestration.reporting.scopes import ScopeKind
from orchestration.reporting.tables import to_csv
from orchestration.settings import Settings
from orchestration.warehouse.scope_copy import CopiedScope, copy_scope
from tests.support.published_home import answer, plant, publish_landing

AS_OF = datetime(2026, 3, 2, 6, tzinfo=UTC)
_DAYS = ("2026-02-17", "2026-02-24", "2026-02-27", "2026-03-01")
_UPDATED_AT = "2026-01-01T00:00:00Z"

# Raw user ids are hashed at the door, so nobody sees this one, not even the platform.
USER_MARK = "zquser"


@dataclass(frozen=True, kw_only=True)
class Tenant:
    """A tenant, its marks, and the amount that each of its model calls costs."""

    mark: str
    work_mark: str
    cost_usd: str
    publishers: tuple[str, ...]

    @property
    def scope(self) -> str:
        return f"tenant:{self.mark}"


# All use the first publisher, so that its totals are nobody's; one alone uses the second.
TENANTS = (
    Tenant(mark="zqalpha", work_mark="zwalpha", cost_usd="7314.1731", publishers=("zqpubone",)),
    Tenant(mark="zqbeta", work_mark="zwbeta", cost_usd="8623.4679", publishers=("zqpubone",)),
    Tenant(
        mark="zqgamma",
        work_mark="zwgamma",
        cost_usd="5198.3127",
        publishers=("zqpubone", "zqpubtwo"),
    ),
)
PUBLISHERS = ("zqpubone", "zqpubtwo")
SCOPES = ("platform", *(one.scope for one in TENANTS), *(f"publisher:{one}" for one in PUBLISHERS))


def marks_forbidden_to(scope: str) -> dict[str, str]:
    """What a scope must not be shown, as patterns, and whose it is."""
    kind, _, own = scope.partition(":")
    forbidden = {USER_MARK: "a user"}
    if kind == "platform":
        return forbidden
    for tenant in TENANTS:
        if tenant.mark != own:
            forbidden[tenant.mark] = tenant.mark
            if own not in tenant.publishers:
                forbidden[tenant.work_mark] = tenant.mark
            # The totals of a publisher with a single tenant are that tenant's.
            if (kind, own) != ("publisher", "zqpubtwo"):
                forbidden |= dict.fromkeys(_amounts(tenant), tenant.mark)
    for publisher in PUBLISHERS:
        uses = any(one.mark == own and publisher in one.publishers for one in TENANTS)
        if publisher != own and not uses:
            forbidden[publisher] = publisher
    return forbidden


def _amounts(tenant: Tenant) -> Iterator[str]:
    """The cost of one call and of a week's, exact or in cents, with and without separators."""
    call = int(tenant.cost_usd.replace(".", ""))
    for calls in (1, 3, 4):
        whole, parts = divmod(call * calls, 10_000)
        yield rf"\b{whole}\.{parts // 100:02d}"
        yield rf"\b{whole:,}\.{parts // 100:02d}"
        yield rf"\b{whole:,}\b"


def leaks(scope: str, texts: Mapping[str, str]) -> list[str]:
    """Where something forbidden to the scope stands, and whose it is."""
    return [
        f"{place} shows {whose}: {found[0]!r}"
        for pattern, whose in marks_forbidden_to(scope).items()
        for place, text in texts.items()
        if (found := re.search(pattern, text, re.IGNORECASE))
    ]


def publish_marked(home: Path) -> Settings:
    """Load, build and publish the planted rows, then make and write out all reports and e-mails."""
    settings = Settings(home=home, threads=2)
    plant(settings.landing, _rows())
    publish_landing(settings, as_of=AS_OF)
    made = make_due_reports(settings=settings, as_of=AS_OF)
    assert not made.failed, made.failed
    assert deliver(settings=settings, as_of=AS_OF).written == made.queued
    return settings


def report_texts(settings: Settings, scope: str, *, pdf: Sequence[str]) -> dict[str, str]:
    """All text of every file of the scope's reports; PDFs of these frequencies alone."""
    texts = {}
    for path in settings.reports.rglob("*"):
        if path.is_file() and path.parent.name == scope.replace(":", "-"):
            if path.suffix != ".pdf":
                texts[path.name] = path.read_text()
            elif path.parts[-4] in pdf:
                texts[path.name] = pdf_text(path)
    assert texts
    return texts


def page_texts(settings: Settings, scope: str, *, folder: Path) -> dict[str, str]:
    """The scope's weekly report as a web page."""
    (page,) = make_report(
        settings=settings,
        scope_text=scope,
        source=None,
        frequency=Frequency.WEEKLY,
        as_of=None,
        formats=["html"],
        folder=folder,
    )
    return {page.name: html.unescape(page.read_text())}


def mail_texts(settings: Settings, scope: str) -> dict[str, str]:
    """Every header, body and text attachment of the scope's e-mails."""
    texts = {}
    for path in settings.outbox.glob(f"*-{scope.replace(':', '-')}-*.eml"):
        message = message_from_bytes(path.read_bytes(), policy=default)
        parts = [str(message.items())]
        for part in message.walk():
            parts.append(str(part.items()))
            if part.get_content_maintype() == "text" or part.get_content_subtype() == "json":
                content = part.get_content()
                parts.append(content if isinstance(content, str) else content.decode())
        texts[path.name] = html.unescape("\n".join(parts))
    assert texts
    return texts


def export_texts(settings: Settings, scope: str) -> dict[str, str]:
    """Every dataset that is made for the scope, as JSON and as CSV."""
    kind = ScopeKind(scope.partition(":")[0])
    texts = {}
    with read_published(settings) as published:
        for name, dataset in DATASETS.items():
            if kind in dataset.scopes:
                metric = dataset.metric
                name_of_metric = metric.allowed()[0] if metric and metric.is_required else None
                request = Request(scope=scope, metric=name_of_metric)
                found = answer(published, name, request, as_of=AS_OF)
                texts[f"{name}.json"] = to_json(found.document)
                texts[f"{name}.csv"] = "".join(to_csv(table) for table in found.tables)
    assert texts
    return texts


@contextmanager
def copy_of(settings: Settings, scope: str, *, folder: Path) -> Iterator[duckdb.DuckDBPyConnection]:
    """The database of the scope alone."""
    kind, _, identifier = scope.partition(":")
    target = folder / f"{identifier}.duckdb"
    copy_scope(settings, CopiedScope(kind=kind, id=identifier, source_name="native"), target=target)
    with duckdb.connect(str(target), read_only=True) as connection:
        yield connection


def row_texts(connection: duckdb.DuckDBPyConnection) -> dict[str, str]:
    """All rows of every table as text, one value a line."""
    tables = connection.execute(
        "select schema_name, table_name from duckdb_tables() where not internal"
    ).fetchall()
    return {
        f"{schema}.{table}": "\n".join(
            str(row[0])
            for row in connection.execute(
                f'select cast(rows_of as varchar) from "{schema}"."{table}" as rows_of'
            ).fetchall()
        )
        for schema, table in tables
    }


def pdf_text(path: Path) -> str:
    reader = PdfReader(path)
    pages = [page.extract_text() for page in reader.pages]
    return "\n".join([*pages, str(reader.metadata), str(reader.outline)])


def _rows() -> dict[str, list[dict[str, Any]]]:
    streams: dict[str, list[dict[str, Any]]] = {
        "publishers": [
            {
                "publisher_id": publisher,
                "publisher_name": f"{publisher} & <b>Sons</b>",
                "updated_at": _UPDATED_AT,
            }
            for publisher in PUBLISHERS
        ],
        "agents": [
            {
                "agent_id": f"{publisher}-agent",
                "agent_name": f"{publisher} helper",
                "agent_type_id": f"{publisher}-type",
                "agent_type_name": f"{publisher} support",
                "publisher_id": publisher,
                "updated_at": _UPDATED_AT,
            }
            for publisher in PUBLISHERS
        ],
        "tenants": [
            {
                "tenant_id": tenant.mark,
                "tenant_name": f'{tenant.mark} "Quoted" <i>Ltd</i>',
                "use_case": "support",
                "cost_per_human_interaction_usd": "8",
                "updated_at": _UPDATED_AT,
            }
            for tenant in TENANTS
        ],
        "report_subscriptions": [
            {
                "subscription_id": f"{scope.replace(':', '-')}-{frequency}",
                "scope_kind": scope.partition(":")[0],
                "scope_id": scope.partition(":")[2] or "platform",
                "frequency": frequency,
                "formats": ["pdf", "csv", "json"],
                "recipients": [f"{scope.partition(':')[2] or 'operations'}@example.org"],
                "updated_at": _UPDATED_AT,
            }
            for scope in SCOPES
            for frequency in ("weekly", "monthly")
        ],
    }
    for tenant in TENANTS:
        for publisher in tenant.publishers:
            for number, day in enumerate(_DAYS):
                key = f"{tenant.mark}-{publisher}-{number}"
                for stream, rows in _turn(tenant, publisher, key, day).items():
                    streams.setdefault(stream, []).extend(rows)
    return streams


def _turn(tenant: Tenant, publisher: str, key: str, day: str) -> dict[str, list[dict[str, Any]]]:
    """One answered message of a user with everything that can be known of it."""
    whose = {"tenant_id": tenant.mark, "agent_id": f"{publisher}-agent"}
    event = {**whose, "publisher_id": publisher}
    ids = {
        "invocation_id": f"{key}-invocation",
        "conversation_id": f"{key}-conversation",
        "session_id": f"{key}-session",
        "user_id": f"{USER_MARK}-{tenant.mark}",
    }
    at = f"{day}T10:00:0"
    happened: tuple[tuple[str, dict[str, Any]], ...] = (
        ("install", {}),
        ("agent_invoked", {}),
        ("tool_called", {"tool_name": f"{tenant.work_mark}_tool", "duration_ms": 40}),
        ("tool_failed", {"tool_name": f"{tenant.work_mark}_tool"}),
        ("agent_completed", {"duration_ms": 1500, "agent_version": f"{tenant.work_mark}-2"}),
        ("user_feedback", {"rating": 2}),
    )
    return {
        "agent_events": [
            {
                **event,
                "id": f"{key}-{kind}",
                "event_type": kind,
                "timestamp": f"{at}{second}Z",
                "properties": {**ids, **properties},
            }
            for second, (kind, properties) in enumerate(happened)
        ],
        "llm_calls": [
            {
                **event,
                "llm_call_id": f"{key}-call",
                "invocation_id": ids["invocation_id"],
                "timestamp": f"{at}3Z",
                "model": f"{tenant.work_mark}-tuned",
                "provider": f"{tenant.work_mark}-provider",
                "input_tokens": 9_000,
                "output_tokens": 700,
                "cost_usd": tenant.cost_usd,
                "latency_ms": 900,
            }
        ],
        "conversations": [
            {
                **whose,
                "conversation_id": ids["conversation_id"],
                "created_at": f"{at}0Z",
                "status": "completed",
                "updated_at": f"{at}6Z",
                "user_id": ids["user_id"],
                "ended_at": f"{at}6Z",
                "satisfaction_score": 2,
            }
        ],
        "tasks": [
            {
                **whose,
                "task_id": f"{key}-task",
                "status": "completed",
                "created_at": f"{at}0Z",
                "updated_at": f"{at}6Z",
                "ended_at": f"{at}6Z",
                "user_id": ids["user_id"],
            }
        ],
        "audit_events": [
            {
                **whose,
                "audit_id": f"{key}-audit",
                "timestamp": f"{at}6Z",
                "invocation_id": ids["invocation_id"],
                "toxicity_score": "0.9",
                "pii_redactions": {f"{tenant.work_mark}_NUMBER": 3},
            }
        ],
        "charges": [
            {
                **event,
                "charge_id": f"{key}-charge",
                "charged_at": f"{at}6Z",
                "amount": tenant.cost_usd[1:],
                "currency": "USD",
                "kind": "usage",
            }
        ],
    }
