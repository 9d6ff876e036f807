"""The Dagster code location: complete, described, and loaded without touching a deployment."""

import gc
import json
import re
import subprocess
import sys
from pathlib import Path

import dagster as dg
import pytest

from orchestration.contracts.streams import STREAMS
from orchestration.settings import PROJECT_ROOT, Settings
from orchestration.warehouse.manifest import prepare_manifest, read_manifest

README = PROJECT_ROOT / "README.md"


@pytest.fixture(scope="module")
def repository(tmp_path_factory: pytest.TempPathFactory) -> dg.RepositoryDefinition:
    prepare_manifest(Settings(home=tmp_path_factory.mktemp("home")))
    from orchestration.definitions import defs

    return defs().get_repository_def()


def _specs(repository: dg.RepositoryDefinition) -> list[dg.AssetSpec]:
    graph = repository.asset_graph
    return [
        spec
        for definition in repository.assets_defs_by_key.values()
        for spec in definition.specs
        if spec.key in graph.executable_asset_keys
    ]


def test_garbage_is_looked_for_again_once_definitions_are_loaded(
    repository: dg.RepositoryDefinition,
) -> None:
    assert repository.get_all_jobs()
    assert gc.isenabled()


def test_every_stream_of_the_contract_is_an_asset(repository: dg.RepositoryDefinition) -> None:
    keys = {spec.key.to_user_string() for spec in _specs(repository)}
    assert {f"raw/{name}" for name in STREAMS} <= keys


def test_every_asset_has_an_owner_a_kind_a_group_and_a_purpose(
    repository: dg.RepositoryDefinition,
) -> None:
    lacking = {
        spec.key.to_user_string()
        for spec in _specs(repository)
        if not (spec.owners and spec.kinds and spec.group_name and spec.description)
    }
    assert not lacking


def test_groups_follow_the_folders(repository: dg.RepositoryDefinition) -> None:
    # A stream and a mart may have one name.
    specs = [spec for spec in _specs(repository) if spec.key.path[0] != "raw"]
    groups = {spec.key.path[-1]: spec.group_name for spec in specs}
    models = PROJECT_ROOT / "dbt_project" / "models"
    for path in models.rglob("*.sql"):
        folder = path.relative_to(models).parts
        expected = f"marts_{folder[1]}" if folder[0] == "marts" else folder[0]
        assert groups[path.stem] == expected, path


def test_a_failing_data_test_blocks_what_comes_after_and_a_warning_does_not(
    repository: dg.RepositoryDefinition,
) -> None:
    checks = [
        spec
        for definition in repository.assets_defs_by_key.values()
        for spec in definition.check_specs
    ]
    assert len(checks) > 100
    assert {spec.name for spec in checks if not spec.blocking} == {
        "marts_are_fresh",
        "days_hold_their_usual_rows",
        "few_rows_are_refused",
    }


def test_every_data_test_is_a_check(repository: dg.RepositoryDefinition) -> None:
    names = {
        spec.name
        for definition in repository.assets_defs_by_key.values()
        for spec in definition.check_specs
    }
    tests = {
        node["name"]
        for node in read_manifest()["nodes"].values()
        if node["resource_type"] == "test"
    }
    assert tests - names == set()


@pytest.mark.parametrize(
    ("job", "cron"),
    [
        ("health_five_minute_job", "2-57/5 * * * *"),
        ("usage_and_revenue_hourly_job", "0 * * * *"),
        ("insights_daily_job", "15 1 * * *"),
        ("reports_six_hourly_job", "30 1,7,13,19 * * *"),
        ("lake_maintenance_daily_job", "30 3 * * *"),
        ("retention_daily_job", "15 4 * * *"),
    ],
)
def test_jobs_run_on_a_schedule_with_an_explicit_zone(
    repository: dg.RepositoryDefinition, job: str, cron: str
) -> None:
    schedule = repository.get_schedule_def(f"{job}_schedule")
    assert schedule.cron_schedule == cron
    assert schedule.execution_timezone == "UTC"


def test_loading_the_definitions_touches_no_deployment_and_no_network(
    repository: dg.RepositoryDefinition, tmp_path: Path
) -> None:
    code = (
        "import socket, json\n"
        "def refuse(*a, **k): raise AssertionError('network')\n"
        "socket.socket.connect = refuse\n"
        "from orchestration.definitions import defs\n"
        "print(json.dumps(sorted(s.name for s in defs().schedules)))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        env={"PYTHONPATH": str(PROJECT_ROOT)},
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=True,
    )
    assert "reports_six_hourly_job_schedule" in json.loads(done.stdout)
    assert list(tmp_path.iterdir()) == []


def test_a_backfill_of_event_days_is_one_run(repository: dg.RepositoryDefinition) -> None:
    days = repository.assets_defs_by_key[dg.AssetKey(["core", "event_days"])]
    assert days.backfill_policy == dg.BackfillPolicy.single_run()
    partitions = days.partitions_def
    assert isinstance(partitions, dg.TimeWindowPartitionsDefinition)
    assert partitions.timezone == "UTC"
    job = repository.get_job("event_days_backfill_job")
    assert job.asset_layer.executable_asset_keys == {days.key}


def test_event_days_hang_on_the_models_that_are_replaced_by_day(
    repository: dg.RepositoryDefinition,
) -> None:
    models = (PROJECT_ROOT / "dbt_project" / "models").rglob("*.sql")
    replaced = {model.stem for model in models if "replace_dates" in model.read_text()}
    days = repository.assets_defs_by_key[dg.AssetKey(["core", "event_days"])]
    (spec,) = days.specs
    assert {dep.asset_key.path[-1] for dep in spec.deps} == replaced


def test_the_readme_tells_each_job_its_schedule_and_what_it_refreshes(
    repository: dg.RepositoryDefinition,
) -> None:
    told = dict(
        re.findall(r"^\| `(\w+_job)` \| (.+?) \|", README.read_text(encoding="utf-8"), re.MULTILINE)
    )
    scheduled = {
        schedule.job_name: f"`{schedule.cron_schedule}` {schedule.execution_timezone}"
        for schedule in repository.schedule_defs
    }
    by_hand = {"event_days_backfill_job": "by hand, for a range of days"}
    assert told == {**scheduled, **by_hand}


def test_the_readme_names_the_job_of_the_landing_sensor(
    repository: dg.RepositoryDefinition,
) -> None:
    job = repository.get_sensor_def("landing_sensor").job_name
    words = " ".join(README.read_text(encoding="utf-8").split())
    assert f"`landing_sensor` starts `{job}`" in words


def test_health_alone_makes_every_table_that_takes_up_its_rows() -> None:
    """One that it left out went on telling of the load before: a minute that came twice was counted twice."""
    from orchestration.defs.transformation import HEALTH_MODELS, streams_taken_up, warehouse_models

    health = HEALTH_MODELS.resolve([warehouse_models])
    streams = streams_taken_up(health) or frozenset()
    assert streams == {"health_samples", "incidents"}
    takes_up = {
        dg.AssetKey([node["schema"], node["name"]])
        for node in read_manifest()["nodes"].values()
        if node["resource_type"] == "model"
        and node["config"]["materialized"] == "incremental"
        and any(node["name"].startswith(f"stg_{stream}__") for stream in streams)
    }
    assert {key.path[-1] for key in takes_up} == {
        "stg_health_samples__copies",
        "stg_health_samples__repeated_keys",
    }
    assert takes_up <= health


def test_a_choice_of_models_that_would_lose_rows_takes_up_no_load() -> None:
    from orchestration.defs.transformation import streams_taken_up, warehouse_models

    fact = dg.AssetKey(["core", "fct_invocations"])
    assert streams_taken_up(warehouse_models.keys) is None
    assert streams_taken_up(warehouse_models.keys - {dg.AssetKey(["insights", "insights"])}) is None
    copies = dg.AssetKey(["staging", "stg_agent_events__copies"])
    assert streams_taken_up(warehouse_models.keys - {copies}) == frozenset(
        {"health_samples", "incidents"}
    )
    dates = dg.AssetKey(["intermediate", "int_pending_dates"])
    assert streams_taken_up(warehouse_models.keys - {dates}) == frozenset()
    assert streams_taken_up({fact}) == frozenset()
