"""`agentmart docs` makes one file that needs no server, no network and no pause of a build."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import duckdb
import pytest

from orchestration.warehouse.history import HISTORY
from tests.e2e.conftest import DeploymentUnderTest


@pytest.fixture(scope="module")
def site(deployment: DeploymentUnderTest, tmp_path_factory: pytest.TempPathFactory) -> str:
    """The text of the site, made while a build writes the warehouse and a reader reads."""
    out = tmp_path_factory.mktemp("docs") / "new folder" / "site.html"
    published = str((deployment.home / "published" / "agentmart.duckdb").resolve())
    with (
        duckdb.connect(str(deployment.home / "warehouse" / "agentmart.duckdb")),
        duckdb.connect(published, read_only=True),
    ):
        finished = deployment("docs", "--out", str(out))
    assert finished.exit_code == 0, finished.stderr
    assert finished.stdout == ""
    assert [path.name for path in out.parent.iterdir()] == ["site.html"]
    return out.read_text(encoding="utf-8")


def _embedded(site: str, key: str) -> Any:
    """A document that the page holds, found by a key of its own."""
    decoder = json.JSONDecoder()
    for start in re.finditer(r'\{"metadata": \{"dbt_schema_version"', site):
        document, _ = decoder.raw_decode(site, start.start())
        if key in document:
            return document
    raise AssertionError(f"the page holds no document with {key}")


def test_the_site_shows_every_published_table_with_its_columns(
    site: str, deployment: DeploymentUnderTest
) -> None:
    shown = {
        (node["metadata"]["schema"], node["metadata"]["name"], column)
        for node in _embedded(site, "errors")["nodes"].values()
        for column in node["columns"]
    }
    with duckdb.connect(
        str(deployment.home / "published" / "agentmart.duckdb"), read_only=True
    ) as mart:
        published = mart.execute(
            "select schema_name, table_name, column_name from duckdb_columns() where not internal"
        ).fetchall()
    # dbt knows nothing of what publishing itself writes.
    own = {("meta", table.name, column) for table in HISTORY for column in table.columns}
    assert own < set(published)
    assert shown == set(published) - own


def test_the_site_describes_models_and_opens_on_how_to_read_the_marts(site: str) -> None:
    manifest = _embedded(site, "child_map")
    summary = manifest["nodes"]["model.agentmart.usage_summary"]
    assert summary["description"].startswith("One row per window of a scope")
    assert summary["columns"]["cost_usd"]["description"]
    assert "Opening the marts" in manifest["docs"]["doc.agentmart.__overview__"]["block_contents"]


def test_the_site_loads_nothing_from_elsewhere(site: str) -> None:
    assert not re.findall(r"<(?:script|link|img)[^>]+(?:src|href)=[\"']?(?:https?:)?//", site)


def test_without_a_publication_the_command_says_so(tmp_path: Path) -> None:
    finished = DeploymentUnderTest(tmp_path)("docs")
    assert finished.exit_code == 1
    assert "Nothing is published" in finished.stderr
    assert not (tmp_path / "docs").exists()
