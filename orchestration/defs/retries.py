"""Trying a step again after a failure that may pass: storage that does not answer, a file that is held.

Only steps that may be done twice are tried again: loading, publishing and sending. What data or people did
wrong stays wrong, so a refused audit and a wrong setting fail at once, and so does a full disk. Waiting for
the warehouse is no failure (warehouse/lock).

Belongs here: which failures may pass, how often and after how long. Does not belong here: the steps.
"""

from __future__ import annotations

import logging
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager

import dagster as dg
import duckdb

from orchestration.disk_space import is_out_of_space
from orchestration.warehouse.build import CurrentRun

# What is tried again, for whoever watches a terminal.
LOGGER = logging.getLogger("agentmart.retries")

MOST_RETRIES = 3
# Doubled each time: 2, 4 and 8 seconds.
FIRST_WAIT_SECONDS = 2.0

_MAY_PASS = (OSError, sqlite3.OperationalError, duckdb.IOException, duckdb.HTTPException)
# What is not there, or not allowed, stays so until somebody changes it.
_STAYS = (
    FileExistsError,
    FileNotFoundError,
    IsADirectoryError,
    NotADirectoryError,
    PermissionError,
)


@contextmanager
def tried_again(context: dg.AssetExecutionContext, current: CurrentRun) -> Iterator[None]:
    """Have Dagster try the step again, later each time, when what it does here fails in passing."""
    try:
        yield
    except _MAY_PASS as error:
        if context.retry_number >= MOST_RETRIES or _stays(error, current):
            raise
        wait = FIRST_WAIT_SECONDS * 2**context.retry_number
        step = _name(context)
        what = f"try {context.retry_number + 1} of {MOST_RETRIES + 1} failed"
        why = f"{type(error).__name__}: {' '.join(str(error).split())}"
        LOGGER.warning("%s: %s (%s); the next in %.0f s", step, what, why, wait)
        _count(current, step)
        raise dg.RetryRequested(max_retries=MOST_RETRIES, seconds_to_wait=wait) from error


def _stays(error: Exception, current: CurrentRun) -> bool:
    return isinstance(error, _STAYS) or is_out_of_space(error, home=current.settings.home)


def _name(context: dg.AssetExecutionContext) -> str:
    """The asset of a step that makes one, as it is called everywhere else."""
    is_single = len(context.selected_asset_keys) == 1
    return "/".join(context.asset_key.path) if is_single else context.op_execution_context.op.name


def _count(current: CurrentRun, step: str) -> None:
    run_id = current.run.run_id
    counted = current.store.run(run_id).counts.get("retries", {})
    current.store.add_counts(run_id, {"retries": {**counted, step: counted.get(step, 0) + 1}})
