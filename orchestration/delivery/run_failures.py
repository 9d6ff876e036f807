"""Telling that a run failed, with what failed and how to run again, and that the next one did not.

Belongs here: what is said and when. Does not belong here: noticing (defs/, cli/run), sending
(notify).
"""

from __future__ import annotations

import shlex
from dataclasses import dataclass

from orchestration.delivery.channels.sender import shortened
from orchestration.delivery.notifications import (
    NewNotification,
    Notification,
    NotificationKind,
    Notifications,
    NotificationStatus,
    Severity,
)
from orchestration.reporting.documents import Json
from orchestration.settings import Settings
from orchestration.state.store import Audit, Run, StateStore

# One subject for all runs: a receiver that keeps incidents has one, until a run succeeds again.
_SUBJECT = "run"
_FAILED_CHECKS = ("fail", "error")
_MOST_NAMED = 5
_LONGEST_LINE = 300


@dataclass(frozen=True, kw_only=True)
class FailedRun:
    """A run that failed; ``asset`` is the step it died in, ``rerun`` the command that mends it."""

    run: Run
    run_key: str
    asset: str | None
    rerun: str


def queue_failure(failed: FailedRun, *, settings: Settings) -> list[Notification]:
    """Queue the failure for each channel that is to tell of it, once per run."""
    run = failed.run
    checks = [
        _line(one)
        for one in StateStore(settings.state_file).audits_of(run.run_id)
        if one.status in _FAILED_CHECKS
    ]
    place = f" at {failed.asset}" if failed.asset else ""
    lines = [
        " ".join((run.failure or "No reason is known.").split()),
        *(f"Failed: {check}" for check in checks[:_MOST_NAMED]),
        *([f"… and {len(checks) - _MOST_NAMED} more"] if len(checks) > _MOST_NAMED else []),
        "What is published stays as it was.",
        f"To run again: {failed.rerun}",
    ]
    payload: dict[str, Json] = {
        "run_id": run.run_id,
        "command": run.command,
        "as_of": run.as_of,
        "asset": failed.asset,
        "failure": run.failure,
        "failed_checks": checks,
        "rerun": failed.rerun,
    }
    return _queue(
        settings,
        run=run,
        run_key=failed.run_key,
        severity=Severity.CRITICAL,
        status=NotificationStatus.FIRING,
        title=f"Run {run.run_id} failed{place}",
        body="\n".join(lines),
        payload=payload,
    )


def queue_recovery(run: Run, *, run_key: str, settings: Settings) -> list[Notification]:
    """Queue that a run succeeded, if the last thing told of runs was that one failed."""
    last = Notifications(settings.state_file).latest(NotificationKind.RUN_FAILURE, _SUBJECT)
    if last is None or last.status is not NotificationStatus.FIRING:
        return []
    return _queue(
        settings,
        run=run,
        run_key=run_key,
        severity=Severity.INFO,
        status=NotificationStatus.RESOLVED,
        title="Runs failed",
        body=f"Run {run.run_id} succeeded; what readers see is up to date again.",
        payload={"run_id": run.run_id, "command": run.command, "as_of": run.as_of},
    )


def rerun_command(settings: Settings, *words: str) -> str:
    """A command of ours for a shell, on this deployment."""
    return f"AGENTMART_HOME={shlex.quote(str(settings.home))} {shlex.join(('agentmart', *words))}"


def _line(audit: Audit) -> str:
    where = f"{audit.check_name} on {audit.model_name or 'no model'}"
    why = " ".join((audit.message or "no message").split())
    return shortened(f"{where}: {why}", most=_LONGEST_LINE)


def _queue(
    settings: Settings,
    *,
    run: Run,
    run_key: str,
    severity: Severity,
    status: NotificationStatus,
    title: str,
    body: str,
    payload: dict[str, Json],
) -> list[Notification]:
    new = [
        NewNotification(
            kind=NotificationKind.RUN_FAILURE,
            subject_key=_SUBJECT,
            transition_at=run.as_of,
            occurrence=run_key,
            channel=channel,
            severity=severity,
            status=status,
            title=title,
            body=body,
            payload=payload,
        )
        for channel in settings.channels.run_failures
    ]
    return Notifications(settings.state_file).queue(new, as_of=run.as_of)
