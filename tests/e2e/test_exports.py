"""Every dataset, on a deployment that has really run: its figures agree with each other and the
facts, counted here in plain Python.
"""

from __future__ import annotations

import json
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from orchestration.reporting.catalogue import metrics_with_series
from orchestration.reporting.datasets.asking import Request, ask, pose
from orchestration.reporting.datasets.dataset import Answer
from orchestration.reporting.datasets.registry import DATASETS
from orchestration.reporting.documents import to_json
from orchestration.reporting.query import Published, Row, read_published
from orchestration.reporting.scopes import ScopeKind
from orchestration.reporting.tables import to_csv
from orchestration.settings import Settings
from tests.e2e.conftest import AS_OF, DeploymentUnderTest
from tests.support.questions import shape_of
from tests.support.schemas import schema_errors
from tests.support.shapes import differences, shaped_datasets

_AS_OF = datetime.fromisoformat(AS_OF)
_COMPANY_HEADER = (
    "date,dau,wau,mau,total_sessions,total_messages,total_cost_usd,cost_per_message_usd,"
    "avg_response_time_s,error_rate"
)


@pytest.fixture(scope="module")
def published(deployment: DeploymentUnderTest) -> Iterator[Published]:
    with read_published(Settings(home=deployment.home)) as opened:
        yield opened


@pytest.fixture(scope="module")
def tenant(published: Published) -> str:
    """The tenant with the most invocations."""
    return _busiest(published, "tenant")


@pytest.fixture(scope="module")
def publisher(published: Published) -> str:
    """The publisher with the most invocations."""
    return _busiest(published, "publisher")


def _busiest(published: Published, kind: str) -> str:
    (row,) = published.rows(
        f"""
        select {kind}s.{kind}_id as id
        from core.fct_invocations as invocations
        inner join core.dim_{kind}s as {kind}s using ({kind}_key)
        group by {kind}s.{kind}_id
        order by count(*) desc, {kind}s.{kind}_id
        limit 1
        """
    )
    return str(row["id"])


def _answer(published: Published, name: str, request: Request) -> Answer:
    dataset = DATASETS[name]
    question = pose(
        request, dataset=dataset, published=published, platform_zone="UTC", now=lambda: _AS_OF
    )
    answer = ask(dataset, question=question, published=published)
    assert schema_errors(name, json.loads(to_json(answer.document))) == []
    return answer


def _export(published: Published, name: str, **request: Any) -> Any:
    return _answer(published, name, Request(**request)).document


def _facts(
    published: Published, table: str, time: str, *, first: date, days: int, zone: str = "UTC"
) -> list[Row]:
    """The rows of a fact on some local days, chosen here and not by the project's windows."""
    end = first + timedelta(days=days)
    rows = published.rows(f"from core.{table}")
    return [
        row
        for row in rows
        if row[time] is not None
        and row[time].replace(tzinfo=UTC) < _AS_OF
        and first <= row[time].replace(tzinfo=UTC).astimezone(ZoneInfo(zone)).date() < end
    ]


@pytest.mark.parametrize("name", list(DATASETS))
@pytest.mark.parametrize("period", ["month", "2020"])
def test_every_dataset_answers_for_every_scope_it_is_made_for(
    published: Published, tenant: str, publisher: str, name: str, period: str
) -> None:
    scopes = {
        ScopeKind.PLATFORM: "platform",
        ScopeKind.TENANT: f"tenant:{tenant}",
        ScopeKind.PUBLISHER: f"publisher:{publisher}",
    }
    choice = DATASETS[name].metric
    metric = "cost_usd" if choice is not None and choice.is_required else None
    for kind in DATASETS[name].scopes:
        request = Request(scope=scopes[kind], period=period, metric=metric)
        answer = _answer(published, name, request)
        document: Any = json.loads(to_json(answer.document))
        if name in shaped_datasets():
            assert differences(name, answer.document) == []
        else:
            assert [key for key in document if key != "extra"] == shape_of(name)
        assert all(to_csv(table).endswith("\r\n") for table in answer.tables)


@pytest.mark.parametrize("name", list(DATASETS))
def test_a_period_that_has_not_begun_is_answered_as_the_schema_says(
    published: Published, tenant: str, publisher: str, name: str
) -> None:
    dataset = DATASETS[name]
    others = f"tenant:{tenant}" if ScopeKind.TENANT in dataset.scopes else f"publisher:{publisher}"
    scope = "platform" if ScopeKind.PLATFORM in dataset.scopes else others
    metric = "cost_usd" if dataset.metric is not None and dataset.metric.is_required else None
    answer = _answer(published, name, Request(scope=scope, period="2027-01", metric=metric))
    if name in shaped_datasets():
        assert differences(name, answer.document) == []
    else:
        document: Any = json.loads(to_json(answer.document))
        assert [key for key in document if key != "extra"] == shape_of(name)


def test_every_metric_with_a_series_is_a_column_of_its_summary(published: Published) -> None:
    columns: dict[str, set[str]] = {}
    for metric in metrics_with_series().values():
        if metric.function not in columns:
            (row,) = published.rows(
                f"from {metric.function}('platform', date '2026-02-01', date '2026-03-01')"
            )
            columns[metric.function] = set(row)
        assert metric.column in columns[metric.function], metric.key


@pytest.mark.parametrize(("bucket", "points"), [("day", 28), ("week", 5)])
def test_the_buckets_of_a_count_add_up_to_the_period(
    published: Published, tenant: str, publisher: str, bucket: str, points: int
) -> None:
    for scope in ("platform", f"tenant:{tenant}", f"publisher:{publisher}"):
        asked = {"scope": scope, "metric": "total_tokens", "period": "2026-02", "time_zone": "UTC"}
        parts = _export(published, "series", bucket=bucket, **asked)["points"]
        (whole,) = _export(published, "series", bucket="month", **asked)["points"]
        assert len(parts) == points
        assert sum(part["value"] for part in parts) == whole["value"] > 0


@pytest.mark.parametrize("zone", ["UTC", "Asia/Kolkata", "America/New_York"])
def test_the_usage_summary_counts_the_facts_of_the_local_days(
    published: Published, tenant: str, zone: str
) -> None:
    document = _export(
        published, "usage-summary", scope=f"tenant:{tenant}", period="2026-02", time_zone=zone
    )
    days: Any = {"first": date(2026, 2, 1), "days": 28, "zone": zone}
    key = f"native:{tenant}"
    messages = [
        row
        for row in _facts(published, "fct_invocations", "responded_at", **days)
        if row["tenant_key"] == key
    ]
    usage = [
        row
        for row in _facts(published, "fct_llm_calls", "used_at", **days)
        if row["tenant_key"] == key and row["has_owner"]
    ]
    latencies = [row["llm_latency_ms"] for row in messages if row["llm_latency_ms"] is not None]
    assert messages
    assert document["total_messages"] == len(messages)
    assert document["total_input_tokens"] == sum(row["input_tokens"] or 0 for row in usage)
    assert document["total_output_tokens"] == sum(row["output_tokens"] or 0 for row in usage)
    assert document["active_agents"] == len({row["agent_key"] for row in messages})
    assert document["avg_response_time_ms"] == (2 * sum(latencies) + len(latencies)) // (
        2 * len(latencies)
    )
    assert document["extra"]["errored_messages"] == sum(row["is_errored"] for row in messages)


def test_agents_models_and_days_add_up_to_the_summary(published: Published) -> None:
    request = {"period": "30d", "as_of": "2026-03-02"}
    summary = _export(published, "usage-summary", **request)
    agents = _export(published, "usage-by-agent", **request)
    models = _export(published, "usage-by-model", **request)
    timeline = _export(published, "usage-timeline", **request)
    assert summary["total_messages"] > 0
    assert sum(agent["message_count"] for agent in agents) == summary["total_messages"]
    assert sum(timeline["messages"]) == summary["total_messages"]
    for parts in (agents, models):
        assert sum(part["total_tokens"] for part in parts) == summary["total_tokens"]
    assert sum(timeline["tokens"]) == summary["total_tokens"]
    assert summary["total_input_tokens"] + summary["total_output_tokens"] == summary["total_tokens"]


def test_the_tenants_add_up_to_the_platform(published: Published) -> None:
    request = {"period": "2026-02", "time_zone": "UTC"}
    tenants = published.rows("select distinct tenant_id, source_name from core.dim_tenants")
    total = sum(
        _export(
            published,
            "usage-summary",
            scope=f"tenant:{row['tenant_id']}",
            source=row["source_name"],
            **request,
        )["total_messages"]
        for row in tenants
    )
    assert total == _export(published, "usage-summary", **request)["total_messages"]


def test_ratings_add_up_over_values_and_over_load(published: Published) -> None:
    summary = _export(published, "feedback-summary", period="2026-02")
    rated = _facts(published, "fct_feedback", "rated_at", first=date(2026, 2, 1), days=28)
    assert summary["total_feedback"] == len(rated) > 0
    counted = Counter(str(row["rating"]) for row in rated)
    assert summary["rating_distribution"] == {
        rating: counted[rating] for rating in ("1", "2", "3", "4", "5")
    }
    by_type = _export(published, "feedback-by-agent-type", period="2026-02")["agent_types"]
    assert sum(one["total_feedback"] for one in by_type) == len(rated)
    for one in by_type:
        bands = one["rating_by_load"].values()
        assert sum(band["count"] for band in bands) == one["total_feedback"]


def test_redactions_add_up_over_types_and_agent_types(published: Published) -> None:
    summary = _export(published, "compliance-summary", period="2026-02")
    audits = _facts(published, "fct_audits", "audited_at", first=date(2026, 2, 1), days=28)
    redactions = sum(row["pii_redaction_count"] or 0 for row in audits)
    assert summary["pii_redactions"]["total"] == redactions > 0
    assert sum(summary["pii_redactions"]["by_type"].values()) == redactions
    by_type = _export(published, "compliance-by-agent-type", period="2026-02")["agent_types"]
    assert sum(one["pii_redactions_total"] for one in by_type) == redactions
    assert sum(one["total_messages"] for one in by_type) == summary["total_messages"]


def test_the_publisher_dashboard_counts_invocations_charges_and_installs(
    published: Published, publisher: str
) -> None:
    document = _export(
        published, "publisher-dashboard", scope=f"publisher:{publisher}", period="2026-02"
    )
    key = f"native:{publisher}"
    days: Any = {"first": date(2026, 2, 1), "days": 28}
    invocations = [
        row
        for row in _facts(published, "fct_invocations", "responded_at", **days)
        if row["publisher_key"] == key
    ]
    charges = [
        row
        for row in _facts(published, "fct_charges", "charged_at", **days)
        if row["publisher_key"] == key
    ]
    assert document["total_invocations"] == len(invocations) > 0
    assert document["unique_tenants"] == len({row["tenant_key"] for row in invocations})
    assert sum(day["total"] for day in document["invocations_trend"]) == len(invocations)
    assert len(document["invocations_trend"]) == 28
    net = sum((row["net_usd"] for row in charges if row["net_usd"] is not None), Decimal(0))
    assert abs(document["total_revenue"] - net) <= Decimal("0.005")
    assert document["active_installs"] == _installed(published, key)


def _installed(published: Published, publisher_key: str) -> int:
    """Pairs of tenant and agent whose latest event until the as-of time is an install."""
    latest: dict[tuple[str, str], str] = {}
    rows = published.rows(
        "from core.fct_install_events where publisher_key = $key "
        "order by happened_at, install_event_key",
        {"key": publisher_key},
    )
    for row in rows:
        if row["happened_at"].replace(tzinfo=UTC) < _AS_OF:
            latest[row["tenant_key"], row["agent_key"]] = row["event_kind"]
    return sum(kind == "install" for kind in latest.values())


def test_a_publishers_tools_hide_cells_of_few_tenants(published: Published) -> None:
    for row in published.rows("select publisher_id from core.dim_publishers order by 1"):
        scope = f"publisher:{row['publisher_id']}"
        document = _export(published, "publisher-dashboard", scope=scope, period="2026-02")
        tools = document["extra"]["tools"]
        hidden = [tool["tool_name"] for tool in tools if tool["is_suppressed"]]
        if hidden:
            assert {document["tool_usage_breakdown"][name] for name in hidden} == {None}
            assert {document["tool_failure_rates"][name] for name in hidden} == {None}
            return
    pytest.fail("no publisher of the generated extracts has a tool that few tenants use")


def test_daily_active_users_are_counted_over_local_days(published: Published) -> None:
    document = _export(published, "company", period="7d", as_of="2026-03-02")
    users: Mapping[date, set[str]] = defaultdict(set)
    for row in published.rows("select user_key, sent_at from core.fct_user_messages"):
        if row["user_key"] is not None:
            users[row["sent_at"].date()].add(row["user_key"])
    for day in document["daily"]:
        reached = {
            reach: set().union(
                *(users[day["date"] - timedelta(days=back)] for back in range(reach))
            )
            for reach in (1, 7, 30)
        }
        assert (day["dau"], day["wau"], day["mau"]) == tuple(map(len, reached.values()))


def test_the_company_csv_has_its_header_and_one_row_per_day(
    deployment: DeploymentUnderTest,
) -> None:
    done = deployment("export", "company", "--as-of", "2026-03-02", "--format", "csv")
    lines = done.stdout.splitlines()
    assert (done.exit_code, lines[0], len(lines)) == (0, _COMPANY_HEADER, 31)
    assert lines[-1].startswith("2026-03-01,")


def test_the_same_export_twice_is_the_same_bytes(deployment: DeploymentUnderTest) -> None:
    question = ("export", "company", "--period", "2026-02", "--as-of", AS_OF)
    assert deployment(*question).stdout == deployment(*question).stdout != ""


def test_a_standard_window_and_the_same_export_agree(published: Published) -> None:
    """The mart and the table function are one formula."""
    (mart,) = published.rows(
        """
        select agent_messages, total_tokens, sessions, active_agents, start_local, end_local
        from usage.usage_summary
        where scope_kind = 'platform' and source_name is null and window_kind = '30d'
            and not is_previous
        """
    )
    document = _export(published, "company", period="30d")
    summary = document["summary"]
    assert document["period"]["start"] == mart["start_local"]
    assert summary["agent_messages"] == mart["agent_messages"]
    assert summary["total_tokens"] == mart["total_tokens"]
    assert summary["total_sessions"] == mart["sessions"]
    assert summary["active_agents"] == mart["active_agents"]
