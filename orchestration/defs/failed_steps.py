"""What a failed Dagster run died of, in our own words where there are any.

Belongs here: reading its events. Does not belong here: who is told (delivery/run_failures).
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import dagster as dg

from orchestration.disk_space import out_of_space, says_out_of_space
from orchestration.errors import RunFailure, UserError
from orchestration.settings import Settings

# Their messages are for people; what they come from is not.
_OUR_ERRORS = (RunFailure.__name__, UserError.__name__)


@dataclass(frozen=True, kw_only=True)
class FailedStep:
    """The first step that failed, by the name of its asset, and why; no asset when no step did."""

    asset: str | None
    text: str


def first_failed_step(events: Iterable[dg.DagsterEvent], settings: Settings) -> FailedStep:
    """The first failure among a run's events."""
    for event in events:
        if event.is_step_failure and event.step_key is not None:
            message = _message(event.step_failure_data.error, settings)
            text = f"{event.step_key}: {message}"
            return FailedStep(asset=event.step_key.replace("__", "/"), text=text)
    return FailedStep(asset=None, text="see the run in `agentmart ui`")


def _message(error: Any, settings: Settings) -> str:
    causes = [error]
    while causes[-1].cause is not None:
        causes.append(causes[-1].cause)
    ours = [one for one in causes if one.cls_name in _OUR_ERRORS]
    if not ours and any(says_out_of_space(one.message, home=settings.home) for one in causes):
        return out_of_space(settings.home)
    cause = (ours or causes)[-1]
    message = " ".join(cause.message.split())
    # The name of our own class tells a person nothing.
    return message.removeprefix(f"orchestration.errors.{cause.cls_name}: ")
