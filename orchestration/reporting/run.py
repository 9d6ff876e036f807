"""The reports that are due, and the messages that are to bring them.

Belongs here: what is due, once each; which subscription gets what. Does not belong here: how a
report is made (render) and how a message is sent (delivery/send).
"""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from itertools import chain, islice
from pathlib import Path
from zoneinfo import ZoneInfo

from orchestration.delivery.addresses import address_problem
from orchestration.delivery.outbox import (
    FailedReport,
    MadeReport,
    Message,
    NewMessage,
    Outbox,
    ReportKey,
)
from orchestration.delivery.subscriptions import Subscription, read_subscriptions
from orchestration.errors import UserError
from orchestration.reporting.due import due_periods
from orchestration.reporting.gather import (
    Publication,
    ReportRows,
    ReportWindow,
    gather_window,
    read_publication,
    standard_windows,
)
from orchestration.reporting.gather_many import AskedReport, gather_asked, gather_standard
from orchestration.reporting.model import Frequency
from orchestration.reporting.pdf import pdf_renderer
from orchestration.reporting.periods import Window, parse_period
from orchestration.reporting.progress import ReportProgress, log_progress
from orchestration.reporting.query import Published, read_published
from orchestration.reporting.reference import Reference, read_reference
from orchestration.reporting.render import render_all, render_report
from orchestration.reporting.scopes import Scope, ScopeKind, resolve_scope
from orchestration.settings import Settings

# Reports that are noted and queued in one transaction; a process that dies makes them again.
_BATCH = 32
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

    Weekly and monthly reports are due for every scope once the period is over in its zone, daily
    ones and those in another zone where somebody subscribed. Those that a subscriber missed are
    made as well. Calling it again makes and queues nothing new.
    """
    outbox = Outbox(settings.state_file)
    subscriptions = read_subscriptions(settings.lake, as_of=as_of)
    made_before = outbox.made_reports()
    results: list[MadeReport | FailedReport] = []
    added: list[Message] = []
    with read_published(settings) as published:
        publication = read_publication(published)
        due, unknown = _due_reports(
            standard_windows(published),
            subscriptions,
            as_of=publication.as_of,
            made=made_before,
            failed=outbox.failed_reports(),
        )
        to_make = [
            one for one in due if not _is_whole(made_before.get(one.key), folder=settings.reports)
        ]
        by_key = {one.key: one for one in to_make}
        started = time.perf_counter()
        for some in _batches(
            _make(to_make, published=published, publication=publication, settings=settings)
        ):
            messages = [
                message
                for result in some
                if isinstance(result, MadeReport)
                for message in _messages(by_key[result.key])
            ]
            added += outbox.record_reports(some, messages=messages, as_of=as_of)
            results += some
            for result in some:
                if on_report is not None:
                    on_report(result)
            log_progress(
                ReportProgress(
                    done=len(results),
                    failed=sum(isinstance(result, FailedReport) for result in results),
                    due=len(to_make),
                    seconds=time.perf_counter() - started,
                )
            )
    # Somebody may have subscribed since a report was made.
    there = [one for one in due if one.key in made_before and one.key not in by_key]
    added += outbox.queue([message for one in there for message in _messages(one)], as_of=as_of)
    invalid = [
        f"{message.recipient!r} of subscription {message.subscription_id}: {message.reason}"
        for message in added
        if message.reason is not None
    ]
    return ReportRun(
        made=tuple(result for result in results if isinstance(result, MadeReport)),
        failed=tuple(result for result in results if isinstance(result, FailedReport)),
        queued=len(added) - len(invalid),
        undeliverable=(*unknown, *invalid),
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
    period: str | None = None,
) -> list[Path]:
    """Make one report now and return its files. Nothing is recorded and nothing is sent.

    It covers the period, or the last complete one before the as-of time. Without an as-of time
    that is the published state's own.

    Raises:
        UserError: a report of this frequency does not cover such a period.
    """
    with read_published(settings) as published:
        publication = read_publication(published)
        scope = resolve_scope(published, scope_text, source=source)
        reference = read_reference(settings.config)
        window = _window(
            frequency,
            period=period,
            as_of=as_of or publication.as_of,
            time_zone=scope.time_zone or settings.time_zone,
        )
        rows = _standard_rows(
            published,
            scope=scope,
            frequency=frequency,
            window=window,
            publication=publication,
            reference=reference,
        ) or gather_window(
            published,
            scope=scope,
            window=window,
            frequency=frequency,
            publication=replace(publication, as_of=window.as_of),
            reference=reference,
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
        period=window.edition,
    )


def last_complete_period(frequency: Frequency, today: date) -> str:
    """The text of the last period that was over when this day began.

    A week is the last seven days (D-48); on a Monday that is the ISO week.
    """
    yesterday = today - timedelta(days=1)
    match frequency:
        case Frequency.DAILY:
            return f"{yesterday}..{yesterday}"
        case Frequency.WEEKLY:
            return f"{today - timedelta(days=7)}..{yesterday}"
        case Frequency.MONTHLY:
            last_of_month = today.replace(day=1) - timedelta(days=1)
            return f"{last_of_month:%Y-%m}"


def _standard_rows(
    published: Published,
    *,
    scope: Scope,
    frequency: Frequency,
    window: Window,
    publication: Publication,
    reference: Reference,
) -> ReportRows | None:
    """The rows of the due report, when the one asked for is that one: then both are the same."""
    if window.as_of != publication.as_of:
        return None
    wanted = (scope.kind, scope.id or "", scope.source_name, frequency, window.first_day)
    windows = [
        one
        for one in standard_windows(published)
        if (one.scope.kind, one.scope.id, one.scope.source_name, one.frequency, one.first_day)
        == wanted
    ]
    gathered = gather_standard(published, windows, publication=publication, reference=reference)
    return next(gathered, None)


def _window(frequency: Frequency, *, period: str | None, as_of: datetime, time_zone: str) -> Window:
    today = as_of.astimezone(ZoneInfo(time_zone)).date()
    text = period or last_complete_period(frequency, today)
    window = parse_period(text, as_of=as_of, time_zone=time_zone)
    wanted, example, fits = {
        Frequency.DAILY: ("one day", "2026-03-01..2026-03-01", window.period_days == 1),
        Frequency.WEEKLY: ("seven days", "2026-W09", window.period_days == 7),
        Frequency.MONTHLY: ("a calendar month", "2026-02", window.unit == "month"),
    }[frequency]
    if not fits:
        raise UserError(
            f"--period {text!r} has {window.period_days} days; a {frequency} report covers"
            f" {wanted}, such as {example}"
        )
    return window


@dataclass(frozen=True, kw_only=True)
class _DueReport:
    """A report that should exist, and who gets it. ``asked`` is set where the marts lack its window."""

    key: ReportKey
    window: ReportWindow
    asked: AskedReport | None
    subscriptions: tuple[Subscription, ...]


_ScopeKey = tuple[str, str, str]


def _due_reports(
    standard: Sequence[ReportWindow],
    subscriptions: Iterable[Subscription],
    *,
    as_of: datetime,
    made: Iterable[ReportKey],
    failed: Iterable[ReportKey],
) -> tuple[list[_DueReport], list[str]]:
    """What should exist as of now; and the subscriptions whose scope does not exist."""
    scopes = {_scope_key(window): window for window in standard}
    wanted: dict[tuple[_ScopeKey, Frequency, str], list[Subscription]] = {
        (_scope_key(window), window.frequency, window.time_zone): [] for window in standard
    }
    unknown = []
    for one in subscriptions:
        source = "" if one.scope_kind == ScopeKind.PLATFORM else one.source_name
        scope = scopes.get((one.scope_kind, source, one.scope_id))
        if scope is None:
            unknown.append(
                f"subscription {one.subscription_id}: no {one.scope_text} is published for source"
                f" {one.source_name}"
            )
            continue
        zone = one.time_zone or scope.time_zone
        wanted.setdefault((_scope_key(scope), Frequency(one.frequency), zone), []).append(one)
    by_span = {
        (_scope_key(one), one.frequency, one.time_zone, one.first_day, one.end_day): one
        for one in standard
    }
    made_names, failed_names = _names(made), _names(failed)
    due = []
    for (scope_key, frequency, zone), subscribed in wanted.items():
        scope = scopes[scope_key]
        edition_of = (scope_key, frequency.value, "" if zone == scope.time_zone else zone)
        periods = due_periods(
            frequency,
            as_of=as_of,
            time_zone=zone,
            made=made_names.get(edition_of, ()),
            failed=failed_names.get(edition_of, ()),
        )
        for period in periods:
            span = period.window(as_of=as_of, time_zone=zone)
            is_missed = period is not periods[-1]
            # Who subscribed later did not miss it.
            takers = [one for one in subscribed if not is_missed or one.updated_at < span.end_at]
            if is_missed and not takers:
                continue
            window = by_span.get((scope_key, frequency, zone, period.first_day, period.end_day))
            asked = None
            if window is None:
                window = _window_of(span, scope=scope, frequency=frequency)
                asked = AskedReport(window=window, span=span, previous=span.previous())
            due.append(
                _DueReport(
                    key=report_key(window), window=window, asked=asked, subscriptions=tuple(takers)
                )
            )
    return due, unknown


def _window_of(span: Window, *, scope: ReportWindow, frequency: Frequency) -> ReportWindow:
    """The window of a report that the warehouse does not hold."""
    return ReportWindow(
        scope=scope.scope,
        frequency=frequency,
        time_zone=span.time_zone,
        first_day=span.first_day,
        end_day=span.last_day + timedelta(days=1),
        start_at=span.start_at,
        end_at=span.end_at,
        is_partial=span.is_partial,
        is_own_zone=span.time_zone == scope.time_zone,
    )


def _scope_key(window: ReportWindow) -> _ScopeKey:
    return (window.scope.kind.value, window.scope.source_name or "", window.scope.id)


def _names(keys: Iterable[ReportKey]) -> dict[tuple[_ScopeKey, str, str], set[str]]:
    """The periods by scope, frequency, and zone where it is not the scope's own."""
    names: dict[tuple[_ScopeKey, str, str], set[str]] = defaultdict(set)
    for key in keys:
        period, _, zone = key.period.partition(" ")
        scope_key = (key.scope_kind, key.source_name, key.scope_id)
        names[scope_key, key.frequency, zone].add(period)
    return names


def _is_whole(report: MadeReport | None, *, folder: Path) -> bool:
    """Whether the report was made and all its files are still there."""
    return report is not None and all((folder / path).is_file() for path in report.files.values())


def _make(
    due: Sequence[_DueReport],
    *,
    published: Published,
    publication: Publication,
    settings: Settings,
) -> Iterator[MadeReport | FailedReport]:
    if not due:
        return
    held = [one for one in due if one.asked is None]
    asked = [(one, one.asked) for one in due if one.asked is not None]
    reference = read_reference(settings.config)
    jobs = chain(
        gather_standard(
            published,
            [one.window for one in held],
            publication=publication,
            reference=reference,
        ),
        gather_asked(
            published,
            [one for _, one in asked],
            publication=publication,
            reference=reference,
        ),
    )
    in_order = [*held, *(one for one, _ in asked)]
    for rendered in render_all(
        jobs,
        count=len(in_order),
        folder=settings.reports,
        formats=_KEPT_FORMATS,
        processes=settings.threads,
    ):
        key, as_of = in_order[rendered.position].key, publication.as_of
        if rendered.failure is None:
            yield MadeReport(key=key, as_of=as_of, files=rendered.files)
        else:
            yield FailedReport(key=key, as_of=as_of, reason=rendered.failure)


def _batches(
    results: Iterator[MadeReport | FailedReport],
) -> Iterator[list[MadeReport | FailedReport]]:
    while batch := list(islice(results, _BATCH)):
        yield batch


def _messages(due: _DueReport) -> list[NewMessage]:
    """One message per recipient, with the formats of all its subscriptions."""
    wanted: dict[str, NewMessage] = {}
    for one in due.subscriptions:
        for recipient in one.recipients:
            message = NewMessage(
                report=due.key,
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
    return list(wanted.values())
