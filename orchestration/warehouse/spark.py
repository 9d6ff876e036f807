"""The engine Spark: the candidate is Parquet under the state folder, made by a cluster through Spark Connect.

dbt runs in an environment of its own (dbt_project/environments), and so does whatever asks the cluster
something (warehouse/spark_session); this process reads the files that they leave. The state folder is where
every worker sees it, under the same path. Facts are a folder per event date, replaced by date.

Belongs here: that endpoint, those files, and what keeps two deployments apart on one cluster. Does not
belong here: the SQL (macros/cross_db, macros/incremental), and the file that readers open
(warehouse/publishing).
"""

from __future__ import annotations

import json
import re
import shutil
import socket
import subprocess
import sys
import tempfile
import threading
import uuid
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import duckdb

from orchestration.errors import AgentmartError, RunFailure, UserError
from orchestration.settings import DBT_PROJECT_DIR, PROJECT_ROOT, Settings
from orchestration.warehouse.engines import Answer, Ask, Engine
from orchestration.warehouse.manifest import DBT_EXECUTABLE, MANIFEST_FILE, read_manifest
from orchestration.warehouse.sql_text import quoted, text

ENVIRONMENT = PROJECT_ROOT / ".venv-spark"

_SESSION = Path(__file__).with_name("spark_session.py")
_DEFAULT_PORT = 15002
_REACH_SECONDS = 10
# A cluster that has nothing to do yet starts its first session in half a minute on a busy machine.
_CONNECT_SECONDS = 120
_END_SECONDS = 10
# Recursion in SQL came with it.
_LEAST_VERSION = (4, 1)
# Every build makes this schema, and no other program has a reason to.
_OWN_SCHEMA = "core"
_BUILT_LAST = ("meta", "run_context")
# Functions of readers, made in the file that they open.
_FUNCTIONS = "table_functions"
_PARSE_CACHE = MANIFEST_FILE.with_name("partial_parse.msgpack")


class Spark(Engine):
    """Tables as Parquet in the state folder, made by however many machines the cluster has."""

    # Partitions are dropped, then rows appended. Which days of sessions to make again is told from the
    # sessions that are there, so those of dropped days would be made by no later build.
    replaces_days_at_once = False

    def check(self, settings: Settings) -> None:
        _check_environment()
        host, port = _endpoint(settings)
        try:
            socket.create_connection((host, port), timeout=_REACH_SECONDS).close()
        except OSError as error:
            raise RunFailure(
                f"the target spark cannot reach {host}:{port} ({error}); see that the Spark Connect server"
                " runs and that SPARK_REMOTE names it"
            ) from error
        with closing(_Session(settings)) as session:
            _check_version(session)
            _check_shared(session, settings)
            _check_owner(session, settings)

    def has_candidate(self, settings: Settings) -> bool:
        """Whether the files are there and the catalog of the cluster knows them: it may be another one, or
        one that forgets when its server ends."""
        schema, table = _BUILT_LAST
        if not _files(_folder(settings) / schema / table):
            return False
        with self.asked(settings) as ask:
            if not ask(f"show databases like '{schema}'").rows:
                return False
            return bool(ask(f"show tables in {schema} like '{table}'").rows)

    def attach_candidate(
        self, connection: duckdb.DuckDBPyConnection, settings: Settings, *, name: str
    ) -> None:
        """A view over the files of each table, its columns as its contract names and types them."""
        connection.execute(f"attach ':memory:' as {name}")
        for node in read_manifest()["nodes"].values():
            folder = _folder(settings) / node["schema"] / node.get("alias", "")
            if node["resource_type"] not in ("model", "seed") or not folder.is_dir():
                continue
            if node["config"]["materialized"] == "view":
                continue
            schema = f"{name}.{quoted(node['schema'])}"
            connection.execute(f"create schema if not exists {schema}")
            query = table_query(connection, node, settings=settings)
            if node["name"] == _FUNCTIONS:
                query = _functions_file(settings).read_text(encoding="utf-8")
            if query is not None:
                connection.execute(f"create view {schema}.{quoted(node['alias'])} as {query}")

    def forget_candidate(self, settings: Settings) -> None:
        """The rows are in files alone; what the catalog still lists is made anew by the next build."""
        shutil.rmtree(_folder(settings), ignore_errors=True)

    def dbt_program(self) -> Path | None:
        return ENVIRONMENT / "bin" / "dbt"

    def dbt_variables(self, settings: Settings) -> Mapping[str, str]:
        return {"SPARK_REMOTE": settings.spark_remote or ""}

    def prepare_build(self, settings: Settings, *, is_full_refresh: bool) -> None:
        """Spark takes files whose names begin with an underscore for none of a table's."""
        for stream in sorted((settings.lake / "raw").iterdir()):
            empty = stream / "_empty.parquet"
            shutil.copy2(empty, settings.run_inputs / f"{stream.name}.empty.parquet")
        if is_full_refresh:
            # A catalog that does not know a folder refuses to make a table in it.
            self.forget_candidate(settings)
            _write_functions(settings)

    @contextmanager
    def asked(self, settings: Settings) -> Iterator[Ask]:
        _check_environment()
        session = _Session(settings)
        try:
            yield session.ask
        finally:
            session.close()

    def keep_publication(self, settings: Settings, *, publication_id: int, folder: Path) -> None:
        """All of it is in the folder."""

    def forget_publications(self, settings: Settings, *, at_once: bool) -> None:
        """They went with their folders."""


ENGINE = Spark()


class _Session:
    """A process in Spark's environment that asks the cluster, one statement after the other."""

    def __init__(self, settings: Settings) -> None:
        host, port = _endpoint(settings)
        self.place = f"{host}:{port}"
        with settings.dbt_environment() as environment:
            self._process = subprocess.Popen(
                [str(ENVIRONMENT / "bin" / "python"), str(_SESSION)],
                env={**environment, **ENGINE.dbt_variables(settings)},
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                text=True,
            )
        # What listens there may be anything, and Spark's client tries again for many minutes.
        self._watch = threading.Timer(_CONNECT_SECONDS, self._process.kill)
        self._watch.start()
        try:
            self.version = str(self._read()["version"])
        except RunFailure:
            self.close()
            raise
        self._watch.cancel()

    def ask(self, statement: str) -> Answer:
        assert self._process.stdin is not None
        try:
            self._process.stdin.write(json.dumps(statement) + "\n")
            self._process.stdin.flush()
        except BrokenPipeError as error:
            raise self._gone() from error
        answer = self._read()
        if "error" in answer:
            reason = re.sub(r"\s+", " ", answer["error"]).strip()
            raise RunFailure(f"the target spark at {self.place} refused a statement: {reason}")
        return Answer(columns=answer["columns"], rows=[tuple(row) for row in answer["rows"]])

    def close(self) -> None:
        self._watch.cancel()
        try:
            self._process.communicate(timeout=_END_SECONDS)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.communicate()

    def _read(self) -> dict[str, Any]:
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            raise self._gone()
        answer: dict[str, Any] = json.loads(line)
        return answer

    def _gone(self) -> RunFailure:
        return RunFailure(
            f"the target spark cannot use what answers at {self.place}: it is not, or no longer, a Spark"
            " Connect server; see its log, and that SPARK_REMOTE names it"
        )


def _check_environment() -> None:
    if not (ENVIRONMENT / "bin" / "dbt").exists():
        raise UserError(
            f"the target spark needs an environment of its own in {ENVIRONMENT}, which is not there: run"
            " `make spark`"
        )


def _endpoint(settings: Settings) -> tuple[str, int]:
    """Host and port; what follows them in the URL may be a secret and is in no message."""
    if not settings.spark_remote:
        raise UserError(
            "the target spark has no cluster: set SPARK_REMOTE to its Spark Connect server, such as"
            " sc://spark.example:15002"
        )
    found = re.fullmatch(r"sc://([^:/;@\s]+)(?::(\d{1,5}))?(?:/.*)?", settings.spark_remote)
    if not found or not 0 < int(found[2] or _DEFAULT_PORT) < 65536:
        raise UserError(
            "the target spark cannot read SPARK_REMOTE; use sc://host:port, such as"
            " sc://spark.example:15002"
        )
    return found[1], int(found[2] or _DEFAULT_PORT)


def _check_version(session: _Session) -> None:
    found = re.match(r"(\d+)\.(\d+)", session.version)
    if not found or (int(found[1]), int(found[2])) < _LEAST_VERSION:
        least = ".".join(map(str, _LEAST_VERSION))
        raise UserError(
            f"the target spark cannot use {session.place}: it is Spark {session.version}; use {least} or"
            " newer"
        )


def _check_shared(session: _Session, settings: Settings) -> None:
    """Workers read the lake and write tables by themselves, where this process looks for them."""
    path = settings.warehouse / "spark.id"
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(uuid.uuid4().hex, encoding="utf-8")
    try:
        seen = session.ask(f"select value from text.`{path}`").rows
    except RunFailure:
        seen = []
    if seen != [(path.read_text(encoding="utf-8"),)]:
        raise UserError(
            f"the target spark cannot use {session.place}: it does not see {settings.home}; put the state"
            " folder where every machine of the cluster reads and writes it under this path"
        )


def _check_owner(session: _Session, settings: Settings) -> None:
    """Two state folders that build into one catalog would each drop the other's tables."""
    if not session.ask(f"show databases like '{_OWN_SCHEMA}'").rows:
        return
    described = dict(row[:2] for row in session.ask(f"describe database {_OWN_SCHEMA}").rows)
    place = urlsplit(described.get("Location", "")).path
    if Path(place) != _folder(settings) / _OWN_SCHEMA:
        raise UserError(
            f"the target spark cannot use {session.place}: its catalog has the schema {_OWN_SCHEMA} in"
            f" {place}, not in {_folder(settings)}; give this state folder a cluster or catalog of its own,"
            " or drop that schema first if its folder is gone"
        )


def _folder(settings: Settings) -> Path:
    """Where macros/cross_db/tables places schemas."""
    return settings.warehouse / "spark"


def _functions_file(settings: Settings) -> Path:
    return settings.warehouse / f"{_FUNCTIONS}.sql"


def _write_functions(settings: Settings) -> None:
    """The query of the table functions as the embedded engine reads them: what is published is a file of it,
    and Spark's dbt knows no words but Spark's."""
    project = str(DBT_PROJECT_DIR)
    with tempfile.TemporaryDirectory(dir=settings.warehouse) as scratch:
        shutil.copyfile(_PARSE_CACHE, Path(scratch) / _PARSE_CACHE.name)
        command = [DBT_EXECUTABLE, "--quiet", "compile", "--select", _FUNCTIONS]
        command += ["--project-dir", project, "--profiles-dir", project]
        command += ["--target-path", scratch, "--log-path", scratch]
        with settings.dbt_environment() as environment:
            # The profile's path is relative: the empty database that dbt makes goes with the folder.
            done = subprocess.run(
                command, cwd=scratch, env=environment, capture_output=True, text=True, check=False
            )
        found = list(Path(scratch).glob(f"compiled/**/{_FUNCTIONS}.sql"))
        if done.returncode != 0 or not found:
            said = (done.stdout + done.stderr).strip()
            raise RunFailure(f"dbt cannot compile {_FUNCTIONS} of {DBT_PROJECT_DIR}: {said}")
        found[0].replace(_functions_file(settings))


def _files(folder: Path) -> list[Path]:
    """The Parquet files of a table; what a write has not finished lies in folders with an underscore."""
    found = []
    for path in sorted(folder.rglob("*.parquet")):
        parts = path.relative_to(folder).parts
        if not any(part.startswith(("_", ".")) for part in parts):
            found.append(path)
    return found


def table_query(
    connection: duckdb.DuckDBPyConnection, node: Mapping[str, Any], *, settings: Settings
) -> str | None:
    """The query of a table's rows. Without a file nobody knows the columns but a contract."""
    files = _files(_folder(settings) / node["schema"] / node["alias"])
    stated = {
        name: column["data_type"]
        for name, column in node["columns"].items()
        if column.get("data_type")
    }
    stated |= node["config"].get("column_types", {})
    if not files:
        if not node.get("contract", {}).get("enforced"):
            return None
        nulls = [f"cast(null as {kind}) as {quoted(name)}" for name, kind in stated.items()]
        return f"select {', '.join(nulls)} where false"
    paths = ", ".join(text(path) for path in files)
    partition = node["config"].get("meta", {}).get("replace_dates_column", "event_date")
    is_partitioned = files[0].parent.name.startswith(f"{partition}=")
    hive = f", hive_types = {{{text(partition)}: date}}" if is_partitioned else ""
    rows = f"read_parquet([{paths}], hive_partitioning = {is_partitioned}{hive})"
    try:
        found = connection.execute(f"describe from {rows}").fetchall()
    except duckdb.Error as error:
        reason = re.sub(r"\s+", " ", str(error))
        raise RunFailure(
            f"the target spark has files of {node['schema']}.{node['alias']} that cannot be read ({reason});"
            f" remove {_folder(settings)}, and the next run makes everything anew"
        ) from error
    kinds = {name: stated.get(name, _kind(kind)) for name, kind, *_ in found}
    ordered = [name for name in stated if name in kinds] if node["resource_type"] == "model" else []
    ordered += [name for name in kinds if name not in ordered]
    columns = ", ".join(
        f"cast({quoted(name)} as {kinds[name]}) as {quoted(name)}" for name in ordered
    )
    return f"select {columns} from {rows}"


def _kind(kind: str) -> str:
    """Spark writes every time as an instant; ours are naive UTC, and so is the session that reads them."""
    return "timestamp" if kind == "TIMESTAMP WITH TIME ZONE" else kind


def _main() -> None:
    """What `make spark` does in the end: see whether the cluster that the settings name can be used."""
    settings = Settings.load()
    ENGINE.check(settings)
    host, port = _endpoint(settings)
    sys.stdout.write(
        f"The target spark is ready: {host}:{port}, tables under {_folder(settings)}.\n"
        "Build on it with `agentmart run --target spark`.\n"
    )


if __name__ == "__main__":
    try:
        _main()
    except AgentmartError as error:
        sys.exit(f"agentmart: {error}")
