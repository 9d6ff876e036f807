"""What dbt says about the project and its last build, read from dbt's own artifacts.

Belongs here: the parsed manifest, the list of published tables and the results of data tests. Does not
belong here: running models (defs/transformation) or any import of dbt, which costs half a second.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any

from orchestration.errors import RunFailure
from orchestration.settings import DBT_PROJECT_DIR, PROJECT_ROOT, Settings
from orchestration.state.store import Audit
from orchestration.warehouse.lock import exclusive_lock
from orchestration.warehouse.publishing import PublishedTable

MANIFEST_FILE = DBT_PROJECT_DIR / "target" / "manifest.json"
DBT_EXECUTABLE = str(Path(sys.executable).with_name("dbt"))

# Everything dbt parses. The stamp beside the manifest holds their digest, so that a run parses again
# only when one of them changed (a full parse takes about 8 s).
_PARSED = ("dbt_project", "seeds/reference")
_STAMP = MANIFEST_FILE.with_name("manifest.sha256")

# Schemas that readers see; staging and intermediate stay in the candidate.
PUBLISHED_SCHEMAS = (
    "reference",
    "core",
    "usage",
    "quality",
    "revenue",
    "compliance",
    "feedback",
    "operations",
    "insights",
    "alerts",
    "reports",
    "meta",
)


def prepare_manifest(settings: Settings) -> None:
    """Parse the dbt project when it changed since the manifest was written.

    Raises:
        RunFailure: dbt cannot parse the project; the message holds dbt's own.
    """
    digest = _digest_of_project()
    # An installation that its user cannot write to was parsed when it was made.
    if _is_of(digest):
        return
    MANIFEST_FILE.parent.mkdir(exist_ok=True)
    # Two commands at once in a fresh clone parse once.
    with exclusive_lock(MANIFEST_FILE.with_name("parse.lock"), on_wait=lambda _: None):
        if not _is_of(digest):
            _parse(settings, digest)


def _is_of(digest: str) -> bool:
    return MANIFEST_FILE.exists() and _STAMP.exists() and _STAMP.read_text() == digest


def _parse(settings: Settings, digest: str) -> None:
    scratch = MANIFEST_FILE.parent / "parse"
    project = str(DBT_PROJECT_DIR)
    command = [DBT_EXECUTABLE, "--quiet", "parse", "--project-dir", project]
    command += [
        "--profiles-dir",
        project,
        "--target-path",
        str(scratch),
        "--log-path",
        str(scratch),
    ]
    try:
        with settings.dbt_environment() as environment:
            finished = subprocess.run(
                command, env=environment, capture_output=True, text=True, check=False
            )
        if finished.returncode != 0:
            raise RunFailure(
                f"dbt cannot parse {DBT_PROJECT_DIR}: {(finished.stdout + finished.stderr).strip()}"
            )
        for artifact in ("partial_parse.msgpack", "semantic_manifest.json", "manifest.json"):
            (scratch / artifact).replace(MANIFEST_FILE.parent / artifact)
        _STAMP.write_text(digest)
    finally:
        shutil.rmtree(scratch, ignore_errors=True)


def read_manifest() -> dict[str, Any]:
    """The parsed manifest as dbt wrote it, to be read only: a run asks for its 5 MB six times."""
    written = MANIFEST_FILE.stat()
    return _manifest(written.st_mtime_ns, written.st_ino)


@lru_cache(maxsize=1)
def _manifest(_written_at: int, _file: int) -> dict[str, Any]:
    manifest: dict[str, Any] = json.loads(MANIFEST_FILE.read_text(encoding="utf-8"))
    return manifest


def read_run_results(target: Path) -> dict[str, Any]:
    """The results of the last build, as dbt wrote them into its target folder."""
    results: dict[str, Any] = json.loads((target / "run_results.json").read_text(encoding="utf-8"))
    return results


def write_run_results(target: Path, results: Mapping[str, Any]) -> None:
    """Put results that say more than dbt's own in their place."""
    (target / "run_results.json").write_text(json.dumps(results), encoding="utf-8")


def published_tables(manifest: Mapping[str, Any]) -> list[PublishedTable]:
    """The tables that readers see: every table of a published schema that is not marked private."""
    tables = []
    keys, by_day = _keys(manifest), _replaced_by_day(manifest)
    for unique_id, node in manifest["nodes"].items():
        if node["resource_type"] not in ("model", "seed"):
            continue
        if node["schema"] not in PUBLISHED_SCHEMAS:
            continue
        if node["config"]["materialized"] == "view" or node["config"]["meta"].get("private"):
            continue
        tables.append(
            PublishedTable(
                schema=node["schema"],
                name=node["alias"],
                model=node["name"],
                is_replaced_by_day=unique_id in by_day,
                description=node["description"].strip(),
                columns={
                    column["name"]: column["description"].strip()
                    for column in node["columns"].values()
                },
                key=keys.get(unique_id, ()),
            )
        )
    return sorted(tables, key=lambda table: (table.schema, table.name))


def models_replaced_by_day(manifest: Mapping[str, Any]) -> frozenset[str]:
    """The names of the models of which an increment replaces single event days."""
    return frozenset(manifest["nodes"][one]["name"] for one in _replaced_by_day(manifest))


def _replaced_by_day(manifest: Mapping[str, Any]) -> frozenset[str]:
    return frozenset(
        unique_id
        for unique_id, node in manifest["nodes"].items()
        if node["config"].get("incremental_strategy") == "replace_dates"
    )


def _keys(manifest: Mapping[str, Any]) -> dict[str, list[str]]:
    """The key of each table, from the test that holds it unique."""
    return {
        node["attached_node"]: list(node["test_metadata"]["kwargs"]["key"])
        for node in manifest["nodes"].values()
        if (node.get("test_metadata") or {}).get("name") == "keeps_rules"
        and node["test_metadata"]["kwargs"].get("key")
    }


def read_audits(run_results: Mapping[str, Any], manifest: Mapping[str, Any]) -> list[Audit]:
    """The data tests of a build, and the models that could not be built."""
    audits = []
    for result in run_results["results"]:
        node = manifest["nodes"].get(result["unique_id"])
        if node is None:
            continue
        if node["resource_type"] != "test" and result["status"] == "success":
            continue
        attached = node.get("attached_node") or ""
        audits.append(
            Audit(
                check_name=node["name"],
                model_name=attached.rpartition(".")[2] or None,
                status=result["status"],
                failures=result["failures"],
                message=result["message"] if result["status"] not in ("pass", "success") else None,
            )
        )
    return audits


def count_results(run_results: Mapping[str, Any]) -> dict[str, int]:
    """Models built, and tests by outcome."""
    counts = {"models": 0, "tests_passed": 0, "tests_warned": 0, "tests_failed": 0, "skipped": 0}
    for result in run_results["results"]:
        kind, status = result["unique_id"].partition(".")[0], result["status"]
        if status == "skipped":
            counts["skipped"] += 1
        elif kind in ("model", "seed"):
            counts["models"] += status == "success"
        elif kind == "test":
            outcome = {"pass": "tests_passed", "warn": "tests_warned"}.get(status, "tests_failed")
            counts[outcome] += 1
    return counts


def _digest_of_project() -> str:
    digest = hashlib.sha256()
    for place in _PARSED:
        root = PROJECT_ROOT / place
        for folder, folders, files in os.walk(root):
            folders[:] = sorted(
                name for name in folders if name != "target" and not name.startswith(".")
            )
            for name in sorted(files):
                path = Path(folder) / name
                digest.update(str(path.relative_to(PROJECT_ROOT)).encode())
                digest.update(path.read_bytes())
    return digest.hexdigest()


if __name__ == "__main__":
    prepare_manifest(Settings.load())
