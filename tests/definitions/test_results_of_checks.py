"""What Dagster is told of data tests: those that ran, and those that an increment leaves as they were."""

from collections.abc import Iterator
from typing import Any

import dagster as dg
import pytest

from orchestration.defs.dbt_build import dagster_events
from orchestration.state.store import Audit

_USAGE = dg.AssetKey(["usage", "usage_summary"])
_NAMES = ("ran", "passed_before", "warned_before", "never_ran")


def _node(kind: str, *parents: str) -> dict[str, Any]:
    return {"resource_type": kind, "depends_on": {"nodes": list(parents)}}


_MODEL = "model.agentmart.usage_summary"
_MANIFEST = {
    "nodes": {
        _MODEL: _node("model"),
        **{f"test.agentmart.{name}": _node("test", _MODEL) for name in _NAMES},
    }
}
_RESULTS = {
    "results": [
        {
            "unique_id": "test.agentmart.ran",
            "status": "warn",
            "failures": 2,
            "message": "not kept: key (2 rows)",
        }
    ]
}


def _audit(name: str, status: str, **said: Any) -> Audit:
    return Audit(check_name=name, model_name="usage_summary", status=status, **said)


_HELD = {
    one.check_name: one
    for one in (
        _audit("ran", "pass", failures=0, message=None),
        _audit("passed_before", "pass", failures=0, message=None),
        _audit("warned_before", "warn", failures=7, message="not kept: is fresh (7 rows)"),
    )
}


@dg.multi_asset(
    specs=[dg.AssetSpec(_USAGE, metadata={"dagster_dbt/unique_id": _MODEL})],
    check_specs=[dg.AssetCheckSpec(name, asset=_USAGE, blocking=True) for name in _NAMES],
    can_subset=True,
)
def models(
    context: dg.AssetExecutionContext,
) -> Iterator[dg.MaterializeResult[Any] | dg.AssetCheckResult]:
    yield from dagster_events(context, _RESULTS, manifest=_MANIFEST, metadata={}, held=_HELD)


@dg.asset(deps=[_USAGE])
def published() -> None: ...


@pytest.fixture(scope="module")
def result() -> dg.ExecuteInProcessResult:
    return dg.materialize([models, published])


@pytest.mark.parametrize(
    ("name", "passed", "failures", "message", "is_kept"),
    [
        ("ran", False, 2, "not kept: key (2 rows)", False),
        ("passed_before", True, 0, "", True),
        ("warned_before", False, 7, "not kept: is fresh (7 rows)", True),
    ],
)
def test_a_check_that_does_not_run_says_what_it_said_before(
    result: dg.ExecuteInProcessResult,
    name: str,
    passed: bool,
    failures: int,
    message: str,
    is_kept: bool,
) -> None:
    (said,) = [one for one in result.get_asset_check_evaluations() if one.check_name == name]
    assert said.passed is passed
    assert said.severity is (dg.AssetCheckSeverity.ERROR if passed else dg.AssetCheckSeverity.WARN)
    assert said.metadata["failures"].value == failures
    assert said.metadata["message"].value == message
    assert ("kept" in said.metadata) is is_kept


def test_a_check_that_never_ran_is_no_pass_and_stops_nothing(
    result: dg.ExecuteInProcessResult,
) -> None:
    (said,) = [one for one in result.get_asset_check_evaluations() if one.check_name == "never_ran"]
    assert (said.passed, said.severity) == (False, dg.AssetCheckSeverity.WARN)
    assert str(said.metadata["kept"].value).startswith("not run yet")
    assert result.asset_materializations_for_node("published")
