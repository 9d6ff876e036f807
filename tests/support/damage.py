"""Damage to the facts in a warehouse file, as a person at a prompt can do it.

Belongs here: that. Does not belong here: how it is mended.
"""

from __future__ import annotations

from pathlib import Path

import duckdb


def damage_days(home: Path, *, first: str, end: str) -> None:
    """Remove every third row of two facts on these days (half-open), and change what is left of one."""
    on_the_days = f"event_date >= date '{first}' and event_date < date '{end}'"
    with duckdb.connect(str(home / "warehouse" / "agentmart.duckdb")) as warehouse:
        for fact in ("fct_invocations", "fct_llm_calls"):
            (removed,) = warehouse.execute(
                f"delete from core.{fact} where {on_the_days} and hash({fact}) % 3 = 0"
            ).fetchall()[0]
            assert removed > 0
        (changed,) = warehouse.execute(
            f"update core.fct_llm_calls set input_tokens = input_tokens + 1000 where {on_the_days}"
        ).fetchall()[0]
        assert changed > 0
