"""Cost: what the models cost, for whom it was spent, and where it is heading.

Belongs here: money paid to providers and the tokens behind it. Does not belong here: money earned
(revenue).
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from decimal import Decimal

from orchestration.reporting.formats import Number, Unit, format_short_day, format_short_days
from orchestration.reporting.gather import USAGE_FORECAST, MartRow, ReportRows
from orchestration.reporting.model import (
    Block,
    Chart,
    ChartKind,
    Column,
    Empty,
    Figure,
    Figures,
    Frequency,
    Point,
    Section,
    Table,
)
from orchestration.reporting.sections.agents import agent_label
from orchestration.reporting.sections.common import (
    Measure,
    bars_alt,
    descending,
    figures,
    hidden_count,
    in_rows,
    period_noun,
    series_alt,
    share,
    table_of,
    top_and_other,
)

_TOP_AGENTS = 5
_PROVIDERS = 6
_WEEKS_PER_YEAR = 52
_MONTHS_PER_YEAR = 12

_UNIT_COSTS = (
    Measure(mart="usage_summary", column="cost_usd", label="Model cost", unit=Unit.USD),
    Measure(
        mart="usage_summary", column="cost_per_message_usd", label="Per message", unit=Unit.USD
    ),
    Measure(
        mart="usage_summary", column="cost_per_session_usd", label="Per session", unit=Unit.USD
    ),
    Measure(mart="usage_summary", column="cost_per_user_usd", label="Per user", unit=Unit.USD),
)
_TOKEN_FIGURES = (
    Measure(mart="usage_summary", column="input_tokens", label="Input tokens", unit=Unit.TOKENS),
    Measure(mart="usage_summary", column="output_tokens", label="Output tokens", unit=Unit.TOKENS),
    Measure(
        mart="usage_summary",
        column="cache_read_tokens",
        label="Input from cache",
        unit=Unit.TOKENS,
    ),
)
_MODEL_COLUMNS = (
    Column(metric="model", label="Model"),
    Column(metric="provider", label="Provider"),
    Column(metric="agent_messages", label="Messages", unit=Unit.COUNT),
    Column(metric="input_tokens", label="Input", unit=Unit.TOKENS),
    Column(metric="output_tokens", label="Output", unit=Unit.TOKENS),
    Column(metric="token_share", label="Tokens", unit=Unit.FRACTION),
    Column(metric="cost_usd", label="Cost", unit=Unit.USD),
    Column(metric="avg_llm_latency_ms", label="Latency", unit=Unit.MILLISECONDS),
    Column(metric="tokens_per_second", label="Tokens/s", unit=Unit.TOKENS_PER_SECOND),
)


def cost(rows: ReportRows) -> Section:
    """Costs by provider, day, agent and model."""
    usage = rows.summary("usage_summary")
    if not usage.count("usage_count") and not usage.number("cost_usd"):
        reason = f"No model was used in this {period_noun(rows)}."
        return _section(Empty(reason=reason))
    blocks: list[Block] = [Figures(figures=figures(rows, *_UNIT_COSTS))]
    # A digest is for a glance; the week's report has the rest.
    is_digest = rows.window.frequency is Frequency.DAILY
    by_provider = None if is_digest else _by_provider(rows, usage)
    charts = [
        chart for chart in (by_provider, _trend(rows), _by_agent(rows, usage)) if chart is not None
    ]
    if usage.number("cost_usd"):
        blocks.extend(in_rows(charts))
    else:
        blocks.append(
            Empty(reason="Nothing that was used has a price, so there is no cost to show.")
        )
    if is_digest:
        return _section(*blocks)
    blocks.append(Figures(figures=(*figures(rows, *_TOKEN_FIGURES), *_projection(rows, usage))))
    models = sorted(rows.rows("usage_by_model"), key=_model_order)
    if models:
        blocks.append(_models(usage, models))
    return _section(*blocks)


def _section(*blocks: Block) -> Section:
    return Section(key="cost", title="Cost", blocks=blocks)


def _by_provider(rows: ReportRows, usage: MartRow) -> Chart | None:
    providers = rows.rows("usage_by_provider")
    points = top_and_other(
        [(row.text("provider"), row.number("cost_usd")) for row in providers],
        keep=_PROVIDERS,
        total=usage.number("cost_usd"),
    )
    if not points:
        return None
    return Chart(
        kind=ChartKind.BARS,
        metric="cost_usd",
        title="Cost by provider",
        caption=_hidden_caption("Share of the model cost", providers),
        unit=Unit.USD,
        points=points,
        alt=bars_alt("Cost by provider", points, unit=Unit.USD),
    )


def _by_agent(rows: ReportRows, usage: MartRow) -> Chart | None:
    found = rows.rows("usage_by_agent")
    points = top_and_other(
        [(agent_label(row), row.number("cost_usd")) for row in found],
        keep=_TOP_AGENTS,
        total=usage.number("cost_usd"),
    )
    if not points:
        return None
    return Chart(
        kind=ChartKind.BARS,
        metric="cost_usd",
        title="Cost by agent",
        caption=_hidden_caption("The five largest, and all others", found),
        unit=Unit.USD,
        points=points,
        wide=True,
        alt=bars_alt("Cost by agent", points, unit=Unit.USD),
    )


def _hidden_caption(text: str, cells: Sequence[MartRow]) -> str:
    hidden = hidden_count(cells)
    return f"{text}; {hidden} hidden in Other" if hidden else text


def _trend(rows: ReportRows) -> Chart | None:
    days = sorted(rows.rows("usage_daily"), key=lambda row: row.day("date_day"))
    if len(days) < 2:
        return None
    if rows.window.frequency is Frequency.MONTHLY:
        points = _weeks(days)
        title, caption, kind = (
            "Cost by week",
            "Weeks from the first of the month",
            ChartKind.COLUMNS,
        )
    else:
        points = tuple(
            Point(
                label=format_short_day(row.day("date_day")),
                day=row.day("date_day"),
                value=row.number("cost_usd"),
                has_data=row.flag("has_data"),
            )
            for row in days
        )
        title, caption, kind = "Cost per day", "Model cost of each local day", ChartKind.LINE
    return Chart(
        kind=kind,
        metric="cost_usd",
        title=title,
        caption=caption,
        unit=Unit.USD,
        points=points,
        alt=series_alt(title, points, unit=Unit.USD),
    )


def _weeks(days: Sequence[MartRow]) -> tuple[Point, ...]:
    """Spans of seven days from the first; the last may be shorter."""
    points = []
    for start in range(0, len(days), 7):
        span = days[start : start + 7]
        first, last = span[0].day("date_day"), span[-1].day("date_day")
        known = [Decimal(value) for row in span if (value := row.number("cost_usd")) is not None]
        points.append(
            Point(
                label=format_short_days(first, last),
                value=sum(known, Decimal(0)) if known else None,
                day=first,
                note="" if last - first == timedelta(days=6) else f"{len(span)} days",
            )
        )
    return tuple(points)


def _projection(rows: ReportRows, usage: MartRow) -> tuple[Figure, ...]:
    """What a month costs at this week's pace: × 52 ÷ 12 (FL-061), where the forecast has enough history."""
    spent = usage.number("cost_usd")
    if rows.window.frequency is not Frequency.WEEKLY or spent is None:
        return ()
    if rows.summary(USAGE_FORECAST).number("projected_monthly_cost_usd") is None:
        return ()
    return (
        Figure(
            metric="projected_monthly_cost_usd",
            label="A month at this pace",
            value=Decimal(spent) * _WEEKS_PER_YEAR / _MONTHS_PER_YEAR,
            unit=Unit.USD,
            note="week × 52 ÷ 12",
        ),
    )


def _models(usage: MartRow, models: Sequence[MartRow]) -> Table:
    total = usage.number("total_tokens")

    def cells(row: MartRow) -> tuple[str | Number | None, ...]:
        return (
            row.text("model") or row.text("model_key"),
            row.text("provider") or "unknown",
            row.number("agent_messages"),
            row.number("input_tokens"),
            row.number("output_tokens"),
            share(row.number("total_tokens"), total),
            row.number("cost_usd"),
            row.number("avg_llm_latency_ms"),
            row.number("tokens_per_second"),
        )

    return table_of(
        "Models",
        models,
        columns=_MODEL_COLUMNS,
        subject=lambda row: row.text("model_key"),
        cells=cells,
        noun="models",
        caption="By tokens. Messages count for the model that did most of them.",
    )


def _model_order(row: MartRow) -> tuple[bool, Decimal, str]:
    return (
        row.flag("is_suppressed"),
        descending(row.number("total_tokens")),
        row.text("model_key"),
    )
