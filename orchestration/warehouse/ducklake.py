"""The engine DuckLake: the candidate is Parquet on a folder or on S3, and its catalog is in PostgreSQL.

Every commit there is a snapshot. The models are built at the newest one; a publication is one that has its
name, ``publication <id>``, and stays readable as long as the publication is kept, whatever is built
meanwhile.

Belongs here: that catalog, its snapshots, its lock, and what keeps two deployments apart in it. Does not
belong here: dbt's way in (defs/ducklake_plugin), and the file that readers open (warehouse/publishing).
"""

from __future__ import annotations

import re
import sys
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path

import duckdb

from orchestration.errors import AgentmartError, RunFailure, UserError
from orchestration.settings import DuckLakeSettings, Settings
from orchestration.warehouse.engines import DATABASE, Engine
from orchestration.warehouse.history import HISTORY
from orchestration.warehouse.lock import exclusive_lock
from orchestration.warehouse.publications import DATABASE as PUBLISHED_DATABASE
from orchestration.warehouse.publications import kept_ids
from orchestration.warehouse.sql_text import quoted, text

# What a reader of the snapshot itself runs; it goes through the link to the current publication.
SNAPSHOT_SCRIPT = "snapshot.sql"

_EXTENSIONS = ("ducklake", "postgres_scanner")
_SECRET = "agentmart"
_WAIT_SECONDS = 1.0
# A reader may have begun with a snapshot that is let go of now.
_READERS_ARE_GONE_AFTER = "1 day"


class DuckLake(Engine):
    """Tables as Parquet with their catalog in PostgreSQL: written and read by several processes and hosts."""

    def check(self, settings: Settings) -> None:
        with writing(settings):
            pass

    def has_candidate(self, settings: Settings) -> bool:
        with writing(settings) as connection:
            found = connection.execute(
                "select count(*) from duckdb_tables() where database_name = $name"
                " and schema_name = 'meta' and table_name = 'run_context'",
                {"name": DATABASE},
            ).fetchall()
        return found == [(1,)]

    def attach_candidate(
        self, connection: duckdb.DuckDBPyConnection, settings: Settings, *, name: str
    ) -> None:
        """All tables as of one moment, the present one."""
        attach(connection, settings, name=name, options="read_only")
        snapshot = _newest_snapshot(connection, name)
        connection.execute(f"detach {name}")
        attach(connection, settings, name=name, options=f"read_only, snapshot_version {snapshot}")

    def build_threads(self, settings: Settings, *, lake_rows: int) -> int:
        """One: with four, the process died of a segmentation fault in DuckDB 1.5.5 while views were made. A
        query still uses every thread that DuckDB has."""
        return 1

    def prepare_build(self, settings: Settings, *, is_full_refresh: bool) -> None:
        """dbt replaces what there is."""

    def forget_candidate(self, settings: Settings) -> None:
        with writing(settings) as connection:
            schemas = connection.execute(
                "select schema_name from duckdb_schemas() where database_name = $name"
                " and schema_name <> 'main' order by all",
                {"name": DATABASE},
            ).fetchall()
            connection.execute("begin")
            for (schema,) in schemas:
                connection.execute(f"drop schema {quoted(schema)} cascade")
            connection.execute("commit")
            _forget_snapshots(connection, kept=set(), at_once=True)

    @contextmanager
    def lock(self, settings: Settings, *, on_wait: Callable[[str], object]) -> Iterator[None]:
        """Held in PostgreSQL too: the lock of a file may mean nothing to another host. It is let go of when
        the connection ends, so also when its owner dies."""
        with (
            exclusive_lock(settings.lock_file, on_wait=on_wait),
            duckdb.connect() as connection,
        ):
            lake = _configured(settings)
            load_extension(connection, "postgres_scanner")
            _attach_postgres(connection, lake)
            # A transaction keeps its one connection; the lock is of that.
            connection.execute("begin")
            _ask_postgres(connection, "set idle_in_transaction_session_timeout = 0", is_query=False)
            key = f"hashtext('agentmart'), hashtext({text(lake.schema)})"
            is_told = False
            while _ask_postgres(connection, f"select pg_try_advisory_lock({key})") != [(True,)]:
                if not is_told:
                    on_wait(f"{_place(lake)} is in use by another host; waiting until it is done.")
                    is_told = True
                time.sleep(_WAIT_SECONDS)
            yield

    def keep_publication(self, settings: Settings, *, publication_id: int, folder: Path) -> None:
        """Name the snapshot, which then holds what the file does, and say how it is read."""
        with writing(settings) as connection:
            made = text(folder / PUBLISHED_DATABASE)
            connection.execute(f"attach {made} as made (read_only)")
            connection.execute("begin")
            connection.execute("create schema if not exists meta")
            for table in HISTORY:
                connection.execute(
                    f"create or replace table meta.{table.name} as from made.meta.{table.name}"
                )
            connection.execute(
                f"call {DATABASE}.set_commit_message('agentmart', {text(_name_of(publication_id))})"
            )
            connection.execute("commit")
            snapshot = _newest_snapshot(connection, DATABASE)
        script = _script(_configured(settings), publication_id=publication_id, snapshot=snapshot)
        (folder / SNAPSHOT_SCRIPT).write_text(script, encoding="utf-8")

    def forget_publications(self, settings: Settings, *, at_once: bool) -> None:
        kept = {_name_of(one) for one in kept_ids(settings)}
        with writing(settings) as connection:
            _forget_snapshots(connection, kept=kept, at_once=at_once)


ENGINE = DuckLake()


def attach(
    connection: duckdb.DuckDBPyConnection, settings: Settings, *, name: str, options: str = ""
) -> None:
    """Attach the lake of this deployment.

    Raises:
        UserError: the target is not configured, an extension is missing, or the catalog is not as configured.
        RunFailure: the catalog cannot be reached.
    """
    lake = _configured(settings)
    for extension in (*_EXTENSIONS, *(["httpfs"] if lake.is_on_s3 else [])):
        load_extension(connection, extension)
    if lake.is_on_s3:
        connection.execute(_s3_secret(lake, endpoint=settings.s3_endpoint_url))
    else:
        Path(lake.data_path).mkdir(parents=True, exist_ok=True)
    connection.execute(
        f"create or replace secret {_SECRET} (type ducklake, metadata_path {text(lake.catalog)},"
        f" metadata_schema {text(lake.schema)}, data_path {text(lake.data_path)},"
        " metadata_parameters map {'TYPE': 'postgres'})"
    )
    # Rows of small tables would otherwise go into the catalog instead of into Parquet.
    given = ", ".join(one for one in ("data_inlining_row_limit 0", options) if one)
    try:
        connection.execute(f"attach if not exists 'ducklake:{_SECRET}' as {name} ({given})")
    except duckdb.Error as error:
        raise _explained(lake, str(error)) from error


@contextmanager
def writing(settings: Settings) -> Iterator[duckdb.DuckDBPyConnection]:
    """A connection that works in the lake, once it is sure to be this deployment's."""
    with duckdb.connect() as connection:
        connection.execute("set TimeZone = 'UTC'")
        connection.execute(f"set threads = {settings.threads}")
        connection.execute(f"set memory_limit = '{settings.memory_gb}GB'")
        attach(connection, settings, name=DATABASE)
        _check_owner(connection, settings)
        connection.execute(f"use {DATABASE}")
        yield connection


def _configured(settings: Settings) -> DuckLakeSettings:
    if settings.ducklake is None:
        raise UserError(
            "the target ducklake has no catalog: set AGENTMART_DUCKLAKE_CATALOG to how PostgreSQL is reached,"
            " such as 'host=db.example dbname=agentmart user=agentmart', and PGPASSWORD to the password"
        )
    return settings.ducklake


def load_extension(connection: duckdb.DuckDBPyConnection, extension: str) -> None:
    """Load an extension from its wheel; its signature is checked as that of a downloaded one."""
    found = find_spec(f"duckdb_extension_{extension}")
    places = list(found.submodule_search_locations or ()) if found else []
    file = f"extensions/v{duckdb.__version__}/{extension}.duckdb_extension"
    for place in places:
        if (Path(place) / file).is_file():
            connection.execute(f"load {text(Path(place) / file)}")
            return
    raise UserError(
        f"the target ducklake needs the extension {extension} for DuckDB {duckdb.__version__}, which is not"
        " installed: run `make ducklake`, or install agentmart[ducklake]"
    )


def _attach_postgres(connection: duckdb.DuckDBPyConnection, lake: DuckLakeSettings) -> None:
    try:
        connection.execute(f"attach {text(lake.catalog)} as postgres (type postgres)")
    except duckdb.Error as error:
        raise _explained(lake, str(error)) from error


def _ask_postgres(
    connection: duckdb.DuckDBPyConnection, statement: str, *, is_query: bool = True
) -> list[tuple[object, ...]]:
    if is_query:
        return connection.execute(f"from postgres_query('postgres', {text(statement)})").fetchall()
    return connection.execute(f"call postgres_execute('postgres', {text(statement)})").fetchall()


def _check_owner(connection: duckdb.DuckDBPyConnection, settings: Settings) -> None:
    """Two state folders that build into one schema would each increment what the other has built."""
    lake = _configured(settings)
    _attach_postgres(connection, lake)
    schema = quoted(lake.schema)
    [(owner,)] = _ask_postgres(
        connection, f"select obj_description({text(schema)}::regnamespace, 'pg_namespace')"
    )
    if owner is None:
        _ask_postgres(
            connection,
            f"comment on schema {schema} is {text(_own_name(settings))}",
            is_query=False,
        )
    elif owner != _own_name(settings):
        raise UserError(
            f"the target ducklake cannot use {_place(lake)}: another state folder builds there; set"
            f" AGENTMART_DUCKLAKE_SCHEMA to a name of its own for {settings.home}, or drop the schema first"
            " if that folder is gone"
        )
    connection.execute("detach postgres")


def _own_name(settings: Settings) -> str:
    """What tells this state folder from every other, wherever it is mounted."""
    path = settings.warehouse / "ducklake.id"
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(uuid.uuid4().hex, encoding="utf-8")
    return f"agentmart {path.read_text(encoding='utf-8')}"


def _newest_snapshot(connection: duckdb.DuckDBPyConnection, name: str) -> int:
    [(snapshot,)] = connection.execute(f"select id from {name}.current_snapshot()").fetchall()
    return int(snapshot)


def _name_of(publication_id: int) -> str:
    return f"publication {publication_id}"


def _forget_snapshots(
    connection: duckdb.DuckDBPyConnection, *, kept: set[str], at_once: bool
) -> None:
    """Let go of every snapshot but the newest and those that are kept, and of files that none of them has."""
    rows = connection.execute(
        f"select snapshot_id, commit_message from {DATABASE}.snapshots() order by snapshot_id"
    ).fetchall()
    # A publication that was not finished has left its name to an earlier snapshot.
    named = {name: snapshot for snapshot, name in rows if name in kept}
    stay = {*named.values(), rows[-1][0]}
    gone = [snapshot for snapshot, _ in rows if snapshot not in stay]
    if gone:
        connection.execute(f"call ducklake_expire_snapshots('{DATABASE}', versions => {gone})")
    files = "cleanup_all => true" if at_once else f"older_than => {_age(_READERS_ARE_GONE_AFTER)}"
    connection.execute(f"call ducklake_cleanup_old_files('{DATABASE}', {files})")


def _age(interval: str) -> str:
    return f"now() - interval '{interval}'"


def _script(lake: DuckLakeSettings, *, publication_id: int, snapshot: int) -> str:
    place = f"ducklake:postgres:{lake.catalog}"
    return (
        f"-- Publication {publication_id} on the target ducklake, for any DuckDB with the extensions\n"
        "-- ducklake and postgres; the password comes from PGPASSWORD or ~/.pgpass.\n"
        f"attach {text(place)} as {DATABASE} (\n"
        f"    read_only, metadata_schema {text(lake.schema)}, snapshot_version {snapshot}\n"
        ");\n"
        f"use {DATABASE};\n"
    )


def _s3_secret(lake: DuckLakeSettings, *, endpoint: str | None) -> str:
    given = {
        "key_id": lake.s3_key_id,
        "secret": lake.s3_secret,
        "session_token": lake.s3_session_token,
        "region": lake.s3_region,
    }
    options = [f"{name} {text(value)}" for name, value in given.items() if value]
    if endpoint:
        scheme, _, host = endpoint.rpartition("://")
        options += [f"endpoint {text(host)}", "url_style 'path'", f"use_ssl {scheme != 'http'}"]
    return f"create or replace secret {_SECRET}_s3 (type s3, {', '.join(options)})"


def _place(lake: DuckLakeSettings) -> str:
    return f"the schema {lake.schema} of the catalog '{lake.catalog}'"


def _explained(lake: DuckLakeSettings, said: str) -> RunFailure | UserError:
    """What DuckDB said of a catalog, as one line with what to do."""
    reason = re.sub(r"\s+", " ", said)
    version = re.search(
        r"catalog version is (\S+), but the extension requires version (\S+?)\.? ", reason
    )
    if version:
        return UserError(
            f"the target ducklake cannot use {_place(lake)}: its schema is of version {version[1]} and"
            f" DuckDB {duckdb.__version__} needs {version[2]}; build into a new AGENTMART_DUCKLAKE_SCHEMA, or"
            " migrate it by DuckLake's own automatic_migration after a backup"
        )
    data = re.search(r'existing data path in the catalog "(.*?)"', reason)
    if data:
        return UserError(
            f"the target ducklake cannot use {_place(lake)}: its files are under {data[1]} and not under"
            f" {lake.data_path}; set AGENTMART_DUCKLAKE_DATA to that"
        )
    refused = re.search(r"connection to .*?(?= Is the server|$)", reason)
    return RunFailure(
        f"the target ducklake cannot reach {_place(lake)} ({refused[0] if refused else reason}); see that the"
        " server runs and that AGENTMART_DUCKLAKE_CATALOG and PGPASSWORD are right"
    )


def _main() -> None:
    """What `make ducklake` does: open the lake that the settings name, making it if there is none yet."""
    settings = Settings.load()
    ENGINE.check(settings)
    lake = _configured(settings)
    sys.stdout.write(
        f"The target ducklake is ready: {_place(lake)}, files under {lake.data_path}.\n"
        "Build on it with `agentmart run --target ducklake`.\n"
    )


if __name__ == "__main__":
    try:
        _main()
    except AgentmartError as error:
        sys.exit(f"agentmart: {error}")
