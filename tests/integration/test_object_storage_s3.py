"""Extracts on S3 load as those of a folder do; what cannot be read is named and costs nothing else.

The server is a process on loopback; each test has a bucket of its own.
"""

from __future__ import annotations

import hashlib
import itertools
import sys
from pathlib import Path

import pytest

from orchestration.errors import UserError
from orchestration.ingest import object_storage
from orchestration.ingest.load import FAILED, NEW, REPEATED, LoadReport, load_landing
from orchestration.ingest.object_storage import ObjectStorage, StorageProblem, check_url
from orchestration.ingest.preview import preview_sources
from orchestration.settings import PROJECT_ROOT, Settings
from tests.support.landing import AS_OF, landed, load, ndjson, put_bytes, row_of, tree
from tests.support.s3_server import KEYS, S3Server, free_port, s3_server

pytestmark = pytest.mark.usefixtures("keys")
_numbers = itertools.count()

FILES = {
    "publishers/a.ndjson": ndjson([row_of("publishers")]),
    "publishers/2026/b b.ndjson": ndjson([row_of("publishers", publisher_id="ö-2")]),
    "charges/c.ndjson": ndjson([row_of("charges"), row_of("charges", amount=-1)]),
}


@pytest.fixture
def bucket(server: S3Server) -> str:
    name = f"bucket-{next(_numbers)}"
    server.make_bucket(name)
    return name


@pytest.fixture
def settings(server: S3Server, tmp_path: Path) -> Settings:
    return Settings(home=tmp_path / "home", threads=2, s3_endpoint_url=server.endpoint)


def put_files(server: S3Server, bucket: str) -> None:
    for key, content in FILES.items():
        server.put(bucket, f"extracts/{key}", content)


def load_url(settings: Settings, url: str) -> LoadReport:
    return load_landing(settings=settings, landing=url, as_of=AS_OF)


def statuses(report: LoadReport) -> dict[str, str]:
    return {outcome.path: outcome.status for outcome in report.files}


def declare(settings: Settings, path: str) -> None:
    settings.config.mkdir(parents=True)
    (settings.config / "sources.yml").write_text(
        f"sources:\n  - name: aider\n    path: {path}\n    adapter: aider\n"
        "    defaults: {publisher_id: p, tenant_id: t, agent_id: a}\n"
    )


AIDER_LINE = (
    b'{"event": "message_send", "properties": {"main_model": "m", "prompt_tokens": 3, '
    b'"completion_tokens": 2, "total_tokens": 5, "cost": 0.1}, "user_id": "u", "time": 1772359200}\n'
)


def test_a_bucket_gives_exactly_the_lake_of_a_folder_with_the_same_files(
    server: S3Server, bucket: str, settings: Settings, tmp_path: Path
) -> None:
    put_files(server, bucket)
    server.put(bucket, "extracts/charges/", b"")
    server.put(bucket, "extracts/_SUCCESS", b"x")
    server.put(bucket, "extracts-of-others/charges/c.ndjson", ndjson([row_of("charges")]))
    report = load_url(settings, f"s3://{bucket}/extracts/")
    assert statuses(report) == dict.fromkeys(FILES, NEW)

    local = Settings(home=tmp_path / "local", threads=2)
    for path, content in FILES.items():
        put_bytes(local, path, content)
    load(local)
    assert tree(settings.lake) == tree(local.lake)


def test_a_second_load_lists_and_fetches_nothing(
    server: S3Server, bucket: str, settings: Settings
) -> None:
    put_files(server, bucket)
    load_url(settings, f"s3://{bucket}/extracts")
    fetched = server.fetched()
    assert len([path for path in fetched if path.startswith(f"/{bucket}/")]) == len(FILES)
    report = load_url(settings, f"s3://{bucket}/extracts")
    assert statuses(report) == dict.fromkeys(FILES, REPEATED)
    assert server.fetched() == fetched


def test_only_what_changed_is_fetched_again(
    server: S3Server, bucket: str, settings: Settings
) -> None:
    put_files(server, bucket)
    load_url(settings, f"s3://{bucket}/extracts")
    before = server.fetched()
    server.put(bucket, "extracts/publishers/a.ndjson", ndjson([row_of("publishers", tier="gold")]))
    report = load_url(settings, f"s3://{bucket}/extracts")
    changed = dict.fromkeys(FILES, REPEATED) | {"publishers/a.ndjson": NEW}
    assert statuses(report) == changed
    assert server.fetched()[len(before) :] == [f"/{bucket}/extracts/publishers/a.ndjson"]


def test_an_object_whose_load_was_lost_is_fetched_again(
    server: S3Server, bucket: str, settings: Settings
) -> None:
    put_files(server, bucket)
    load_url(settings, f"s3://{bucket}/extracts")
    for entry in (settings.lake / "ledger" / "native").iterdir():
        entry.unlink()
    assert statuses(load_url(settings, f"s3://{bucket}/extracts")) == dict.fromkeys(FILES, NEW)


def test_equal_objects_are_loaded_once_and_none_is_fetched_again(
    server: S3Server, bucket: str, settings: Settings
) -> None:
    for number in range(6):
        server.put(bucket, f"publishers/{number}.ndjson", FILES["publishers/a.ndjson"])
    report = load_url(settings, f"s3://{bucket}")
    assert sorted(outcome.status for outcome in report.files) == [NEW] + [REPEATED] * 5
    assert len(landed(settings, "publishers")) == 1
    fetched = server.fetched()
    assert {outcome.status for outcome in load_url(settings, f"s3://{bucket}").files} == {REPEATED}
    assert server.fetched() == fetched


def test_a_source_may_lie_in_a_bucket_beside_a_landing_folder(
    server: S3Server, bucket: str, settings: Settings
) -> None:
    put_bytes(settings, "charges/c.ndjson", FILES["charges/c.ndjson"])
    server.put(bucket, "logs/2026/one.jsonl", AIDER_LINE)
    server.put(bucket, "logs/2026/one.txt", AIDER_LINE)
    server.put(bucket, "logs/2026/old/two.jsonl", AIDER_LINE)
    declare(settings, f"s3://{bucket}/logs/*/*.jsonl")
    report = load(settings)
    one = f"s3://{bucket}/logs/2026/one.jsonl"
    assert statuses(report) == {"charges/c.ndjson": NEW, one: NEW}
    assert len(landed(settings, "agent_events")) == 1


def test_a_source_may_lie_below_a_landing_url(
    server: S3Server, bucket: str, settings: Settings
) -> None:
    server.put(bucket, "in/charges/c.ndjson", FILES["charges/c.ndjson"])
    server.put(bucket, "in/aider/one.jsonl", AIDER_LINE)
    declare(settings, "aider/*.jsonl")
    report = load_url(settings, f"s3://{bucket}/in")
    assert statuses(report) == {"aider/one.jsonl": NEW, "charges/c.ndjson": NEW}


def test_a_check_of_sources_reads_objects_and_loads_nothing(
    server: S3Server, bucket: str, settings: Settings
) -> None:
    server.put(bucket, "in/charges/c.ndjson", FILES["charges/c.ndjson"])
    (preview,) = preview_sources(
        settings=settings, landing=f"s3://{bucket}/in", as_of=AS_OF, files_per_source=3
    )
    assert (preview.path, preview.rows_read, preview.landing_rows) == ("charges", 2, {"charges": 1})
    assert not settings.lake.exists()


def test_a_large_object_is_fetched_in_parts(
    server: S3Server, bucket: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(object_storage, "_PART_BYTES", 1_000)
    content = bytes(range(256)) * 10
    server.put(bucket, "large.ndjson", content)
    storage = ObjectStorage(s3_endpoint_url=server.endpoint)
    (stored,) = storage.list_objects(f"s3://{bucket}")
    assert storage.fetch(stored, tmp_path / "copy") == hashlib.sha256(content).hexdigest()
    assert (tmp_path / "copy").read_bytes() == content
    assert server.fetched().count(f"/{bucket}/large.ndjson") == 3


@pytest.mark.parametrize(
    ("part_bytes", "size", "message"),
    [(8_000_000, 2_561, "was listed with 2560 bytes"), (1_000, 2_560, "was changed while it was")],
)
def test_an_object_that_changes_after_it_was_listed_is_left_for_the_next_run(
    server: S3Server,
    bucket: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    part_bytes: int,
    size: int,
    message: str,
) -> None:
    monkeypatch.setattr(object_storage, "_PART_BYTES", part_bytes)
    server.put(bucket, "a.ndjson", b"a" * 2_560)
    storage = ObjectStorage(s3_endpoint_url=server.endpoint)
    (stored,) = storage.list_objects(f"s3://{bucket}")
    server.put(bucket, "a.ndjson", b"b" * size)
    with pytest.raises(StorageProblem, match=message):
        storage.fetch(stored, tmp_path / "copy")


def test_an_object_that_vanishes_after_it_was_listed_is_named_and_the_rest_loads(
    server: S3Server, bucket: str, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    put_files(server, bucket)
    list_objects = ObjectStorage.list_objects

    def listed_then_deleted(storage: ObjectStorage, url: str) -> list[object_storage.StoredObject]:
        found = list_objects(storage, url)
        server.delete(bucket, "extracts/charges/c.ndjson")
        return found

    monkeypatch.setattr(ObjectStorage, "list_objects", listed_then_deleted)
    report = load_url(settings, f"s3://{bucket}/extracts")
    assert statuses(report) == dict.fromkeys(FILES, NEW) | {"charges/c.ndjson": FAILED}
    (failed,) = report.with_status(FAILED)
    assert failed.error == (
        "charges/c.ndjson: vanished after it was listed; deliver it again if it is still wanted"
    )
    assert failed.is_unreachable


def test_a_wrong_bucket_is_named_and_the_landing_folder_loads(settings: Settings) -> None:
    put_bytes(settings, "charges/c.ndjson", FILES["charges/c.ndjson"])
    declare(settings, "s3://nobodys/logs/*.jsonl")
    report = load(settings)
    assert statuses(report) == {"charges/c.ndjson": NEW, "s3://nobodys/logs": FAILED}
    (failed,) = report.with_status(FAILED)
    assert failed.error == "s3://nobodys/logs: nobodys is not there; correct the name, or make it"
    assert failed.is_unreachable


def test_a_prefix_without_objects_is_taken_for_a_mistake(bucket: str, settings: Settings) -> None:
    (failed,) = load_url(settings, f"s3://{bucket}/extarcts").files
    assert failed.error == (
        f"s3://{bucket}/extarcts: holds no object; correct the prefix, or deliver the first file"
    )


def test_a_store_that_does_not_answer_is_named_and_the_landing_folder_loads(
    settings: Settings,
) -> None:
    away = Settings(
        home=settings.home, threads=2, s3_endpoint_url=f"http://127.0.0.1:{free_port()}"
    )
    put_bytes(settings, "charges/c.ndjson", FILES["charges/c.ndjson"])
    declare(settings, "s3://logs/*.jsonl")
    report = load(away)
    assert statuses(report) == {"charges/c.ndjson": NEW, "s3://logs": FAILED}
    error = report.with_status(FAILED)[0].error or ""
    assert "s3://logs: logs cannot be reached" in error
    assert error.endswith("check the network and the endpoint")


def test_missing_credentials_are_named(
    settings: Settings, bucket: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in KEYS:
        monkeypatch.delenv(name)
    (failed,) = load_url(settings, f"s3://{bucket}").files
    assert f"the credentials for {bucket} are missing or not valid" in (failed.error or "")
    assert failed.is_unreachable


def test_wrong_credentials_are_named(tmp_path: Path) -> None:
    with s3_server(tmp_path) as strict:
        strict.make_bucket("locked")
        strict.refuse_unknown_keys(after=0)
        settings = Settings(home=tmp_path / "home", threads=1, s3_endpoint_url=strict.endpoint)
        (failed,) = load_url(settings, "s3://locked").files
    assert "the credentials for locked are missing or not valid" in (failed.error or "")
    assert "\n" not in (failed.error or "")


@pytest.mark.parametrize(
    ("url", "message"),
    [
        ("ftp://host/extracts", r"ftp://host/extracts: ftp:// cannot be read; use a folder, or"),
        ("s3:///extracts", r"names no bucket; write s3://bucket/prefix"),
    ],
)
def test_a_url_that_cannot_be_used_is_refused(url: str, message: str, settings: Settings) -> None:
    with pytest.raises(UserError, match=message):
        load_url(settings, url)


def test_without_the_extra_the_message_names_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "s3fs", None)
    with pytest.raises(UserError, match=r"install agentmart\[object-storage\]"):
        check_url("s3://bucket/extracts")


def test_the_extra_that_the_message_names_is_declared() -> None:
    declared = (PROJECT_ROOT / "pyproject.toml").read_text(encoding="utf-8")
    assert "\nobject-storage = [" in declared
    assert all(f'"{name}>=' in declared for name in ("s3fs", "gcsfs", "adlfs"))
