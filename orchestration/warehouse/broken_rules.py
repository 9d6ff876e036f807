"""Which rules a failed data test found broken, in words.

Belongs here: reading the rows of failed `keeps_rules` tests (dbt_project/data_tests/generic) from the
candidate. Does not belong here: the rules, which are YAML beside each model.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from orchestration.settings import Settings
from orchestration.warehouse.engines import engine_of

# The columns that the test's query gives; another test's rows may hold anything, personal data too.
_COLUMNS = ["broken_rules", "failing_rows", "example_key"]
_SHOWN = 10


def name_broken_rules(run_results: Mapping[str, Any], settings: Settings) -> dict[str, Any]:
    """The run results, the message of each failed test saying which rules, how often, and where.

    dbt itself counts the rows of a failed test and shows none, so its query is run once more.
    """
    failed = [one for one in run_results["results"] if one["status"] in ("fail", "warn")]
    if not failed:
        return dict(run_results)
    messages = {}
    with engine_of(settings).asked(settings) as ask:
        for result in failed:
            found = ask(result["compiled_code"])
            if found.columns == _COLUMNS:
                messages[result["unique_id"]] = _message(sorted(found.rows))
    return {
        **run_results,
        "results": [
            {**one, "message": messages.get(one["unique_id"], one["message"])}
            for one in run_results["results"]
        ],
    }


def _message(rows: list[tuple[str, int, str]]) -> str:
    lines = [
        f"not kept: {rules.removesuffix('; ')} ({count:,} rows, such as {key})"
        for rules, count, key in rows[:_SHOWN]
    ]
    if len(rows) > _SHOWN:
        lines.append(f"and {len(rows) - _SHOWN} more combinations of rules")
    return "; ".join(lines)
