"""Extracts on Google Cloud Storage and Azure load as those of a folder do.

The providers' own clients talk to a server on loopback that answers the calls reading takes: what is
shown is which objects are listed and read, and what is said of errors. Signing in is not.
"""

from __future__ import annotations

import base64
from collections.abc import Iterator
from pathlib import Path

import pytest

from orchestration.ingest import object_storage
from orchestration.ingest.load import FAILED, NEW, REPEATED, LoadReport, load_landing
from orchestration.settings import Settings
from tests.support.cloud_server import BUCKET, CloudServer, cloud_server
from tests.support.landing import AS_OF, load, ndjson, put_bytes, row_of, tree

FILES = {
    "publishers/a.ndjson": ndjson([row_of("publishers")]),
    "publishers/2026/b b.ndjson": ndjson([row_of("publishers", publisher_id="ö-2")]),
    "charges/c.ndjson": ndjson([row_of("charges"), row_of("charges", amount=-1)]),
}
SCHEMES = ["gs", "az", "abfs"]


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[CloudServer]:
    with cloud_server({f"in/{path}": content for path, content in FILES.items()}) as running:
        monkeypatch.setenv("STORAGE_EMULATOR_HOST", running.endpoint)
        monkeypatch.setenv("NO_GCE_CHECK", "true")
        monkeypatch.setenv("GCSFS_EXPERIMENTAL_ZB_HNS_SUPPORT", "false")
        key = base64.b64encode(b"key").decode()
        monkeypatch.setenv(
            "AZURE_STORAGE_CONNECTION_STRING",
            f"DefaultEndpointsProtocol=http;AccountName=account;AccountKey={key};"
            f"BlobEndpoint={running.endpoint}/account;",
        )
        yield running


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings(home=tmp_path / "home", threads=2)


def load_url(settings: Settings, url: str) -> LoadReport:
    return load_landing(settings=settings, landing=url, as_of=AS_OF)


def statuses(report: LoadReport) -> dict[str, str]:
    return {outcome.path: outcome.status for outcome in report.files}


@pytest.mark.parametrize("scheme", SCHEMES)
def test_a_bucket_gives_exactly_the_lake_of_a_folder_with_the_same_files(
    server: CloudServer, settings: Settings, tmp_path: Path, scheme: str
) -> None:
    server.objects["in-of-others/charges/c.ndjson"] = ndjson([row_of("charges")])
    report = load_url(settings, f"{scheme}://{BUCKET}/in")
    assert statuses(report) == dict.fromkeys(FILES, NEW)
    local = Settings(home=tmp_path / "local", threads=2)
    for path, content in FILES.items():
        put_bytes(local, path, content)
    load(local)
    assert tree(settings.lake) == tree(local.lake)


@pytest.mark.parametrize("scheme", SCHEMES)
def test_only_what_changed_is_fetched_again(
    server: CloudServer, settings: Settings, scheme: str
) -> None:
    url = f"{scheme}://{BUCKET}/in"
    load_url(settings, url)
    assert sorted(server.fetched) == sorted(f"in/{path}" for path in FILES)
    server.fetched.clear()
    assert statuses(load_url(settings, url)) == dict.fromkeys(FILES, REPEATED)
    assert server.fetched == []
    server.objects["in/charges/c.ndjson"] = ndjson([row_of("charges", charge_id="c-3")])
    changed = dict.fromkeys(FILES, REPEATED) | {"charges/c.ndjson": NEW}
    assert statuses(load_url(settings, url)) == changed
    assert server.fetched == ["in/charges/c.ndjson"]


@pytest.mark.parametrize("scheme", SCHEMES)
def test_a_large_object_is_fetched_in_parts(
    server: CloudServer, settings: Settings, monkeypatch: pytest.MonkeyPatch, scheme: str
) -> None:
    monkeypatch.setattr(object_storage, "_PART_BYTES", 40)
    report = load_url(settings, f"{scheme}://{BUCKET}/in")
    assert statuses(report) == dict.fromkeys(FILES, NEW)
    assert len(server.fetched) > 2 * len(FILES)


@pytest.mark.parametrize("scheme", SCHEMES)
def test_what_may_not_be_listed_is_named(
    server: CloudServer, settings: Settings, scheme: str
) -> None:
    (failed,) = load_url(settings, f"{scheme}://{BUCKET}/locked").files
    assert failed.status == FAILED
    assert f"let the credentials list and read {BUCKET}" in (failed.error or "")
    assert "\n" not in (failed.error or "")
    assert failed.is_unreachable


@pytest.mark.parametrize("scheme", SCHEMES)
def test_a_bucket_that_is_not_there_is_named(
    server: CloudServer, settings: Settings, scheme: str
) -> None:
    (failed,) = load_url(settings, f"{scheme}://nobodys/in").files
    error = failed.error or ""
    assert error.startswith(f"{scheme}://nobodys/in: ")
    assert error.endswith(("correct the name, or make it", "or deliver the first file"))


def test_an_azure_url_without_an_account_asks_for_credentials(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("AZURE_STORAGE_CONNECTION_STRING", raising=False)
    monkeypatch.delenv("AZURE_STORAGE_ACCOUNT_NAME", raising=False)
    (failed,) = load_url(settings, "az://extracts/in").files
    assert "the credentials for extracts are missing or not valid" in (failed.error or "")
