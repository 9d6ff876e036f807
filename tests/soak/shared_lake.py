"""The long form of a lake that hosts share on S3: rounds of eight on whole extracts, most of them killed; and
`agentmart run` on such a lake from its start to its end.

Each round kills hosts at other puts, until all extracts are in; a host that was killed goes on in the next
round with the folder it had. Run it with `make soak`.
"""

from __future__ import annotations

import random
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path

import pytest

from orchestration.generate.extracts import write_extracts
from orchestration.ingest.load import FAILED, REPEATED, load_landing
from orchestration.settings import Settings
from tests.support.command_line import agentmart
from tests.support.ducklake import (
    differing_exports,
    differing_tables,
    first_of_each_kind,
    scopes_of,
)
from tests.support.landing import load
from tests.support.removals import check_lake
from tests.support.s3_server import KEYS, S3Server
from tests.support.shared_lake import Hosts, held, load_at_once, mirrored

pytestmark = pytest.mark.usefixtures("keys")

_AS_OF = datetime(2026, 3, 2, 6, tzinfo=UTC)
_HOSTS, _ROUNDS, _MOST_PUTS = 8, 6, 120


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


def test_a_run_on_one_host_publishes_what_was_loaded_on_another_as_a_run_on_a_lake_of_its_own(
    server: S3Server, tmp_path: Path
) -> None:
    server.make_bucket("lake-of-a-run")
    hosts = Hosts(server=server, folder=tmp_path / "hosts", bucket="lake-of-a-run")
    alone, loader, builder = Settings(home=tmp_path / "alone"), *map(hosts.settings, ("l", "b"))
    write_extracts(out=alone.landing, events=1_000, days=10, seed=7, until=_AS_OF)
    shared = {
        **KEYS,
        "AGENTMART_LAKE": hosts.place,
        "AGENTMART_S3_ENDPOINT_URL": server.endpoint,
    }
    as_of = ("--as-of", _AS_OF.isoformat())

    def done(*words: str, home: Path, environ: Mapping[str, str]) -> str:
        finished = agentmart(*words, *as_of, home=home, environ=environ)
        assert finished.exit_code == 0, finished.stdout + finished.stderr
        return finished.stdout

    landing = ("--landing", str(alone.landing))
    done("load", *landing, home=loader.home, environ=shared)
    assert not loader.published.exists()
    # The files of its landing folder are known already: the other host has loaded the same bytes.
    said = done("run", *landing, home=builder.home, environ=shared)
    assert " 0 new, " in said
    assert "nothing new" not in said
    done("run", home=alone.home, environ={})
    assert mirrored(builder) == held(alone) == hosts.stored()
    assert differing_tables(builder, alone) == []
    scopes = first_of_each_kind(scopes_of(alone))
    assert differing_exports(builder, alone, scopes=scopes, as_of=_AS_OF) == []
    again = done("run", *landing, home=builder.home, environ=shared)
    assert "nothing new" in again
