"""Random extracts and random ways to deliver them, for property tests.

Rows come in groups. Ids and days of a group are its own, so that no other group opens its days by
chance and one build tries as many cases as it has groups. Within a group ids are few, so that rows
meet: versions of one event, calls below calls, ratings of late answers, tasks that move. Tenants
are shared.

Belongs here: drawing and writing such extracts. Does not belong here: building from them
(builds.py).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Any

from hypothesis import strategies as st

from orchestration.contracts.streams import STREAMS
from orchestration.ingest.load import FAILED, load_landing
from orchestration.settings import Settings
from tests.support.landing import VALID_ROWS, csv_bytes, ndjson, put, put_with_duckdb

AS_OF = datetime(2026, 3, 10, 12, tzinfo=UTC)
DAYS_PER_GROUP = 7
# The last group reaches past the as-of time of early runs.
FIRST_DAY = date(2026, 1, 27)
MOST_GROUPS = 6

NATIVE, MIRROR = "native", "mirror"
# A second source with the same ids, so that nothing is joined across sources.
MIRRORED = ("agent_events", "llm_calls", "agents", "tasks")

_TIMES = ("00:00:00", "00:00:20", "08:59:00", "09:00:00", "09:29:59", "09:30:00", "23:59:50")
_FORMATS = ("ndjson", "ndjson.gz", "csv", "parquet")


@dataclass(frozen=True)
class Delivered:
    """A row, and the deliveries (from 0) that bring it."""

    stream: str
    row: Mapping[str, Any]
    deliveries: tuple[int, ...]
    source: str = NATIVE


@dataclass(frozen=True)
class Delivery:
    """How one delivery comes: hours since the one before, the format of its files and in how many files each
    stream is, whether the run after it was published, and whether small
    lake files were merged before it."""

    hours_later: int
    format: str
    files: int
    is_reversed: bool
    is_published: bool
    is_compacted: bool = False


@dataclass(frozen=True)
class Scenario:
    """Rows and their deliveries."""

    rows: tuple[Delivered, ...]
    deliveries: tuple[Delivery, ...]

    def times(self) -> list[datetime]:
        """The as-of time of the run after each delivery; the last one is AS_OF."""
        times = [AS_OF]
        for delivery in reversed(self.deliveries[1:]):
            times.append(times[-1] - timedelta(hours=delivery.hours_later))
        return times[::-1]


def _one_of(*values: Any) -> st.SearchStrategy[Any]:
    return st.sampled_from(values)


def _fields(**fields: Sequence[Any]) -> st.SearchStrategy[dict[str, Any]]:
    """A row with one of the values of each field; None leaves the field out."""
    drawn = st.fixed_dictionaries(
        {name: st.sampled_from(values) for name, values in fields.items()}
    )
    return drawn.map(lambda row: {name: value for name, value in row.items() if value is not None})


class _Group:
    """The rows of one group."""

    def __init__(self, number: int) -> None:
        self._number = number
        first = FIRST_DAY + timedelta(days=number * DAYS_PER_GROUP)
        self._days = [first + timedelta(days=day) for day in range(6)]
        self.moments = [f"{day}T{time}Z" for day in self._days for time in _TIMES]

    def ids(self, letter: str, count: int) -> list[str]:
        return [f"g{self._number}-{letter}{one}" for one in range(1, count + 1)]

    def maybe(self, letter: str, count: int) -> list[str | None]:
        return [None, *self.ids(letter, count)]

    def known_agents(self) -> list[dict[str, Any]]:
        """The agents as they were before everything: else any row of theirs may change all their days."""
        return [
            {
                "agent_id": agent,
                "agent_name": "Ada",
                "agent_type_id": self.ids("type", 2)[0],
                "publisher_id": self.ids("publisher", 2)[0],
                "updated_at": "2026-01-01T00:00:00Z",
            }
            for agent in self.ids("agent", 3)
        ]

    def rows(self) -> st.SearchStrategy[tuple[str, dict[str, Any]]]:
        streams = self._streams()
        weighted = [
            name
            for name in streams
            for _ in range({"agent_events": 12, "llm_calls": 5, "tasks": 3}.get(name, 1))
        ]
        return st.sampled_from(weighted).flatmap(
            lambda name: streams[name].map(lambda row: (name, row))
        )

    def _streams(self) -> dict[str, st.SearchStrategy[dict[str, Any]]]:
        moments, days = self.moments, [str(day) for day in self._days]
        agents, types = self.ids("agent", 3), self.ids("type", 2)
        tenants, publishers = ["t1", "t2"], self.ids("publisher", 2)
        return {
            "agent_events": self._agent_events(),
            "llm_calls": _fields(
                llm_call_id=self.ids("call", 5),
                invocation_id=self.ids("invocation", 3),
                timestamp=moments,
                model=["gpt-4o", "unpriced"],
                span_id=self.maybe("span", 3),
                parent_span_id=self.maybe("span", 3),
                input_tokens=[100, 40, 0],
                output_tokens=[10, None],
                cost_usd=[None, "0.25"],
                latency_ms=[None, 900],
            ),
            "tasks": _fields(
                task_id=self.ids("task", 2),
                tenant_id=tenants,
                agent_id=agents,
                status=["running", "completed", "failed"],
                created_at=moments[:2],
                updated_at=moments,
                ended_at=[None, *moments],
                started_at=[None, *moments[::5]],
                user_id=self.maybe("user", 2),
                model=[None, "gpt-4o"],
                input_tokens=[None, 7],
                attempts=[None, 2],
            ),
            "agents": _fields(
                agent_id=agents,
                agent_name=["Ada", "Bob"],
                agent_type_id=types,
                agent_type_name=[None, "Type"],
                publisher_id=[None, *publishers],
                updated_at=moments,
            ),
            "instance_samples": _fields(
                agent_type_id=types,
                tenant_id=[None, "t1"],
                timestamp=moments,
                running_instances=[1, 4],
            ),
            "audit_events": _fields(
                audit_id=self.ids("audit", 3),
                tenant_id=tenants,
                agent_id=agents,
                timestamp=moments,
                invocation_id=self.maybe("invocation", 3),
                toxicity_score=[None, "0.9"],
                pii_redactions=[None, {"PERSON": 2}, {"PERSON": 1, "EMAIL": 3}],
            ),
            "quality_scores": _fields(
                score_id=self.ids("score", 2),
                conversation_id=self.ids("conversation", 2),
                tenant_id=tenants,
                agent_id=agents,
                dimension=["tone", "accuracy"],
                score=[2, 5],
                judged_at=moments,
            ),
            "charges": _fields(
                charge_id=self.ids("charge", 2),
                tenant_id=tenants,
                publisher_id=publishers,
                agent_id=agents,
                charged_at=moments,
                amount=["1.50", "20"],
                currency=["EUR", "USD"],
                kind=["usage", "refund", "subscription"],
            ),
            "provider_bills": _fields(
                bill_id=self.ids("bill", 2),
                provider=["openai"],
                period_start=days,
                period_end=[str(self._days[-1] + timedelta(days=1))],
                amount=["9", "12"],
                currency=["USD"],
            ),
            "health_samples": _fields(
                service=self.ids("service", 1),
                timestamp=moments,
                is_up=[True, False],
                requests=[None, 10],
                failed_requests=[None, 2],
            ),
            "incidents": _fields(
                incident_id=self.ids("incident", 2),
                service=self.ids("service", 1),
                started_at=moments[:3],
                ended_at=[None, *moments[-3:]],
                updated_at=moments,
            ),
            "deployments": _fields(
                deployment_id=self.ids("deployment", 2),
                agent_id=agents,
                agent_version=["1", "2"],
                deployed_at=moments,
            ),
            "conversations": _fields(
                conversation_id=self.ids("conversation", 2),
                tenant_id=tenants,
                agent_id=agents,
                created_at=moments,
                status=["open", "completed", "abandoned"],
                updated_at=moments,
                user_id=self.maybe("user", 2),
                ended_at=[None, *moments],
                escalated=[None, True],
                satisfaction_score=[None, 4],
            ),
            "publishers": _fields(
                publisher_id=publishers, publisher_name=["Acme", "Bolt"], updated_at=moments
            ),
            "tenants": _fields(
                tenant_id=tenants,
                tenant_name=["Globex", "Initech"],
                updated_at=moments,
                plan_tier=[None, "pro"],
                timezone=[None, "Asia/Kolkata", "America/New_York"],
                use_case=[None, "support", "sales"],
                cost_per_human_interaction_usd=[None, "8"],
                platform_fee_usd_month=[None, "99"],
            ),
            "budgets": _fields(
                scope_kind=["tenant"],
                scope_id=tenants,
                month=["2026-02", "2026-03"],
                amount_usd=["5", "500"],
                updated_at=moments,
            ),
            "experiments": _fields(
                experiment_id=self.ids("experiment", 1),
                agent_id=agents,
                version_a=["1"],
                version_b=["2"],
                started_at=moments[:3],
                updated_at=moments,
            ),
        }

    def _agent_events(self) -> st.SearchStrategy[dict[str, Any]]:
        linked = {
            "invocation_id": self.maybe("invocation", 3),
            "conversation_id": self.maybe("conversation", 2),
            "user_id": self.maybe("user", 2),
        }
        task = {"task_id": self.maybe("task", 2)}
        answer = _fields(
            **linked,
            **task,
            model=[None, "gpt-4o", "claude-3-5-sonnet"],
            agent_version=[None, "2"],
            input_tokens=[None, 5],
            output_tokens=[None, 3],
            cost_usd=[None, "0.125"],
            duration_ms=[None, 1500, 2 * 86_400_000],
            llm_latency_ms=[None, 700],
            tool_calls=[None, ["search", "search"]],
            attempt=[None, 2],
        )
        properties = {
            "agent_invoked": _fields(**linked, **task),
            "agent_completed": answer,
            "agent_errored": answer,
            "tool_called": _fields(
                tool_name=["search"], invocation_id=linked["invocation_id"], duration_ms=[None, 50]
            ),
            "tool_failed": _fields(
                tool_name=["search"], invocation_id=linked["invocation_id"], **task
            ),
            "user_feedback": _fields(**linked, rating=[1, 5]),
            "install": st.just({}),
            "uninstall": st.just({}),
        }
        kinds = st.sampled_from(
            ["agent_invoked", "agent_completed", "agent_completed", "user_feedback", *properties]
        )
        envelopes = _fields(
            id=self.ids("event", 6),
            agent_id=self.ids("agent", 3),
            publisher_id=self.ids("publisher", 2),
            tenant_id=["t1", "t2"],
            timestamp=self.moments,
        )
        return kinds.flatmap(
            lambda kind: st.tuples(envelopes, properties[kind]).map(
                lambda parts: {**parts[0], "event_type": kind, "properties": parts[1]}
            )
        )


@st.composite
def scenarios(draw: st.DrawFn) -> Scenario:
    """Groups of related rows, each row in one or two of up to four deliveries."""
    count = draw(st.integers(2, 4))
    rows: list[Delivered] = []
    which = st.integers(0, count - 1)
    for number in range(draw(st.integers(1, MOST_GROUPS))):
        group = _Group(MOST_GROUPS - 1 - number)
        if draw(st.sampled_from([True, True, True, False])):
            rows += [
                Delivered("agents", row, (0,), source)
                for row in group.known_agents()
                for source in (NATIVE, MIRROR)
            ]
        drawn = st.tuples(
            group.rows(),
            st.lists(which, min_size=1, max_size=2, unique=True),
            st.sampled_from([NATIVE, NATIVE, NATIVE, NATIVE, MIRROR]),
        )
        for (stream, row), when, source in draw(st.lists(drawn, min_size=1, max_size=12)):
            is_mirrored = source == MIRROR and stream in MIRRORED
            rows.append(
                Delivered(stream, row, tuple(sorted(when)), MIRROR if is_mirrored else NATIVE)
            )
    deliveries = st.builds(
        Delivery,
        hours_later=st.sampled_from([0, 1, 30, 100]),
        format=st.sampled_from(_FORMATS),
        files=st.sampled_from([1, 1, 2]),
        is_reversed=st.booleans(),
        is_published=st.sampled_from([True, True, True, False]),
        is_compacted=st.sampled_from([False, False, True]),
    )
    return Scenario(tuple(rows), tuple(draw(st.tuples(*[deliveries] * count))))


def write_delivery(settings: Settings, scenario: Scenario, number: int) -> None:
    """Write the files of one delivery below the landing folder."""
    delivery = scenario.deliveries[number]
    by_stream: dict[tuple[str, str], list[Mapping[str, Any]]] = {}
    for one in scenario.rows:
        if number in one.deliveries:
            by_stream.setdefault((one.source, one.stream), []).append(one.row)
    _declare_mirror(settings)
    for (source, stream), rows in sorted(by_stream.items()):
        if delivery.is_reversed:
            rows.reverse()
        for part in range(delivery.files):
            dealt = rows[part :: delivery.files]
            folder = f"mirror/{stream}" if source == MIRROR else stream
            # A mirror's rows are flat.
            content = [_flat(row) for row in dealt] if source == MIRROR else dealt
            if content:
                _write(settings, f"{folder}/{number}-{part}", delivery.format, content)


def write_at_once(settings: Settings, scenario: Scenario) -> None:
    """Write every row once, one file for each stream."""
    whole = Scenario(
        tuple(Delivered(one.stream, one.row, (0,), one.source) for one in scenario.rows),
        (Delivery(0, "ndjson", 1, False, True),),
    )
    write_delivery(settings, whole, 0)


def load_landed(settings: Settings, *, as_of: datetime) -> None:
    """Load what is new in the landing folder; every file can be read."""
    settings.landing.mkdir(parents=True, exist_ok=True)
    report = load_landing(settings=settings, landing=settings.landing, as_of=as_of)
    assert not report.with_status(FAILED), report.with_status(FAILED)


def every_stream_twice() -> Scenario:
    """Two deliveries: a row of every stream but one, then another of every stream and each fact."""
    first = [
        Delivered(stream, row, (0,)) for stream, row in VALID_ROWS.items() if stream != "llm_calls"
    ]
    event = VALID_ROWS["agent_events"]
    properties: dict[str, dict[str, Any]] = {
        "agent_completed": {"invocation_id": "i-1", "input_tokens": 5},
        "tool_called": {"tool_name": "search", "invocation_id": "i-1"},
        "user_feedback": {"rating": 4, "invocation_id": "i-1"},
        "install": {},
    }
    second = [
        Delivered(
            "agent_events",
            {**event, "id": kind, "event_type": kind, "properties": fields},
            (1,),
        )
        for kind, fields in properties.items()
    ]
    for stream, row in VALID_ROWS.items():
        other = {
            STREAMS[stream].key[0]: "later",
            **({"properties": {}} if "properties" in row else {}),
        }
        if stream not in ("agent_events", "budgets", "goals", "alert_rules"):
            second.append(Delivered(stream, {**row, **other}, (1,)))
    second.append(
        Delivered(
            "audit_events", {**VALID_ROWS["audit_events"], "pii_redactions": {"PERSON": 1}}, (1,)
        )
    )
    delivery = Delivery(0, "ndjson", 1, False, True)
    return Scenario((*first, *second), (delivery, delivery))


def _flat(row: Mapping[str, Any]) -> dict[str, Any]:
    nested = row.get("properties", {})
    return {**{name: value for name, value in row.items() if name != "properties"}, **nested}


def _write(settings: Settings, name: str, ending: str, rows: Sequence[Mapping[str, Any]]) -> None:
    if ending == "parquet":
        put_with_duckdb(settings, f"{name}.parquet", rows)
    else:
        put(settings, f"{name}.{ending}", csv_bytes(rows) if ending == "csv" else ndjson(rows))


def _declare_mirror(settings: Settings) -> None:
    """The second source: one adapter per stream whose rows are those of the contract, flat."""
    folder = settings.config / "adapters"
    if folder.is_dir():
        return
    folder.mkdir(parents=True)
    declared = []
    for stream in MIRRORED:
        names = [field.name for field in STREAMS[stream].all_fields]
        columns = ", ".join(f'"{name}"' for name in names)
        (folder / f"mirror_{stream}.sql").write_text(
            f"-- adapter: mirror_{stream}\n-- version: 1\n-- fields: {', '.join(names)}\n"
            f"-- stream: {stream}\nselect row_number, {columns} from raw_rows\n"
        )
        declared.append(
            f"  - {{name: mirror, path: 'mirror/{stream}/*', adapter: mirror_{stream}}}\n"
        )
    (settings.config / "sources.yml").write_text("sources:\n" + "".join(declared))
