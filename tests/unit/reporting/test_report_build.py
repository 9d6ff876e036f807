"""What a report says, by audience, from rows made by hand."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

import pytest

from orchestration.errors import RunFailure
from orchestration.reporting.build import build_report
from orchestration.reporting.gather import MartRow
from orchestration.reporting.headlines import meta_line
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
    Values,
    agent,
    day,
    empty_rows,
    hidden,
    report_rows,
    usage,
    value,
    watched,
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


def _notes(report: Report, key: str = "notes") -> dict[str, str]:
    return {
        term: text
        for block in _section(report, key).blocks
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
    ("kind", "frequency", "expected"),
    [
        (
            ScopeKind.PLATFORM,
            Frequency.WEEKLY,
            "overview engagement agents quality tasks cost revenue adoption"
            " compliance feedback health plans notes",
        ),
        (
            ScopeKind.PUBLISHER,
            Frequency.WEEKLY,
            "overview adoption revenue quality engagement agents tasks cost"
            " compliance feedback health plans notes",
        ),
        (
            ScopeKind.TENANT,
            Frequency.WEEKLY,
            "overview engagement agents quality tasks cost compliance feedback health plans notes",
        ),
        (
            ScopeKind.TENANT,
            Frequency.MONTHLY,
            "overview review engagement agents quality tasks cost compliance feedback health plans"
            " notes",
        ),
        (ScopeKind.TENANT, Frequency.DAILY, "overview check agents cost health notes"),
        (ScopeKind.PUBLISHER, Frequency.DAILY, "overview check agents revenue notes"),
    ],
)
def test_the_audience_and_the_frequency_decide_the_sections(
    kind: ScopeKind, frequency: Frequency, expected: str
) -> None:
    report = build_report(report_rows(kind=kind, frequency=frequency))

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


def test_a_week_of_a_scope_that_is_too_young_makes_no_month() -> None:
    rows = report_rows(marts={"usage_forecast": [{"projected_monthly_cost_usd": None}]})

    assert "A month at this pace" not in _figures(_section(build_report(rows), "cost"))


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


def test_three_sentences_name_the_agents_to_know() -> None:
    # FL-053: agent 1 has 700 messages for 90 USD; of those with 20 answers, agent 6 fails in 6 %.
    assert _sentences(_section(build_report(report_rows()), "agents")) == [
        "Most used: Agent 1, 700 messages.",
        "Most expensive: Agent 1, $90.00.",
        "Most errors: Agent 6, 6.0% of 58 answers.",
    ]


def test_agents_without_an_error_are_said_to_have_none() -> None:
    agents = [agent(number, message_error_rate=0.0) for number in (1, 2)]
    found = _section(build_report(report_rows(marts={"usage_by_agent": agents})), "agents")

    assert _sentences(found)[-1] == "Most errors: none, every agent answered without an error."


def test_what_the_work_was_worth_stands_beside_how_it_ended() -> None:
    # RO-002 and RO-003: 2,400 conversations, 2,256 of them without a person; 18,000 USD saved, which
    # is 15 times the 1,200 USD of models and fee.
    figures = _figures(_section(build_report(report_rows()), "quality"))

    assert {label: figures[label].text for label in list(figures)[:8]} == {
        "Saved, net": "$18,000.00",
        "Cost per resolution": "$0.52",
        "Models and platform fee": "$1,200.00",
        "Return on that cost": "1,500%",
        "Conversations": "2,400",
        "Resolved without a human": "94.0%",
        "Escalations avoided": "2,256",
        "Escalated to a human": "5.0%",
    }


def test_tasks_have_cards_with_change_and_columns_by_steps() -> None:
    section = _section(build_report(report_rows()), "tasks")

    # 42 of 45 completed (EX-01); 187.50 / 45 = 4.17 a task; 125,000 / 45 = 2,778 tokens.
    assert {label: figure.text for label, figure in _figures(section).items()} == {
        "Tasks ended": "45",
        "Tasks completed": "93.3%",
        "Tokens of tasks": "125.0K",
        "Cost of tasks": "$187.50",
        "Task, average": "2h 30m",
        "Tokens per task": "2,778",
        "Cost per task": "$4.17",
        "Tasks retried": "6.7%",
    }
    change = _figures(section)["Cost of tasks"].change
    assert change is not None
    assert f"{change.arrow} {change.text} {change.verdict}" == "↑ +25.0% worse"
    chart = _charts(section)["Tasks completed, by number of steps"]
    assert [(point.label, point.value, point.note) for point in chart.points][1] == (
        "3–4",
        Decimal("0.95"),
        "n = 20",
    )


def test_a_size_of_task_is_called_worst_only_where_two_sizes_have_enough_tasks() -> None:
    def band(order: int, ended: int, rate: float) -> Values:
        return {
            "band_order": order,
            "steps_range": f"{order}-{order}",
            "terminal_tasks": ended,
            "task_success_rate": rate,
            "avg_task_duration_s": 60.0,
            "is_suppressed": False,
        }

    few = report_rows(marts={"tasks_by_steps": [band(1, 20, 0.9), band(2, 19, 0.1)]})
    assert _sentences(_section(build_report(few), "tasks")) == []

    enough = report_rows(marts={"tasks_by_steps": [band(1, 20, 0.9), band(2, 20, 0.1)]})
    assert _sentences(_section(build_report(enough), "tasks")) == [
        "Tasks of 2-2 steps complete least often: 10.0% of 20 tasks, against 90.0% of those of 1-1"
        " steps."
    ]


def test_the_busiest_hours_of_the_week_are_named_and_marked() -> None:
    # Weekday + hour messages from 8 to 17, Monday to Friday: Friday 17:00 has 5 + 17 = 22.
    chart = _charts(_section(build_report(report_rows()), "engagement"))[
        "Agent messages by weekday and hour"
    ]

    assert chart.caption == ("Local time. Busiest: Fri 17:00 (22), Thu 17:00 (21), Fri 16:00 (21)")
    assert len(chart.points) == 7 * 24
    assert [(point.row, point.label) for point in chart.points if point.note] == [
        ("Thu", "17"),
        ("Fri", "16"),
        ("Fri", "17"),
    ]


def test_goals_show_what_needs_attention_first_in_their_own_units() -> None:
    section = _section(build_report(report_rows()), "plans")

    table = _tables(section)["Goals"]
    assert [[table.text(row, place) for place in range(5)] for row in table.rows] == [
        ["Message error rate", "under", "1.0%", "3.0%", "✗ missed"],
        ["Uptime", "over", "100.00%", "99.95%", "≈ near"],
        ["Average daily active users", "at least", "60", "61.5", "✓ met"],
        ["Cost per user", "at most", "$1.50", "$1.47", "✓ met"],
        ["Average rating", "at least", "4.00", "–", "no data"],
    ]
    assert _sentences(section) == [
        "2 of 4 goals met; missed: Message error rate; near: Uptime.",
        "February 2026: $300.00 of $500.00 spent after 14 of 28 days, at this rate above the"
        " budget.",
    ]
    assert _figures(section)["Of the budget"].text == "60.0%"


def test_without_goals_and_budgets_the_section_says_so() -> None:
    section = _section(build_report(report_rows(marts={"goals": [], "budgets": []})), "plans")

    assert [block.reason for block in section.blocks if isinstance(block, Empty)] == [
        "No goal is set for this scope.",
        "No budget is set for these months.",
    ]


def test_a_month_is_summed_up_with_its_goals_its_cost_level_and_what_comes_next() -> None:
    report = build_report(report_rows(frequency=Frequency.MONTHLY))
    (block,) = _section(report, "review").blocks

    assert isinstance(block, Notes)
    assert block.notes == (
        (
            "Better",
            "Daily active users, average +11.8%; Agent messages +5.3%; Response time, average"
            " −11.9% on the month before.",
        ),
        ("Worse", "Model cost +23.5% on the month before."),
        ("Goals", "2 of 4 goals met; missed: Message error rate; near: Uptime."),
        (
            "Budget",
            "February 2026: $300.00 of $500.00 spent after 14 of 28 days, at this rate above the"
            " budget.",
        ),
        # DI-095: a level (above 150 USD a month) and a trend, apart.
        ("Cost", "Level high: $234.56, above $150 a month. Trend rising: +23.5%."),
        ("Next month", "Compare the recorded cost with the provider's bill."),
        ("Next month", "Check the integration configuration of send_refund."),
        ("Next month", "Bring Message error rate from 3.0% to under 1.0%."),
    )


def test_the_cost_level_is_normal_up_to_the_limit_itself() -> None:
    summary = [usage(cost_usd=Decimal(150))]
    rows = report_rows(frequency=Frequency.MONTHLY, marts={"usage_summary": summary})

    assert _notes(build_report(rows), "review")["Cost"].startswith(
        "Level normal: $150.00, up to $150 a month."
    )


def test_a_digest_checks_errors_budget_and_what_is_out_of_the_ordinary() -> None:
    report = build_report(report_rows(frequency=Frequency.DAILY))

    # 3 % of answers failed: critical from 2 % on (FL-071); 3.05 % the day before.
    assert _notes(report, "check") == {
        "Errors": "3.0%, critical: 30 errors in 1,000 answers, −0.1 pts on the day before.",
        "Budget": "March 2026: $300.00 of $500.00 spent after 14 of 28 days, at this rate above the"
        " budget.",
    }
    table = _tables(_section(report, "check"))["Out of the ordinary for this weekday"]
    assert [[table.text(row, place) for place in range(6)] for row in table.rows] == [
        ["Model cost", "$250.50", "$100.00", "$80.00", "$120.00", "↑ spike, worse"],
        ["Messages", "150", "100", "80", "120", "↑ spike"],
    ]
    assert table.caption == "Of 3 figures checked."


def test_a_digest_says_when_no_day_before_allows_a_judgement() -> None:
    unjudged = [{"metric": "dau", "day_status": "not_evaluated", "is_anomaly": None}]
    rows = report_rows(frequency=Frequency.DAILY, marts={"daily_anomalies": unjudged})

    reasons = [
        block.reason
        for block in _section(build_report(rows), "check").blocks
        if isinstance(block, Empty)
    ]
    assert reasons == [
        "Whether the day was out of the ordinary cannot be said: too few days came before."
    ]


def test_a_digest_of_a_usual_day_says_how_many_figures_were_checked() -> None:
    usual = [watched("dau", 100.0, is_anomaly=False)]
    rows = report_rows(frequency=Frequency.DAILY, marts={"daily_anomalies": usual})

    reasons = [
        block.reason
        for block in _section(build_report(rows), "check").blocks
        if isinstance(block, Empty)
    ]
    assert reasons == ["Nothing was out of the ordinary for this weekday: 1 figure checked."]


def _restated(first: date, end: date, metric: str, before: int, after: int) -> Values:
    return {
        "dataset": "usage.usage_summary",
        "metric_key": metric,
        "start_local": first,
        "end_local": end,
        "before_value": Decimal(before),
        "after_value": Decimal(after),
    }


def test_figures_that_changed_since_they_were_reported_are_listed_with_both_values() -> None:
    week, end = date(2026, 2, 16), date(2026, 2, 23)
    rows = report_rows(
        marts={
            "restatements": [
                _restated(week, end, "agent_messages", 940, 945),
                _restated(week, end, "agent_messages", 945, 950),
                _restated(week, end, "cost_usd", 189, 190),
                # No earlier report of this kind was about these: thirty days, seven others, this week.
                _restated(date(2026, 2, 14), date(2026, 2, 21), "cost_usd", 1, 2),
                _restated(date(2026, 1, 20), date(2026, 2, 19), "cost_usd", 1, 2),
                _restated(date(2026, 2, 23), date(2026, 3, 2), "cost_usd", 1, 2),
            ]
        }
    )

    assert _notes(build_report(rows))["Changed since reported"] == (
        "Feb 16–22, 2026: agent messages 940 → 950; model cost $189.00 → $190.00."
    )


def test_a_digest_tells_of_the_last_weeks_that_changed() -> None:
    changed = _restated(date(2026, 2, 16), date(2026, 2, 23), "sessions", 400, 401)
    rows = report_rows(frequency=Frequency.DAILY, marts={"restatements": [changed]})

    assert _notes(build_report(rows))["Changed since reported"] == (
        "Feb 16–22, 2026: sessions 400 → 401."
    )


def test_a_source_that_brought_nothing_of_the_last_day_is_named_at_the_head() -> None:
    rows = report_rows()
    last = datetime(2026, 3, 1, tzinfo=UTC)
    streams = {
        "agent_events": last,
        "llm_calls": last - timedelta(seconds=1),
        "provider_bills": last - timedelta(days=40),
    }
    report = build_report(replace(rows, publication=replace(rows.publication, streams=streams)))

    assert report.header.gaps == ("late: llm_calls",)
    assert meta_line(report).endswith(" · late: llm_calls")
    assert _notes(report)["Late sources"] == (
        "No event of the last day yet: llm_calls (last event Feb 28, 2026, 23:59). Its figures may"
        " rise."
    )


@pytest.mark.parametrize(
    ("frequency", "first_event_at", "is_compared"),
    [
        # The window before is Feb 16 to 22.
        (Frequency.WEEKLY, datetime(2026, 2, 16, 23, tzinfo=UTC), True),
        (Frequency.WEEKLY, datetime(2026, 2, 17, 0, tzinfo=UTC), False),
        (Frequency.WEEKLY, datetime(2026, 2, 25, 9, tzinfo=UTC), False),
        # It is January.
        (Frequency.MONTHLY, datetime(2026, 1, 1, 9, tzinfo=UTC), True),
        (Frequency.MONTHLY, datetime(2026, 1, 2, 9, tzinfo=UTC), False),
        # It is Feb 28, and data that begin at nine leave that day a part of itself.
        (Frequency.DAILY, datetime(2026, 2, 27, 9, tzinfo=UTC), True),
        (Frequency.DAILY, datetime(2026, 2, 28, 9, tzinfo=UTC), False),
        (Frequency.WEEKLY, None, False),
    ],
)
def test_figures_are_compared_with_a_window_that_the_scope_had_data_all_through(
    frequency: Frequency, first_event_at: datetime | None, is_compared: bool
) -> None:
    rows = report_rows(frequency=frequency, first_event_at=first_event_at)

    messages = _figures(_section(build_report(rows), "overview"))["Agent messages"]

    assert (messages.change is not None) == is_compared


def test_the_day_on_which_the_data_begin_is_that_of_the_reports_zone() -> None:
    rows = report_rows(first_event_at=datetime(2026, 2, 17, 4, tzinfo=UTC))
    in_new_york = replace(rows, window=replace(rows.window, time_zone="America/New_York"))

    assert in_new_york.has_full_previous
    assert not rows.has_full_previous


def test_a_first_week_says_why_nothing_is_compared() -> None:
    rows = report_rows(first_event_at=datetime(2026, 2, 20, 9, tzinfo=UTC))
    report = build_report(rows)
    overview = _section(report, "overview")

    figures = [
        figure
        for section in report.sections
        for block in section.blocks
        if isinstance(block, Figures)
        for figure in block.figures
    ]
    assert {figure.change for figure in figures} == {None}
    assert {figure.note for figure in _figures(overview).values()} == {"no full week before"}
    (answers,) = (block for block in overview.blocks if isinstance(block, Sentences))
    assert answers.sentences == (
        "Users: 61.5 daily active users on average; there is no full week before to compare with.",
        "Usage: 1,000 agent messages; there is no full week before to compare with.",
        "Costs: $234.56; there is no full week before to compare with.",
    )
    assert _notes(report)["Changes"] == (
        "The data begin on Feb 20, 2026: there is no full week before to compare with,"
        " so no change is shown."
    )
