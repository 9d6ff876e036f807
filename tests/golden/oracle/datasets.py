"""Every dataset as a JSON document: the fields, order and rounding of the shapes.

Belongs here: names, nesting, places and orders (spec/shapes and the rows they serve). Does not
belong here: any counting. Under ``extra`` stands what the inventory demands there; a dataset may say
more under it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from decimal import Decimal
from fractions import Fraction
from zoneinfo import ZoneInfo

from tests.golden.oracle import alerts as rules_over_time
from tests.golden.oracle import company as companies
from tests.golden.oracle import compliance, feedback, load, quality, revenue, tasks, usage
from tests.golden.oracle.facts import Answer, Facts, Usage
from tests.golden.oracle.numbers import (
    P50,
    P95,
    P99,
    Number,
    mean,
    percentile,
    ratio,
    rounded,
    times,
    whole,
)
from tests.golden.oracle.windows import Document, Json, Scope, Window


@dataclass(frozen=True, kw_only=True)
class Question:
    """What is asked; ``currency``, ``metric`` and ``bucket`` where a dataset takes them."""

    scope: Scope
    window: Window
    label: str
    currency: str = "USD"
    metric: str | None = None
    bucket: str = "day"


def usage_summary(facts: Facts, question: Question) -> Document:
    found = usage.activity(facts, question.scope, question.window)
    return {
        "period_days": question.window.period_days,
        "total_messages": len(found.answers),
        "total_tokens": found.tokens,
        "total_input_tokens": found.input_tokens,
        "total_output_tokens": found.output_tokens,
        "active_agents": found.active_agents,
        "avg_response_time_ms": whole(found.latency),
        "extra": {
            "completed_messages": len(found.answers) - found.errored,
            "errored_messages": found.errored,
            "user_messages": len(found.requests),
            "anonymous_messages": found.anonymous,
            "active_users": len(found.users),
            "cache_read_tokens": sum(record.cache_read or 0 for record in found.usage),
            "cache_write_tokens": sum(record.cache_write or 0 for record in found.usage),
            "reasoning_tokens": sum(record.reasoning or 0 for record in found.usage),
            "tokens_per_second": rounded(found.tokens_per_second, 1),
            "avg_message_tokens_per_second": rounded(found.tokens_per_second_of_messages, 1),
            "cost_usd": rounded(found.cost, 2),
            "unpriced_usage_count": len(found.unpriced),
            "unpriced_tokens": sum(record.tokens for record in found.unpriced),
        },
    }


def usage_by_agent(facts: Facts, question: Question) -> Json:
    found = usage.activity(facts, question.scope, question.window)
    rows = []
    for agent in found.agents:
        part = found.of_agent(agent)
        row = {
            "agent_id": agent,
            "agent_name": facts.agent_name(agent),
            "message_count": len(part.answers),
            "total_tokens": part.tokens,
            "total_input_tokens": part.input_tokens,
            "total_output_tokens": part.output_tokens,
            "avg_response_time_ms": whole(part.latency),
            "extra": {
                "errored_messages": part.errored,
                "user_messages": len(part.requests),
                "sessions": len(part.sessions),
                "cost_usd": rounded(part.cost, 2),
            },
        }
        rows.append(row)
    return sorted(rows, key=lambda row: (-_int(row["total_tokens"]), str(row["agent_id"])))


def usage_by_model(facts: Facts, question: Question) -> Json:
    found = usage.activity(facts, question.scope, question.window)
    rows = []
    for use in usage.by_model(facts, found):
        inputs = sum(record.input_tokens or 0 for record in use.usage)
        outputs = sum(record.output_tokens or 0 for record in use.usage)
        row = {
            "model": use.model or "unknown",
            "message_count": len(use.answers.answers),
            "total_tokens": inputs + outputs,
            "total_input_tokens": inputs,
            "total_output_tokens": outputs,
            "avg_response_time_ms": whole(use.answers.latency),
            "tokens_per_second": rounded(use.answers.tokens_per_second, 1),
            "extra": {
                "provider": use.provider,
                "cost_usd": rounded(usage.cost(use.usage), 2),
                "avg_message_tokens_per_second": rounded(
                    use.answers.tokens_per_second_of_messages, 1
                ),
            },
        }
        rows.append(row)
    return sorted(rows, key=lambda row: (-_int(row["total_tokens"]), str(row["model"])))


def usage_timeline(facts: Facts, question: Question) -> Document:
    found = usage.activity(facts, question.scope, question.window)
    window = question.window
    answers = usage.grouped(found.answers, lambda row: window.day_of(row.at))
    used = usage.grouped(found.usage, lambda row: window.day_of(row.at))
    days = window.days()
    return {
        "labels": [day.isoformat() for day in days],
        "messages": [len(answers.get(day, ())) for day in days],
        "tokens": [sum(record.tokens for record in used.get(day, ())) for day in days],
    }


def compliance_summary(facts: Facts, question: Question) -> Document:
    found = compliance.findings(facts, question.scope, question.window)
    total = len(usage.within(facts.answers, question.scope, question.window))
    return {
        "period_days": question.window.period_days,
        "total_messages": total,
        "toxic_messages": found.toxic,
        "toxic_rate_percent": _percent(ratio(found.toxic, total), 2),
        "pii_redactions": {"total": found.redactions, "by_type": found.by_entity},
        "messages_with_pii": found.with_pii,
        "pii_rate_percent": _percent(ratio(found.with_pii, total), 2),
        "extra": _of_audited(found, total),
    }


def _of_audited(found: compliance.Findings, total: int) -> Document:
    """The rates by audited messages, which are the other denominator of AG-049."""
    return {
        "audited_messages": found.audited,
        "audit_coverage": rounded(ratio(found.audited, total), 4),
        "toxic_rate_percent_of_audited": _percent(ratio(found.toxic, found.audited), 2),
        "pii_rate_percent_of_audited": _percent(ratio(found.with_pii, found.audited), 2),
    }


def compliance_by_agent_type(facts: Facts, question: Question) -> Document:
    found = compliance.findings(facts, question.scope, question.window)
    answers = usage.grouped(
        usage.within(facts.answers, question.scope, question.window), lambda row: row.agent_type
    )
    audits = usage.grouped(found.rows, lambda row: row.agent_type)
    types = []
    for agent_type in {**answers, **audits}:
        part = compliance.Findings(rows=audits.get(agent_type, []))
        total = len(answers.get(agent_type, ()))
        row = {
            **_type(facts, agent_type),
            "total_messages": total,
            "toxic_messages": part.toxic,
            "toxic_rate_percent": _percent(ratio(part.toxic, total), 2),
            "pii_redactions_total": part.redactions,
            "pii_per_message": rounded(ratio(part.redactions, total), 3),
            "extra": _of_audited(part, total),
        }
        types.append(row)
    return {"period_days": question.window.period_days, "agent_types": types}


def feedback_summary(facts: Facts, question: Question) -> Document:
    found = feedback.ratings(facts, question.scope, question.window)
    before = feedback.ratings(facts, question.scope, question.window.previous())
    return {
        "period_days": question.window.period_days,
        "total_feedback": len(found.rows),
        "average_rating": rounded(found.average, 1),
        "rating_distribution": found.distribution,
        "extra": {
            "previous": {
                "total_feedback": len(before.rows),
                "total_feedback_change": len(found.rows) - len(before.rows),
                "average_rating": rounded(before.average, 1),
                "average_rating_change": rounded(
                    None
                    if found.average is None or before.average is None
                    else found.average - before.average,
                    2,
                ),
            }
        },
    }


def feedback_by_agent_type(facts: Facts, question: Question) -> Document:
    found = feedback.ratings(facts, question.scope, question.window)
    answers = usage.grouped(
        usage.within(facts.answers, question.scope, question.window),
        lambda row: (row.agent_type, facts.band_of_answer(row)),
    )
    types = []
    for agent_type, rows in usage.grouped(found.rows, lambda row: row.agent_type).items():
        part = feedback.Ratings(rows=rows)
        row = {
            **_type(facts, agent_type),
            "total_feedback": len(rows),
            "average_rating": rounded(part.average, 1),
            "rating_by_load": {
                band.name: {
                    **_band(part.in_band(band.name), band.label),
                    "extra": _outcome(facts, answers.get((agent_type, band.name), [])),
                }
                for band in facts.reference.bands
            },
            "rating_degrades_at_load": part.degrades_at(facts),
            "extra": {
                "load_rating_count": len(part.of_known_load),
                "load_rating_correlation": _coefficient(part.load_correlation),
            },
        }
        types.append(row)
    return {"period_days": question.window.period_days, "agent_types": types}


def _coefficient(value: float | None) -> Number | None:
    return None if value is None else rounded(Decimal(repr(value)), 3)


def _outcome(facts: Facts, answers: list[Answer]) -> Json:
    """What else changes with load (AG-080)."""
    part = usage.Activity(facts=facts, answers=answers, requests=[], usage=[], sessions=[])
    return {
        "agent_messages": len(answers),
        "error_rate": rounded(part.error_rate, 4),
        "avg_response_time_ms": whole(mean(part.durations)),
        "avg_llm_latency_ms": whole(part.latency),
    }


def _band(part: feedback.Ratings, label: str) -> Document:
    return {
        "instances_range": label,
        "avg_rating": rounded(part.average, 1),
        "count": len(part.rows),
    }


def agent_type_comparison(facts: Facts, question: Question) -> Document:
    scope, window = question.scope, question.window
    found = usage.activity(facts, scope, window)
    audits = usage.grouped(
        compliance.findings(facts, scope, window).rows, lambda row: row.agent_type
    )
    rated = usage.grouped(feedback.ratings(facts, scope, window).rows, lambda row: row.agent_type)
    answers = usage.grouped(found.answers, lambda row: row.agent_type)
    used = usage.grouped(found.usage, lambda row: row.agent_type)
    hours = load.agent_hours(facts, scope, window)
    types = []
    for agent_type in {**answers, **used, **audits, **rated}:
        part = usage.Activity(
            facts=facts,
            answers=answers.get(agent_type, []),
            requests=[],
            usage=used.get(agent_type, []),
            sessions=[],
        )
        types.append(
            _compared(
                facts,
                agent_type,
                part,
                compliance.Findings(rows=audits.get(agent_type, [])),
                feedback.Ratings(rows=rated.get(agent_type, [])),
                hours.get(agent_type),
            )
        )
    return {
        "period_days": window.period_days,
        "agent_types": types,
        "extra": {"agent_hours": rounded(sum(hours.values(), Fraction(0)), 2) if hours else None},
    }


def _compared(
    facts: Facts,
    agent_type: str,
    part: usage.Activity,
    found: compliance.Findings,
    rated: feedback.Ratings,
    hours: Fraction | None,
) -> Json:
    total = len(part.answers)
    return {
        "agent_type_id": agent_type,
        "name": facts.type_names.get(agent_type),
        "model": _main_model(facts, part),
        "performance": {
            "total_messages": total,
            "total_tokens": part.tokens,
            "avg_response_time_ms": whole(part.latency),
            "tokens_per_second": rounded(part.tokens_per_second, 1),
            "avg_tokens_per_message": whole(ratio(part.tokens, total)),
        },
        "compliance": {
            "toxic_rate_percent": _percent(ratio(found.toxic, total), 2),
            "pii_redactions_per_message": rounded(ratio(found.redactions, total), 3),
        },
        "satisfaction": {
            "feedback_count": len(rated.rows),
            "average_rating": rounded(rated.average, 1),
            "rating_degrades_at_load": rated.degrades_at(facts),
        },
        "extra": {
            "model_count": len({(row.model, row.provider) for row in part.usage if row.model}),
            "avg_message_tokens_per_second": rounded(part.tokens_per_second_of_messages, 1),
            "avg_output_tokens_per_message": whole(ratio(part.output_tokens, total)),
            "agent_hours": rounded(hours, 2),
        },
    }


def _main_model(facts: Facts, part: usage.Activity) -> str | None:
    """The model with most messages, ties by name (AG-083)."""
    messages = usage.grouped(part.answers, lambda answer: facts.primary_model(answer)[0])
    named = [model for model in messages if model is not None]
    return min(named, key=lambda model: (-len(messages[model]), model)) if named else None


def publisher_dashboard(facts: Facts, question: Question) -> Document:
    scope, window = question.scope, question.window
    answers = usage.within(facts.answers, scope, window)
    errored = sum(answer.is_errored for answer in answers)
    tenants = len({answer.tenant for answer in answers})
    durations = [
        answer.duration_ms
        for answer in answers
        if not answer.is_errored and answer.duration_ms is not None
    ]
    money = revenue.money(facts, scope, window)
    spent = usage.activity(facts, scope, window)
    average = mean(durations)
    cells = quality.tools(facts, scope, window)
    hidden = quality.suppressed(cells)
    return {
        "total_invocations": len(answers),
        "unique_tenants": tenants,
        "active_installs": revenue.adoption(facts, scope, window).active,
        "invocations_trend": _invocations_trend(facts, question),
        "avg_satisfaction": rounded(
            feedback.ratings(facts, scope, window).average or Fraction(0), 2
        ),
        "error_rate": rounded(ratio(errored, len(answers)) or Fraction(0), 4),
        "avg_response_time_ms": 0 if average is None else average.numerator // average.denominator,
        "p95_response_time_ms": whole(percentile(durations, P95) or Fraction(0)),
        "total_revenue": rounded(money.net, 2),
        "revenue_trend": _revenue_trend(facts, question),
        "avg_revenue_per_tenant": rounded(_per_tenant(money.net, tenants), 2),
        "tool_usage_breakdown": {
            cell.name: None if cell.name in hidden else cell.completed_occurrences for cell in cells
        },
        "tool_failure_rates": {
            cell.name: None if cell.name in hidden else rounded(cell.failure_rate, 4)
            for cell in cells
        },
        "insights": _insights(facts, question),
        "extra": {
            "gross_revenue": rounded(money.gross, 2),
            "refunds": rounded(money.refunds, 2),
            "platform_fees": rounded(money.fees, 2),
            "payout": rounded(money.payout, 2),
            "paying_tenants": money.paying_tenants,
            "avg_revenue_per_paying_tenant": rounded(ratio(money.net, money.paying_tenants), 2),
            "llm_cost": rounded(spent.cost, 2),
            "llm_cost_per_completed_invocation": rounded(
                ratio(spent.cost, len(answers) - errored), 6
            ),
            "llm_cost_per_1k_tokens": rounded(times(ratio(spent.cost, spent.tokens), 1000), 6),
        },
    }


def _per_tenant(net: Decimal | None, tenants: int) -> Number | None:
    """0.0 without tenants (MP-045)."""
    return ratio(net, tenants) if tenants else 0


def _invocations_trend(facts: Facts, question: Question) -> Json:
    answers = usage.within(facts.answers, question.scope, question.window)
    days = usage.grouped(answers, lambda row: question.window.day_of(row.at))
    points = []
    for day in question.window.days():
        of_day = days.get(day, [])
        errored = sum(answer.is_errored for answer in of_day)
        point = {
            "date": day.isoformat(),
            "completed": len(of_day) - errored,
            "errored": errored,
            "total": len(of_day),
        }
        points.append(point)
    return points


def _revenue_trend(facts: Facts, question: Question) -> Json:
    window = question.window
    return [
        {
            "date": day.isoformat(),
            "revenue": rounded(revenue.money(facts, question.scope, window.at(day)).net, 2),
        }
        for day in window.days()
    ]


def _insights(facts: Facts, question: Question) -> Json:
    """The four point thresholds of MP-051..054, with their minimum samples."""
    scope, window = question.scope, question.window
    answers = usage.within(facts.answers, scope, window)
    durations = [a.duration_ms for a in answers if not a.is_errored and a.duration_ms is not None]
    errors = ratio(sum(answer.is_errored for answer in answers), len(answers))
    rated = feedback.ratings(facts, scope, window)
    p95 = percentile(durations, P95)
    found = []
    if errors is not None and errors > Fraction(5, 100) and len(answers) >= 20:
        found.append(("critical", "reliability", "High Error Rate"))
    if p95 is not None and p95 > 10_000 and len(durations) >= 20:
        found.append(("warning", "performance", "Slow p95 Response Time"))
    if rated.average is not None and rated.average < Fraction(7, 2) and len(rated.rows) >= 5:
        found.append(("warning", "quality", "Low User Satisfaction"))
    cells = quality.tools(facts, scope, window)
    hidden = quality.suppressed(cells)
    for cell in cells:
        if cell.name in hidden or cell.failure_rate is None or cell.attempts < 10:
            continue
        if cell.failure_rate > Fraction(1, 10):
            found.append(("warning", "reliability", f"Tool {cell.name} Failing Often"))
    return [
        {"severity": severity, "category": category, "title": title}
        for severity, category, title in found
    ]


def tenant_dashboard(facts: Facts, question: Question) -> Document:
    scope, window = question.scope, question.window
    held = quality.talks(facts, scope, window)
    found = usage.activity(facts, scope, window)
    spent = found.cost
    resolved = len(held.resolved)
    return {
        "period": {"start": _stamp(window.start, window), "end": _stamp(window.end, window)},
        "usage": {
            "total_conversations": len(held.rows),
            "active_agents": len({row.agent for row in held.rows}),
            "active_days": held.days(window),
        },
        "performance": {
            "avg_response_time_ms": rounded(mean(found.durations) or Fraction(0), 1),
            "p95_response_time_ms": rounded(percentile(found.durations, P95), 1),
        },
        "quality": {
            "resolution_rate": _percent(held.resolution_rate or Fraction(0), 1),
            "avg_satisfaction": rounded(held.satisfaction or Fraction(0), 2),
        },
        "business": {
            "total_cost_usd": rounded(spent, 2),
            "cost_per_resolution_usd": rounded(ratio(spent, resolved), 2),
            "estimated_savings_usd": None
            if spent is None
            else rounded(held.gross_savings - spent, 2),
        },
        "series": {
            "total_conversations": _talk_series(facts, question, _conversation_count),
            "resolution_rate": _talk_series(facts, question, _resolution_percent),
        },
    }


def _conversation_count(held: quality.Talks) -> Number | None:
    return len(held.rows)


def _resolution_percent(held: quality.Talks) -> Number | None:
    return times(held.resolution_rate, 100)


def _talk_series(
    facts: Facts, question: Question, value: Callable[[quality.Talks], Number | None]
) -> Json:
    """By hour up to two whole days, else by day (RO-053); rounded to 2 places (RO-049)."""
    window = question.window
    whole_days = window.length // timedelta(days=1)
    return [
        {
            "timestamp": _stamp(began, window),
            "value": rounded(value(quality.talks(facts, question.scope, part)), 2),
        }
        for began, part in window.buckets("hour" if whole_days <= 2 else "day")
    ]


def series(facts: Facts, question: Question) -> Document:
    """Any metric by bucket; rates in percent, rounded to 2 places (RO-049)."""
    assert question.metric is not None
    value = SERIES[question.metric]
    window = question.window
    label, unit = facts.reference.metrics[question.metric]
    return {
        "metric": question.metric,
        "label": label,
        "unit": "percent" if unit == "fraction" else unit,
        "bucket": question.bucket,
        "points": [
            {
                "timestamp": _stamp(began, window),
                "value": rounded(value(facts, question.scope, part), 2),
            }
            for began, part in window.buckets(question.bucket)
        ],
    }


SERIES: dict[str, Callable[[Facts, Scope, Window], Number | None]] = {
    "agent_messages": lambda facts, scope, part: len(usage.within(facts.answers, scope, part)),
    "active_users": lambda facts, scope, part: len(usage.activity(facts, scope, part).users),
    "total_tokens": lambda facts, scope, part: usage.activity(facts, scope, part).tokens,
    "cost_usd": lambda facts, scope, part: usage.activity(facts, scope, part).cost,
    "sessions": lambda facts, scope, part: len(usage.within(facts.sessions, scope, part)),
    "message_error_rate": lambda facts, scope, part: times(
        usage.activity(facts, scope, part).error_rate, 100
    ),
    "avg_response_time_ms": lambda facts, scope, part: mean(
        usage.activity(facts, scope, part).durations
    ),
    "total_conversations": lambda facts, scope, part: len(
        usage.within(facts.conversations, scope, part)
    ),
    "resolution_rate": lambda facts, scope, part: times(
        quality.talks(facts, scope, part).resolution_rate, 100
    ),
    "average_rating": lambda facts, scope, part: feedback.ratings(facts, scope, part).average,
    "p95_completed_duration_ms_at_rank": lambda facts, scope, part: usage.duration_at_rank(
        facts, scope, part
    ),
    "net_usd": lambda facts, scope, part: revenue.money(facts, scope, part).net,
    "total_tasks": lambda facts, scope, part: len(tasks.work(facts, scope, part).tasks),
}


def marketplace_overview(facts: Facts, question: Question) -> Document:
    scope, window = question.scope, question.window
    money = revenue.money(facts, scope, window)
    active = revenue.active_tenants(facts, scope, window)
    before = revenue.active_tenants(facts, scope, revenue.compared_with(window))
    stayed = ratio(len(active & before), len(before))
    answers = usage.within(facts.answers, scope, window)
    return {
        "period": _period(question),
        "gross_gmv": rounded(money.gross, 2),
        "refunds": rounded(money.refunds, 2),
        "net_gmv": rounded(money.net, 2),
        "platform_fee": rounded(money.fees, 2),
        "take_rate": rounded(money.take_rate, 4),
        "active_publishers": len({answer.publisher for answer in answers}),
        "active_tenants": len(active),
        "tenant_retention": rounded(stayed, 4),
        "logo_churn": None if stayed is None else rounded(1 - stayed, 4),
        "cohorts": [
            {
                "cohort_month": f"{cohort.month:%Y-%m}",
                "months_since": cohort.months_since,
                "tenants": cohort.tenants,
                "retained": cohort.retained,
                "retention": rounded(cohort.retention, 4),
            }
            for cohort in revenue.cohorts(facts, scope, window)
        ],
    }


def task_usage(facts: Facts, question: Question) -> Document:
    window = question.window
    found = tasks.work(facts, question.scope, window)
    return _envelope(
        "Usage statistics retrieved successfully",
        {
            "period": question.label,
            "from_date": _stamp(window.start, window),
            "to_date": _stamp(_last_second(window), window),
            "summary": {
                "total_tasks": len(found.tasks),
                "completed_tasks": found.completed,
                "failed_tasks": found.failed,
                "success_rate": _percent(found.completion_rate, 1),
                "total_steps": found.steps,
                "total_tokens": found.tokens,
                "total_api_calls": found.api_calls,
                "average_task_duration": duration_text(found.duration),
            },
            "by_agent": {
                agent: {
                    "tasks": len(found.of_agent(agent).tasks),
                    "steps": found.of_agent(agent).steps,
                    "tokens": found.of_agent(agent).tokens,
                    "success_rate": _percent(found.of_agent(agent).completion_rate, 1),
                    "agent_name": facts.agent_name(agent),
                }
                for agent in found.agents
            },
            "by_model": _tasks_by_model(facts, found),
            "daily_breakdown": [
                {
                    "date": day.isoformat(),
                    "tasks": len(part.tasks),
                    "tokens": part.tokens,
                    "api_calls": part.api_calls,
                }
                for day in window.days()
                for part in [tasks.work(facts, question.scope, window.at(day))]
            ],
        },
        {
            "open_tasks": tasks.still_open(facts, question.scope, window),
            "cancelled_tasks": tasks.cancelled(facts, question.scope, window),
            "average_task_duration_s": rounded(found.duration, 1),
            "average_completed_task_duration_s": rounded(found.completed_duration, 1),
        },
    )


def _tasks_by_model(facts: Facts, found: tasks.Work) -> Json:
    primary = tasks.primary_models(facts)
    ended = usage.grouped(found.tasks, lambda task: primary[task.id])
    used = usage.grouped(
        found.usage, lambda record: tasks.model_label(record.model, record.provider)
    )
    rows = {}
    for model in {**ended, **used}:
        part = tasks.Work(tasks=ended.get(model, []), usage=used.get(model, []), calls=[])
        rows[model] = {
            "tasks": len(part.tasks),
            "tokens": part.tokens,
            "average_tokens_per_task": whole(part.tokens_per_task),
            "success_rate": _percent(part.completion_rate, 1),
        }
    return rows


def task_performance(facts: Facts, question: Question) -> Document:
    window = question.window
    now = tasks.work(facts, question.scope, window)
    before = tasks.work(facts, question.scope, window.previous())
    return _envelope(
        "Performance metrics retrieved successfully",
        {
            "period": question.label,
            "metrics": {
                "task_completion_rate": _trend(
                    times(now.completion_rate, 100), times(before.completion_rate, 100), 1, "rate"
                ),
                "average_task_duration": _duration_trend(now.duration, before.duration),
                "token_efficiency": {
                    **_trend(now.tokens_per_task, before.tokens_per_task, 2, "amount"),
                    "unit": "tokens_per_task",
                },
                "error_rate": _trend(
                    times(now.error_rate, 100), times(before.error_rate, 100), 1, "rate"
                ),
            },
            "performance_by_agent": {
                agent: {
                    "avg_duration": duration_text(now.of_agent(agent).duration),
                    "success_rate": _percent(now.of_agent(agent).completion_rate, 1),
                    "token_efficiency": rounded(now.of_agent(agent).tokens_per_task, 2),
                    "agent_name": facts.agent_name(agent),
                }
                for agent in now.agents
            },
        },
        {
            **_dates(window),
            "metrics": {
                "task_completion_rate": _relative(now.completion_rate, before.completion_rate),
                "average_task_duration": _relative(now.duration, before.duration),
                "token_efficiency": _relative(now.tokens_per_task, before.tokens_per_task),
                "error_rate": _relative(now.error_rate, before.error_rate),
            },
            "tokens_per_minute": {
                **_trend(now.tokens_per_minute, before.tokens_per_minute, 2, "amount"),
                "unit": "tokens_per_minute",
            },
            "tasks_per_1k_tokens": {
                **_trend(now.tasks_per_1k_tokens, before.tasks_per_1k_tokens, 2, "amount"),
                "unit": "tasks_per_1k_tokens",
            },
            "performance_by_agent": {
                agent: {
                    "tasks": len(part.tasks),
                    "avg_duration_s": rounded(part.duration, 1),
                    "tokens_per_minute": rounded(part.tokens_per_minute, 2),
                    "tasks_per_1k_tokens": rounded(part.tasks_per_1k_tokens, 2),
                }
                for agent in now.agents
                for part in [now.of_agent(agent)]
            },
        },
    )


def _dates(window: Window) -> dict[str, Json]:
    return {
        "from_date": _stamp(window.start, window),
        "to_date": _stamp(_last_second(window), window),
    }


def _relative(now: Fraction | None, before: Fraction | None) -> Json:
    """The change as a share of what was; none from nothing (X-06)."""
    change = None if now is None or before is None else ratio(now - before, before)
    return {"relative_change": rounded(change, 4)}


def _trend(
    now: Fraction | None, before: Fraction | None, places: int, kind: str
) -> dict[str, Json]:
    return {
        "current": rounded(now, places),
        "previous": rounded(before, places),
        "trend": direction(now, before, kind),
        "change": None if now is None or before is None else rounded(now - before, places),
    }


def _duration_trend(now: Fraction | None, before: Fraction | None) -> Json:
    change = None if now is None or before is None else now - before
    return {
        "current": duration_text(now),
        "previous": duration_text(before),
        "trend": direction(now, before, "amount"),
        "change": duration_text(change, signed=True),
    }


def direction(now: Fraction | None, before: Fraction | None, kind: str) -> str | None:
    """By the sign; flat within 1 %, for rates in percent within 0.1 point (X-06)."""
    if now is None or before is None:
        return None
    change = now - before
    band = Fraction(1, 10) if kind == "rate" else abs(before) / 100
    if change == 0 or abs(change) < band:
        return "flat"
    return "up" if change > 0 else "down"


def duration_text(seconds: Fraction | None, *, signed: bool = False) -> str | None:
    """Hours and minutes from an hour on, minutes from a minute on, else seconds (X-16)."""
    if seconds is None:
        return None
    sign = ("-" if seconds < 0 else "+") if signed else ""
    size = abs(seconds)
    total = whole(size) or 0
    if total < 60:
        return f"{sign}{total}s"
    minutes = whole(size / 60) or 0
    if minutes < 60:
        return f"{sign}{minutes}m"
    return f"{sign}{minutes // 60}h {minutes % 60}m"


def task_costs(facts: Facts, question: Question) -> Document:
    found = tasks.work(facts, question.scope, question.window)
    total = tasks.cost_in(facts, found.usage, question.currency)
    models = usage.grouped(
        found.usage, lambda record: tasks.model_label(record.model, record.provider)
    )
    agents = usage.grouped(found.usage, lambda record: record.agent)
    days = usage.grouped(found.usage, lambda record: question.window.day_of(record.at))

    def cost_of(records: list[Usage]) -> Decimal | None:
        return tasks.cost_in(facts, records, question.currency)

    return _envelope(
        "Cost analysis retrieved successfully",
        {
            "period": question.label,
            "currency": question.currency,
            "total_cost": rounded(total, 2),
            "total_tokens": found.tokens,
            "average_cost_per_task": rounded(ratio(total, len(found.tasks)), 2),
            "cost_by_model": {
                model: {
                    "tokens": sum(record.tokens for record in records),
                    "cost": rounded(cost_of(records), 2),
                    "cost_per_token": rounded(
                        ratio(cost_of(records), sum(record.tokens for record in records)), 12
                    ),
                    "percentage": _percent(ratio(cost_of(records), total), 1),
                }
                for model, records in models.items()
            },
            "cost_by_agent": {
                agent: {
                    "cost": rounded(cost_of(records), 2),
                    "percentage": _percent(ratio(cost_of(records), total), 1),
                }
                for agent, records in agents.items()
            },
            "daily_costs": [
                {
                    "date": day.isoformat(),
                    "cost": rounded(cost_of(days.get(day, [])), 2),
                    "tokens": sum(record.tokens for record in days.get(day, [])),
                }
                for day in question.window.days()
            ],
        },
        {
            **_dates(question.window),
            "total_tasks": len(found.tasks),
            "average_cost_per_completed_task": rounded(ratio(total, found.completed), 2),
        },
    )


def company(facts: Facts, question: Question) -> Document:
    scope, window = question.scope, question.window
    found = usage.activity(facts, scope, window)
    days = window.days()
    return {
        "period": _period(question),
        "summary": _company_summary(facts, question, found),
        "daily": [_company_day(facts, question, day) for day in days],
        "agents": _company_agents(facts, found),
        "providers": _company_providers(found),
        "models": _company_models(facts, found),
        "health": _company_health(facts, question, found),
        "forecast": _forecast(facts, question),
        "distributions": {
            "session_duration": _distribution(facts, "duration", found.session_seconds),
            "messages_per_session": _distribution(
                facts, "messages", [Fraction(session.messages) for session in found.sessions]
            ),
        },
        "extra": {
            "input_token_share": rounded(ratio(found.input_tokens, found.tokens), 6),
            "output_token_share": rounded(ratio(found.output_tokens, found.tokens), 6),
        },
    }


def _company_summary(facts: Facts, question: Question, found: usage.Activity) -> Json:
    scope, window = question.scope, question.window
    days = window.days()
    daily = [usage.reach(facts, scope, window, day, 1) for day in days]
    spent = found.cost
    return {
        "avg_dau": rounded(mean(daily), 1),
        "wau": usage.reach(facts, scope, window, days[-1], 7) if days else 0,
        "mau": usage.reach(facts, scope, window, days[-1], 30) if days else 0,
        "active_users": len(found.users),
        "active_agents": found.active_agents,
        "total_sessions": len(found.sessions),
        "total_messages": found.messages,
        "user_messages": len(found.requests),
        "agent_messages": len(found.answers),
        "avg_session_duration_s": rounded(mean(found.session_seconds), 1),
        "median_session_duration_s": rounded(found.median_session_seconds, 1),
        "messages_per_session": rounded(found.messages_per_session, 1),
        "single_message_session_rate": rounded(found.single_message_share, 4),
        "avg_response_time_s": rounded(_seconds(mean(found.durations)), 3),
        "error_rate": rounded(found.error_rate, 4),
        "total_cost_usd": rounded(spent, 2),
        "cost_per_message_usd": rounded(ratio(spent, len(found.answers)), 6),
        "cost_per_session_usd": rounded(ratio(spent, len(found.sessions)), 6),
        "cost_per_user_usd": rounded(ratio(spent, len(found.users)), 6),
        "input_tokens": found.input_tokens,
        "output_tokens": found.output_tokens,
        "total_tokens": found.tokens,
        "avg_tokens_per_message": whole(ratio(found.tokens, len(found.answers))),
        "unpriced_usage_count": len(found.unpriced),
    }


def company_csv(facts: Facts, question: Question) -> Json:
    """One row for each day, the columns of FL-082..091 in their order."""
    return [_company_day(facts, question, day) for day in question.window.days()]


def _company_day(facts: Facts, question: Question, day: date) -> Json:
    scope, window = question.scope, question.window
    found = usage.activity(facts, scope, window.at(day))
    return {
        "date": day.isoformat(),
        "dau": usage.reach(facts, scope, window, day, 1),
        "wau": usage.reach(facts, scope, window, day, 7),
        "mau": usage.reach(facts, scope, window, day, 30),
        "total_sessions": len(found.sessions),
        "total_messages": found.messages,
        "total_cost_usd": rounded(found.cost, 2),
        "cost_per_message_usd": rounded(ratio(found.cost, len(found.answers)), 6),
        "avg_response_time_s": rounded(_seconds(mean(found.durations)), 3),
        "error_rate": rounded(found.error_rate, 4),
    }


def _company_agents(facts: Facts, found: usage.Activity) -> Json:
    rows = []
    for agent in found.agents:
        part = found.of_agent(agent)
        rows.append(
            {
                "agent_id": agent,
                "agent_name": facts.agent_name(agent),
                "sessions": len(part.sessions),
                "messages": part.messages,
                "avg_session_duration_s": rounded(mean(part.session_seconds), 1),
                "avg_response_time_s": rounded(_seconds(mean(part.durations)), 3),
                "error_rate": rounded(part.error_rate, 4),
                "input_tokens": part.input_tokens,
                "output_tokens": part.output_tokens,
                "total_tokens": part.tokens,
                "avg_tokens_per_message": whole(ratio(part.tokens, len(part.answers))),
                "total_cost_usd": rounded(part.cost, 2),
                "cost_share": rounded(ratio(part.cost, found.cost), 6),
            }
        )
    return rows


def _company_providers(found: usage.Activity) -> Json:
    return [
        {
            "provider": provider or "unknown",
            "total_tokens": sum(record.tokens for record in records),
            "total_cost_usd": rounded(usage.cost(records), 2),
            "cost_share": rounded(ratio(usage.cost(records), found.cost), 6),
        }
        for provider, records in usage.grouped(found.usage, lambda row: row.provider).items()
    ]


def _company_models(facts: Facts, found: usage.Activity) -> Json:
    rows = []
    for use in usage.by_model(facts, found):
        inputs = sum(record.input_tokens or 0 for record in use.usage)
        outputs = sum(record.output_tokens or 0 for record in use.usage)
        row = {
            "model": use.model or "unknown",
            "provider": use.provider,
            "messages": len(use.answers.answers),
            "input_tokens": inputs,
            "output_tokens": outputs,
            "total_tokens": inputs + outputs,
            "token_share": rounded(ratio(inputs + outputs, found.tokens), 6),
            "tokens_per_second": rounded(use.answers.tokens_per_second, 1),
            "total_cost_usd": rounded(usage.cost(use.usage), 2),
            "cost_share": rounded(ratio(usage.cost(use.usage), found.cost), 6),
        }
        rows.append(row)
    return rows


def _company_health(facts: Facts, question: Question, found: usage.Activity) -> Json:
    state = companies.health(facts, question.window)
    return {
        "uptime_percent": state.uptime_percent(question.window),
        "downtime_minutes": None
        if state.downtime is None
        else rounded(Fraction(state.downtime // timedelta(microseconds=1), 60_000_000), 1),
        "incident_count": state.incidents,
        "request_success_rate": rounded(state.success_rate, 4),
        "p50_response_time_s": rounded(_seconds(percentile(found.durations, P50)), 3),
        "p95_response_time_s": rounded(_seconds(percentile(found.durations, P95)), 3),
        "p99_response_time_s": rounded(_seconds(percentile(found.durations, P99)), 3),
        "avg_queue_depth": rounded(state.average_depth, 1),
        "p95_queue_depth": rounded(state.p95_depth, 1),
        "max_queue_depth": max(state.depths, default=None),
        "peak_rpm": rounded(state.peak, 1),
        "peak_at": None if state.peak_at is None else state.peak_at.isoformat(),
        "capacity_rpm": state.capacity,
        "capacity_utilisation": rounded(state.utilisation, 4),
    }


def _forecast(facts: Facts, question: Question) -> Json:
    """From the last seven complete days before the as-of day, whatever was asked (FL-060)."""
    window = question.window
    today = window.day_of(window.as_of)
    week = Window(
        first=today - timedelta(days=7), after=today, zone=window.zone, as_of=window.as_of
    )
    ever = Window(first=date(1900, 1, 1), after=today, zone=window.zone, as_of=window.as_of)
    used = [window.day_of(one.at) for one in usage.activity(facts, question.scope, ever).usage]
    found = companies.Forecast(
        current=usage.activity(facts, question.scope, week).cost,
        previous=usage.activity(facts, question.scope, week.previous()).cost,
        history_days=(today - min(used)).days if used else 0,
    )
    return {
        "current_weekly_cost_usd": rounded(found.current, 2),
        "projected_monthly_cost_usd": rounded(found.monthly, 2),
        "projected_month_by_days_usd": rounded(
            found.by_days(_month_days(today - timedelta(days=1))), 2
        ),
        "week_over_week_change": rounded(found.change, 4),
    }


def _month_days(day: date) -> int:
    """How many days the month of a day has."""
    first = day.replace(day=1)
    return ((first + timedelta(days=31)).replace(day=1) - first).days


def _distribution(facts: Facts, name: str, values: list[Fraction]) -> Json:
    rows = []
    for label, low, high in facts.reference.bins[name]:
        inside = sum(low <= value and (high is None or value < high) for value in values)
        rows.append(
            {"bin": label, "sessions": inside, "share": rounded(ratio(inside, len(values)), 6)}
        )
    return rows


def daily_summary(facts: Facts, question: Question) -> Document:
    """The day; of a longer period its last one."""
    day = question.window.days()[-1]
    window = question.window.at(day)
    found = usage.activity(facts, question.scope, window)
    return {
        "event": "analytics.daily_summary",
        "data": {
            "date": day.isoformat(),
            "dau": usage.reach(facts, question.scope, window, day, 1),
            "sessions": len(found.sessions),
            "costs": rounded(found.cost, 2),
            "error_rate": rounded(found.error_rate, 4),
        },
    }


def _period(question: Question) -> Json:
    window = question.window
    return {
        "label": question.label,
        "start": window.first.isoformat(),
        "end": (window.after - timedelta(days=1)).isoformat(),
        "days": window.period_days,
        "time_zone": window.zone,
    }


def _envelope(message: str, data: Json, extra: Json) -> Document:
    return {"status": "success", "message": message, "data": data, "extra": extra}


def _type(facts: Facts, agent_type: str) -> dict[str, Json]:
    return {"agent_type_id": agent_type, "agent_type_name": facts.type_names.get(agent_type)}


def _percent(value: Fraction | None, places: int) -> Decimal | None:
    return rounded(times(value, 100), places)


def _seconds(milliseconds: Fraction | None) -> Fraction | None:
    return None if milliseconds is None else milliseconds / 1000


def _stamp(moment: datetime, window: Window) -> str:
    return moment.astimezone(ZoneInfo(window.zone)).isoformat()


def _last_second(window: Window) -> datetime:
    """The last second of the whole period, however far the data reach (D-42)."""
    whole_end = Window(
        first=window.after, after=window.after, zone=window.zone, as_of=window.as_of
    ).start
    return whole_end - timedelta(seconds=1)


def _int(value: object) -> int:
    assert isinstance(value, int)
    return value


def alerts(facts: Facts, question: Question) -> Document:
    return rules_over_time.alerts(facts, question.scope, question.window)


DATASETS: dict[str, Callable[[Facts, Question], Json]] = {
    "usage-summary": usage_summary,
    "usage-by-agent": usage_by_agent,
    "usage-by-model": usage_by_model,
    "usage-timeline": usage_timeline,
    "compliance-summary": compliance_summary,
    "compliance-by-agent-type": compliance_by_agent_type,
    "feedback-summary": feedback_summary,
    "feedback-by-agent-type": feedback_by_agent_type,
    "agent-type-comparison": agent_type_comparison,
    "publisher-dashboard": publisher_dashboard,
    "tenant-dashboard": tenant_dashboard,
    "marketplace-overview": marketplace_overview,
    "task-usage": task_usage,
    "task-performance": task_performance,
    "task-costs": task_costs,
    "company": company,
    "daily-summary": daily_summary,
    "series": series,
    "alerts": alerts,
}
