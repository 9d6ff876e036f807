"""A profile tells seconds and memory by step and model, the slowest first."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

from orchestration.cli.run_profile import (
    MemorySamples,
    Span,
    dbt_spans,
    profile_lines,
    profile_tree,
    step_spans,
)

MANIFEST = {
    "nodes": {
        "model.agentmart.usage": {
            "name": "usage",
            "resource_type": "model",
            "fqn": ["agentmart", "marts", "usage", "usage"],
        },
        "model.agentmart.fct_calls": {
            "name": "fct_calls",
            "resource_type": "model",
            "fqn": ["agentmart", "core", "fct_calls"],
        },
        "test.agentmart.usage_keeps_its_rules.1": {
            "name": "usage_keeps_its_rules",
            "resource_type": "test",
            "fqn": ["agentmart", "marts", "usage_keeps_its_rules"],
        },
    }
}


def _result(unique_id: str, begin: int, end: int) -> dict[str, Any]:
    return {
        "unique_id": unique_id,
        "timing": [
            {
                "name": "execute",
                "started_at": f"2026-03-02T06:00:{begin:02d}.000000Z",
                "completed_at": f"2026-03-02T06:00:{end:02d}.000000Z",
            }
        ],
    }


def test_what_dbt_built_is_told_by_layer() -> None:
    results = {
        "results": [
            _result("model.agentmart.fct_calls", 1, 3),
            _result("model.agentmart.usage", 3, 9),
            _result("test.agentmart.usage_keeps_its_rules.1", 9, 10),
            _result("operation.agentmart.hook", 0, 1),
            {"unique_id": "model.agentmart.usage", "timing": []},
        ]
    }
    build = list(dbt_spans(results, MANIFEST))
    assert [(layer.name, [part.name for part in layer.parts]) for layer in build] == [
        ("core", ["fct_calls"]),
        ("marts", ["usage"]),
        ("test", ["usage_keeps_its_rules"]),
    ]
    assert [layer.seconds for layer in build] == [2, 6, 1]


def test_the_tree_shows_the_slowest_part_first_and_counts_what_took_nothing() -> None:
    build = [
        Span(name="core", begin=0, end=2, parts=[Span(name="fct_calls", begin=0, end=2)]),
        Span(name="marts", begin=2, end=8, parts=[Span(name="usage", begin=2, end=8)]),
        Span(name="test", begin=8, end=8.01),
    ]
    built = Span(name="warehouse_models", begin=0, end=9)
    steps = [Span(name="whole run", begin=0, end=10, parts=[built])]
    tree = profile_tree(steps, samples=MemorySamples(), build=build)
    lines = [line.split() for line in profile_lines(tree)]
    assert lines == [
        ["whole", "run", "10.00", "s"],
        ["warehouse_models", "9.00", "s"],
        ["marts", "6.00", "s"],
        ["usage", "6.00", "s"],
        ["core", "2.00", "s"],
        ["fct_calls", "2.00", "s"],
        ["1", "others", "0.01", "s"],
    ]


def test_a_step_of_dagster_that_did_not_end_is_left_out() -> None:
    steps = [
        SimpleNamespace(step_key="published__database", start_time=1.0, end_time=2.5),
        SimpleNamespace(step_key="reports__documents", start_time=None, end_time=None),
    ]
    (span,) = step_spans(steps)
    assert (span.name, span.seconds) == ("published/database", 1.5)


def test_memory_is_the_most_that_was_held_meanwhile() -> None:
    samples = MemorySamples()
    with samples.taken():
        held = bytes(1)
    whole = Span(name="whole", begin=0, end=float("inf"))
    peak = samples.peak_mb(whole)
    assert held is not None
    # On a kernel without /proc there is nothing to read.
    assert peak is None or peak > 1
    assert samples.peak_mb(Span(name="before", begin=0, end=1)) is None
