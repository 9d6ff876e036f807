"""What stands in for dbt's own cross-engine macros while sqlfluff renders models.

Belongs here: answers of the right shape for a linter. Does not belong here: any SQL that is run.
"""

from __future__ import annotations


def type_string() -> str:
    return "varchar"


def date_trunc(date_part: str, expression: str) -> str:
    return f"date_trunc('{date_part}', {expression})"
