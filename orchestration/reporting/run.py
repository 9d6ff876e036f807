"""The reports that are due, and the messages that are to bring them.

Belongs here: what is due, once each; which subscription gets what. Does not belong here: how a
report is made (render) and how a message is sent (delivery/send).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

from orchestration.delivery.addresses import address_problem
from orchestration.delivery.outbox import (
    FailedReport,
    MadeReport,
    NewMessage,
    Outbox,
    ReportKey,
)
from orchestration.delivery.subscriptions import Subscription, read_subscriptions
from orchestration.errors import UserError
from orchestration.reporting.gather import (
    Publication,
    ReportRows,
    ReportWindow,
    gather_standard,
    gather_window,
    read_publication,
    standard_windows,
)
from orchestration.reporting.model import Frequency
from orchestration.reporting.pdf import pdf_renderer
from orchestration.reporting.periods import Window, parse_period
from orchestration.reporting.query import Published, read_published
from orchestration.reporting.reference import read_reference
from orchestration.reporting.render import render_all, render_report
from orchestration.reporting.scopes import Scope, resolve_scope
from orchestration.settings import Settings

# Rows of this many reports are in memory at a time.
_BATCH = 500
_KEPT_FORMATS = ("pdf", "csv", "json", "mail")


@dataclass(frozen=True, kw_only=True)
class ReportRun:
    """What one call made and queued. ``undeliverable`` are messages that can never be sent."""

    made: tuple[MadeReport, ...]
    failed: tuple[FailedReport, ...]
    queued: int
    undeliverable: tuple[str, ...]

    def counts(self) -> dict[str, object]:
        """The figures of this call, for the run's record in the private store."""
        return {
            "made": len(self.made),
            "failed": len(self.failed),
            "failures": [str(failure) for failure in self.failed],
            "queued": self.queued,
            "invalid_addresses": list(self.undeliverable),
        }


def make_due_reports(
    *,
    settings: Settings,
    as_of: datetime,
    on_report: Callable[[MadeReport | FailedReport], object] | None = None,
) -> ReportRun:
    """Make each due report that is not made yet, and queue it for its subscribers.

    Weekly and monthly reports are due for every scope once the period is over, daily ones where
    somebody subscribed. Calling it again makes and queues nothing new.
    """
    outbox = Outbox(settings.state_file)
    subscriptions = read_subscriptions(settings.lake, as_of=as_of)
    made_before = outbox.made_reports()
    results: list[MadeReport | FailedReport] = []
    problems: list[str] = []
    with read_published(settings) as published:
        publication = read_publication(published)
        windows = standard_windows(published)
        due = [window for window in windows if report_key(window) not in made_before]
        daily, daily_keys, problems = _daily_reports(
            published,
            subscriptions,
            settings=settings,
            publication=publication,
            made_before=made_before,
        )
        for start in range(0, len(due) + 1, _BATCH):
            jobs = gather_standard(
                published,
                due[start : start + _BATCH],
                publication=publication,
                reference=read_reference(),
            )
            if start == 0:
                jobs = [*daily, *jobs]
            for result in _make(jobs, settings=settings):
                results.append(result)
                outbox.record_reports([result])
                if on_report is not None:
                    on_report(result)
    current = {report_key(window) for window in windows} | daily_keys
    messages, unknown = _messages(subscriptions, current=current, made=outbox.made_reports())
    added = outbox.queue(messages, as_of=as_of)
    invalid = [
        f"{message.recipient!r} of subscription {message.subscription_id}: {message.reason}"
        for message in added
        if message.reason is not None
    ]
    return ReportRun(
        made=tuple(result for result in results if isinstance(result, MadeReport)),
        failed=tuple(result for result in results if isinstance(result, FailedReport)),
        queued=len(added) - len(invalid),
        undeliverable=(*problems, *unknown, *invalid),
    )


def make_report(
    *,
    settings: Settings,
    scope_text: str,
    source: str | None,
    frequency: Frequency,
    as_of: datetime | None,
    formats: Sequence[str],
    folder: Path,
) -> list[Path]:
    """Make one report now, for the last complete period before the as-of time; returns its files.

    Without an as-of time it is the published state's own. Nothing is recorded and nothing is sent.
    """
    with read_published(settings) as published:
        publication = read_publication(published)
        scope = resolve_scope(published, scope_text, source=source)
        rows = _standard_rows(
            published, scope=scope, frequency=frequency, publication=publication, as_of=as_of
        ) or _window_rows(
            published,
            scope=scope,
            frequency=frequency,
            time_zone=scope.time_zone or settings.time_zone,
            publication=replace(publication, as_of=as_of or publication.as_of),
        )
    with pdf_renderer() as renderer:
        files = render_report(rows, folder=folder, formats=formats, renderer=renderer)
    return [folder / path for path in files.values()]


def report_key(window: ReportWindow) -> ReportKey:
    """What makes this report the same report."""
    return ReportKey(
        scope_kind=window.scope.kind.value,
        source_name=window.scope.source_name or "",
        scope_id=window.scope.id,
        frequency=window.frequency.value,
        period=window.period,
    )


def last_complete_period(frequency: Frequency, today: date) -> str:
    """The text of the last period that was over when this day began."""
    match frequency:
        case Frequency.DAILY:
            yesterday = (today - timedelta(days=1)).isoformat()
            return f"{yesterday}..{yesterday}"
        case Frequency.WEEKLY:
            year, week, _ = (today - timedelta(days=7)).isocalendar()
            return f"{year:04d}-W{week:02d}"
        case Frequency.MONTHLY:
            last_of_month = today.replace(day=1) - timedelta(days=1)
            return f"{last_of_month:%Y-%m}"


def _standard_rows(
    published: Published,
    *,
    scope: Scope,
    frequency: Frequency,
    publication: Publication,
    as_of: datetime | None,
) -> ReportRows | None:
    """The rows of the due report, when the one asked for is that one: then both are the same."""
    if as_of not in (None, publication.as_of):
        return None
    wanted = (scope.kind, scope.id or "", scope.source_name, frequency)
    windows = [
        one
        for one in standard_windows(published)
        if (one.scope.kind, one.scope.id, one.scope.source_name, one.frequency) == wanted
    ]
    gathered = gather_standard(
        published, windows, publication=publication, reference=read_reference()
    )
    return gathered[0] if gathered else None


def _window_rows(
    published: Published,
    *,
    scope: Scope,
    frequency: Frequency,
    time_zone: str,
    publication: Publication,
) -> ReportRows:
    return gather_window(
        published,
        scope=scope,
        window=_window(frequency, as_of=publication.as_of, time_zone=time_zone),
        frequency=frequency,
        publication=publication,
        reference=read_reference(),
    )


def _window(frequency: Frequency, *, as_of: datetime, time_zone: str) -> Window:
    today = as_of.astimezone(ZoneInfo(time_zone)).date()
    return parse_period(last_complete_period(frequency, today), as_of=as_of, time_zone=time_zone)


def _daily_reports(
    published: Published,
    subscriptions: Iterable[Subscription],
    *,
    settings: Settings,
    publication: Publication,
    made_before: Mapping[ReportKey, MadeReport],
) -> tuple[list[ReportRows], set[ReportKey], list[str]]:
    """The daily digests that somebody wants: those to make, the keys of all, and bad scopes."""
    wanted = {
        (one.scope_text, one.source_name): one
        for one in subscriptions
        if one.frequency == Frequency.DAILY
    }
    jobs: list[ReportRows] = []
    keys: set[ReportKey] = set()
    problems: list[str] = []
    for (scope_text, source_name), subscription in sorted(wanted.items()):
        try:
            scope = resolve_scope(
                published, scope_text, source=None if scope_text == "platform" else source_name
            )
        except UserError as error:
            problems.append(f"subscription {subscription.subscription_id}: {error}")
            continue
        zone = scope.time_zone or settings.time_zone
        window = _window(Frequency.DAILY, as_of=publication.as_of, time_zone=zone)
        key = ReportKey(
            scope_kind=scope.kind.value,
            source_name=scope.source_name or "",
            scope_id=scope.id or "",
            frequency=Frequency.DAILY.value,
            period=window.first_day.isoformat(),
        )
        if key not in made_before and key not in keys:
            jobs.append(
                _window_rows(
                    published,
                    scope=scope,
                    frequency=Frequency.DAILY,
                    time_zone=zone,
                    publication=publication,
                )
            )
        keys.add(key)
    return jobs, keys, problems


def _make(jobs: Sequence[ReportRows], *, settings: Settings) -> Iterable[MadeReport | FailedReport]:
    if not jobs:
        return
    for rendered in render_all(
        jobs, folder=settings.reports, formats=_KEPT_FORMATS, processes=settings.threads
    ):
        rows = jobs[rendered.position]
        key, as_of = report_key(rows.window), rows.publication.as_of
        if rendered.failure is None:
            yield MadeReport(key=key, as_of=as_of, files=rendered.files)
        else:
            yield FailedReport(key=key, as_of=as_of, reason=rendered.failure)


def _messages(
    subscriptions: Iterable[Subscription],
    *,
    current: set[ReportKey],
    made: Mapping[ReportKey, MadeReport],
) -> tuple[list[NewMessage], list[str]]:
    """One message per report and recipient; and the subscriptions whose scope does not exist."""
    by_scope: dict[tuple[str, str, str, str], ReportKey] = {
        (key.scope_kind, key.source_name, key.scope_id, key.frequency): key for key in current
    }
    wanted: dict[str, NewMessage] = {}
    unknown: list[str] = []
    for one in subscriptions:
        source = "" if one.scope_kind == "platform" else one.source_name
        key = by_scope.get((one.scope_kind, source, one.scope_id, one.frequency))
        if key is None:
            if one.frequency != Frequency.DAILY:
                unknown.append(
                    f"subscription {one.subscription_id}: no {one.scope_text} is published for"
                    f" source {one.source_name}"
                )
            continue
        if key not in made:
            continue
        for recipient in one.recipients:
            message = NewMessage(
                report=key,
                subscription_id=one.subscription_id,
                recipient=recipient,
                formats=one.formats,
                reason=address_problem(recipient),
            )
            other = wanted.get(message.idempotency_key)
            if other is not None:
                both = (*other.formats, *message.formats)
                message = replace(other, formats=tuple(dict.fromkeys(both)))
            wanted[message.idempotency_key] = message
    return list(wanted.values()), unknown
