"""The table that ends a run: what happened, and where the results are.

Belongs here: turning counts into lines. Does not belong here: counting.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from orchestration.settings import Settings
from orchestration.state.store import Run


def summarise(settings: Settings, run: Run, *, seconds: float) -> Iterator[str]:
    """Lines for a person: rows, models, tests, insights, reports, seconds, then the places."""
    counts: Mapping[str, Any] = run.counts
    ingest, build = counts.get("ingest", {}), counts.get("build")
    yield f"run {run.run_id} as of {run.as_of:%Y-%m-%d %H:%M} UTC: {run.status}"
    yield _line(
        "files",
        f"{ingest.get('files_new', 0):,} new, {ingest.get('files_repeated', 0):,} repeated,"
        f" {len(ingest.get('failed_files', [])):,} failed",
    )
    yield _line(
        "rows",
        f"{ingest.get('rows_read', 0):,} read, {ingest.get('rows_landed', 0):,} landed,"
        f" {ingest.get('rows_quarantined', 0):,} quarantined,"
        f" {ingest.get('rows_ignored', 0):,} ignored",
    )
    if build is None:
        yield _line("models", "0 built: nothing is new")
    else:
        yield _line("models", f"{build['models']:,} built, {build['skipped']:,} skipped")
        yield _line(
            "tests",
            f"{build['tests_passed']:,} passed, {build['tests_warned']:,} warned,"
            f" {build['tests_failed']:,} failed",
        )
    publish = counts.get("publish")
    if publish:
        yield _line(
            "published", f"{publish['tables']:,} tables, {publish['bytes'] / 1_000_000:,.1f} MB"
        )
        yield _line(
            "duplicates",
            f"{publish['duplicates']:,} rows, {publish['superseded']:,} superseded states",
        )
        yield _line("insights", f"{publish['insights']:,} open")
    else:
        yield _line("published", "nothing new")
    alerts = counts.get("alerts", {})
    yield _line(
        "alerts",
        f"{alerts.get('standing', 0):,} standing, {alerts.get('fired', 0):,} fired,"
        f" {alerts.get('ended', 0):,} ended,"
        f" {alerts.get('muted', 0) + alerts.get('cooling_down', 0):,} held back",
    )
    reports, delivery = counts.get("reports", {}), counts.get("delivery", {})
    yield _line("reports", f"{reports.get('made', 0):,} made, {reports.get('failed', 0):,} failed")
    yield _line(
        "messages",
        f"{delivery.get('sent', 0):,} sent, {delivery.get('written', 0):,} written to the outbox,"
        f" {delivery.get('undelivered', 0):,} undelivered",
    )
    told = counts.get("notifications", {})
    yield _line(
        "told",
        f"{told.get('sent', 0):,} sent, {told.get('written', 0):,} written to the outbox,"
        f" {told.get('undelivered', 0):,} undelivered",
    )
    retries: Mapping[str, int] = counts.get("retries", {})
    if retries:
        yield _line("retries", ", ".join(f"{step} {count}" for step, count in retries.items()))
    yield _line("seconds", f"{seconds:.1f}")
    for file in run.listed("ingest", "failed_files"):
        yield f"not loaded: {file}"
    for warning in [
        *run.listed("ingest", "warnings"),
        *run.listed("build", "warnings"),
        *run.listed("alerts", "warnings"),
    ]:
        yield f"attention: {warning}"
    for problem in [
        *run.listed("reports", "failures"),
        *run.listed("reports", "invalid_addresses"),
        *run.listed("notifications", "problems"),
    ]:
        yield f"not sent: {problem}"
    if settings.published_file.exists():
        yield f"marts:    {settings.published_file}"
    for name, folder in (("reports", settings.reports), ("outbox", settings.outbox)):
        if folder.exists():
            yield f"{name + ':':<9} {folder}"


def _line(name: str, text: str) -> str:
    return f"  {name:<11} {text}"
