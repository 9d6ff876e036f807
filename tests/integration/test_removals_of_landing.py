"""Erasing somebody whose rows lie in landing files of unusual kinds: links, declared tenants, full disks.

Belongs here: which landing files and refused rows are without them afterwards, and what is said of others.
Does not belong here: everything else that an erasure reaches (test_removals.py).
"""

from __future__ import annotations

import errno
import json
from datetime import UTC, datetime
from pathlib import Path

import duckdb
import pytest

from orchestration.ingest.load import load_landing
from orchestration.retention import landing
from orchestration.retention.erasure import Subject
from orchestration.retention.removal import conclude, read_log, read_pending
from orchestration.settings import Settings
from tests.support.landing import landed, load, ndjson, put, quarantined, row_of
from tests.support.removals import check_lake, erase, places_of

AS_OF = datetime(2026, 3, 10, 12, tzinfo=UTC)
TENANT = Subject(kind="tenant", id="ten-gone")
ROWS = [
    row_of("charges", charge_id=f"of-{one}", tenant_id=one) for one in ("ten-gone", "ten-stays")
]


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings(home=tmp_path / "home", threads=2)


def _aider(**properties: object) -> dict[str, object]:
    known = {"main_model": "gpt-4o", "completion_tokens": 5, "prompt_tokens": 10, "cost": 1}
    return {
        "event": "message_send",
        "time": 1735722000,
        "user_id": "ann",
        "properties": {**known, **properties},
    }


def test_refused_rows_of_a_declared_tenant_go_and_stay_out(settings: Settings) -> None:
    settings.config.mkdir(parents=True)
    (settings.config / "sources.yml").write_text(
        "sources:\n"
        + "".join(
            f"  - {{name: {one}, path: {one}/*.ndjson, adapter: aider, defaults: "
            f"{{tenant_id: ten-{one}, publisher_id: p, agent_id: a}}}}\n"
            for one in ("gone", "stays")
        )
    )
    bad = [_aider(), _aider(prompt_tokens=-10)]
    for one in ("gone", "stays"):
        put(settings, f"{one}/rows.ndjson", ndjson(bad))
    load(settings, as_of=AS_OF)
    assert len(quarantined(settings)) == 2

    plan = erase(settings, TENANT, as_of=AS_OF)
    assert plan.removal.rows == {"agent_events": 1, "quarantine": 1}
    assert not (settings.landing / "gone" / "rows.ndjson").exists()
    assert (settings.landing / "stays" / "rows.ndjson").read_bytes() == ndjson(bad)
    put(settings, "gone/more.ndjson", ndjson([_aider(cost=2), _aider(prompt_tokens=-11)]))
    (more,) = (one for one in load(settings, as_of=AS_OF).files if one.path == "gone/more.ndjson")
    assert (more.rows_landed, more.rows_quarantined) == (0, 0)
    assert [row["source_name"] for row in quarantined(settings)] == ["stays"]
    check_lake(settings)


def test_a_refused_row_that_names_another_tenant_than_the_declared_one_stays(
    settings: Settings,
) -> None:
    settings.config.mkdir(parents=True)
    (settings.config / "sources.yml").write_text(
        "sources:\n  - {name: ours, path: ours/*.ndjson, adapter: litellm_spend_logs, "
        "defaults: {tenant_id: ten-gone, publisher_id: p, agent_id: a}}\n"
    )
    rows = [
        {"request_id": str(team), "startTime": "soon", "team_id": team, "model": "m"}
        for team in ("ten-stays", None, "")
    ]
    put(settings, "ours/rows.ndjson", ndjson(rows))
    load(settings, as_of=AS_OF)
    refused = {row["row_number"] for row in quarantined(settings)}
    assert refused == {1, 2, 3}
    erase(settings, TENANT, as_of=AS_OF)
    assert {row["row_number"] for row in quarantined(settings)} == {1}
    assert (settings.landing / "ours" / "rows.ndjson").read_bytes() == ndjson(rows[:1])


def test_a_file_that_cannot_be_rewritten_is_said_to_be_left(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = put(settings, "charges/rows.ndjson", ndjson(ROWS))
    load(settings, as_of=AS_OF)

    def full(*_: object, **__: object) -> None:
        path.with_name(f".{path.name}.unfinished").write_bytes(b"{")
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(landing, "_write_rest", full)
    erase(settings, TENANT, as_of=AS_OF)
    removal = read_pending(settings)
    assert removal is not None
    assert removal.problems == (
        "charges/rows.ndjson: 1 rows cannot be taken out (No space left on device): "
        "take them out by hand",
    )
    assert removal.landing_rows == 0
    assert sorted(one.name for one in path.parent.iterdir()) == ["rows.ndjson"]
    conclude(settings)
    (entry,) = read_log(settings)
    # The file, and that the search of the folder finds it.
    assert entry.places_left == 2


def test_a_linked_file_is_rewritten_where_it_lies(settings: Settings, tmp_path: Path) -> None:
    store = tmp_path / "store"
    store.mkdir()
    for name, rows in (("both", ROWS), ("one", ROWS[:1])):
        (store / f"{name}.ndjson").write_bytes(ndjson(rows))
        link = settings.landing / "charges" / f"{name}.ndjson"
        link.parent.mkdir(parents=True, exist_ok=True)
        link.symlink_to(store / f"{name}.ndjson")
    load(settings, as_of=AS_OF)
    erase(settings, TENANT, as_of=AS_OF)
    assert [one.name for one in store.iterdir()] == ["both.ndjson"]
    assert (store / "both.ndjson").read_bytes() == ndjson(ROWS[1:])
    links = list((settings.landing / "charges").iterdir())
    assert [(one.name, one.is_symlink()) for one in links] == [("both.ndjson", True)]
    report = load(settings, as_of=AS_OF)
    assert [one.rows_landed for one in report.files] == [0]


def test_a_landing_folder_of_another_disk_than_the_lake_is_rewritten(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = put(settings, "charges/rows.ndjson", ndjson(ROWS))
    load(settings, as_of=AS_OF)

    def refuse(*_: object) -> None:
        raise OSError(errno.EXDEV, "Invalid cross-device link")

    with monkeypatch.context() as patch:
        patch.setattr("os.link", refuse)
        erase(settings, TENANT, as_of=AS_OF)
    assert path.read_bytes() == ndjson(ROWS[1:])


@pytest.mark.parametrize("name", ["rows.parquet", "rows.ndjson"])
def test_a_tenant_known_by_a_number_goes_and_figures_of_others_stay(
    settings: Settings, name: str
) -> None:
    rows = [
        {**row_of("charges", charge_id=f"c-{one}", amount="42"), "tenant_id": one}
        for one in (42, 7)
    ]
    path = settings.landing / "charges" / name
    path.parent.mkdir(parents=True)
    source = put(settings, "../rows.ndjson", ndjson(rows))
    duckdb.execute(
        f"copy (select * from read_json('{source}')) to '{path}' "
        f"(format {'parquet' if path.suffix == '.parquet' else 'json'})"
    )
    source.unlink()
    load_landing(settings=settings, landing=settings.landing, as_of=AS_OF)
    assert len(landed(settings, "charges")) == 2
    report = settings.reports / "daily" / "2026-03-01" / "platform" / "report.json"
    log = settings.home / "outbox" / "a.log"
    for file, text in ((report, '{"answers": 42}'), (log, "42 rows of tenant 7")):
        file.parent.mkdir(parents=True)
        file.write_text(text)
    settings.reports.joinpath("own.json").write_text(json.dumps({"scope": "tenant:42"}))

    erase(settings, Subject(kind="tenant", id="42"), as_of=AS_OF)
    conclude(settings)
    assert [row["tenant_id"] for row in landed(settings, "charges")] == ["7"]
    left = duckdb.execute(f"select tenant_id::varchar from '{path}'").fetchall()
    assert left == [("7",)]
    assert report.exists()
    assert log.exists()
    assert places_of(settings.home, "tenant:42") == []
    assert read_log(settings)[-1].places_left == 0
