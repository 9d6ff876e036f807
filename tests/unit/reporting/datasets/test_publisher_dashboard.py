"""The publisher dashboard: its zeros, its suppressed cells, its insights with their evidence."""

from datetime import date
from decimal import Decimal
from typing import Any

import pytest

from orchestration.reporting.datasets.dataset import Figures
from orchestration.reporting.datasets.publisher_dashboard import PUBLISHER_DASHBOARD
from orchestration.reporting.tables import to_csv
from tests.support.questions import question, shape_of

_USAGE: dict[str, Any] = {
    "agent_messages": 42,
    "active_tenants": 14,
    "message_error_rate": 2 / 42,
    "avg_completed_duration_ms": 1850.9,
    "p95_completed_duration_ms": 7200.5,
    "cost_usd": Decimal("12.345"),
    "completed_count": 40,
    "total_tokens": 60000,
}
_REVENUE: dict[str, Any] = {
    "net_usd": Decimal("540.245"),
    "gross_usd": Decimal("600"),
    "refund_usd": Decimal("59.755"),
    "fee_usd": Decimal("54.02"),
    "payout_usd": Decimal("486.22"),
    "paying_tenants": 3,
    "unconverted_count": 0,
}
_ADOPTION = {"active_installs": 11, "new_installs": 4, "uninstalls": 1, "cumulative_installs": 20}


_AGENTS: list[dict[str, Any]] = [
    {
        "agent_key": "native:a2",
        "agent_id": "a2",
        "agent_name": None,
        "agent_messages": None,
        "errored_count": None,
        "message_error_rate": None,
        "cost_usd": None,
        "is_suppressed": True,
    },
    {
        "agent_key": "native:a1",
        "agent_id": "a1",
        "agent_name": "Helper",
        "agent_messages": 42,
        "errored_count": 2,
        "message_error_rate": 2 / 42,
        "cost_usd": Decimal("12.345"),
        "is_suppressed": False,
    },
]


def _tool(name: str, occurrences: int | None, **other: Any) -> dict[str, Any]:
    return {
        "tool_name": name,
        "listed_completed_count": occurrences,
        "listed_count": occurrences,
        "attempt_count": 10,
        "failure_count": 1,
        "tool_failure_rate": 0.1,
        "is_suppressed": False,
        **other,
    }


def _finding(rule_id: str, severity: str) -> dict[str, Any]:
    return {
        "insight_id": f"i-{rule_id}",
        "rule_id": rule_id,
        "severity": severity,
        "category": "reliability",
        "title": rule_id,
        "description": "above the 5% threshold",
        "recommendation": "Review the error logs",
        "subject_kind": "scope",
        "subject_id": None,
        "metric": "message_error_rate",
        "value": 0.047619047,
        "threshold": 0.05,
        "sample_size": 42,
    }


def _figures(**other: Any) -> Figures:
    return {
        "usage_summary": [_USAGE],
        "usage_daily": [
            {
                "date_day": date(2026, 3, 13),
                "completed_count": 40,
                "errored_count": 2,
                "agent_messages": 42,
            }
        ],
        "feedback_summary": [{"avg_rating": 4.205}],
        "adoption_summary": [_ADOPTION],
        "installs_at_as_of": [{**_ADOPTION, "active_installs": 12}],
        "revenue_summary": [_REVENUE],
        "revenue_daily": [{"date_day": date(2026, 3, 14), "net_usd": Decimal("18.405")}],
        "revenue_in_usd": [_REVENUE],
        "usage_by_agent": _AGENTS,
        "agent_quality": [{"agent_key": "native:a1", "avg_rating": 4.205}],
        "open_invocations": [{"open_invocations": 3, "abandoned_invocations": 1}],
        "tool_usage": [],
        "insight_findings": [],
        **other,
    }


def _document(figures: Figures) -> Any:
    return PUBLISHER_DASHBOARD.answer(question("2d", scope="publisher"), figures).document


def test_the_figures_have_the_rounding_of_their_rows() -> None:
    document = _document(_figures())
    assert [key for key in document if key != "extra"] == shape_of("publisher-dashboard")
    assert document["total_invocations"] == 42
    assert document["unique_tenants"] == 14
    assert document["active_installs"] == 12
    assert document["avg_satisfaction"] == Decimal("4.21")
    assert document["error_rate"] == Decimal("0.0476")
    # The average is floored, as its row says; the percentile is rounded.
    assert document["avg_response_time_ms"] == 1850
    assert document["p95_response_time_ms"] == 7201
    assert document["total_revenue"] == Decimal("540.25")
    # 540.245 / 14 = 38.5889...
    assert document["avg_revenue_per_tenant"] == Decimal("38.59")


def test_the_trends_have_every_day_zero_filled() -> None:
    document = _document(_figures())
    assert document["invocations_trend"] == [
        {"date": date(2026, 3, 13), "completed": 40, "errored": 2, "total": 42},
        {"date": date(2026, 3, 14), "completed": 0, "errored": 0, "total": 0},
    ]
    assert document["revenue_trend"] == [
        {"date": date(2026, 3, 13), "revenue": Decimal("0.00")},
        {"date": date(2026, 3, 14), "revenue": Decimal("18.41")},
    ]


def test_days_of_an_agent_that_are_withheld_are_null_and_named() -> None:
    day = date(2026, 3, 13)
    withheld = {
        "date_day": day,
        "completed_count": None,
        "errored_count": None,
        "agent_messages": None,
    }
    asked = question("2d", scope="publisher")
    answer = PUBLISHER_DASHBOARD.answer(
        asked, _figures(usage_daily=[{**withheld, "is_suppressed": True}])
    )
    document: Any = answer.document
    assert document["invocations_trend"] == [
        {"date": day, "completed": None, "errored": None, "total": None},
        {"date": date(2026, 3, 14), "completed": 0, "errored": 0, "total": 0},
    ]
    assert document["extra"]["suppressed_days"] == {"invocations_trend": [day], "revenue_trend": []}
    tables = {table.name: to_csv(table) for table in answer.tables}
    assert tables["invocations_trend"] == (
        "date,completed,errored,total,is_suppressed\r\n2026-03-13,,,,true\r\n2026-03-14,0,0,0,false\r\n"
    )


def test_a_publisher_without_anything_has_the_zeros_its_rows_name_and_no_others() -> None:
    document = _document(
        _figures(
            usage_summary=[dict.fromkeys(_USAGE)],
            usage_daily=[],
            feedback_summary=[{"avg_rating": None}],
            installs_at_as_of=[dict.fromkeys(_ADOPTION)],
            revenue_summary=[dict.fromkeys(_REVENUE)],
            revenue_daily=[],
            usage_by_agent=[],
            agent_quality=[],
        )
    )
    zeros = ("avg_satisfaction", "error_rate", "avg_response_time_ms", "p95_response_time_ms")
    assert [document[key] for key in zeros] == [0, 0, 0, 0]
    assert document["avg_revenue_per_tenant"] == 0
    assert document["total_revenue"] is None
    # A source that delivers no charges has an unknown revenue on every day.
    assert [point["revenue"] for point in document["revenue_trend"]] == [None, None]


def test_agents_come_by_use_and_a_suppressed_one_is_null_and_flagged() -> None:
    first, second = _document(_figures())["extra"]["agents"]
    assert first == {
        "agent_id": "a1",
        "agent_name": "Helper",
        "invocations": 42,
        "errored": 2,
        "error_rate": Decimal("0.0476"),
        "llm_cost": Decimal("12.35"),
        "avg_satisfaction": Decimal("4.21"),
        "is_suppressed": False,
    }
    assert (second["invocations"], second["llm_cost"], second["is_suppressed"]) == (
        None,
        None,
        True,
    )


def test_cost_is_shown_by_completed_invocation_and_by_token_and_open_ones_apart() -> None:
    extra = _document(_figures())["extra"]
    # 12.345 / 40, and 12.345 / 60,000 x 1,000.
    assert extra["llm_cost_per_completed_invocation"] == Decimal("0.308625")
    assert extra["llm_cost_per_1k_tokens"] == Decimal("0.205750")
    assert (extra["open_invocations"], extra["abandoned_invocations"]) == (3, 1)


def test_tools_come_by_use_and_a_suppressed_one_is_null_and_flagged() -> None:
    tools = [
        _tool("mail", 3),
        _tool("search", 310, tool_failure_rate=0.02125),
        _tool("hidden", None, tool_failure_rate=None, is_suppressed=True),
        _tool("only_attempted", 0),
        _tool("never_attempted", 1, attempt_count=0, failure_count=0, tool_failure_rate=None),
    ]
    document = _document(_figures(tool_usage=tools))
    assert list(document["tool_usage_breakdown"].items()) == [
        ("search", 310),
        ("mail", 3),
        ("never_attempted", 1),
        ("hidden", None),
    ]
    assert document["tool_failure_rates"]["search"] == Decimal("0.0213")
    assert document["tool_failure_rates"]["never_attempted"] is None
    flags = {tool["tool_name"]: tool["is_suppressed"] for tool in document["extra"]["tools"]}
    assert [name for name, flag in flags.items() if flag] == ["hidden"]


def test_insights_come_gravest_first_with_their_evidence_apart() -> None:
    findings = [_finding("b", "warning"), _finding("z", "critical"), _finding("a", "warning")]
    insights = _document(_figures(insight_findings=[*findings, _finding("a", "info")]))["insights"]
    assert [(one["severity"], one["title"]) for one in insights] == [
        ("critical", "z"),
        ("warning", "a"),
        ("warning", "b"),
        ("info", "a"),
    ]
    assert list(insights[0]) == [
        "severity",
        "category",
        "title",
        "description",
        "recommendation",
        "extra",
    ]
    assert insights[0]["extra"]["value"] == Decimal("0.047619")


def test_each_list_is_a_table_of_its_own() -> None:
    answer = PUBLISHER_DASHBOARD.answer(question("2d", scope="publisher"), _figures())
    assert [table.name for table in answer.tables] == [
        "publisher_dashboard",
        "invocations_trend",
        "revenue_trend",
        "tools",
        "agents",
        "insights",
    ]


@pytest.mark.parametrize("word", ["tenant_id", "tenant_key", "user", "conversation"])
def test_no_column_names_a_tenant_a_user_or_a_conversation(word: str) -> None:
    answer = PUBLISHER_DASHBOARD.answer(question("2d", scope="publisher"), _figures())
    assert not [
        column.name for table in answer.tables for column in table.columns if word in column.name
    ]
