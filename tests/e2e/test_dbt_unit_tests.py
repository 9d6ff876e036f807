"""dbt's own unit tests: every model with a window, a longer case, a currency or date arithmetic."""

from __future__ import annotations

from orchestration.settings import Settings
from tests.e2e.conftest import DeploymentUnderTest
from tests.support.dbt_runner import call_dbt, failures


def test_every_unit_test_of_the_models_passes(own_deployment: DeploymentUnderTest) -> None:
    settings = Settings(home=own_deployment.home, threads=2)
    results = call_dbt(settings, "test", "--select", "test_type:unit")
    tried = [one for one in results.results if one.node.unique_id.startswith("unit_test.")]
    assert failures(results) == []
    assert len(tried) > 80
