"""The day's figures for programs: each closed local day of each scope that is asked for, once.

Belongs here: which days are due, and queueing the document of the dataset ``daily-summary``. Does
not belong here: its figures (datasets/daily_summary) and sending it (delivery/notify).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from decimal import Decimal

from orchestration.delivery.notifications import (
    NewNotification,
    Notification,
    NotificationKind,
    Notifications,
    NotificationStatus,
    Severity,
)
from orchestration.errors import UserError
from orchestration.reporting.datasets.asking import Request, ask, pose
from orchestration.reporting.datasets.daily_summary import DAILY_SUMMARY
from orchestration.reporting.datasets.dataset import Question
from orchestration.reporting.documents import Json, number_text
from orchestration.reporting.formats import plural
from orchestration.reporting.query import Published, read_published
from orchestration.settings import Settings

# After a longer pause the days before are history, which an export brings.
_MOST_DAYS = 31
_DAY = timedelta(days=1)


@dataclass(frozen=True, kw_only=True)
class DailySummaries:
    """What one call queued; ``problems`` name the scopes that could not be asked about."""

    queued: tuple[Notification, ...]
    problems: tuple[str, ...]


def queue_daily_summaries(*, settings: Settings, as_of: datetime) -> DailySummaries:
    """Queue every day that is over in the published state and was not queued before.

    A scope begins with the last closed day; later calls add each day since.
    """
    queued: list[Notification] = []
    problems: list[str] = []
    channels = settings.channels
    if not channels.daily_summary_scopes or not channels.daily_summary:
        return DailySummaries(queued=(), problems=())
    queue = Notifications(settings.state_file)
    with read_published(settings) as published:
        for scope in channels.daily_summary_scopes:
            try:
                new = list(_due(scope, published=published, settings=settings, queue=queue))
            except UserError as error:
                problems.append(f"AGENTMART_DAILY_SUMMARY_SCOPES: {error}")
                continue
            queued += queue.queue(new, as_of=as_of)
    return DailySummaries(queued=tuple(queued), problems=tuple(problems))


def _due(
    scope: str, *, published: Published, settings: Settings, queue: Notifications
) -> Iterator[NewNotification]:
    as_of = published.as_of()

    def question(period: str) -> Question:
        return pose(
            Request(scope=scope, period=period),
            dataset=DAILY_SUMMARY,
            published=published,
            platform_zone=settings.time_zone,
            now=lambda: as_of,
        )

    today = question("day")
    last_day = today.window.first_day - _DAY
    for day in _days(queue.latest(NotificationKind.DAILY_SUMMARY, _subject(today)), last_day):
        asked = question(f"{day}..{day}")
        answer = ask(DAILY_SUMMARY, question=asked, published=published)
        for channel in settings.channels.daily_summary:
            yield NewNotification(
                kind=NotificationKind.DAILY_SUMMARY,
                subject_key=_subject(asked),
                transition_at=asked.window.end_at,
                occurrence=day.isoformat(),
                channel=channel,
                severity=Severity.INFO,
                status=NotificationStatus.INFO,
                title=f"{asked.scope.name} on {day}",
                body=_sentence(_data(answer.document)),
                payload=_fields(answer.document),
            )


def _days(last: Notification | None, last_day: date) -> Iterator[date]:
    """The days to tell: those after the last one told, or the last one alone."""
    first = last_day
    if last is not None:
        told = date.fromisoformat(str(_data(last.payload)["date"]))
        first = max(told + _DAY, last_day - (_MOST_DAYS - 1) * _DAY)
    for offset in range((last_day - first).days + 1):
        yield first + offset * _DAY


def _subject(question: Question) -> str:
    return f"{question.scope.source_name or ''}|{question.scope.text}"


def _sentence(data: Mapping[str, Json]) -> str:
    """The figures for people, where the channel is one for people."""
    rate = data["error_rate"]
    errors = f"{number_text(rate * 100)} %" if isinstance(rate, Decimal) else "unknown"
    costs = data["costs"]
    spent = f"{costs:f} USD" if isinstance(costs, Decimal) else "unknown"
    users = plural(_count(data, "dau"), "active user")
    sessions = plural(_count(data, "sessions"), "session")
    return f"{users}, {sessions}, cost {spent}, error rate {errors}."


def _count(data: Mapping[str, Json], name: str) -> int:
    value = data[name]
    return value if isinstance(value, int) else 0


def _data(document: Json) -> Mapping[str, Json]:
    return _fields(_fields(document)["data"])


def _fields(document: Json) -> Mapping[str, Json]:
    if not isinstance(document, Mapping):
        raise TypeError(f"{document!r} is not an object")
    return document
