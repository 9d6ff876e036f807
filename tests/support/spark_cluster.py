"""A Spark cluster of one machine: a master, workers and a Spark Connect server as processes on loopback.

Belongs here: how the processes are started, found ready, killed and stopped. Does not belong here: what is
built on the cluster (tests/benchmarks/spark), and the session's settings (dbt_project/profiles.yml).
"""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from orchestration.settings import PROJECT_ROOT

ENVIRONMENT = PROJECT_ROOT / ".venv-spark"
_LOOPBACK = "127.0.0.1"
_READY_SECONDS = 180
# The plans of the largest models take most of it.
_DRIVER_MEMORY = "3g"
# Spark 4 runs on these; the newest Java of a machine may be newer than it knows.
_JAVA_VERSIONS = ("17", "21")


@dataclass(frozen=True, kw_only=True)
class SparkCluster:
    """A running cluster: where clients connect, and its processes."""

    remote: str
    server: subprocess.Popen[bytes]
    master: subprocess.Popen[bytes]
    workers: Sequence[subprocess.Popen[bytes]]
    folder: Path

    def kill_worker(self) -> None:
        """End the first worker and its executors at once, as the loss of a machine does."""
        _end(self.workers[0], signal.SIGKILL)


@contextmanager
def spark_cluster(folder: Path, *, environment: Path = ENVIRONMENT) -> Iterator[SparkCluster]:
    """A cluster whose files lie in ``folder``; every process is stopped at the end.

    ``environment`` is the virtual environment that holds Spark.
    """
    folder.mkdir(parents=True, exist_ok=True)
    master_port, connect_port = _free_port(), _free_port()
    started: list[subprocess.Popen[bytes]] = []

    def start(name: str, *command: str) -> subprocess.Popen[bytes]:
        with (folder / f"{name}.log").open("wb") as log:
            process = subprocess.Popen(
                [str(_spark_home(environment) / "bin" / command[0]), *command[1:]],
                env=_environment(environment, folder),
                cwd=folder,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        started.append(process)
        return process

    try:
        address = f"spark://{_LOOPBACK}:{master_port}"
        master = start(
            "master",
            "spark-class",
            "org.apache.spark.deploy.master.Master",
            *("--host", _LOOPBACK, "--port", str(master_port), "--webui-port", str(_free_port())),
        )
        _wait_for(master_port, master, folder / "master.log")
        workers = [
            start(
                f"worker-{number}",
                "spark-class",
                "org.apache.spark.deploy.worker.Worker",
                *("--host", _LOOPBACK, "--cores", "1", "--memory", "1g"),
                *("--webui-port", str(_free_port()), "--work-dir", str(folder / f"work-{number}")),
                address,
            )
            for number in (1, 2)
        ]
        server = start(
            "connect",
            "spark-submit",
            *("--class", "org.apache.spark.sql.connect.service.SparkConnectServer"),
            *("--master", address, "--driver-memory", _DRIVER_MEMORY),
            *(
                part
                for name, value in _settings(folder, connect_port)
                for part in ("--conf", f"{name}={value}")
            ),
            "spark-internal",
        )
        _wait_for(connect_port, server, folder / "connect.log")
        yield SparkCluster(
            remote=f"sc://{_LOOPBACK}:{connect_port}",
            server=server,
            master=master,
            workers=workers,
            folder=folder,
        )
    finally:
        for process in reversed(started):
            _end(process, signal.SIGTERM)


def _settings(folder: Path, port: int) -> Iterator[tuple[str, str]]:
    """What the Connect server is started with.

    A table of a test is smaller than a partition: with Spark's 200 of a shuffle, a model takes minutes.
    An executor of a short build spends its time in code that runs once, which is not worth the second
    compiler. Making code for a query pays over millions of rows alone, and so does planning the rest of a
    query anew after each of its steps. What the server remembers of
    statements that are done fills its memory.
    """
    yield "spark.driver.extraJavaOptions", "-XX:+UseSerialGC"
    yield "spark.executor.extraJavaOptions", "-XX:TieredStopAtLevel=1 -XX:+UseSerialGC"
    yield "spark.sql.adaptive.enabled", "false"
    yield "spark.sql.codegen.wholeStage", "false"
    yield "spark.sql.codegen.factoryMode", "NO_CODEGEN"
    for kept in (
        "spark.sql.ui.retainedExecutions",
        "spark.ui.retainedJobs",
        "spark.ui.retainedStages",
    ):
        yield kept, "5"
    yield "spark.ui.retainedTasks", "50"
    yield "spark.connect.session.planCache.enabled", "false"
    yield "spark.executor.memory", "768m"
    yield "spark.cores.max", "2"
    yield "spark.sql.shuffle.partitions", "2"
    yield "spark.default.parallelism", "2"
    yield "spark.ui.enabled", "false"
    yield "spark.driver.host", _LOOPBACK
    yield "spark.driver.bindAddress", _LOOPBACK
    yield "spark.connect.grpc.binding.address", _LOOPBACK
    yield "spark.connect.grpc.binding.port", str(port)
    yield "spark.sql.catalogImplementation", "hive"
    yield "spark.sql.warehouse.dir", str(folder / "warehouse")
    catalog = f"jdbc:derby:;databaseName={folder / 'catalog'};create=true"
    yield "spark.hadoop.javax.jdo.option.ConnectionURL", catalog


def _environment(environment: Path, folder: Path) -> dict[str, str]:
    return {
        **os.environ,
        "JAVA_HOME": str(_java_home()),
        "SPARK_HOME": str(_spark_home(environment)),
        "SPARK_LOCAL_IP": _LOOPBACK,
        "SPARK_LOCAL_DIRS": str(folder / "scratch"),
        "PYSPARK_PYTHON": str(environment / "bin" / "python"),
    }


def _spark_home(environment: Path) -> Path:
    found = sorted(environment.glob("lib/python*/site-packages/pyspark"))
    assert found, f"no Spark in {environment}; run `make spark-build`"
    return found[0]


def _java_home() -> Path:
    """JAVA_HOME where it is set, else the Java of a version that Spark knows."""
    named = os.environ.get("JAVA_HOME")
    if named:
        return Path(named)
    for version in _JAVA_VERSIONS:
        for found in sorted(Path("/usr/lib/jvm").glob(f"*{version}*")):
            if (found / "bin" / "java").exists():
                return found
    java = shutil.which("java")
    assert java, "no Java found; install a JDK 17, or name it: JAVA_HOME=/path/to/jdk"
    return Path(java).resolve().parent.parent


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind((_LOOPBACK, 0))
        return int(probe.getsockname()[1])


def _wait_for(port: int, process: subprocess.Popen[bytes], log: Path) -> None:
    give_up = time.monotonic() + _READY_SECONDS
    while time.monotonic() < give_up:
        with socket.socket() as probe:
            if probe.connect_ex((_LOOPBACK, port)) == 0:
                return
        assert process.poll() is None, log.read_text(errors="replace")[-2000:]
        time.sleep(0.2)
    raise AssertionError(f"nothing listens on {port}: {log.read_text(errors='replace')[-2000:]}")


def _end(process: subprocess.Popen[bytes], how: signal.Signals) -> None:
    """End a process and what it started; each has a session of its own."""
    if process.poll() is None:
        os.killpg(process.pid, how)
    try:
        process.wait(timeout=20)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
