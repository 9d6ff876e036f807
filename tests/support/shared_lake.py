"""Hosts that have one lake on an S3 server: each a state folder of its own, in this process or another.

Belongs here: such hosts, loads that die at a chosen moment, and what folder and store hold. Does not belong
here: what is expected of them (the tests).
"""

from __future__ import annotations

import hashlib
import json
import signal
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from orchestration.ingest.ledger import read_entries
from orchestration.ingest.shared_lake import take_over_lake
from orchestration.settings import PROJECT_ROOT, Settings
from tests.support.landing import query
from tests.support.s3_server import S3Server

_OWN = (".shared.sqlite", ".reading.lock", ".loading.lock")

# One process imports what a load needs and becomes as many as there are hosts. They begin together, once
# those that are to die have put a first file: none of these finds all done and lives on.
_LOADS = """
import json, os, signal, sys, traceback
from datetime import datetime
from pathlib import Path
import s3fs
from orchestration.ingest.load import FAILED, load_landing
from orchestration.ingest.object_storage import ObjectStorage
from orchestration.settings import Settings

place, endpoint, landing, as_of, loads = sys.argv[1:]
create, puts, begins = ObjectStorage.create, [0], []

def load(home, dies_before):
    def counted(storage, source, url):
        if dies_before and "/raw/" in url and not begins:
            begins.append(url)
            os.write(has_begun, b"x")
        puts[0] += 1
        if puts[0] == dies_before:
            os.kill(os.getpid(), signal.SIGKILL)
        return create(storage, source, url)

    ObjectStorage.create = counted
    settings = Settings(home=Path(home), threads=1, lake_place=place, s3_endpoint_url=endpoint)
    clock = datetime.fromisoformat(as_of)
    report = load_landing(settings=settings, landing=landing, as_of=clock)
    failed = [one.error for one in report.with_status(FAILED)]
    return json.dumps([sum(one.status == "new" for one in report.files), failed])

begin, let_begin = os.pipe()
begun, has_begun = os.pipe()
answers, dying = [], 0
for home, dies_before in json.loads(loads):
    answer, say = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(let_begin)
        if not dies_before:
            os.close(has_begun)
            os.read(begin, 1)
        try:
            os.write(say, load(home, dies_before).encode())
            os._exit(0)
        except BaseException:
            traceback.print_exc()
            os._exit(1)
    os.close(say)
    answers.append((child, answer))
    dying += bool(dies_before)
os.close(has_begun)
for _ in range(dying):
    os.read(begun, 1)
os.close(let_begin)
said = [os.read(answer, 1 << 16).decode() for _, answer in answers]
ended = [os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) for child, _ in answers]
print(json.dumps([said, ended]))
"""


@dataclass(frozen=True)
class Hosts:
    """State folders below one folder that have their lake in one place."""

    server: S3Server
    folder: Path
    bucket: str

    @property
    def place(self) -> str:
        return f"s3://{self.bucket}/our/lake"

    def settings(self, name: str, *, threads: int = 2) -> Settings:
        return Settings(
            home=self.folder / name,
            threads=threads,
            lake_place=self.place,
            s3_endpoint_url=self.server.endpoint,
        )

    def stored(self) -> dict[str, str]:
        """The digest of every object of the lake, by its path."""
        start = "our/lake/"
        return {
            key.removeprefix(start): hashlib.sha256(self.server.get(self.bucket, key)).hexdigest()
            for key in self.server.keys(self.bucket)
            if key.startswith(start) and not key.endswith("lake.json")
        }


def load_at_once(
    hosts: Hosts, landing: str, *, as_of: datetime, dies_before: Sequence[int]
) -> list[int | None]:
    """Load on as many hosts at once as there are numbers; how many files each loaded, None if it died.

    A host is killed before its put of that number; of 0 it is not.
    """
    loads = [
        (str(hosts.settings(f"host-{number}").home), before)
        for number, before in enumerate(dies_before)
    ]
    done = subprocess.run(
        [
            sys.executable,
            "-c",
            _LOADS,
            hosts.place,
            hosts.server.endpoint,
            landing,
            as_of.isoformat(),
            json.dumps(loads),
        ],
        cwd=PROJECT_ROOT,
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    loaded: list[int | None] = []
    # On a busy machine DuckDB shows a bar of progress before it.
    for said, exit_code in zip(*json.loads(done.stdout.splitlines()[-1]), strict=True):
        if exit_code == -signal.SIGKILL:
            loaded.append(None)
        else:
            assert exit_code == 0, done.stderr
            new, failed = json.loads(said)
            assert failed == []
            loaded.append(new)
    return loaded


def mirrored(settings: Settings) -> dict[str, str]:
    """What the folder has of the lake after taking over what is new."""
    take_over_lake(settings, is_alone=True)
    return held(settings)


def held(settings: Settings) -> dict[str, str]:
    """The digest of every file that the folder has of its lake, by its path."""
    return {
        path.relative_to(settings.lake).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(settings.lake.rglob("*"))
        if path.is_file()
        and path.name not in _OWN
        and "pending" not in path.parts
        and path.name != "_empty.parquet"
        and ".staging" not in path.parts
    }


def rows_of(settings: Settings, stream: str, columns: str) -> Sequence[tuple[object, ...]]:
    """Every landed row that the ledger names, merged files left out."""
    paths = [
        str(settings.lake / path)
        for entry in read_entries(settings.lake)
        if stream in entry.streams
        for path in entry.streams[stream].files
    ]
    if not paths:
        return []
    rows = query(f"select {columns} from read_parquet({paths}) order by all")
    return [tuple(row.values()) for row in rows]
