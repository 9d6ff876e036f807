"""From what a person types to the answer of a dataset.

Belongs here: the checks and defaults between a request and a question, and reading what the dataset
needs. Does not belong here: options of the command line, and the fields of any dataset.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime

from orchestration.errors import UserError
from orchestration.reporting.datasets.agent_cells import check_agent_visible, without_small_buckets
from orchestration.reporting.datasets.dataset import Answer, Choice, Dataset, Question
from orchestration.reporting.periods import check_zone, parse_as_of, parse_period
from orchestration.reporting.query import USD, Published
from orchestration.reporting.scopes import ScopeKind, resolve_scope, split_scope


@dataclass(frozen=True, kw_only=True)
class Request:
    """A question in a person's words; None leaves it to the dataset, the scope or the clock."""

    scope: str = ScopeKind.PLATFORM.value
    agent: str | None = None
    source: str | None = None
    period: str | None = None
    time_zone: str | None = None
    as_of: str | None = None
    currency: str = USD
    metric: str | None = None
    bucket: str | None = None
    includes_open_day: bool = False


def pose(
    request: Request,
    *,
    dataset: Dataset,
    published: Published,
    platform_zone: str,
    now: Callable[[], datetime],
) -> Question:
    """Check the request against what is published and fill in what it leaves open.

    Raises:
        UserError: a value of the request is unknown or not made for the dataset.
    """
    kind, _ = split_scope(request.scope)
    if kind not in dataset.scopes:
        allowed = " or ".join(
            one if one is ScopeKind.PLATFORM else f"{one}:ID" for one in sorted(dataset.scopes)
        )
        raise UserError(
            f"{dataset.name} is not made for scope {request.scope!r}: use --scope {allowed}"
        )
    metric = _choose("metric", request.metric, dataset=dataset, choice=dataset.metric)
    bucket = _choose("bucket", request.bucket, dataset=dataset, choice=dataset.bucket)
    check_currency(published, request.currency)
    asked_zone = None if request.time_zone is None else check_zone(request.time_zone)
    scope = resolve_scope(published, request.scope, source=request.source, agent=request.agent)
    zone = asked_zone or scope.time_zone or platform_zone
    moment = now() if request.as_of is None else parse_as_of(request.as_of, time_zone=zone)
    question = Question(
        scope=scope,
        window=parse_period(
            request.period or dataset.default_period,
            as_of=moment,
            time_zone=zone,
            includes_open_day=request.includes_open_day,
        ),
        data_until=published.as_of(),
        currency=request.currency,
        metric=metric,
        bucket=bucket,
    )
    if dataset.check is not None:
        dataset.check(question)
    check_agent_visible(published, question, dataset=dataset)
    return question


def beyond_data(question: Question) -> str | None:
    """What to tell a person whose period begins after the published state ends; None when it does not.

    Its answer is of no rows: zeros that look like a platform nobody uses.
    """
    window, until = question.window, question.data_until
    if window.start_at < until:
        return None
    return (
        f"nothing is published of {window.first_day} to {window.last_period_day}: the published state is as"
        f" of {until:%Y-%m-%d %H:%M} UTC; run `agentmart run`, or ask as of then with --as-of"
        f" {until:%Y-%m-%d}"
    )


def _choose(name: str, value: str | None, *, dataset: Dataset, choice: Choice | None) -> str | None:
    """The value of an option that not every dataset takes.

    Raises:
        UserError: it is not allowed, is not taken, or is missing where it must be given.
    """
    if choice is None:
        if value is not None:
            raise UserError(
                f"{dataset.name} has no {name} to choose, so leave out --{name} {value}"
            )
        return None
    if value is None:
        if choice.is_required:
            allowed = ", ".join(choice.allowed())
            raise UserError(f"{dataset.name} needs a {name}: give --{name}, one of {allowed}")
        return choice.default
    if value not in choice.allowed():
        allowed = ", ".join(choice.allowed())
        raise UserError(f"unknown {name} {value!r} for {dataset.name}: use one of {allowed}")
    return value


def check_currency(published: Published, currency: str) -> None:
    """Refuse a currency that the published exchange rates do not hold.

    Raises:
        UserError: there is no rate for it at any day; the message names those that have one.
    """
    if currency == USD:
        return
    rows = published.rows("select distinct currency from reference.fx_rates order by currency")
    known = [str(row["currency"]) for row in rows]
    if currency not in known:
        raise UserError(f"unknown currency {currency!r}: use one of {', '.join(known)}")


def ask(dataset: Dataset, *, question: Question, published: Published) -> Answer:
    """Read the figures that the dataset needs and let it answer."""
    figures = {
        name: without_small_buckets(
            published.function(
                need.function,
                scope=question.scope,
                window=need.window(question.window) if need.window else question.window,
                bucket=need.bucket(question.window) if need.bucket else None,
                currency=need.currency or question.currency,
                previous=question.window.previous() if need.is_compared else None,
            ),
            published=published,
            question=question,
            need=need,
        )
        for name, need in dataset.needs_of(question).items()
    }
    answer = dataset.answer(question, figures)
    if isinstance(answer.document, Mapping) and is_truncated(published, question):
        known = answer.document.get("extra")
        extra = dict(known) if isinstance(known, Mapping) else {}
        document = {**answer.document, "extra": {**extra, "truncated_by_retention": True}}
        return replace(answer, document=document)
    return answer


def is_truncated(published: Published, question: Question) -> bool:
    """Whether retention removed rows of a day of the window: the figures are of what is left (D-41)."""
    scope, window = question.scope, question.window
    rows = published.rows(
        """
        select 1
        from meta.truncated_scopes
        where scope_kind = $kind
            and ($id is null or scope_id = $id)
            and ($id is null or source_name = $source)
            and first_date < $end_at
            and kept_from > $start_at
        limit 1
        """,
        {
            "kind": scope.kind.value,
            "id": scope.id,
            "source": scope.source_name,
            "start_at": window.start_at.replace(tzinfo=None),
            "end_at": window.end_at.replace(tzinfo=None),
        },
    )
    return bool(rows)
