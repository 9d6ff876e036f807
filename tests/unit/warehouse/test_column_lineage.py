"""Columns are followed to the stored columns behind them, once for each state of the code."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from orchestration.warehouse.column_lineage import known_lineage, note_lineage

COLUMNS = {
    "core.calls": ["call_key", "agent_key", "cost_usd", "tokens"],
    "core.agents": ["agent_key", "agent_name"],
    "core.tree": ["node", "parent"],
}


def _results(**models: str) -> Mapping[str, Any]:
    return {
        "results": [
            {"unique_id": f"model.agentmart.{name}", "compiled_code": sql}
            for name, sql in models.items()
        ]
    }


def _nodes(**checksums: str) -> Mapping[str, Mapping[str, Any]]:
    return {
        f"model.agentmart.{name}": {"checksum": {"checksum": checksum}}
        for name, checksum in checksums.items()
    }


@pytest.mark.parametrize(
    ("sql", "expected"),
    [
        (
            "select agent_key, sum(cost_usd) as cost_usd, count(*) as call_count"
            ' from "agentmart"."core"."calls" group by agent_key',
            {
                "agent_key": [["core.calls", "agent_key"]],
                "cost_usd": [["core.calls", "cost_usd"]],
                "call_count": [],
            },
        ),
        (
            'with calls as (select * from "agentmart"."core"."calls"),'
            ' agents as (select * from "agentmart"."core"."agents"),'
            " final as (select agents.agent_name, calls.cost_usd / calls.tokens as price"
            " from calls left join agents on calls.agent_key = agents.agent_key)"
            " select * from final",
            {
                "agent_name": [["core.agents", "agent_name"]],
                "price": [["core.calls", "cost_usd"], ["core.calls", "tokens"]],
            },
        ),
        (
            'select agent_key as subject from "agentmart"."core"."calls" union all'
            ' select agent_name from "agentmart"."core"."agents"',
            {"subject": [["core.agents", "agent_name"], ["core.calls", "agent_key"]]},
        ),
        (
            "with recursive reached as ("
            'select node from "agentmart"."core"."tree" union all'
            ' select tree.node from "agentmart"."core"."tree" as tree'
            " inner join reached on tree.parent = reached.node) select node from reached",
            {"node": [["core.tree", "node"]]},
        ),
        ("select from where", {}),
    ],
    ids=["aggregate", "ctes and stars", "union by place", "recursion", "no SQL"],
)
def test_a_column_is_made_of_the_stored_columns_behind_it(
    sql: str, expected: Mapping[str, Any], tmp_path: Path
) -> None:
    cache = tmp_path / "lineage.json"
    note_lineage(_results(made=sql), _nodes(made="1"), columns=COLUMNS, cache=cache)
    found = known_lineage(_nodes(made="1"), cache=cache)
    assert found == {"model.agentmart.made": expected}


def test_sql_that_did_not_change_is_not_read_again(tmp_path: Path) -> None:
    cache = tmp_path / "lineage.json"
    sql = 'select agent_key from "agentmart"."core"."calls"'
    note_lineage(_results(a=sql, b=sql), _nodes(a="1", b="1"), columns=COLUMNS, cache=cache)
    kept = json.loads(cache.read_text())
    kept["model.agentmart.a"]["columns"] = {"agent_key": [["seen", "before"]]}
    cache.write_text(json.dumps(kept))
    changed, nodes = sql.replace("agent_key", "cost_usd"), _nodes(a="1", b="2")
    note_lineage(_results(a=sql, b=changed), nodes, columns=COLUMNS, cache=cache)
    expected: Mapping[str, Any] = {
        "model.agentmart.a": {"agent_key": [["seen", "before"]]},
        "model.agentmart.b": {"cost_usd": [["core.calls", "cost_usd"]]},
    }
    assert known_lineage(nodes, cache=cache) == expected


def test_nothing_is_known_of_a_model_whose_file_changed_since_and_of_one_that_is_gone(
    tmp_path: Path,
) -> None:
    cache = tmp_path / "lineage.json"
    sql = 'select agent_key from "agentmart"."core"."calls"'
    assert known_lineage(_nodes(a="1"), cache=cache) == {}
    note_lineage(_results(a=sql, b=sql), _nodes(a="1", b="1"), columns=COLUMNS, cache=cache)
    assert known_lineage(_nodes(a="2"), cache=cache) == {}
