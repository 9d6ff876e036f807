"""The long form of a lake that hosts share on S3: rounds of eight on whole extracts, most of them killed.

Each round kills hosts at other puts, until all extracts are in; a host that was killed goes on in the next
round with the folder it had. Run it with `make soak`.
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from orchestration.generate.extracts import write_extracts
from orchestration.ingest.load import FAILED, REPEATED, load_landing
from orchestration.settings import Settings
from tests.support.landing import load
from tests.support.removals import check_lake
from tests.support.s3_server import KEYS, S3Server, s3_server
from tests.support.shared_lake import Hosts, held, load_at_once, mirrored

_AS_OF = datetime(2026, 3, 2, 6, tzinfo=UTC)
_HOSTS, _ROUNDS, _MOST_PUTS = 8, 6, 120


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[S3Server]:
    with s3_server(tmp_path_factory.mktemp("s3")) as running:
        yield running


@pytest.fixture(autouse=True)
def keys(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name, value in KEYS.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "none"))
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "none"))
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_eight_hosts_that_are_killed_over_and_over_give_the_lake_of_one(
    server: S3Server, tmp_path: Path, seed: int
) -> None:
    alone = Settings(home=tmp_path / "alone", threads=2)
    write_extracts(out=alone.landing, events=3_000, days=20, seed=seed, until=_AS_OF)
    load(alone, as_of=_AS_OF)

    hosts = Hosts(server=server, folder=tmp_path / "hosts", bucket=f"lake-{seed}")
    server.make_bucket(hosts.bucket)
    for path in sorted(alone.landing.rglob("*")):
        if path.is_file():
            key = path.relative_to(alone.landing).as_posix()
            server.put(hosts.bucket, f"in/{key}", path.read_bytes())
    landing = f"s3://{hosts.bucket}/in"

    chance = random.Random(seed)
    died = 0
    for round_number in range(_ROUNDS):
        # Nobody finishes the first rounds, so that there is always something left to be killed at.
        living = 0 if round_number < _ROUNDS - 1 else 3
        dies_before = [
            0 if number < living else chance.randint(1, _MOST_PUTS) for number in range(_HOSTS)
        ]
        loaded = load_at_once(hosts, landing, as_of=_AS_OF, dies_before=dies_before)
        died += loaded.count(None)
    assert died >= 2 * _HOSTS

    last = hosts.settings("host-7")
    report = load_landing(settings=last, landing=landing, as_of=_AS_OF)
    assert not report.with_status(FAILED)
    assert len(report.with_status(REPEATED)) == len(report.files)
    expected = held(alone)
    for name in ("host-0", "host-7", "a-new-one"):
        assert mirrored(hosts.settings(name)) == expected
        check_lake(hosts.settings(name))
    assert hosts.stored() == expected
