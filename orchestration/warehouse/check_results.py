"""What the checks of a run found, as `meta.audits` tells it: data tests, and values held against bounds.

Belongs here: bringing both into one shape. Does not belong here: the checks (dbt_project), and which of them
stop a publication (warehouse/build).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

import duckdb

from orchestration.state.store import Audit

# The most rows that may break a rule.
_NONE = Decimal(0)
# The candidate is attached under this name while it is published.
_MEASURED = "candidate.core.fct_measured_checks"


@dataclass(frozen=True, kw_only=True)
class CheckResult:
    """One result. ``is_passed`` is None where the sample was too small to judge, or the test was skipped."""

    run_id: int
    check_name: str
    subject: str | None
    severity: str
    status: str
    is_passed: bool | None
    value: Decimal | None
    lowest: Decimal | None = None
    highest: Decimal | None = None
    message: str | None = None


def of_tests(
    run_id: int, audits: Sequence[Audit], *, severities: Mapping[str, str]
) -> list[CheckResult]:
    """Results of data tests, whose value is the number of rows that break their rules."""
    return [
        CheckResult(
            run_id=run_id,
            check_name=one.check_name,
            subject=one.model_name,
            severity="warn" if one.status == "warn" else severities.get(one.check_name, "error"),
            status=one.status,
            is_passed=None if one.status == "skipped" else one.status == "pass",
            value=None if one.failures is None else Decimal(one.failures),
            highest=_NONE,
            message=one.message,
        )
        for one in audits
    ]


def severities(manifest: Mapping[str, Any]) -> dict[str, str]:
    """The severity of each data test by its name."""
    return {
        node["name"]: node["config"].get("severity", "error").lower()
        for node in manifest["nodes"].values()
        if node["resource_type"] == "test"
    }


def measured(connection: duckdb.DuckDBPyConnection, run_id: int) -> list[CheckResult]:
    """What the build measured, from the attached candidate."""
    rows = connection.execute(
        "select check_name, coalesce(source_name || '.', '') || subject,"
        " subject_date, severity, is_passed, measured_value, lowest_value, highest_value, unit"
        f" from {_MEASURED} order by check_key"
    ).fetchall()
    return [
        CheckResult(
            run_id=run_id,
            check_name=name,
            subject=subject,
            severity=severity,
            status="not judged"
            if is_passed is None
            else "pass"
            if is_passed
            else _broken(severity),
            is_passed=is_passed,
            value=value,
            lowest=lowest,
            highest=highest,
            message=unit if day is None else f"{unit} of {day}",
        )
        for name, subject, day, severity, is_passed, value, lowest, highest, unit in rows
    ]


def _broken(severity: str) -> str:
    return "warn" if severity == "warn" else "fail"
