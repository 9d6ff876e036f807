"""Exports of tasks, series and data quality on a deployment whose every row is planted here, so that
each figure can be derived by hand.

Belongs here: what a table function and its dataset say together of extracts. Does not belong here:
fields and rounding (tests/unit/reporting/datasets).
"""

from __future__ import annotations

import csv
import json
import shutil
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import duckdb
import pytest

from orchestration.errors import UserError
from orchestration.reporting.datasets.asking import Request
from orchestration.reporting.datasets.dataset import Answer
from orchestration.reporting.query import Published, read_published
from orchestration.settings import PROJECT_ROOT, Settings
from tests.e2e.conftest import DeploymentUnderTest
from tests.support.published_home import answer, export, plant, publish_landing

_AS_OF = "2026-03-02T06:00:00Z"
_SHAPES = PROJECT_ROOT / "tests" / "golden" / "shapes"
# Of the published example: at 1,500 dollars a million tokens.
_COST_PER_TOKEN = Decimal("0.0015")


@dataclass(frozen=True)
class _Part:
    """Tasks of one agent with one model: how many, how many of them failed, and their tokens."""

    agent: str
    model: str
    tasks: int
    failed: int
    tokens: int


# Adds up to the published example by agent and by model at once: 45 tasks, 125,000 tokens.
_PARTS = (
    _Part("code_agent", "anthropic/claude-3-sonnet", tasks=18, failed=1, tokens=45_000),
    _Part("test_agent", "anthropic/claude-3-sonnet", tasks=6, failed=0, tokens=14_000),
    _Part("test_agent", "openai/gpt-4", tasks=6, failed=1, tokens=14_000),
    _Part("git_agent", "openai/gpt-4", tasks=8, failed=0, tokens=15_000),
    _Part("document_agent", "anthropic/claude-3-sonnet", tasks=1, failed=0, tokens=16_000),
    _Part("document_agent", "openai/gpt-4", tasks=1, failed=0, tokens=6_000),
    _Part("document_agent", "deepseek/deepseek-r1", tasks=5, failed=1, tokens=15_000),
)
# Of the published example: 3 h 15 min, 1 h 45 min, 45 min, 2 h 30 min; four steps a task.
_MINUTES = {"code_agent": 195, "test_agent": 105, "git_agent": 45, "document_agent": 150}
_NAMES = {
    "code_agent": "Code Agent",
    "test_agent": "Test Agent",
    "git_agent": "Git Agent",
    "document_agent": "Document Agent",
}


def _tasks() -> Iterator[dict[str, Any]]:
    number = 0
    for part in _PARTS:
        for position in range(part.tasks):
            # All of a part's tokens are with its first task; averages are over the part.
            tokens = part.tokens if position == 0 else 0
            ended = datetime(2024, 1, 1 + number % 31, 12)
            yield {
                "task_id": f"task-{number}",
                "tenant_id": "worked",
                "agent_id": part.agent,
                "status": "failed" if position < part.failed else "completed",
                "created_at": _time(ended - timedelta(days=1)),
                "started_at": _time(ended - timedelta(minutes=_MINUTES[part.agent])),
                "ended_at": _time(ended),
                "updated_at": _time(ended),
                "steps": 4,
                # 44 x 20 + 10 = 890
                "api_calls": 10 if number == 0 else 20,
                "model": part.model,
                "input_tokens": tokens,
                "output_tokens": 0,
                "cost_usd": str(tokens * _COST_PER_TOKEN),
            }
            number += 1
    # Neither in the total nor in a rate: one that was cancelled, one that is not over.
    for name, status in (("cancelled", "cancelled"), ("open", "running")):
        yield {
            "task_id": f"task-{name}",
            "tenant_id": "worked",
            "agent_id": "code_agent",
            "status": status,
            "created_at": "2024-01-20T00:00:00Z",
            "updated_at": "2024-01-20T01:00:00Z",
        }


def _time(moment: datetime) -> str:
    return f"{moment.isoformat()}Z"


def _answer(number: int, moment: str, *, tenant: str = "havana", **properties: Any) -> Any:
    return {
        "id": f"event-{number}",
        "event_type": "agent_completed",
        "agent_id": "code_agent",
        "publisher_id": "maker",
        "tenant_id": tenant,
        "timestamp": moment,
        "properties": {"invocation_id": f"invocation-{number}", **properties},
    }


# On 2 November 2025 the clocks of Havana go from 01:00 back to 00:00: the day begins at 04:00 UTC,
# has its midnight twice, and 25 hours.
_EVENTS: list[Any] = [
    _answer(1, "2025-11-02T03:59:59Z"),
    _answer(2, "2025-11-02T04:00:00Z"),
    _answer(3, "2025-11-02T04:30:00Z"),
    _answer(4, "2025-11-02T05:30:00Z"),
    _answer(5, "2025-11-03T04:59:59Z"),
    _answer(6, "2025-11-03T05:00:00Z"),
    # Names another publisher than the agent has.
    {**_answer(7, "2025-11-10T00:00:00Z"), "publisher_id": "rival"},
    # An answer that carries a task of another agent: what it used is the task's owner's.
    {
        **_answer(
            8,
            "2025-12-05T12:00:00Z",
            task_id="shared",
            api_calls=3,
            model="m",
            input_tokens=60,
            output_tokens=40,
            cost_usd="0.5",
        ),
        "agent_id": "git_agent",
    },
]
_SHARED_TASK = {
    "task_id": "shared",
    "tenant_id": "havana",
    "agent_id": "test_agent",
    "status": "completed",
    "created_at": "2025-12-05T11:00:00Z",
    # Ends after the answer: the task belongs to January, what it used to December.
    "ended_at": "2026-01-02T00:00:00Z",
    "updated_at": "2026-01-02T00:00:00Z",
    "api_calls": 99,
}
# The state before, delivered in the same file after the later one.
_EARLIER_STATE = {
    **{key: value for key, value in _SHARED_TASK.items() if key != "ended_at"},
    "status": "running",
    "updated_at": "2025-12-31T00:00:00Z",
}


def _plant(landing: Path) -> None:
    tenants = [
        {"tenant_id": "worked", "tenant_name": "Worked", "updated_at": "2023-01-01T00:00:00Z"},
        {
            "tenant_id": "havana",
            "tenant_name": "Havana",
            "timezone": "America/Havana",
            "updated_at": "2023-01-01T00:00:00Z",
        },
        {"tenant_id": "idle", "tenant_name": "Idle", "updated_at": "2023-01-01T00:00:00Z"},
    ]
    agents = [
        {
            "agent_id": agent,
            "agent_name": name,
            "agent_type_id": "worker",
            "publisher_id": "maker",
            "updated_at": "2023-01-01T00:00:00Z",
        }
        for agent, name in _NAMES.items()
    ]
    calls = [
        {
            "llm_call_id": "orphan",
            "invocation_id": "nobody",
            "timestamp": "2025-11-05T00:00:00Z",
            "model": "m",
            "input_tokens": 10,
            "output_tokens": 5,
            "cost_usd": "1.25",
        }
    ]
    # The last event twice, word for word.
    streams: dict[str, Sequence[Any]] = {
        "tenants": tenants,
        "agents": agents,
        "tasks": [*_tasks(), _SHARED_TASK, _EARLIER_STATE],
        "agent_events": [*_EVENTS, _EVENTS[-1]],
        "llm_calls": calls,
    }
    plant(landing, streams)
    # The same bytes under another name: nothing is read of them.
    shutil.copy(landing / "tasks" / "planted.ndjson", landing / "tasks" / "planted-again.ndjson")


@pytest.fixture(scope="module")
def planted(tmp_path_factory: pytest.TempPathFactory) -> DeploymentUnderTest:
    deployment = DeploymentUnderTest(tmp_path_factory.mktemp("planted") / "home")
    _plant(deployment.home / "landing")
    as_of = datetime.fromisoformat(_AS_OF)
    publish_landing(Settings(home=deployment.home), as_of=as_of)
    return deployment


@pytest.fixture(scope="module")
def published(planted: DeploymentUnderTest) -> Iterator[Published]:
    with read_published(Settings(home=planted.home)) as opened:
        yield opened


def _request(options: Sequence[str]) -> Request:
    """Options as the command line takes them; a process of its own would cost each test a second."""
    named: dict[str, Any] = dict(zip(options[::2], options[1::2], strict=True))
    return Request(
        scope=named.pop("--scope", "platform"),
        agent=named.pop("--agent", None),
        period=named.pop("--period", None),
        time_zone=named.pop("--tz", None),
        currency=named.pop("--currency", "USD"),
        metric=named.pop("--metric", None),
        bucket=named.pop("--bucket", None),
        as_of=_AS_OF,
        **named,
    )


def _ask(published: Published, name: str, options: Sequence[str]) -> Answer:
    return answer(published, name, _request(options), as_of=datetime.fromisoformat(_AS_OF))


def _export(published: Published, name: str, *options: str) -> Any:
    return export(published, name, _request(options), as_of=datetime.fromisoformat(_AS_OF))


def _shape(dataset: str) -> Any:
    return json.loads((_SHAPES / f"{dataset}.json").read_text(), parse_float=Decimal)["data"]


def test_the_usage_of_tasks_is_that_of_the_published_example(published: Published) -> None:
    document = _export(published, "task-usage", "--scope", "tenant:worked", "--period", "2024-01")
    data, example = document["data"], _shape("task-usage")
    # The example's own parts do not give its 2 h 30 min: weighted by tasks they give 2 h 17 min
    # (18 x 195 + 12 x 105 + 8 x 45 + 7 x 150 = 6,180 minutes of 45 tasks).
    assert data["summary"] == {**example["summary"], "average_task_duration": "2h 17m"}
    assert data["by_agent"] == example["by_agent"]
    assert data["by_model"] == example["by_model"]
    assert (data["from_date"], data["to_date"]) == (example["from_date"], example["to_date"])
    for field in ("tasks", "tokens", "api_calls"):
        total = {"tasks": 45, "tokens": 125_000, "api_calls": 890}[field]
        assert sum(day[field] for day in data["daily_breakdown"]) == total
    assert len(data["daily_breakdown"]) == 31
    assert (document["extra"]["cancelled_tasks"], document["extra"]["open_tasks"]) == (1, 1)


def test_the_costs_of_tasks_are_those_of_the_published_example(
    published: Published,
) -> None:
    asked = ("task-costs", "--scope", "tenant:worked", "--period", "2024-01")
    data, example = _export(published, *asked)["data"], _shape("task-costs")
    for field in ("currency", "total_cost", "total_tokens", "average_cost_per_task"):
        assert data[field] == example[field]
    assert data["cost_by_model"] == example["cost_by_model"]
    assert data["cost_by_agent"] == example["cost_by_agent"]
    assert sum(day["cost"] for day in data["daily_costs"]) == Decimal("187.5")
    # Every task ended in January 2024, when a euro was 1.0905 dollars: 187.50 / 1.0905 = 171.939...
    euros = _export(published, *asked, "--currency", "EUR")["data"]
    assert (euros["currency"], euros["total_cost"]) == ("EUR", Decimal("171.94"))
    # 187.50 / 1.0905 / 45 = 3.8208...
    assert euros["average_cost_per_task"] == Decimal("3.82")


def test_an_efficiency_is_tokens_per_task_of_each_agent(published: Published) -> None:
    document = _export(
        published, "task-performance", "--scope", "tenant:worked", "--period", "2024-01"
    )
    assert {
        agent: (one["avg_duration"], one["success_rate"], one["token_efficiency"])
        for agent, one in document["data"]["performance_by_agent"].items()
    } == {
        "code_agent": ("3h 15m", Decimal("94.4"), Decimal("2500.0")),
        "test_agent": ("1h 45m", Decimal("91.7"), Decimal("2333.33")),
        "git_agent": ("45m", Decimal("100.0"), Decimal("1875.0")),
        "document_agent": ("2h 30m", Decimal("85.7"), Decimal("5285.71")),
    }
    rate = document["data"]["metrics"]["task_completion_rate"]
    # Nothing is known of December 2023, so nothing rose or fell.
    assert rate == {"current": Decimal("93.3"), "previous": None, "trend": None, "change": None}


def test_what_other_agents_used_for_a_task_is_its_owners_when_it_was_used(
    published: Published,
) -> None:
    december = _export(published, "task-usage", "--scope", "tenant:havana", "--period", "2025-12")
    used = december["data"]
    assert (used["summary"]["total_tasks"], used["summary"]["total_tokens"]) == (0, 100)
    # Those of the invocation that carries the task, not the 99 of the task's own row.
    assert used["summary"]["total_api_calls"] == 3
    assert list(used["by_agent"]) == ["test_agent"]
    assert used["by_model"]["m"]["tokens"] == 100
    ended = _export(published, "task-usage", "--scope", "tenant:havana", "--period", "2026-01")
    assert ended["data"]["summary"]["completed_tasks"] == 1
    # It has no start, so it has no duration; its model is that of its tokens.
    assert ended["data"]["summary"]["average_task_duration"] is None
    assert ended["data"]["by_model"] == {
        "m": {"tasks": 1, "tokens": 0, "average_tokens_per_task": 0, "success_rate": Decimal(100)}
    }


def test_a_task_of_one_agent_is_found_under_that_agent(published: Published) -> None:
    asked = ("task-usage", "--scope", "tenant:havana", "--period", "2025-12", "--agent")
    assert _export(published, *asked, "test_agent")["data"]["summary"]["total_tokens"] == 100
    assert _export(published, *asked, "git_agent")["data"]["summary"]["total_tokens"] == 0


def test_a_day_that_begins_twice_begins_at_the_first_midnight(
    published: Published,
) -> None:
    period = ("--scope", "tenant:havana", "--period", "2025-11-01..2025-11-03")
    timeline = _export(published, "usage-timeline", *period)
    assert timeline["messages"] == [1, 4, 1]
    days = _export(published, "series", "--metric", "agent_messages", *period)
    assert [(point["timestamp"], point["value"]) for point in days["points"]] == [
        ("2025-11-01T00:00:00-04:00", Decimal(1)),
        ("2025-11-02T00:00:00-04:00", Decimal(4)),
        ("2025-11-03T00:00:00-05:00", Decimal(1)),
    ]
    second = ("--scope", "tenant:havana", "--period", "2025-11-02..2025-11-02", "--bucket", "hour")
    hours = _export(published, "series", "--metric", "agent_messages", *second)["points"]
    assert len(hours) == 25
    assert [(point["timestamp"], point["value"]) for point in hours if point["value"]] == [
        ("2025-11-02T00:00:00-04:00", Decimal(2)),
        ("2025-11-02T00:00:00-05:00", Decimal(1)),
        ("2025-11-02T23:00:00-05:00", Decimal(1)),
    ]


@pytest.mark.parametrize(
    ("bucket", "first", "values"),
    [
        ("month", "2023-12-01T00:00:00+00:00", [0, 45, 0]),
        # 1 January 2024 is a Monday: 31 days hold 4 whole weeks and 3 days, with two tasks on each
        # of the first 14 days.
        ("week", "2023-12-25T00:00:00+00:00", [0, 14, 14, 7, 7, 3]),
    ],
)
def test_a_series_fills_empty_buckets_with_zero(
    published: Published, bucket: str, first: str, values: list[int]
) -> None:
    period = "2023-12-25..2024-02-05" if bucket == "month" else "2023-12-25..2024-02-04"
    scope = ("--scope", "tenant:worked", "--period", period, "--bucket", bucket)
    document = _export(published, "series", "--metric", "total_tasks", *scope)
    assert document["points"][0]["timestamp"] == first
    assert [point["value"] for point in document["points"]] == [Decimal(value) for value in values]
    rates = _export(published, "series", "--metric", "task_completion_rate", *scope)
    assert rates["points"][0]["value"] is None


def test_data_quality_lists_what_no_scope_counts(published: Published) -> None:
    document = _export(published, "data-quality", "--period", "year")
    streams = {one["stream"]: one for one in document["streams"]}
    assert streams["agent_events"]["duplicates"] == 1
    assert (streams["tasks"]["rows_landed"], streams["tasks"]["superseded"]) == (49, 1)
    assert [streams[name]["repeated_files"] for name in ("tasks", "agent_events")] == [1, 0]
    sources = {one["stream"]: one for one in document["extra"]["sources"]}
    assert sources["llm_calls"]["usage_without_owner"] == 1
    assert sources["llm_calls"]["cost_without_owner_usd"] == Decimal("1.25")
    assert sources["agent_events"]["publisher_mismatches"] == 1
    # The orphan's dollar and a quarter is in nobody's cost.
    summary = _export(published, "usage-summary", "--period", "2025-11")
    assert summary["extra"]["cost_usd"] == Decimal(0)


@pytest.mark.parametrize(
    ("dataset", "where", "expected"),
    [
        ("task-usage", ("data", "summary", "total_tasks"), 0),
        ("task-usage", ("data", "summary", "success_rate"), None),
        ("task-costs", ("data", "total_cost"), Decimal(0)),
        ("task-costs", ("data", "average_cost_per_task"), None),
        ("task-performance", ("data", "metrics", "error_rate", "current"), None),
        ("agent-type-comparison", ("agent_types",), []),
        ("daily-summary", ("data", "costs"), Decimal(0)),
        ("daily-summary", ("data", "error_rate"), None),
        ("insights", ("insights",), []),
        ("usage-by-agent", (), []),
        ("usage-summary", ("avg_response_time_ms",), None),
        ("compliance-summary", ("toxic_rate_percent",), None),
        ("feedback-summary", ("average_rating",), None),
        ("company", ("summary", "total_cost_usd"), Decimal(0)),
        ("company", ("summary", "cost_per_message_usd"), None),
    ],
)
def test_a_tenant_without_data_has_zeros_and_unknowns(
    published: Published, dataset: str, where: tuple[str, ...], expected: object
) -> None:
    found = _export(published, dataset, "--scope", "tenant:idle")
    for key in where:
        found = found[key]
    assert found == expected


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        (("series", "--metric", "nonsense"), ("'nonsense'", "agent_messages", "cost_usd")),
        (("series",), ("needs a metric", "--metric", "total_tasks")),
        (("series", "--metric", "cost_usd", "--bucket", "year"), ("'year'", "hour, day, week")),
        (("series", "--metric", "dau", "--bucket", "hour"), ("dau", "day, week or month")),
        (("task-performance", "--metric", "speed"), ("'speed'", "duration", "error_rate")),
        (("task-usage", "--metric", "duration"), ("--metric duration", "task-usage")),
        (("task-costs", "--currency", "QQQ"), ("'QQQ'", "EUR, GBP, USD")),
        (("task-usage", "--scope", "publisher:maker"), ("task-usage", "platform or tenant:ID")),
        (("task-usage", "--period", "fortnight"), ("'fortnight'", "month")),
        (("task-usage", "--tz", "Mars/Base"), ("'Mars/Base'", "IANA")),
        (("daily-summary", "--scope", "tenant:nobody"), ("'nobody'", "idle")),
        (("tasks",), ("'tasks'", "task-usage", "series")),
    ],
)
def test_bad_input_is_named_with_what_is_allowed(
    published: Published, arguments: tuple[str, ...], named: tuple[str, ...]
) -> None:
    with pytest.raises(UserError) as refused:
        _ask(published, arguments[0], arguments[1:])
    for word in named:
        assert word in str(refused.value)


def test_the_command_line_says_so_and_leaves_with_two(planted: DeploymentUnderTest) -> None:
    done = planted("export", "series", "--metric", "nonsense", "--as-of", _AS_OF)
    assert (done.exit_code, done.stdout) == (2, "")
    assert "'nonsense'" in done.stderr
    assert "Traceback" not in done.stderr


def test_every_list_is_a_file_as_csv_and_as_parquet(
    planted: DeploymentUnderTest, tmp_path: Path
) -> None:
    asked = ("export", "task-costs", "--scope", "tenant:worked", "--period", "2024-01")
    for file_format in ("csv", "parquet"):
        out = tmp_path / f"costs.{file_format}"
        done = planted(*asked, "--as-of", _AS_OF, "--format", file_format, "--out", str(out))
        assert done.exit_code == 0, done.stderr
    names = ["costs", "costs-cost_by_agent", "costs-cost_by_model", "costs-daily_costs"]
    assert sorted(path.stem for path in tmp_path.glob("*.csv")) == names
    assert sorted(path.stem for path in tmp_path.glob("*.parquet")) == names
    with (tmp_path / "costs-cost_by_agent.csv").open(newline="") as lines:
        rows = list(csv.DictReader(lines))
    assert rows[0] == {"agent_id": "code_agent", "cost": "67.5", "percentage": "36.0"}
    with duckdb.connect() as connection:
        found = connection.execute(
            "select typeof(cost), sum(cost) from read_parquet(?) group by all",
            [str(tmp_path / "costs-cost_by_model.parquet")],
        ).fetchall()
    assert found == [("DECIMAL(38,2)", Decimal("187.50"))]


def test_a_table_function_says_the_same_to_an_analyst(planted: DeploymentUnderTest) -> None:
    asked = (
        "select terminal_tasks, total_tokens, cost_usd from task_summary("
        "'tenant:worked', date '2024-01-01', date '2024-02-01')"
    )
    done = planted("sql", asked, "--format", "json")
    assert done.exit_code == 0, done.stderr
    (row,) = json.loads(done.stdout, parse_float=Decimal)
    assert (row["terminal_tasks"], row["total_tokens"]) == (45, 125_000)
    assert Decimal(row["cost_usd"]) == Decimal("187.5")
