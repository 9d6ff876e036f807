"""Spark on one machine: a Spark Connect server on loopback, which does the work itself or has a master and
workers, each a process, do it.

Belongs here: how the processes are started, found ready, killed and stopped. Does not belong here: what is
built on the cluster (spark_target.py), and the session's settings (dbt_project/profiles.yml).
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
# Spark 4 runs on these; the newest Java of a machine may be newer than it knows.
_JAVA_VERSIONS = ("17", "21")


@dataclass(frozen=True, kw_only=True)
class Size:
    """What a cluster is made for: ``gigabytes`` of the server and of each worker, ``cores`` of a worker.

    Without workers the cores are the server's own.
    """

    workers: int
    partitions: int
    cores: int
    gigabytes: int
    has_tiny_tables: bool


# A build of tiny tables costs least in one partition and without what lies between processes: all models of
# 150 events took 410 seconds of the processor, 590 with one worker that had work, and 800 with two.
TINY = Size(workers=0, partitions=1, cores=2, gigabytes=2, has_tiny_tables=True)
SPREAD = Size(workers=2, partitions=2, cores=1, gigabytes=2, has_tiny_tables=True)
# All of a machine of four cores and 24 GB.
LARGE = Size(workers=2, partitions=8, cores=2, gigabytes=5, has_tiny_tables=False)


@dataclass(frozen=True, kw_only=True)
class SparkCluster:
    """A running cluster: where clients connect, and its processes, the server among them."""

    remote: str
    workers: Sequence[subprocess.Popen[bytes]]
    processes: Sequence[subprocess.Popen[bytes]]

    def kill_worker(self) -> None:
        """End the first worker and its executors at once, as the loss of a machine does."""
        _end(self.workers[0], signal.SIGKILL)


@contextmanager
def spark_cluster(
    folder: Path, *, size: Size = TINY, environment: Path = ENVIRONMENT
) -> Iterator[SparkCluster]:
    """A cluster whose files lie in ``folder``; every process is stopped at the end.

    ``environment`` is the virtual environment that holds Spark.
    """
    folder.mkdir(parents=True, exist_ok=True)
    connect_port = _free_port()
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
        workers = []
        address = f"local[{size.cores}]"
        if size.workers:
            master_port = _free_port()
            address = f"spark://{_LOOPBACK}:{master_port}"
            master = start(
                "master",
                "spark-class",
                "org.apache.spark.deploy.master.Master",
                *("--host", _LOOPBACK),
                *("--port", str(master_port), "--webui-port", str(_free_port())),
            )
            _wait_for(master_port, master, folder / "master.log")
            workers = [
                start(
                    f"worker-{number}",
                    "spark-class",
                    "org.apache.spark.deploy.worker.Worker",
                    *("--host", _LOOPBACK),
                    *("--cores", str(size.cores), "--memory", f"{size.gigabytes}g"),
                    *("--webui-port", str(_free_port())),
                    *("--work-dir", str(folder / f"work-{number}")),
                    address,
                )
                for number in range(1, size.workers + 1)
            ]
        server = start(
            "connect",
            "spark-submit",
            *("--class", "org.apache.spark.sql.connect.service.SparkConnectServer"),
            *("--master", address, "--driver-memory", f"{size.gigabytes}g"),
            *(
                part
                for name, value in _settings(folder, connect_port, size)
                for part in ("--conf", f"{name}={value}")
            ),
            "spark-internal",
        )
        _wait_for(connect_port, server, folder / "connect.log")
        yield SparkCluster(
            remote=f"sc://{_LOOPBACK}:{connect_port}", workers=workers, processes=[*started]
        )
    finally:
        for process in reversed(started):
            _end(process, signal.SIGTERM)


def _settings(folder: Path, port: int, size: Size) -> Iterator[tuple[str, str]]:
    """What the Connect server is started with.

    What it remembers of statements that are done fills its memory, and a catalog in memory spares a database
    that is asked several times a statement.
    """
    if size.has_tiny_tables:
        yield from _for_tiny_tables(size)
    for kept in (
        "spark.sql.ui.retainedExecutions",
        "spark.ui.retainedJobs",
        "spark.ui.retainedStages",
    ):
        yield kept, "5"
    yield "spark.ui.retainedTasks", "50"
    # It would say 40,000 lines a minute.
    yield "spark.log.level", "WARN"
    yield "spark.connect.session.planCache.enabled", "false"
    yield "spark.executor.memory", f"{size.gigabytes * 3 // 4}g"
    yield "spark.sql.shuffle.partitions", str(size.partitions)
    yield "spark.default.parallelism", str(size.partitions)
    yield "spark.ui.enabled", "false"
    yield "spark.driver.host", _LOOPBACK
    yield "spark.driver.bindAddress", _LOOPBACK
    yield "spark.connect.grpc.binding.address", _LOOPBACK
    yield "spark.connect.grpc.binding.port", str(port)
    yield "spark.sql.catalogImplementation", "in-memory"
    yield "spark.sql.warehouse.dir", str(folder / "warehouse")


def _for_tiny_tables(size: Size) -> Iterator[tuple[str, str]]:
    """What pays over millions of rows alone is left out.

    A short build spends its time in code that runs once, which is not worth Java's second compiler; without
    it there is room for a fifth of the compiled code, and a thread that made more room took a fifth of the
    driver's time. So it is with code made for each query, with planning the rest of a query anew after each
    of its steps, and with proving of each of Spark's classes that it is sound. It makes 600 MB of garbage a
    second, for which everything stood still three times a second in the young generation of 200 MB that a
    heap begins with. A broadcast is a job of its own, which a join in the one partition does without: a sixth
    less of the processor. And Hadoop, without its native library, starts the program chmod for each file,
    each file of a checksum and each folder, 3,600 times in a build; without checksums a quarter of that is
    spared.
    """
    options = (
        "-XX:TieredStopAtLevel=1 -XX:ReservedCodeCacheSize=240m"
        " -XX:+UnlockDiagnosticVMOptions -XX:-BytecodeVerificationRemote"
        " -XX:+UseSerialGC -XX:MetaspaceSize=600m"
    )
    heap = f"-Xms{size.gigabytes}g -Xmn{size.gigabytes * 512}m"
    yield "spark.driver.extraJavaOptions", f"{options} {heap}"
    yield "spark.executor.extraJavaOptions", options
    yield "spark.hadoop.fs.file.impl", "org.apache.hadoop.fs.RawLocalFileSystem"
    yield "spark.sql.adaptive.enabled", "false"
    yield "spark.sql.autoBroadcastJoinThreshold", "-1"
    yield "spark.sql.codegen.wholeStage", "false"
    yield "spark.sql.codegen.factoryMode", "NO_CODEGEN"


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
    assert found, f"no Spark in {environment}; run `make {environment.name}/.installed`"
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
