"""Dagster's page on a deployment, looked at in a browser: the graph, a run, a check that did not pass.

Belongs here: what a person on call sees there. Does not belong here: Dagster's own pages, and what a step
notes (test_materialisations.py).
"""

from __future__ import annotations

from collections.abc import Iterator
from urllib.parse import urljoin

import pytest
from playwright.sync_api import Page, expect

from orchestration.cli.dagster_home import open_instance
from orchestration.definitions import defs
from orchestration.settings import Settings
from tests.e2e.conftest import DeploymentUnderTest
from tests.support.browser import open_page
from tests.support.web_page import served_ui

# On a busy machine Dagster takes a minute to load its code.
_SECONDS = 180


@pytest.fixture(scope="module")
def late(
    deployment: DeploymentUnderTest, tmp_path_factory: pytest.TempPathFactory
) -> tuple[DeploymentUnderTest, str]:
    """A deployment that was built and published a day after its last extract came; and that run's id."""
    own = deployment.copy_to(tmp_path_factory.mktemp("page") / "home")
    config = {"resources": {"deployment": {"config": {"as_of": "2026-03-03T06:00:00Z"}}}}
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("AGENTMART_HOME", str(own.home))
        patch.setenv("AGENTMART_THREADS", "2")
        with open_instance(Settings(home=own.home)) as instance:
            done = (
                defs()
                .resolve_job_def("publication_job")
                .execute_in_process(instance=instance, run_config=config)
            )
            assert done.success
    return own, done.run_id


@pytest.fixture(scope="module")
def page(
    late: tuple[DeploymentUnderTest, str], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Page]:
    log = tmp_path_factory.mktemp("log") / "ui.log"
    with (
        served_ui(late[0].home, log=log, most_seconds=_SECONDS) as address,
        open_page(most_seconds=_SECONDS) as opened,
    ):
        opened.goto(address)
        yield opened


def _expect_on(page: Page, place: str, *texts: str) -> None:
    page.goto(urljoin(page.url, place))
    for text in texts:
        expect(page.get_by_text(text).first).to_be_visible(timeout=_SECONDS * 1000)


def test_the_graph_shows_the_groups_from_the_landing_to_the_reports(page: Page) -> None:
    _expect_on(
        page,
        "/asset-groups",
        "ingestion",
        "staging",
        "core",
        "marts_usage",
        "publishing",
        "reporting",
    )


def test_a_run_shows_its_job_and_what_it_came_to(
    page: Page, late: tuple[DeploymentUnderTest, str]
) -> None:
    _expect_on(page, f"/runs/{late[1]}", "publication_job", "Success", "published__database")


def test_a_check_that_did_not_pass_says_what_is_wrong(page: Page) -> None:
    _expect_on(
        page,
        "/assets/core/fct_measured_checks?view=checks&checkDetail=marts_are_fresh",
        "marts_are_fresh",
        "operations has 24.083, not at most 0.500 h",
        "few_rows_are_refused",
    )


def test_a_model_shows_what_it_holds(page: Page) -> None:
    _expect_on(page, "/assets/usage/usage_by_model", "Row count", "seconds", "bytes", "preview")
