"""Page one: is this working? The statement, the cards, three answers, the gravest findings.

Belongs here: what everyone reads. Does not belong here: detail, which has its own section.
"""

from __future__ import annotations

from dataclasses import replace

from orchestration.reporting.formats import (
    Change,
    Direction,
    Number,
    Unit,
    format_round_money,
    format_value,
    plural,
)
from orchestration.reporting.gather import INSIGHTS, MartRow, ReportRows
from orchestration.reporting.model import (
    Block,
    Empty,
    Figure,
    Figures,
    Frequency,
    Insight,
    Insights,
    Section,
    Sentences,
)
from orchestration.reporting.scopes import ScopeKind
from orchestration.reporting.sections.common import (
    Measure,
    change_of,
    figures,
    gravity,
    period_noun,
)

_SHOWN_INSIGHTS = 4

_AVG_DAU = Measure(
    mart="usage_summary", column="avg_dau", label="Daily active users, average", unit=Unit.AVERAGE
)
_SESSIONS = Measure(mart="usage_summary", column="sessions", label="Sessions", unit=Unit.COUNT)
_MESSAGES = Measure(
    mart="usage_summary", column="agent_messages", label="Agent messages", unit=Unit.COUNT
)
_TOKENS = Measure(mart="usage_summary", column="total_tokens", label="Tokens", unit=Unit.TOKENS)
_AGENTS = Measure(
    mart="usage_summary", column="active_agents", label="Active agents", unit=Unit.COUNT
)
_RESPONSE = Measure(
    mart="usage_summary",
    column="avg_response_time_ms",
    label="Response time, average",
    unit=Unit.MILLISECONDS,
)
_COST = Measure(mart="usage_summary", column="cost_usd", label="Model cost", unit=Unit.USD)
_ERRORS = Measure(
    mart="usage_summary", column="message_error_rate", label="Error rate", unit=Unit.FRACTION
)
_TENANTS = Measure(
    mart="usage_summary", column="active_tenants", label="Active tenants", unit=Unit.COUNT
)
_INSTALLS = Measure(
    mart="adoption_summary", column="active_installs", label="Active installs", unit=Unit.COUNT
)
_RATING = Measure(
    mart="feedback_summary",
    column="avg_rating",
    label="Average rating",
    unit=Unit.RATING,
    metric="average_rating",
)
_REVENUE = Measure(mart="revenue_summary", column="net_usd", label="Net revenue", unit=Unit.USD)
_PAYOUT = Measure(mart="revenue_summary", column="payout_usd", label="Payout", unit=Unit.USD)

CARDS = {
    ScopeKind.PLATFORM: (
        _AVG_DAU,
        _SESSIONS,
        _MESSAGES,
        _TOKENS,
        _AGENTS,
        _RESPONSE,
        _COST,
        _ERRORS,
    ),
    ScopeKind.PUBLISHER: (
        _MESSAGES,
        _TENANTS,
        _INSTALLS,
        _RATING,
        _REVENUE,
        _PAYOUT,
        _RESPONSE,
        _ERRORS,
    ),
    ScopeKind.TENANT: (
        _AVG_DAU,
        _SESSIONS,
        _MESSAGES,
        _TOKENS,
        _AGENTS,
        _RESPONSE,
        _COST,
        _ERRORS,
    ),
}


def overview(rows: ReportRows) -> Section:
    """The first section of every report."""
    blocks: list[Block] = [Figures(figures=_cards(rows), prominent=True)]
    if rows.summary("usage_summary").count("messages"):
        blocks.append(Sentences(sentences=_answers(rows)))
    blocks.append(_findings(rows))
    return Section(key="overview", title="Is this working?", blocks=tuple(blocks))


def _cards(rows: ReportRows) -> tuple[Figure, ...]:
    """The cards; one without a figure to compare with says so."""
    is_day = rows.window.frequency is Frequency.DAILY
    return tuple(
        one
        if one.change is not None or one.value is None
        else replace(one, note=f"no full {period_noun(rows)} before")
        for one in figures(
            rows,
            *(
                replace(measure, label="Active users")
                if is_day and measure is _AVG_DAU
                else measure
                for measure in CARDS[rows.window.scope.kind]
            ),
        )
    )


def statement(rows: ReportRows) -> str:
    """The one line that says what the scope got out of it (RO-001)."""
    usage = rows.summary("usage_summary")
    value = rows.summary("value_summary")
    revenue = rows.summary("revenue_summary")
    messages = usage.count("agent_messages")
    if rows.window.scope.kind is ScopeKind.PUBLISHER and messages:
        text = (
            f"{plural(usage.count('active_tenants'), 'tenant')} ran your agents"
            f" {plural(messages, 'time')}"
        )
        net = revenue.number("net_usd")
        if net is None:
            return f"{text}."
        payout = revenue.number("payout_usd")
        after = "" if payout is None else f", {format_round_money(payout)} after fees"
        return f"{text}: {format_round_money(net)} net revenue{after}."
    conversations = value.count("conversations")
    if conversations and rows.window.scope.kind is not ScopeKind.PUBLISHER:
        return _value_statement(value, conversations)
    if messages:
        succeeded = format_value(1 - (usage.number("message_error_rate") or 0), Unit.FRACTION)
        return (
            f"{plural(messages, 'message')} answered by"
            f" {plural(usage.count('active_agents'), 'agent')}, {succeeded} without an error,"
            f" {_spent(usage.number('cost_usd'))}."
        )
    return f"No activity in this {period_noun(rows)}."


def _spent(cost: Number | None) -> str:
    return "at an unknown cost" if cost is None else f"for {format_round_money(cost)}"


def _value_statement(value: MartRow, conversations: int) -> str:
    parts = [plural(conversations, "conversation")]
    resolved = value.number("resolution_rate")
    if resolved is not None:
        parts.append(f"{format_value(resolved, Unit.FRACTION)} resolved without a human")
    saved = value.number("net_savings_usd")
    if saved is not None and saved >= 0:
        parts.append(f"{format_round_money(saved)} saved")
    elif saved is not None:
        parts.append(f"{format_round_money(-saved)} more than people would have cost")
    return f"{', '.join(parts)}."


def _answers(rows: ReportRows) -> tuple[str, ...]:
    """Are users growing? Is usage increasing? Are costs under control? (FL-046)"""
    noun = period_noun(rows)
    if rows.window.scope.kind is ScopeKind.PUBLISHER:
        first = _trend("Active tenants", change_of(rows, _TENANTS), _words(rows, _TENANTS), noun)
    else:
        first = _trend("Users", change_of(rows, _AVG_DAU), _words(rows, _AVG_DAU), noun)
    usage = _trend("Usage", change_of(rows, _MESSAGES), _words(rows, _MESSAGES), noun)
    return (first, usage, _cost_answer(rows))


def _words(rows: ReportRows, measure: Measure) -> str:
    value = format_value(rows.summary(measure.mart).number(measure.column), measure.unit)
    what = {
        _AVG_DAU.column: "daily active users on average",
        _TENANTS.column: "active tenants",
        _MESSAGES.column: "agent messages",
    }[measure.column]
    if measure is _AVG_DAU and rows.window.frequency is Frequency.DAILY:
        what = "active users"
    return f"{value} {what}"


def _trend(subject: str, change: Change | None, words: str, noun: str) -> str:
    verb = "are" if subject.endswith("s") else "is"
    if change is None:
        return f"{subject}: {words}; there is no full {noun} before to compare with."
    if change.direction is Direction.FLAT:
        return f"{subject} {verb} stable: {words}, {change.text} on the {noun} before."
    word = "growing" if change.direction is Direction.UP else "falling"
    return f"{subject} {verb} {word}: {words}, {change.text} on the {noun} before."


def _cost_answer(rows: ReportRows) -> str:
    noun = period_noun(rows)
    cost, usage = change_of(rows, _COST), change_of(rows, _MESSAGES)
    text = format_value(rows.summary("usage_summary").number("cost_usd"), Unit.USD)
    if cost is None or usage is None or cost.relative is None or usage.relative is None:
        return f"Costs: {text}; there is no full {noun} before to compare with."
    if cost.direction is Direction.UP and cost.relative > usage.relative:
        return f"Costs grew faster than usage: {text}, {cost.text} against {usage.text} messages."
    if cost.direction is Direction.UP:
        return f"Costs grew no faster than usage: {text}, {cost.text} on the {noun} before."
    return f"Costs are under control: {text}, {cost.text} on the {noun} before."


def _findings(rows: ReportRows) -> Block:
    found = sorted(rows.rows(INSIGHTS), key=gravity)
    insights = tuple(
        Insight(
            rule=row.text("rule_id"),
            severity=row.text("severity"),
            title=row.text("title"),
            description=row.text("description"),
            recommendation=row.text("recommendation"),
            subject=row.text("subject_id"),
        )
        for row in found
    )
    if not insights:
        return Empty(reason=f"No rule found anything to act on in this {period_noun(rows)}.")
    return Insights(insights=insights[:_SHOWN_INSIGHTS], more=insights[_SHOWN_INSIGHTS:])
