"""Agents compared: use, speed, cost and errors, side by side.

Belongs here: figures by agent and by hour. Does not belong here: what an agent's users think of it
(quality).
"""

from __future__ import annotations

from collections.abc import Sequence

from orchestration.reporting.formats import Number, Unit, format_value
from orchestration.reporting.gather import MartRow, ReportRows
from orchestration.reporting.model import (
    Block,
    Chart,
    ChartKind,
    ChartRow,
    Column,
    Empty,
    Figures,
    Frequency,
    Point,
    Section,
    Sentences,
    Table,
)
from orchestration.reporting.sections.common import (
    ROWS_ON_PAPER,
    Measure,
    bars_alt,
    descending,
    figure,
    hidden_count,
    percentile,
    period_noun,
    series_alt,
    table_of,
    top_and_other,
)

_BARS = 10
_DIGEST_ROWS = 8
_RELIABLE_ANSWERS = 20

_COLUMNS = (
    Column(metric="agent_name", label="Agent"),
    Column(metric="sessions", label="Sessions", unit=Unit.COUNT),
    Column(metric="messages", label="Messages", unit=Unit.COUNT),
    Column(metric="avg_session_duration_s", label="Avg session", unit=Unit.SECONDS),
    Column(metric="avg_response_time_ms", label="Avg response", unit=Unit.MILLISECONDS),
    Column(metric="avg_tokens_per_message", label="Tokens / message", unit=Unit.TOKENS),
    Column(metric="cost_usd", label="Cost", unit=Unit.USD),
    Column(metric="message_error_rate", label="Errors", unit=Unit.FRACTION),
)


def agents(rows: ReportRows) -> Section:
    """The comparison of agents, tokens by agent, and response times."""
    found = sorted(rows.rows("usage_by_agent"), key=_order)
    if not found:
        reason = f"No agent was used in this {period_noun(rows)}."
        return Section(key="agents", title="Agents", blocks=(Empty(reason=reason),))
    # A digest is for a glance; the week's report has the rest.
    is_digest = rows.window.frequency is Frequency.DAILY
    blocks: list[Block] = []
    sentences = _answers(found)
    if sentences:
        blocks.append(Sentences(sentences=sentences))
    blocks.append(
        _comparison(
            found,
            minimum_tenants=rows.reference.minimum_tenants,
            limit=_DIGEST_ROWS if is_digest else ROWS_ON_PAPER,
        )
    )
    tokens = _tokens_by_agent(rows, found)
    if tokens.points and not is_digest:
        blocks.append(ChartRow(charts=(tokens,)))
    blocks.extend(_response_times(rows))
    return Section(key="agents", title="Agents", blocks=tuple(blocks))


def agent_label(row: MartRow) -> str:
    """What an agent is called: its name, or its id where it has none."""
    return row.text("agent_name") or row.text("agent_id")


def _order(row: MartRow) -> tuple[bool, object, object, str]:
    return (
        row.flag("is_suppressed"),
        descending(row.number("sessions")),
        descending(row.number("messages")),
        row.text("agent_key"),
    )


def _answers(found: Sequence[MartRow]) -> tuple[str, ...]:
    """Which agent is most used, most expensive, in trouble? (FL-053)"""
    shown = [row for row in found if not row.flag("is_suppressed")]
    sentences = []
    used = _largest(shown, "messages")
    if used is not None:
        text = format_value(used.number("messages"), Unit.COUNT)
        sentences.append(f"Most used: {agent_label(used)}, {text} messages.")
    costly = _largest(shown, "cost_usd")
    if costly is not None:
        text = format_value(costly.number("cost_usd"), Unit.USD)
        sentences.append(f"Most expensive: {agent_label(costly)}, {text}.")
    reliable = [row for row in shown if row.count("agent_messages") >= _RELIABLE_ANSWERS]
    failing = _largest(reliable, "message_error_rate")
    if failing is not None:
        rate = format_value(failing.number("message_error_rate"), Unit.FRACTION)
        answers = format_value(failing.number("agent_messages"), Unit.COUNT)
        sentences.append(f"Most errors: {agent_label(failing)}, {rate} of {answers} answers.")
    elif reliable:
        sentences.append("Most errors: none, every agent answered without an error.")
    return tuple(sentences)


def _largest(found: Sequence[MartRow], column: str) -> MartRow | None:
    candidates = [row for row in found if (row.number(column) or 0) > 0]
    return min(
        candidates,
        key=lambda row: (descending(row.number(column)), row.text("agent_key")),
        default=None,
    )


def _comparison(found: Sequence[MartRow], *, minimum_tenants: int, limit: int) -> Table:
    hidden = hidden_count(found)
    caption = "By sessions, then messages."
    if hidden:
        caption = f"{caption} Figures that fewer than {minimum_tenants} tenants share are hidden."
    return table_of(
        "Agents compared",
        found,
        columns=_COLUMNS,
        subject=lambda row: row.text("agent_id"),
        cells=_cells,
        noun="agents",
        caption=caption,
        limit=limit,
    )


def _cells(row: MartRow) -> tuple[str | Number | None, ...]:
    return (agent_label(row), *(row.number(column.metric) for column in _COLUMNS[1:]))


def _tokens_by_agent(rows: ReportRows, found: Sequence[MartRow]) -> Chart:
    total = rows.summary("usage_summary").number("total_tokens")
    points = top_and_other(
        [(agent_label(row), row.number("total_tokens")) for row in found], keep=_BARS, total=total
    )
    return Chart(
        kind=ChartKind.BARS,
        metric="total_tokens",
        title="Tokens by agent",
        caption="Input and output tokens, and their share of all",
        unit=Unit.TOKENS,
        points=points,
        wide=True,
        alt=bars_alt("Tokens by agent", points, unit=Unit.TOKENS),
    )


def _response_times(rows: ReportRows) -> list[Block]:
    def measure(column: str, label: str) -> Measure:
        return Measure(mart="usage_summary", column=column, label=label, unit=Unit.MILLISECONDS)

    if not rows.summary("usage_summary").count("response_time_count"):
        return [Empty(reason="No answer carries a response time.")]
    p95, p99 = rows.reference.p95_minimum, rows.reference.p99_minimum
    count = "response_time_count"
    blocks: list[Block] = [
        Figures(
            figures=(
                figure(rows, measure("avg_response_time_ms", "Response time, average")),
                figure(rows, measure("p50_response_time_ms", "Response time, median")),
                percentile(
                    rows,
                    measure("p95_response_time_ms", "Response time, P95"),
                    count_column=count,
                    minimum=p95,
                ),
                percentile(
                    rows,
                    measure("p99_response_time_ms", "Response time, P99"),
                    count_column=count,
                    minimum=p99,
                ),
            )
        )
    ]
    hours = sorted(rows.rows("usage_hourly"), key=lambda row: row.count("hour_of_day"))
    if hours:
        blocks.append(ChartRow(charts=(_by_hour(hours, p95_minimum=p95),)))
    return blocks


def _by_hour(hours: Sequence[MartRow], *, p95_minimum: int) -> Chart:
    labels = [f"{row.count('hour_of_day'):02d}:00" for row in hours]
    means = tuple(
        Point(label=label, value=row.number("avg_response_time_ms"))
        for label, row in zip(labels, hours, strict=True)
    )
    tails = tuple(
        Point(
            label=label,
            value=row.number("p95_response_time_ms")
            if row.count("response_time_count") >= p95_minimum
            else None,
        )
        for label, row in zip(labels, hours, strict=True)
    )
    has_tails = any(point.value is not None for point in tails)
    return Chart(
        kind=ChartKind.LINE,
        metric="avg_response_time_ms",
        second_metric="p95_response_time_ms",
        title="Response time by hour of the day",
        caption=f"Local time; P95 where an hour has at least {p95_minimum} answers",
        unit=Unit.MILLISECONDS,
        points=means,
        second=tails if has_tails else (),
        label="Average",
        second_label="P95",
        wide=True,
        alt=series_alt("Average response time by hour of the day", means, unit=Unit.MILLISECONDS),
    )
