"""Hosts that load into one lake on S3 give the lake of one host, whoever dies at what moment; what one takes
out of it is gone for all.

The server is a process on loopback that keeps conditional puts, as the real store does.
"""

from __future__ import annotations

import itertools
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import duckdb
import pytest

from orchestration.errors import RunFailure, UserError
from orchestration.ingest import shared_lake
from orchestration.ingest.compaction import compact_lake
from orchestration.ingest.ledger import LedgerEntry, read_entries, write_json
from orchestration.ingest.listing import lake_files
from orchestration.ingest.load import FAILED, NEW, REPEATED, LoadReport, load_landing
from orchestration.ingest.mirror_record import MirrorRecord
from orchestration.ingest.object_storage import ObjectStorage
from orchestration.ingest.repeats import count_repeats
from orchestration.ingest.shared_lake import SharedLake, lake_maintained, take_over_lake
from orchestration.retention.erasure import Subject
from orchestration.retention.reapplying import apply_removals_of_others
from orchestration.retention.removal import conclude, read_pending
from orchestration.settings import Settings
from orchestration.state.backup import write_backup
from orchestration.state.home import open_home
from orchestration.state.store import StateStore
from orchestration.warehouse.build import CurrentRun, prepare_build
from orchestration.warehouse.publications import DATABASE, folder_of
from tests.support.command_line import agentmart
from tests.support.landing import (
    AS_OF,
    charges_now_and_soon,
    events_and_a_bad_one,
    load,
    ndjson,
    put,
    put_bytes,
    query,
    row_of,
)
from tests.support.removals import check_lake, erase
from tests.support.s3_server import KEYS, S3Server, free_port, s3_server
from tests.support.shared_lake import Hosts, held, load_at_once, mirrored, rows_of

pytestmark = pytest.mark.usefixtures("keys")
_numbers = itertools.count()


def made(settings: Settings) -> Settings:
    """With a store of its own, as after any command."""
    open_home(settings, is_hashing=True, is_made=True, say=lambda _: None)
    return settings


@pytest.fixture
def hosts(server: S3Server, tmp_path: Path) -> Hosts:
    bucket = f"lake-{next(_numbers)}"
    server.make_bucket(bucket)
    return Hosts(server=server, folder=tmp_path / "hosts", bucket=bucket)


def extracts(files: int = 3) -> dict[str, bytes]:
    """Files of events of two days, with refused rows, and of charges, of which one lies in the future."""
    found = {}
    for number in range(files):
        events = events_and_a_bad_one(f"{number}-", rows=10, days=2)
        found[f"agent_events/{number}.ndjson"] = ndjson(events)
    found["charges/c.ndjson"] = ndjson(charges_now_and_soon())
    found["tenants/t.ndjson"] = ndjson([row_of("tenants"), row_of("tenants", tenant_id="t-2")])
    return found


def tenants() -> dict[str, bytes]:
    """One file that gives one lake file."""
    path = "tenants/t.ndjson"
    return {path: extracts(0)[path]}


def deliver(hosts: Hosts, files: dict[str, bytes]) -> str:
    for path, content in files.items():
        hosts.server.put(hosts.bucket, f"in/{path}", content)
    return f"s3://{hosts.bucket}/in"


def load_on(settings: Settings, landing: str) -> LoadReport:
    return load_landing(settings=settings, landing=landing, as_of=AS_OF)


def lake_of_one_host(tmp_path: Path, files: dict[str, bytes]) -> Settings:
    alone = Settings(home=tmp_path / "alone", threads=2)
    for path, content in files.items():
        put_bytes(alone, path, content)
    load(alone)
    return alone


def test_eight_hosts_of_which_three_die_give_exactly_the_lake_of_one(
    hosts: Hosts, tmp_path: Path
) -> None:
    files = extracts(5)
    landing = deliver(hosts, files)
    # Some die between the files of a load, some before an entry.
    loaded = load_at_once(hosts, landing, as_of=AS_OF, dies_before=[0, 0, 4, 0, 6, 0, 9, 0])
    assert len(loaded) == 8
    assert loaded.count(None) == 3
    assert sum(one or 0 for one in loaded) <= len(files)

    last = load_on(hosts.settings("host-2"), landing)
    assert not last.with_status(FAILED)
    alone = held(lake_of_one_host(tmp_path, files))
    assert {path for path in alone if path.startswith("ledger/")}
    assert mirrored(hosts.settings("builder")) == alone
    assert mirrored(hosts.settings("host-4")) == alone
    # What the dead ones put are files of the same names.
    assert hosts.stored() == alone


@pytest.mark.parametrize("dies_before", [3, 6])
def test_a_load_that_dies_before_any_of_its_puts_is_mended_by_a_load_on_another_host(
    hosts: Hosts, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, dies_before: int
) -> None:
    # Two make the store a lake, three put rows of two days and refused rows, and the sixth is the entry.
    file = "agent_events/0.ndjson"
    files = {file: extracts()[file]}
    landing = deliver(hosts, files)
    with SharedLakeDies(monkeypatch, before=dies_before), pytest.raises(KeyboardInterrupt):
        load_on(hosts.settings("dead"), landing)
    other = hosts.settings("other")
    assert load_on(other, landing).files[0].status == NEW
    assert mirrored(other) == held(lake_of_one_host(tmp_path, files)) == hosts.stored()


def test_a_load_that_dies_once_its_entry_is_put_counts_on_every_host(
    hosts: Hosts, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    landing = deliver(hosts, tenants())
    dead, other = hosts.settings("dead"), hosts.settings("other")

    def killed(record: MirrorRecord, versions: dict[str, str]) -> None:
        if versions:
            raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(MirrorRecord, "note", killed)
        with pytest.raises(KeyboardInterrupt):
            load_on(dead, landing)
    assert [one.status for one in load_on(other, landing).files] == [REPEATED]
    alone = held(lake_of_one_host(tmp_path, tenants()))
    assert mirrored(other) == mirrored(dead) == hosts.stored() == alone


def test_the_command_loads_and_does_nothing_else(hosts: Hosts) -> None:
    landing = deliver(hosts, tenants() | {"charges/bad.ndjson": b"no json"})
    settings = hosts.settings("here")
    environ = {
        **KEYS,
        "AGENTMART_LAKE": f"{hosts.place}/",
        "AGENTMART_S3_ENDPOINT_URL": hosts.server.endpoint,
        "AGENTMART_LANDING": landing,
    }
    done = agentmart("load", "--as-of", AS_OF.isoformat(), home=settings.home, environ=environ)
    assert done.stdout == "1 new, 0 repeated, 1 failed files; 2 rows landed, 0 rejected\n"
    assert done.exit_code == 2
    assert done.stderr.splitlines()[-1].startswith("agentmart: 1 files could not be loaded")
    assert KEYS["AWS_SECRET_ACCESS_KEY"] not in done.stdout + done.stderr
    assert not settings.published.exists()
    assert mirrored(hosts.settings("there")) == hosts.stored()


class SharedLakeDies:
    """From the n-th put on, nothing more comes to the store."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, *, before: int) -> None:
        self._context = monkeypatch.context()
        self._left = before
        self._create = ObjectStorage.create

    def __enter__(self) -> None:
        def create(storage: ObjectStorage, source: Path, url: str) -> str | None:
            self._left -= 1
            if self._left <= 0:
                raise KeyboardInterrupt
            return self._create(storage, source, url)

        self._context.__enter__().setattr(ObjectStorage, "create", create)

    def __exit__(self, *raised: object) -> None:
        self._context.__exit__(None, None, None)


def test_of_two_hosts_with_different_clocks_one_entry_counts_and_no_file_of_the_other_stays(
    hosts: Hosts, monkeypatch: pytest.MonkeyPatch
) -> None:
    landing = deliver(hosts, {"charges/c.ndjson": extracts()["charges/c.ndjson"]})
    slow, quick = hosts.settings("slow"), hosts.settings("quick")
    put_load = SharedLake.put_load

    def overtaken(shared: SharedLake, *words: object, **given: object) -> bool:
        monkeypatch.setattr(SharedLake, "put_load", put_load)
        # An hour later the charge of the future has come.
        later = AS_OF + timedelta(hours=1)
        (first,) = load_landing(settings=quick, landing=landing, as_of=later).files
        assert (first.status, first.rows_landed) == (NEW, 2)
        return put_load(shared, *words, **given)  # type: ignore[arg-type]

    monkeypatch.setattr(SharedLake, "put_load", overtaken)
    (outcome,) = load_on(slow, landing).files
    assert (outcome.status, outcome.rows_landed) == (REPEATED, 0)
    assert mirrored(slow) == mirrored(quick) == hosts.stored()
    assert rows_of(slow, "charges", "charge_id") == [("now",), ("soon",)]


def test_a_row_of_the_future_lands_once_on_whichever_host_loads_when_its_time_has_come(
    hosts: Hosts,
) -> None:
    landing = deliver(hosts, {"charges/c.ndjson": extracts()["charges/c.ndjson"]})
    first, second = hosts.settings("first"), hosts.settings("second")
    load_on(first, landing)
    take_over_lake(second, is_alone=True)
    for settings in (second, first):
        load_landing(settings=settings, landing=landing, as_of=AS_OF + timedelta(days=1))
    assert mirrored(first) == mirrored(second) == hosts.stored()
    assert rows_of(first, "charges", "charge_id") == [("now",), ("soon",)]
    check_lake(first)


def test_the_same_bytes_in_the_landing_folders_of_two_hosts_load_once_and_are_noted(
    hosts: Hosts,
) -> None:
    content = ndjson([row_of("publishers")])
    first, second = hosts.settings("first"), hosts.settings("second")
    put_bytes(first, "publishers/a.ndjson", content)
    put_bytes(second, "publishers/b.ndjson", content)
    assert [one.status for one in load(first).files] == [NEW]
    for _ in range(2):
        assert [one.status for one in load(second).files] == [REPEATED]
    assert mirrored(first) == mirrored(second) == hosts.stored()
    (entry,) = read_entries(first.lake)
    assert entry.path == "publishers/a.ndjson"
    assert count_repeats(first.lake) == {entry.load_id: 1}


def test_a_load_fetches_nothing_of_what_others_loaded_and_a_build_all_of_it(hosts: Hosts) -> None:
    landing = deliver(hosts, extracts(1))
    load_on(hosts.settings("first"), landing)
    before = len(hosts.server.fetched())
    second = hosts.settings("second")
    report = load_on(second, landing)
    assert {one.status for one in report.files} == {REPEATED}
    fetched = hosts.server.fetched()[before:]
    assert [path for path in fetched if path.endswith(".parquet")] == []
    assert read_entries(second.lake) == []
    assert mirrored(second) == hosts.stored()


def test_who_is_erased_on_one_host_goes_from_the_store_and_from_every_host_and_stays_away(
    hosts: Hosts, tmp_path: Path
) -> None:
    landing = deliver(hosts, extracts(1))
    here, there = made(hosts.settings("here")), hosts.settings("there")
    load_on(here, landing)
    before = mirrored(there)
    subject = Subject(kind="tenant", id="t-1")
    take_over_lake(here, is_alone=True)
    erase(here, subject, as_of=AS_OF)
    assert conclude(here) is not None
    erased = held(here)
    assert erased == hosts.stored()
    assert mirrored(there) == erased != before
    assert rows_of(there, "tenants", "tenant_id") == [("t-2",)]
    assert rows_of(there, "agent_events", "id") == []
    check_lake(there)

    # An old mirror, and the same rows delivered anew.
    row = row_of("agent_events", id="0-0", timestamp="2026-03-01T10:00:00Z")
    put(there, "agent_events/again.ndjson", ndjson([row, row_of("agent_events", tenant_id="t-2")]))
    (outcome,) = load(there).files
    assert (outcome.rows_landed, outcome.rows_ignored) == (1, 1)
    assert rows_of(here, "agent_events", "tenant_id") == []
    take_over_lake(here, is_alone=True)
    assert rows_of(here, "agent_events", "tenant_id") == [("t-2",)]


def test_a_load_during_which_another_host_erases_somebody_waits_for_the_next_run(
    hosts: Hosts, monkeypatch: pytest.MonkeyPatch
) -> None:
    here, there = made(hosts.settings("here")), hosts.settings("there")
    load_on(here, deliver(hosts, {"tenants/t.ndjson": ndjson([row_of("tenants")])}))
    put(there, "charges/c.ndjson", ndjson([row_of("charges"), row_of("charges", tenant_id="t-2")]))
    put_load = SharedLake.put_load

    def overtaken(shared: SharedLake, *words: object, **given: object) -> bool:
        monkeypatch.setattr(SharedLake, "put_load", put_load)
        take_over_lake(here, is_alone=True)
        erase(here, Subject(kind="tenant", id="t-1"), as_of=AS_OF)
        return put_load(shared, *words, **given)  # type: ignore[arg-type]

    monkeypatch.setattr(SharedLake, "put_load", overtaken)
    (outcome,) = load(there).files
    assert outcome.status == FAILED
    assert "loaded while somebody was erased; it is loaded with the next run" in str(outcome.error)
    (outcome,) = load(there).files
    assert (outcome.rows_landed, outcome.rows_ignored) == (1, 1)


def test_rows_that_a_stalled_load_brought_after_an_erasure_go_before_anything_is_built(
    hosts: Hosts, monkeypatch: pytest.MonkeyPatch
) -> None:
    here, there = made(hosts.settings("here")), hosts.settings("there")
    load_on(here, deliver(hosts, {"tenants/t.ndjson": ndjson([row_of("tenants")])}))
    put(there, "charges/c.ndjson", ndjson([row_of("charges"), row_of("charges", tenant_id="t-2")]))

    # The process stands still between looking for tombstones and putting its entry.
    def stalled(entry: LedgerEntry, path: Path) -> None:
        patch.undo()
        take_over_lake(here, is_alone=True)
        erase(here, Subject(kind="tenant", id="t-1"), as_of=AS_OF)
        write_json(entry, path)

    with monkeypatch.context() as patch:
        patch.setattr(shared_lake, "write_json", stalled)
        assert load(there).files[0].rows_landed == 2
    take_over_lake(here, is_alone=True)
    assert rows_of(here, "charges", "tenant_id") == [("t-1",), ("t-2",)]
    apply_removals_of_others(here, as_of=AS_OF)
    assert rows_of(here, "charges", "tenant_id") == [("t-2",)]
    assert mirrored(there) == held(here) == hosts.stored()
    check_lake(there)


def test_who_is_erased_on_one_host_is_looked_for_in_what_another_has_published(
    hosts: Hosts,
) -> None:
    here, there = made(hosts.settings("here")), made(hosts.settings("there"))
    load_on(here, deliver(hosts, {"tenants/t.ndjson": ndjson([row_of("tenants")])}))
    published = folder_of(there, 1) / DATABASE
    published.parent.mkdir(parents=True)
    with duckdb.connect(str(published)) as connection:
        connection.execute("create schema core")
        connection.execute(
            "create table core.dim_tenants as select * from (values "
            "('native', 't-1', 'Acme Dental'), ('native', 't-2', 'Bolt'), ('other', 't-1', 'Cobalt')"
            ") as rows (source_name, tenant_id, tenant_name)"
        )
    # What lies where this host takes its extracts from goes too.
    elsewhere = there.home / "elsewhere"
    there = replace(there, landing_place=str(elsewhere))
    rows = [row_of("charges", charge_id=f"of-{one}", tenant_id=one) for one in ("t-1", "t-2")]
    (elsewhere / "charges").mkdir(parents=True)
    (elsewhere / "charges" / "c.ndjson").write_bytes(ndjson(rows))
    erase(here, Subject(kind="tenant", id="t-1", source_name="native"), as_of=AS_OF)
    take_over_lake(there, is_alone=True)
    apply_removals_of_others(there, as_of=AS_OF)
    assert (elsewhere / "charges" / "c.ndjson").read_bytes() == ndjson(rows[1:])
    removal = read_pending(there)
    assert removal is not None
    assert removal.scopes == (("native", "t-1"),)
    assert {"t-1", "Acme Dental"} <= set(removal.words)
    assert not {"Bolt", "Cobalt"} & set(removal.words)


def test_files_that_one_host_merges_are_read_merged_on_every_host(hosts: Hosts) -> None:
    landing = deliver(hosts, extracts())
    here, there = hosts.settings("here"), hosts.settings("there")
    load_on(here, landing)
    before = mirrored(there)
    rows = rows_of(here, "agent_events", "id, event_date")
    for _ in range(2):
        with lake_maintained(here):
            compact_lake(here.lake, most_files=2)
    after = mirrored(there)
    assert after == held(here) == hosts.stored()
    assert len(after) < len(before)
    merged = [
        file
        for file in lake_files(there.lake, entries=read_entries(there.lake))
        if file.stream == "agent_events"
    ]
    assert len(merged) == 2
    assert len(rows) == 9 * 3
    check_lake(there)


def test_two_hosts_do_not_merge_at_the_same_time_and_one_that_died_goes_on(hosts: Hosts) -> None:
    here, there = hosts.settings("here"), hosts.settings("there")
    load_on(here, deliver(hosts, tenants()))
    with lake_maintained(here):
        with (
            pytest.raises(RunFailure, match=r"AGENTMART_LAKE .*merges or removes files"),
            lake_maintained(there),
        ):
            raise AssertionError("both are at work")
        # As one that was killed and is started again.
        with lake_maintained(here):
            pass
    with lake_maintained(there):
        pass


def test_a_backup_holds_what_every_host_has_brought_and_is_not_made_while_one_removes(
    hosts: Hosts, tmp_path: Path
) -> None:
    load_on(hosts.settings("loader"), deliver(hosts, tenants()))
    here, file = made(hosts.settings("here")), tmp_path / "here.tar"
    with (
        lake_maintained(hosts.settings("loader")),
        pytest.raises(RunFailure, match=r"AGENTMART_LAKE .*merges or removes files"),
    ):
        write_backup(here, file, made_at=AS_OF, say=pytest.fail)
    assert not file.exists()
    backup = write_backup(here, file, made_at=AS_OF, say=pytest.fail)
    in_backup = {
        path.removeprefix("lake/"): digest
        for path, digest in backup.digests.items()
        if path.startswith("lake/") and not path.startswith("lake/.")
    }
    stored = hosts.stored()
    assert stored
    assert {path: in_backup[path] for path in stored} == stored


def test_what_one_host_loads_another_one_builds_of_as_of_a_lake_of_its_own(
    hosts: Hosts, tmp_path: Path
) -> None:
    """What is published then is compared in tests/soak/shared_lake.py."""
    files = extracts()
    assert not load_on(hosts.settings("loader"), deliver(hosts, files)).with_status(FAILED)
    alone, builder = lake_of_one_host(tmp_path, files), hosts.settings("builder")
    read = []
    for settings in (alone, builder):
        plan = prepare_build(begun(settings), is_complete=True)
        assert plan.is_full_refresh
        inputs = query(f"from read_parquet('{settings.run_inputs}/lake_files.parquet')")
        paths = [Path(row["path"]).relative_to(settings.lake) for row in inputs]
        read.append((plan.load_ids, sorted(paths)))
    assert read[0] == read[1]
    assert read[0][1]
    assert held(builder) == held(alone)


def begun(settings: Settings) -> CurrentRun:
    store = StateStore(settings.state_file)
    run = store.start_run(run_key="build", command="test", as_of=AS_OF)
    return CurrentRun(settings=settings, store=store, run=run)


def test_a_folder_that_holds_a_lake_fills_an_empty_store(hosts: Hosts, tmp_path: Path) -> None:
    alone = lake_of_one_host(tmp_path, tenants())
    here = Settings(home=alone.home, lake_place=hosts.place, s3_endpoint_url=hosts.server.endpoint)
    take_over_lake(here, is_alone=True)
    assert hosts.stored() == held(alone)
    assert mirrored(hosts.settings("there")) == held(alone)


def test_a_file_that_is_lost_from_a_mirror_is_fetched_again_and_not_removed_from_the_store(
    hosts: Hosts,
) -> None:
    here = hosts.settings("here")
    load_on(here, deliver(hosts, tenants()))
    whole = mirrored(here)
    for path in list(whole):
        (here.lake / path).unlink()
    with lake_maintained(here):
        pass
    assert held(here) == hosts.stored() == whole


def test_a_folder_with_a_lake_of_its_own_does_not_join_another(
    hosts: Hosts, tmp_path: Path
) -> None:
    load_on(hosts.settings("here"), deliver(hosts, tenants()))
    alone = lake_of_one_host(tmp_path, tenants())
    joining = Settings(
        home=alone.home, lake_place=hosts.place, s3_endpoint_url=hosts.server.endpoint
    )
    with pytest.raises(UserError, match=r"holds a lake, and .* another one; move that folder away"):
        take_over_lake(joining, is_alone=True)


def test_a_mirror_is_not_emptied_by_a_url_that_holds_no_lake(
    hosts: Hosts, server: S3Server
) -> None:
    here = hosts.settings("here")
    load_on(here, deliver(hosts, tenants()))
    whole = held(here)
    server.make_bucket("another")
    wrong = Settings(
        home=here.home, lake_place="s3://another", s3_endpoint_url=hosts.server.endpoint
    )
    with pytest.raises(UserError, match="AGENTMART_LAKE s3://another holds no lake"):
        take_over_lake(wrong, is_alone=True)
    take_over_lake(
        Settings(
            home=hosts.folder / "other", lake_place="s3://another", s3_endpoint_url=server.endpoint
        ),
        is_alone=True,
    )
    with pytest.raises(UserError, match="AGENTMART_LAKE s3://another holds another lake"):
        take_over_lake(wrong, is_alone=True)
    assert held(here) == whole


def test_a_host_with_another_salt_does_not_join(hosts: Hosts) -> None:
    take_over_lake(hosts.settings("here"), is_alone=True)
    other = Settings(
        home=hosts.folder / "there",
        user_id_salt="another",
        lake_place=hosts.place,
        s3_endpoint_url=hosts.server.endpoint,
    )
    with pytest.raises(UserError, match="AGENTMART_USER_ID_SALT is not the salt"):
        take_over_lake(other, is_alone=True)


def test_a_store_that_ignores_conditions_is_refused(tmp_path: Path) -> None:
    with s3_server(tmp_path, is_conditional=False) as careless:
        careless.make_bucket("lake")
        hosts = Hosts(server=careless, folder=tmp_path, bucket="lake")
        with pytest.raises(UserError, match=r"AGENTMART_LAKE .*If-None-Match"):
            take_over_lake(hosts.settings("here"), is_alone=True)


def test_a_store_that_cannot_be_used_is_named_in_one_line(
    hosts: Hosts, monkeypatch: pytest.MonkeyPatch
) -> None:
    def said(place: str, endpoint: str) -> str:
        settings = Settings(home=hosts.folder / "here", lake_place=place, s3_endpoint_url=endpoint)
        put_bytes(settings, "charges/c.ndjson", ndjson([row_of("charges")]))
        with pytest.raises(RunFailure) as raised:
            load(settings)
        assert "\n" not in str(raised.value)
        return str(raised.value)

    away = said("s3://bucket/lake", f"http://127.0.0.1:{free_port()}")
    assert away.startswith("AGENTMART_LAKE s3://bucket/lake: bucket cannot be reached")
    assert away.endswith("check the network and the endpoint")
    wrong = said("s3://nobodys/lake", hosts.server.endpoint)
    assert (
        wrong
        == "AGENTMART_LAKE s3://nobodys/lake: nobodys is not there; correct the name, or make it"
    )
    for name in KEYS:
        monkeypatch.delenv(name)
    locked = said(hosts.place, hosts.server.endpoint)
    assert f"AGENTMART_LAKE {hosts.place}: the credentials for {hosts.bucket} are missing" in locked
