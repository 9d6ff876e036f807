"""The worked examples of the specification, planted as extracts and read back as exports.

Where an example's figures agree with one another they are the expected values; where they do not,
the test shows what the same extracts really come to. EX-27 and EX-28 are unit tests of the models.

Belongs here: the extracts behind an example and the figures that follow. Does not belong here:
anything that is not one of these examples.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from itertools import count
from pathlib import Path
from typing import Any

import pytest

from orchestration.reporting.datasets.asking import Request
from orchestration.reporting.query import Published, read_published
from orchestration.settings import Settings
from tests.support.published_home import export, publish_landing

# The examples' week is 15 to 21 January 2025, so that it is over when we look.
AS_OF = datetime(2025, 1, 22, tzinfo=UTC)

Row = dict[str, Any]
_NUMBERS = count()

# Agent, model, tasks, failed ones, tokens: 45 tasks, 3 failed, 125,000 tokens in two cuts at once.
TASKS = (
    ("code_agent", "anthropic/claude-3-sonnet", 18, 1, 45_000),
    ("test_agent", "anthropic/claude-3-sonnet", 6, 0, 14_000),
    ("test_agent", "openai/gpt-4", 6, 1, 14_000),
    ("git_agent", "openai/gpt-4", 8, 0, 15_000),
    ("document_agent", "anthropic/claude-3-sonnet", 1, 0, 16_000),
    ("document_agent", "openai/gpt-4", 1, 0, 6_000),
    ("document_agent", "deepseek/deepseek-r1", 5, 1, 15_000),
)
TASK_MINUTES = {"code_agent": 195, "test_agent": 105, "git_agent": 45, "document_agent": 150}

# Agent, model, answers, tokens in and out: 1,250 answers, 850 of the first agent's type.
ANSWERS = (
    ("helper", "claude-sonnet-4", 620, 160_000, 85_000),
    ("helper", "gpt-4o", 230, 50_000, 30_000),
    ("seller", "gpt-4o", 150, 52_000, 24_000),
    ("seller", "other", 250, 58_000, 26_000),
)
REDACTIONS = {"EMAIL_ADDRESS": 62, "PHONE_NUMBER": 45, "PERSON": 28, "CREDIT_CARD": 12}

RATINGS = {1: 5, 2: 12, 3: 28, 4: 89, 5: 100}

# Running instances, then how often each rating was given: 45, 78 and 33 ratings.
RATINGS_BY_LOAD = ((1, {4: 22, 5: 23}), (3, {4: 62, 5: 16}), (6, {3: 7, 4: 26}))

# Agent, provider, model, cost, tokens in and out.
SPENDING = (
    ("support", "openai", "gpt-4o", "150.12", 1_400_000, 945_678),
    ("sales", "anthropic", "claude", "65.23", 745_678, 488_889),
    ("triage", "google", "gemini", "15.45", 600_000, 400_000),
    ("notes", "azure", "gpt-4o-mini", "3.76", 400_000, 254_322),
)


def _time(moment: datetime) -> str:
    return moment.isoformat()


def _event(kind: str, tenant: str, agent: str, at: datetime, **said: object) -> Row:
    return {
        "id": f"event-{next(_NUMBERS)}",
        "event_type": kind,
        "agent_id": agent,
        "publisher_id": "maker",
        "tenant_id": tenant,
        "timestamp": _time(at),
        "properties": said,
    }


def _tasks() -> Iterator[Row]:
    for agent, model, tasks, failed, tokens in TASKS:
        provider, name = model.split("/")
        for number in range(tasks):
            ended = datetime(2025, 1, 1 + next(_NUMBERS) % 20, 12, tzinfo=UTC)
            # The first task of a part has all its tokens; averages are over the part.
            used = tokens if number == 0 else 0
            task_id = f"{agent}-{name}-{number}"
            yield {
                "task_id": task_id,
                "tenant_id": "tasks",
                "agent_id": agent,
                "status": "failed" if number < failed else "completed",
                "created_at": _time(ended - timedelta(days=1)),
                "started_at": _time(ended - timedelta(minutes=TASK_MINUTES[agent])),
                "ended_at": _time(ended),
                "updated_at": _time(ended),
                "steps": 4,
                "model": name,
                "_event": _event(
                    "agent_completed",
                    "tasks",
                    agent,
                    ended,
                    task_id=task_id,
                    model=name,
                    provider=provider,
                    input_tokens=used,
                    output_tokens=0,
                    cost_usd=str(used * Decimal("0.0015")),
                ),
            }


def _answers() -> Iterator[Row]:
    for agent, model, answers, tokens_in, tokens_out in ANSWERS:
        for number in range(answers):
            index = next(_NUMBERS)
            yield _event(
                "agent_completed",
                "chat",
                agent,
                AS_OF - timedelta(days=6, seconds=index % 80_000),
                invocation_id=f"answer-{agent}-{model}-{number}",
                model=model,
                input_tokens=tokens_in if number == 0 else 0,
                output_tokens=tokens_out if number == 0 else 0,
                llm_latency_ms=1720,
                cost_usd="0",
            )


def _audits() -> Iterator[Row]:
    """89 messages with 147 redactions; 112 of them and 2 of 3 toxic messages are of the helper."""
    kinds = [kind for kind, number in REDACTIONS.items() for _ in range(number)]
    shares = [kinds[place::89] for place in range(89)]
    of_helper, total = set[int](), 0
    for place, share in enumerate(shares):
        if total + len(share) <= 112:
            of_helper.add(place)
            total += len(share)
    for place, share in enumerate(shares):
        agent, model = ("helper", "claude-sonnet-4") if place in of_helper else ("seller", "other")
        toxic = {min(of_helper), max(of_helper), min(set(range(89)) - of_helper)}
        yield {
            "audit_id": f"audit-{place}",
            "tenant_id": "chat",
            "agent_id": agent,
            "timestamp": _time(AS_OF - timedelta(days=5)),
            "invocation_id": f"answer-{agent}-{model}-{place}",
            "is_toxic": place in toxic,
            "pii_redactions": {kind: share.count(kind) for kind in dict.fromkeys(share)},
        }


def _ratings() -> Iterator[Row]:
    at = AS_OF - timedelta(days=4)
    for rating, times in RATINGS.items():
        for _ in range(times):
            yield _event("user_feedback", "rated", "rated-agent", at, rating=rating)
    for hour, (_, ratings) in enumerate(RATINGS_BY_LOAD):
        for rating, times in ratings.items():
            for _ in range(times):
                moment = at + timedelta(hours=hour, minutes=1)
                yield _event("user_feedback", "loaded", "loaded-agent", moment, rating=rating)


def _samples() -> Iterator[Row]:
    for hour, (instances, _) in enumerate(RATINGS_BY_LOAD):
        yield {
            "agent_type_id": "loaded-type",
            "timestamp": _time(AS_OF - timedelta(days=4) + timedelta(hours=hour)),
            "running_instances": instances,
        }


def _spending() -> Iterator[Row]:
    """20 sessions of 10 users with 52 requests and 52 answers, on the first day of the week."""
    start = AS_OF - timedelta(days=7)
    for session in range(20):
        agent, provider, model, cost, tokens_in, tokens_out = SPENDING[session % 4]
        turns = 3 if session < 12 else 2
        for turn in range(turns):
            is_first = session < 4 and turn == 0
            at = start + timedelta(hours=session, minutes=turn)
            said = {"invocation_id": f"turn-{session}-{turn}", "user_id": f"user-{session % 10}"}
            yield _event("agent_invoked", "spender", agent, at, **said)
            yield _event(
                "agent_completed",
                "spender",
                agent,
                at + timedelta(seconds=5),
                **said,
                provider=provider,
                model=model,
                cost_usd=cost if is_first else "0",
                input_tokens=tokens_in if is_first else 0,
                output_tokens=tokens_out if is_first else 0,
            )
    # Nothing is projected from under fourteen days of usage.
    for at, cost in ((start - timedelta(days=7), "0"), (start, "234")):
        spent: Row = {"cost_usd": cost, "model": "gpt-4o", "input_tokens": 1}
        yield _event("agent_completed", "pace", "support", at, **spent)


def _agents() -> Iterator[Row]:
    named = {"helper": "type-5", "seller": "type-6", "loaded-agent": "loaded-type"}
    for agent, agent_type in named.items():
        yield {
            "agent_id": agent,
            "agent_name": agent,
            "agent_type_id": agent_type,
            "updated_at": "2024-01-01T00:00:00Z",
        }


def _write(landing: Path, stream: str, rows: list[Row]) -> None:
    folder = landing / stream
    folder.mkdir(parents=True)
    lines = "".join(json.dumps(row) + "\n" for row in rows)
    (folder / "rows.ndjson").write_text(lines, encoding="utf-8")


def _plant(landing: Path) -> None:
    tasks = list(_tasks())
    events = [task.pop("_event") for task in tasks]
    _write(landing, "tasks", tasks)
    _write(landing, "agent_events", [*events, *_answers(), *_ratings(), *_spending()])
    _write(landing, "audit_events", list(_audits()))
    _write(landing, "instance_samples", list(_samples()))
    _write(landing, "agents", list(_agents()))
    began = AS_OF - timedelta(hours=3)
    ended = began + timedelta(minutes=4, seconds=30)
    incident = {
        "incident_id": "outage",
        "service": "api",
        "started_at": _time(began),
        "updated_at": _time(ended),
        "ended_at": _time(ended),
    }
    _write(landing, "incidents", [incident])


@pytest.fixture(scope="module")
def published(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Published]:
    settings = Settings(home=tmp_path_factory.mktemp("examples"), threads=2)
    _plant(settings.landing)
    publish_landing(settings, as_of=AS_OF)
    with read_published(settings) as opened:
        yield opened


def _ask(published: Published, dataset: str, tenant: str, period: str) -> Any:
    request = Request(scope=f"tenant:{tenant}", period=period, time_zone="UTC")
    return export(published, dataset, request, as_of=AS_OF)


def _total(rows: Any, name: str) -> Any:
    return sum(row[name] for row in rows)


def test_tasks_sum_to_the_published_figures(published: Published) -> None:
    """EX-01, EX-02."""
    data = _ask(published, "task-usage", "tasks", "2025-01")["data"]
    summary = data["summary"]
    assert summary["success_rate"] == Decimal("93.3")
    whole = (summary["total_tasks"], summary["total_steps"], summary["total_tokens"])
    assert whole == (45, 180, 125_000)
    agents, models = data["by_agent"].values(), data["by_model"].values()
    assert tuple(_total(agents, name) for name in ("tasks", "steps", "tokens")) == whole
    assert (_total(models, "tasks"), _total(models, "tokens")) == (45, 125_000)


def test_costs_sum_to_the_published_figures(published: Published) -> None:
    """EX-03, EX-04."""
    data = _ask(published, "task-costs", "tasks", "2025-01")["data"]
    assert data["total_cost"] == Decimal("187.5")
    assert data["average_cost_per_task"] == Decimal("4.17")
    models, agents = data["cost_by_model"], data["cost_by_agent"]
    assert _total(models.values(), "cost") == _total(agents.values(), "cost") == Decimal("187.5")
    shares = {model: row["percentage"] for model, row in models.items()}
    assert shares == {
        "anthropic/claude-3-sonnet": 60,
        "openai/gpt-4": 28,
        "deepseek/deepseek-r1": 12,
    }
    assert {agent: row["percentage"] for agent, row in agents.items()} == {
        "code_agent": 36,
        "test_agent": Decimal("22.4"),
        "git_agent": 12,
        "document_agent": Decimal("29.6"),
    }


def test_an_average_duration_weighs_tasks(published: Published) -> None:
    """EX-05: 18 x 195, 12 x 105, 8 x 45 and 7 x 150 minutes over 45 tasks are 137 minutes."""
    data = _ask(published, "task-usage", "tasks", "2025-01")["data"]
    assert data["summary"]["average_task_duration"] == "2h 17m"


def test_efficiency_is_tokens_for_a_task_and_the_rest_stands_beside(published: Published) -> None:
    """EX-06, EX-07: 125,000 tokens by 45 tasks, and by the 6,180 minutes they took."""
    document = _ask(published, "task-performance", "tasks", "2025-01")
    efficiency = document["data"]["metrics"]["token_efficiency"]
    assert (efficiency["current"], efficiency["unit"]) == (Decimal("2777.78"), "tokens_per_task")
    # 125,000 / 6,180.
    assert document["extra"]["tokens_per_minute"]["current"] == Decimal("20.23")
    agents = document["data"]["performance_by_agent"]
    assert {agent: row["token_efficiency"] for agent, row in agents.items()} == {
        "code_agent": 2500,
        "test_agent": Decimal("2333.33"),
        "git_agent": 1875,
        "document_agent": Decimal("5285.71"),
    }
    beside = document["extra"]["performance_by_agent"]
    assert {agent: row["tasks_per_1k_tokens"] for agent, row in beside.items()} == {
        "code_agent": Decimal("0.4"),
        "test_agent": Decimal("0.43"),
        "git_agent": Decimal("0.53"),
        "document_agent": Decimal("0.19"),
    }


def test_completion_and_failure_make_a_hundred(published: Published) -> None:
    """EX-08."""
    metrics = _ask(published, "task-performance", "tasks", "2025-01")["data"]["metrics"]
    rates = (metrics["task_completion_rate"]["current"], metrics["error_rate"]["current"])
    assert rates == (Decimal("93.3"), Decimal("6.7"))
    assert sum(rates) == 100


def test_the_average_rating_is_that_of_its_distribution(published: Published) -> None:
    """EX-09, EX-16: 969 points in 234 ratings."""
    document = _ask(published, "feedback-summary", "rated", "7d")
    assert document["total_feedback"] == 234 == sum(document["rating_distribution"].values())
    assert document["average_rating"] == Decimal("4.1")


def test_the_average_of_a_type_is_that_of_its_ratings(published: Published) -> None:
    """EX-10, EX-28: the bands show 4.5, 4.2 and 3.8; their 655 points in 156 ratings are 4.2."""
    (row,) = _ask(published, "feedback-by-agent-type", "loaded", "7d")["agent_types"]
    bands = row["rating_by_load"]
    shown = [
        (bands[name]["avg_rating"], bands[name]["count"]) for name in ("low", "medium", "high")
    ]
    assert shown == [(Decimal("4.5"), 45), (Decimal("4.2"), 78), (Decimal("3.8"), 33)]
    assert (row["total_feedback"], row["average_rating"]) == (156, Decimal("4.2"))
    assert row["rating_degrades_at_load"] == 6


def test_rates_of_compliance_are_the_published_ones(published: Published) -> None:
    """EX-11, EX-16."""
    document = _ask(published, "compliance-summary", "chat", "30d")
    assert (document["total_messages"], document["toxic_messages"]) == (1250, 3)
    assert document["toxic_rate_percent"] == Decimal("0.24")
    assert document["pii_redactions"] == {"total": 147, "by_type": REDACTIONS}
    assert (document["messages_with_pii"], document["pii_rate_percent"]) == (89, Decimal("7.12"))
    types = _ask(published, "compliance-by-agent-type", "chat", "30d")["agent_types"]
    (helper,) = [row for row in types if row["agent_type_id"] == "type-5"]
    assert (helper["total_messages"], helper["toxic_messages"]) == (850, 2)
    assert helper["toxic_rate_percent"] == Decimal("0.24")
    assert (helper["pii_redactions_total"], helper["pii_per_message"]) == (112, Decimal("0.132"))


def _helper(published: Published) -> Any:
    types = _ask(published, "agent-type-comparison", "chat", "30d")["agent_types"]
    (row,) = [row for row in types if row["agent_type_id"] == "type-5"]
    return row


def test_speed_is_output_by_the_time_of_the_model(published: Published) -> None:
    """EX-12: 115,000 tokens made in 850 x 1.72 s."""
    performance = _helper(published)["performance"]
    assert performance["tokens_per_second"] == Decimal("78.7")
    assert performance["avg_response_time_ms"] == 1720


def test_tokens_for_an_answer_count_both_sides(published: Published) -> None:
    """EX-13: 325,000 and 115,000 tokens by 850 answers."""
    row = _helper(published)
    assert row["performance"]["total_tokens"] == 325_000
    assert row["performance"]["avg_tokens_per_message"] == 382
    assert row["extra"]["avg_output_tokens_per_message"] == 135


def test_models_and_windows_add_up(published: Published) -> None:
    """EX-14, EX-15: 7 and 30 days agree here, because the 23 days before were idle."""
    summary = _ask(published, "usage-summary", "chat", "7d")
    models = _ask(published, "usage-by-model", "chat", "7d")
    assert (summary["total_messages"], summary["total_tokens"]) == (1250, 485_000)
    assert (summary["total_input_tokens"], summary["total_output_tokens"]) == (320_000, 165_000)
    shown = [(row["model"], row["message_count"], row["total_tokens"]) for row in models]
    assert shown == [
        ("claude-sonnet-4", 620, 245_000),
        ("gpt-4o", 380, 156_000),
        ("other", 250, 84_000),
    ]
    assert _ask(published, "compliance-summary", "chat", "30d")["total_messages"] == 1250
    assert _ask(published, "usage-summary", "chat", "2025-01-01..2025-01-14")["total_messages"] == 0


def test_providers_sum_to_the_cost_and_shares_are_not_forced(published: Published) -> None:
    """EX-17."""
    document = _ask(published, "company", "spender", "7d")
    providers = document["providers"]
    assert _total(providers, "total_cost_usd") == Decimal("234.56")
    percents = [round(100 * row["cost_share"], 1) for row in providers]
    assert percents == [Decimal("64.0"), Decimal("27.8"), Decimal("6.6"), Decimal("1.6")]


def test_agents_sum_to_the_total(published: Published) -> None:
    """EX-18, EX-25: every agent is listed, so that the parts are the whole."""
    document = _ask(published, "company", "spender", "7d")
    summary, agents = document["summary"], document["agents"]
    assert _total(agents, "total_cost_usd") == summary["total_cost_usd"] == Decimal("234.56")
    assert _total(agents, "sessions") == summary["total_sessions"] == 20
    assert _total(agents, "messages") == summary["total_messages"] == 104


def test_costs_for_one_follow_from_the_totals(published: Published) -> None:
    """EX-19, EX-20: 234.56 dollars, 52 answers, 20 sessions of 5.2 messages, 10 users."""
    summary = _ask(published, "company", "spender", "7d")["summary"]
    assert summary["messages_per_session"] == Decimal("5.2")
    assert summary["cost_per_message_usd"] == Decimal("4.510769")
    assert summary["cost_per_session_usd"] == Decimal("11.728")
    assert summary["cost_per_user_usd"] == Decimal("23.456")
    # 5,234,567 / 52 = 100,664.75
    assert summary["avg_tokens_per_message"] == 100_665


@pytest.mark.parametrize(("period", "uptime"), [("1d", "99.68"), ("7d", "99.95"), ("30d", "99.98")])
def test_uptime_and_downtime_of_a_window_agree(
    published: Published, period: str, uptime: str
) -> None:
    """EX-21: 4.5 minutes of 1,440, 10,080 and 43,200, never rounded up."""
    health = _ask(published, "company", "spender", period)["health"]
    assert (health["downtime_minutes"], health["uptime_percent"]) == (
        Decimal("4.5"),
        Decimal(uptime),
    )


def test_a_day_is_not_its_week(published: Published) -> None:
    """EX-22: the day's payload and the week's summary have figures of their own."""
    day = _ask(published, "daily-summary", "spender", "2025-01-16..2025-01-16")["data"]
    week = _ask(published, "company", "spender", "7d")["summary"]
    assert (day["date"], day["sessions"], day["costs"]) == ("2025-01-16", 0, 0)
    assert (week["total_sessions"], week["total_cost_usd"]) == (20, Decimal("234.56"))


def test_the_month_at_the_weeks_pace(published: Published) -> None:
    """EX-23: 234 x 52 / 12."""
    forecast = _ask(published, "company", "pace", "7d")["forecast"]
    assert forecast["current_weekly_cost_usd"] == 234
    assert forecast["projected_monthly_cost_usd"] == 1014


def test_tokens_by_model_and_side_sum_to_the_whole(published: Published) -> None:
    """EX-24."""
    document = _ask(published, "company", "spender", "7d")
    summary, models = document["summary"], document["models"]
    assert summary["input_tokens"] + summary["output_tokens"] == 5_234_567
    assert summary["total_tokens"] == _total(models, "total_tokens") == 5_234_567
    sides = [
        round(Decimal(100 * summary[name]) / 5_234_567, 1)
        for name in ("input_tokens", "output_tokens")
    ]
    assert sides == [Decimal("60.1"), Decimal("39.9")]
    shares = sorted((round(100 * row["token_share"], 1) for row in models), reverse=True)
    assert shares == [Decimal("44.8"), Decimal("23.6"), Decimal("19.1"), Decimal("12.5")]


def test_seven_days_may_begin_on_a_wednesday(published: Published) -> None:
    """EX-26: the week of the example is the seven whole days before the day it was sent."""
    period = _ask(published, "company", "spender", "7d")["period"]
    assert (period["start"], period["end"]) == ("2025-01-15", "2025-01-21")
    assert datetime.fromisoformat(period["start"]).isoweekday() == 3
