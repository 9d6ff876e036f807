"""Every export, report and table of findings is a dbt exposure of the models that it reads."""

from orchestration.reporting.datasets.registry import DATASETS
from tests.support.exposures import EXPOSURES_FILE, as_text, expected_exposures


def test_the_exposures_are_those_of_what_the_code_reads() -> None:
    written = EXPOSURES_FILE.read_text(encoding="utf-8")
    remedy = "run `python -m tests.support.exposures` and commit the file"
    assert written == as_text(expected_exposures()), remedy


def test_an_exposure_names_the_marts_and_the_dimensions_behind_it() -> None:
    by_name = {exposure["name"]: exposure for exposure in expected_exposures()["exposures"]}
    assert {f"export_{name.replace('-', '_')}" for name in DATASETS} < by_name.keys()
    assert {"report_daily", "report_weekly", "report_monthly", "table_insights"} < by_name.keys()
    assert by_name["export_feedback_by_agent_type"]["depends_on"] == [
        "ref('dim_agents')",
        "ref('dim_publishers')",
        "ref('dim_tenants')",
        "ref('feedback_by_agent_type')",
        "ref('feedback_by_load')",
        "ref('run_context')",
        "ref('table_functions')",
        "ref('truncated_scopes')",
    ]
    assert all(exposure["owner"]["name"] for exposure in by_name.values())
