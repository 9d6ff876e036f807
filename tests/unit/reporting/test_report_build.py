"""What a report says, by audience, from rows made by hand."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal

import pytest

from orchestration.errors import RunFailure
from orchestration.reporting.build import build_report
from orchestration.reporting.gather import MartRow
from orchestration.reporting.model import (
    Chart,
    ChartRow,
    Empty,
    Figure,
    Figures,
    Frequency,
    Insights,
    Notes,
    Report,
    Section,
    Sentences,
    Table,
)
from orchestration.reporting.scopes import ScopeKind
from tests.support.report_rows import (
    agent,
    day,
    empty_rows,
    hidden,
    report_rows,
    usage,
    value,
    window,
)


def _section(report: Report, key: str) -> Section:
    return next(section for section in report.sections if section.key == key)


def _figures(section: Section) -> dict[str, Figure]:
    return {
        figure.label: figure
        for block in section.blocks
        if isinstance(block, Figures)
        for figure in block.figures
    }


def _charts(section: Section) -> dict[str, Chart]:
    return {
        chart.title: chart
        for block in section.blocks
        if isinstance(block, ChartRow)
        for chart in block.charts
    }


def _tables(section: Section) -> dict[str, Table]:
    return {block.title: block for block in section.blocks if isinstance(block, Table)}


def _sentences(section: Section) -> list[str]:
    return [
        sentence
        for block in section.blocks
        if isinstance(block, Sentences)
        for sentence in block.sentences
    ]


def _notes(report: Report) -> dict[str, str]:
    return {
        term: text
        for block in _section(report, "notes").blocks
        if isinstance(block, Notes)
        for term, text in block.notes
    }


def test_page_one_has_the_eight_cards_with_change_and_assessment() -> None:
    cards = _figures(_section(build_report(report_rows()), "overview"))

    assert {label: figure.text for label, figure in cards.items()} == {
        "Daily active users, average": "61.5",
        "Sessions": "400",
        "Agent messages": "1,000",
        "Tokens": "1.0M",
        "Active agents": "12",
        "Response time, average": "1.9 s",
        "Model cost": "$234.56",
        "Error rate": "3.0%",
    }
    shown = {
        label: f"{one.change.arrow} {one.change.text} {one.change.verdict}".strip()
        for label, one in cards.items()
        if one.change is not None
    }
    assert shown["Daily active users, average"] == "↑ +11.8% better"
    assert shown["Sessions"] == "→ −0.2% stable"
    assert shown["Active agents"] == "→ unchanged"
    assert shown["Response time, average"] == "↓ −11.9% better"
    assert shown["Model cost"] == "↑ +23.5% worse"
    assert shown["Error rate"] == "→ −0.1 pts stable"


def test_the_value_statement_is_one_line() -> None:
    # 2,400 conversations, 94 % resolved, 18,000 USD saved: the example of RO-001.
    assert (
        build_report(report_rows()).statement
        == "2,400 conversations, 94.0% resolved without a human, $18,000 saved."
    )


def test_without_conversations_the_statement_is_about_messages() -> None:
    nothing = value(conversations=0, resolution_rate=None, net_savings_usd=None)
    rows = report_rows(marts={"value_summary": [nothing]})

    assert (
        build_report(rows).statement
        == "1,000 messages answered by 12 agents, 97.0% without an error, for $235."
    )


def test_a_publisher_reads_revenue_and_no_conversations_of_tenants() -> None:
    rows = report_rows(kind=ScopeKind.PUBLISHER, identifier="p1", name="Maker")

    assert (
        build_report(rows).statement
        == "9 tenants ran your agents 1,000 times: $540 net revenue, $432 after fees."
    )


def test_three_questions_are_answered_in_sentences() -> None:
    assert _sentences(_section(build_report(report_rows()), "overview")) == [
        "Users are growing: 61.5 daily active users on average, +11.8% on the week before.",
        "Usage is growing: 1,000 agent messages, +5.3% on the week before.",
        "Costs grew faster than usage: $234.56, +23.5% against +5.3% messages.",
    ]


def test_the_gravest_finding_comes_first_and_the_rest_stays_in_the_files() -> None:
    finding = {
        "rule_id": "low_engagement",
        "severity": "warning",
        "title": "T",
        "description": "",
        "recommendation": "",
    }
    rows = report_rows(
        marts={
            "insights": [
                *({**finding, "subject_id": f"s{number}"} for number in range(5)),
                {**finding, "severity": "critical", "rule_id": "z", "subject_id": "x"},
            ]
        }
    )

    block = next(
        one for one in _section(build_report(rows), "overview").blocks if isinstance(one, Insights)
    )

    assert [one.severity for one in block.insights] == ["critical", *["warning"] * 3]
    assert [one.subject for one in block.more] == ["s3", "s4"]


@pytest.mark.parametrize(
    ("kind", "expected"),
    [
        (
            ScopeKind.PLATFORM,
            "overview engagement agents cost revenue adoption"
            " quality compliance feedback health notes",
        ),
        (
            ScopeKind.PUBLISHER,
            "overview adoption revenue quality engagement agents cost"
            " compliance feedback health notes",
        ),
        (
            ScopeKind.TENANT,
            "overview engagement agents cost quality compliance feedback health notes",
        ),
    ],
)
def test_the_audience_decides_the_sections(kind: ScopeKind, expected: str) -> None:
    report = build_report(report_rows(kind=kind))

    assert " ".join(section.key for section in report.sections) == expected


@pytest.mark.parametrize("kind", list(ScopeKind))
def test_a_window_without_anything_says_why_each_section_is_empty(kind: ScopeKind) -> None:
    report = build_report(empty_rows(report_rows(kind=kind)))

    assert report.statement == "No activity in this week."
    for section in report.sections:
        if section.key not in ("overview", "notes"):
            reasons = [block.reason for block in section.blocks if isinstance(block, Empty)]
            assert reasons, section.key
            assert all(reason.endswith(".") and "\n" not in reason for reason in reasons)


def test_agents_are_compared_by_sessions_with_duration_as_minutes_and_seconds() -> None:
    table = _tables(_section(build_report(report_rows(agents=3)), "agents"))["Agents compared"]

    assert [table.text(row, 0) for row in table.rows] == ["Agent 1", "Agent 2", "Agent 3"]
    assert [table.text(table.rows[0], place) for place in range(1, 8)] == [
        "200",
        "700",
        "8m 19s",
        "1.5 s",
        "641",
        "$90.00",
        "1.0%",
    ]


def test_the_five_most_expensive_agents_and_the_others_sum_to_the_total() -> None:
    chart = _charts(_section(build_report(report_rows()), "cost"))["Cost by agent"]

    assert [point.label for point in chart.points] == [
        "Agent 1",
        "Agent 2",
        "Agent 3",
        "Agent 4",
        "Agent 5",
        "Other (7)",
    ]
    assert sum(Decimal(point.value or 0) for point in chart.points) == Decimal("234.56")


def test_tokens_by_agent_descend() -> None:
    chart = _charts(_section(build_report(report_rows(agents=4)), "agents"))["Tokens by agent"]

    values = [point.value for point in chart.points if not point.label.startswith("Other")]
    assert values == [400_000, 200_000, 133_333, 100_000]


def test_the_month_at_this_pace_is_the_week_times_52_by_12() -> None:
    figure = _figures(_section(build_report(report_rows()), "cost"))["A month at this pace"]

    assert figure.text == "$1,016.43"  # 234.56 * 52 / 12


def test_a_monthly_report_shows_cost_by_week_and_sums_to_the_month() -> None:
    rows = report_rows(frequency=Frequency.MONTHLY)

    chart = _charts(_section(build_report(rows), "cost"))["Cost by week"]

    assert [point.label for point in chart.points] == [
        "Feb 1–7",
        "Feb 8–14",
        "Feb 15–21",
        "Feb 22–28",
    ]
    assert sum(Decimal(point.value or 0) for point in chart.points) == sum(
        Decimal(row.number("cost_usd") or 0) for row in rows.rows("usage_daily")
    )


def test_percentiles_of_few_values_are_hidden_with_their_number() -> None:
    rows = report_rows(marts={"usage_summary": [usage(response_time_count=19)]})

    figures = _figures(_section(build_report(rows), "agents"))

    assert figures["Response time, P95"].text == "–"
    assert figures["Response time, P95"].note == "n = 19, shown from 20 on"
    assert figures["Response time, P99"].note == "n = 19, shown from 100 on"


def test_percentiles_of_20_and_100_values_are_shown() -> None:
    rows = report_rows(marts={"usage_summary": [usage(response_time_count=100)]})

    figures = _figures(_section(build_report(rows), "agents"))

    assert figures["Response time, P95"].text == "3.2 s"
    assert figures["Response time, P99"].text == "5.1 s"


def test_a_hidden_cell_of_a_publisher_is_shown_as_hidden_and_stays_in_the_total() -> None:
    rows = report_rows(
        kind=ScopeKind.PUBLISHER,
        identifier="p1",
        name="Maker",
        marts={"usage_by_agent": [agent(1), hidden(agent(2))]},
    )

    report = build_report(rows)
    table = _tables(_section(report, "agents"))["Agents compared"]
    chart = _charts(_section(report, "cost"))["Cost by agent"]

    assert [table.text(table.rows[1], place) for place in range(3)] == [
        "Agent 2",
        "hidden",
        "hidden",
    ]
    # 234.56 in all, 90 of Agent 1: the rest is told without saying whose it is.
    assert [(point.label, point.value) for point in chart.points] == [
        ("Agent 1", Decimal(90)),
        ("Other (1)", Decimal("144.56")),
    ]
    assert _notes(report)["Hidden cells"].startswith("1 cell that fewer than 3 tenants")


def test_200_agents_do_not_fill_the_paper() -> None:
    table = _tables(_section(build_report(report_rows(agents=200)), "agents"))["Agents compared"]

    assert (len(table.rows), len(table.more)) == (40, 160)
    assert "The first 40 of 200 agents" in table.caption


def test_days_without_data_are_named() -> None:
    first = window().first_day
    rows = report_rows(
        marts={
            "usage_daily": [
                day(0, first),
                day(1, first, has_data=False, agent_messages=0, dau=0),
                *(day(number, first) for number in range(2, 7)),
            ]
        }
    )

    assert _notes(build_report(rows))["Days without data"] == "Feb 24. Their counts are 0."


def test_ratings_by_load_carry_their_number() -> None:
    section = _section(build_report(report_rows()), "feedback")
    table = _tables(section)["Average rating by agent type and load"]

    assert [table.text(table.rows[0], place) for place in range(6)] == [
        "Customer Support",
        "4.20 (n = 156)",
        "4.50 (n = 45)",
        "4.20 (n = 78)",
        "3.80 (n = 33)",
        "–",
    ]
    assert _sentences(section) == ["Customer Support is rated worse from 6 running instances on."]


def test_health_of_a_tenant_is_said_to_be_the_platforms() -> None:
    assert _sentences(_section(build_report(report_rows()), "health")) == [
        "These are the platform's services, which all scopes share."
    ]


def test_only_the_operator_reads_about_rejected_rows() -> None:
    assert "Rejected rows" in _notes(build_report(report_rows(kind=ScopeKind.PLATFORM)))
    assert "Rejected rows" not in _notes(build_report(report_rows()))


def test_unknown_revenue_is_not_shown_as_zero() -> None:
    rows = report_rows(
        kind=ScopeKind.PUBLISHER,
        marts={"revenue_summary": [{"net_usd": None, "payout_usd": None, "unconverted_count": 0}]},
    )

    (block,) = _section(build_report(rows), "revenue").blocks

    assert isinstance(block, Empty)
    assert block.reason == "No charges are delivered for this scope, so its revenue is unknown."


def test_a_column_the_published_data_lack_is_an_error_that_names_it() -> None:
    rows = report_rows()
    broken = replace(rows, current={**rows.current, "usage_summary": (MartRow({"messages": 1}),)})

    with pytest.raises(RunFailure, match="no column avg_dau"):
        build_report(broken)


def test_the_same_rows_make_an_equal_report() -> None:
    assert build_report(report_rows()) == build_report(report_rows())
