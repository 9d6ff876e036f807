"""A deployment on the target ducklake, and what it publishes beside what the embedded engine does.

Belongs here: running on that target, and comparing publications. Does not belong here: the
server of the catalog (postgres_server.py), and extracts (landing.py).
"""

from __future__ import annotations

import json
import math
import re
import subprocess
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import Any

import duckdb

from orchestration.reporting.datasets.asking import Request
from orchestration.reporting.datasets.registry import DATASETS
from orchestration.reporting.documents import to_json
from orchestration.reporting.query import read_published
from orchestration.reporting.scopes import ScopeKind
from orchestration.settings import PROJECT_ROOT, Settings
from orchestration.warehouse.ducklake import SNAPSHOT_SCRIPT, load_extension, writing
from orchestration.warehouse.publications import folder_of
from tests.support.builds import send_full_build
from tests.support.command_line import Finished, agentmart
from tests.support.postgres_server import PASSWORD, PostgresServer
from tests.support.published_home import answer
from tests.support.recordings import recorded_builds

# Which run made a publication and from what, and what its tests said: two runs differ in that.
ABOUT_THE_RUN = (
    "meta.publication",
    "meta.runs",
    "meta.audits",
    "meta.restatements",
    "meta.run_context",
)


def environment_of(server: PostgresServer, *, home: Path, schema: str) -> dict[str, str]:
    """What a person sets for the target."""
    return {
        "AGENTMART_HOME": str(home),
        "AGENTMART_THREADS": "2",
        "AGENTMART_DBT_TARGET": "ducklake",
        "AGENTMART_DUCKLAKE_CATALOG": server.catalog,
        "AGENTMART_DUCKLAKE_SCHEMA": schema,
        "PGPASSWORD": PASSWORD,
    }


def run(environment: Mapping[str, str], *, as_of: datetime) -> Finished:
    """`agentmart run` on the target, as a person types it."""
    words = ("run", "--target", "ducklake", "--as-of", as_of.isoformat())
    return agentmart(*words, home=Path(environment["AGENTMART_HOME"]), environ=environment)


def replay_on_ducklake(settings: Settings) -> None:
    """Build all models from the run inputs by what dbt sends for a full build, in one commit.

    Of a hundred seconds that dbt takes on the target, most are its commits: each reads the whole catalog.
    """
    with writing(settings) as connection:
        connection.execute("begin")
        send_full_build(connection, recorded_builds()[1], settings)
        connection.execute("commit")


def snapshot_of(settings: Settings, publication_id: int) -> int:
    """The snapshot that a publication is."""
    script = folder_of(settings, publication_id) / SNAPSHOT_SCRIPT
    found = re.search(r"snapshot_version (\d+)", script.read_text(encoding="utf-8"))
    assert found is not None
    return int(found[1])


def open_snapshot(settings: Settings) -> duckdb.DuckDBPyConnection:
    """The snapshot of the current publication, opened as its own script says."""
    connection = duckdb.connect()
    for extension in ("ducklake", "postgres_scanner"):
        load_extension(connection, extension)
    script = settings.published / "current" / SNAPSHOT_SCRIPT
    connection.execute(script.read_text(encoding="utf-8"))
    return connection


@contextmanager
def opened(settings: Settings) -> Iterator[duckdb.DuckDBPyConnection]:
    """The file of the current publication."""
    with duckdb.connect(str(settings.published_file.resolve()), read_only=True) as published:
        yield published


def tables_of(settings: Settings) -> list[str]:
    """Every table of the current publication."""
    with opened(settings) as published:
        rows = published.execute(
            "select schema_name || '.' || table_name from duckdb_tables() order by all"
        ).fetchall()
    return [name for (name,) in rows]


def differing_tables(these: Settings, those: Settings) -> list[str]:
    """What two publications do not have the same, but for what they say of the runs that made them."""
    tables = tables_of(these)
    assert tables == tables_of(those)
    with opened(these) as left, opened(those) as right:
        compared = [table for table in tables if table not in ABOUT_THE_RUN]
        found = [rows_that_differ(left, right, table) for table in compared]
    return [one for one in found if one is not None]


def differs_from_snapshot(settings: Settings) -> list[str]:
    """What the published file and the snapshot of the same publication do not have the same."""
    with opened(settings) as file, closing(open_snapshot(settings)) as snapshot:
        # In one transaction the catalog is read once.
        snapshot.execute("begin")
        found = [rows_that_differ(file, snapshot, table) for table in tables_of(settings)]
    return [one for one in found if one is not None]


def rows_that_differ(
    these: duckdb.DuckDBPyConnection, those: duckdb.DuckDBPyConnection, table: str
) -> str | None:
    """What is not the same of a table; None when all is, floats to nine digits."""
    kinds = [one.execute(f"describe {table}").fetchall() for one in (these, those)]
    if [row[:2] for row in kinds[0]] != [row[:2] for row in kinds[1]]:
        return f"{table}: other columns"
    # Floats come last in the order: two that differ in the last digit must not change places.
    exact = [name for name, kind, *_ in kinds[0] if kind != "DOUBLE"]
    floats = [name for name, kind, *_ in kinds[0] if kind == "DOUBLE"]
    columns = ", ".join(f'"{name}"' for name in (*exact, *floats))
    left, right = (
        one.execute(f"select {columns} from {table} order by all").fetchall()
        for one in (these, those)
    )
    if len(left) != len(right):
        return f"{table}: {len(left)} rows and {len(right)}"
    for row, other in zip(left, right, strict=True):
        if not same(list(row), list(other)):
            return f"{table}: {row} and {other}"
    return None


def same(this: Any, that: Any) -> bool:
    """Whether two values are equal, floats to nine digits."""
    match this, that:
        case float(), float():
            return math.isclose(this, that, rel_tol=1e-9) or (math.isnan(this) and math.isnan(that))
        case list(), list():
            return len(this) == len(that) and all(map(same, this, that))
        case dict(), dict():
            return this.keys() == that.keys() and all(same(this[key], that[key]) for key in this)
        case _:
            return bool(this == that)


def exports_of(
    settings: Settings,
    *,
    scopes: Sequence[str],
    as_of: datetime,
    datasets: Iterable[str] = DATASETS,
) -> dict[str, Any]:
    """The document of every dataset for every scope that it is made for."""
    found = {}
    with read_published(settings) as published:
        for scope in scopes:
            for name in datasets:
                dataset = DATASETS[name]
                if ScopeKind(scope.partition(":")[0]) not in dataset.scopes:
                    continue
                metric = dataset.metric
                chosen = metric.allowed()[0] if metric and metric.is_required else None
                request = Request(scope=scope, metric=chosen)
                document = answer(published, name, request, as_of=as_of).document
                found[f"{name} of {scope}"] = json.loads(to_json(document))
    return found


def differing_exports(
    these: Settings,
    those: Settings,
    *,
    scopes: Sequence[str],
    as_of: datetime,
    datasets: Iterable[str] = DATASETS,
) -> list[str]:
    """The documents that two deployments do not give the same."""
    read = partial(exports_of, scopes=scopes, as_of=as_of, datasets=tuple(datasets))
    # Most of an export is DuckDB's planning of one question, which takes one core: the two take two.
    with ThreadPoolExecutor() as threads:
        left, right = threads.map(read, (these, those))
    assert left
    assert left.keys() == right.keys()
    return [name for name in left if not same(left[name], right[name])]


def scopes_of(settings: Settings) -> list[str]:
    """The platform, every tenant and every publisher whose id tells it apart."""
    scopes = ["platform"]
    with opened(settings) as published:
        for kind in ("tenant", "publisher"):
            rows = published.execute(
                f"select {kind}_id from core.dim_{kind}s group by all having count(*) = 1 order by all"
            ).fetchall()
            scopes += [f"{kind}:{one}" for (one,) in rows]
    return scopes


def first_of_each_kind(scopes: Iterable[str]) -> list[str]:
    """One scope of each kind."""
    return list({scope.partition(":")[0]: scope for scope in reversed([*scopes])}.values())


# Asks the snapshot of the current publication, and the published file, until it is told to stop.
_READ = """
import json, sys, threading
from orchestration.settings import Settings
from tests.support.ducklake import read_both
stop = threading.Event()
threading.Thread(target=lambda: (sys.stdin.readline(), stop.set()), daemon=True).start()
settings, seen = Settings.load(), []
while True:
    found = read_both(settings, sys.argv[1])
    if not seen:
        print("\\nreading", flush=True)
    seen.append(found)
    if stop.wait(5):
        break
print(json.dumps(seen))
"""


def read_both(settings: Settings, table: str) -> tuple[int, int, str]:
    """The publication, and the digest of a table that both of its forms have.

    The link may move between the two, so a reader opens what it pointed to.
    """
    folder = (settings.published / "current").resolve()
    digests = []
    with closing(duckdb.connect(str(folder / "agentmart.duckdb"), read_only=True)) as file:
        digests.append(_digest(file, table))
    with duckdb.connect() as connection:
        for extension in ("ducklake", "postgres_scanner"):
            load_extension(connection, extension)
        connection.execute((folder / SNAPSHOT_SCRIPT).read_text(encoding="utf-8"))
        digests.append(_digest(connection, table))
    assert digests[0] == digests[1], digests
    return int(folder.name), *digests[0]


def _digest(connection: duckdb.DuckDBPyConnection, table: str) -> tuple[int, str]:
    [(rows, digest)] = connection.execute(
        f"select count(*), cast(bit_xor(hash(one)) as varchar) from {table} as one"
    ).fetchall()
    return rows, digest


@contextmanager
def ended(
    program: str, *arguments: str, environment: Mapping[str, str]
) -> Iterator[subprocess.Popen[str]]:
    """A Python program in a process of its own, ended with the block."""
    with subprocess.Popen(
        [sys.executable, "-c", program, *arguments],
        env={**environment, "PYTHONPATH": str(PROJECT_ROOT)},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        try:
            yield process
        finally:
            if process.poll() is None:
                process.kill()


@dataclass(frozen=True)
class Reader:
    """A process that reads a deployment's publication over and over."""

    process: subprocess.Popen[str]

    def stop(self) -> list[tuple[int, int, str]]:
        """End it; what it saw, in order."""
        said, complained = self.process.communicate("stop\n", timeout=300)
        assert self.process.returncode == 0, complained
        # On a busy machine DuckDB shows a bar of progress before it.
        seen = json.loads(said.splitlines()[-1])
        return [(publication, rows, digest) for publication, rows, digest in seen]


@contextmanager
def reading(environment: Mapping[str, str], table: str) -> Iterator[Reader]:
    """A reader that has begun."""
    with ended(_READ, table, environment=environment) as process:
        assert process.stdout is not None
        assert "reading\n" in iter(process.stdout.readline, "")
        yield Reader(process)
