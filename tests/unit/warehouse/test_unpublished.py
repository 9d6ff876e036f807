"""What a publication may take over from the one before follows from what builds noted."""

from __future__ import annotations

import hashlib
import os
from dataclasses import replace
from datetime import date
from pathlib import Path

import pytest

from orchestration.settings import Settings
from orchestration.warehouse.publications import DATABASE, folder_of
from orchestration.warehouse.unpublished import (
    Unpublished,
    are_changes_known,
    candidate_stamp,
    note_begun,
    note_made,
    note_published,
    read_unpublished,
)

FIRST, SECOND = date(2026, 3, 1), date(2026, 3, 2)


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    settings = Settings(home=tmp_path)
    settings.run_inputs.mkdir(parents=True)
    settings.warehouse_file.parent.mkdir(parents=True, exist_ok=True)
    settings.warehouse_file.write_bytes(b"one state of the warehouse")
    _publish(settings, 7)
    return settings


def _publish(settings: Settings, publication_id: int) -> None:
    folder = folder_of(settings, publication_id)
    (folder / "parquet" / "core").mkdir(parents=True)
    (folder / DATABASE).write_bytes(b"what is published")
    (folder / "parquet" / "core" / "fct_charges.parquet").write_bytes(b"rows")
    note_published(settings, publication_id, whole_bytes=100, candidate=candidate_stamp(settings))


def _noted(settings: Settings, publication_id: int) -> Unpublished:
    """What is noted of this publication before anything is built on it."""
    lines = []
    for path in (DATABASE, "parquet/core/fct_charges.parquet"):
        status = (folder_of(settings, publication_id) / path).stat()
        lines.append(f"{path} {status.st_size} {status.st_mtime_ns}")
    files = hashlib.sha256("\n".join(lines).encode()).hexdigest()
    return Unpublished(publication_id=publication_id, whole_bytes=100, files=files)


def _build(settings: Settings, models: set[str], days: dict[str, list[date]]) -> None:
    note_begun(settings, models, is_full_refresh=False)
    note_made(settings, days)


def _knows_changes(settings: Settings) -> bool:
    found = read_unpublished(settings)
    return found is not None and found.models is not None


def test_right_after_a_publication_all_is_as_it_says(settings: Settings) -> None:
    assert read_unpublished(settings) == _noted(settings, 7)


def test_days_of_a_fact_add_up_over_builds_that_were_not_published(settings: Settings) -> None:
    _build(settings, {"fct_charges", "revenue_daily"}, {"fct_charges": [FIRST], "fct_tasks": []})
    _build(settings, {"fct_charges", "fct_audits"}, {"fct_charges": [SECOND], "fct_audits": []})
    assert read_unpublished(settings) == replace(
        _noted(settings, 7),
        models={
            "fct_charges": frozenset({FIRST, SECOND}),
            "revenue_daily": None,
            "fct_audits": frozenset(),
        },
    )


def test_a_fact_that_was_made_as_a_whole_stays_so_whatever_days_follow(settings: Settings) -> None:
    _build(settings, {"fct_charges"}, {})
    _build(settings, {"fct_charges"}, {"fct_charges": [FIRST]})
    found = read_unpublished(settings)
    assert found is not None
    assert found.models == {"fct_charges": None}


def test_the_next_publication_begins_a_new_note(settings: Settings) -> None:
    _build(settings, {"fct_charges"}, {})
    _publish(settings, 8)
    assert read_unpublished(settings) == _noted(settings, 8)


def test_after_a_build_that_did_not_pass_nothing_is_known(settings: Settings) -> None:
    note_begun(settings, {"fct_charges"}, is_full_refresh=False)
    assert read_unpublished(settings) is None
    _build(settings, {"fct_audits"}, {"fct_audits": [FIRST]})
    # But which publication it is that readers may keep tables of.
    assert read_unpublished(settings) == replace(_noted(settings, 7), models=None)
    _publish(settings, 8)
    assert _knows_changes(settings)


def test_after_a_publication_of_a_part_nothing_is_known_of_the_rest(settings: Settings) -> None:
    note_published(settings, 7, whole_bytes=100, candidate=candidate_stamp(settings), is_all=False)
    assert read_unpublished(settings) == replace(_noted(settings, 7), models=None)


def test_after_a_full_refresh_nothing_is_known(settings: Settings) -> None:
    note_begun(settings, {"fct_charges"}, is_full_refresh=True)
    assert not are_changes_known(settings)
    note_made(settings, {"fct_charges": [FIRST]})
    assert not _knows_changes(settings)


@pytest.mark.parametrize("content", [b"another length", b"the same length, 26 bytes."])
def test_after_another_program_wrote_to_the_warehouse_nothing_is_known(
    settings: Settings, content: bytes
) -> None:
    written_at = settings.warehouse_file.stat().st_mtime_ns
    settings.warehouse_file.write_bytes(content)
    os.utime(settings.warehouse_file, ns=(written_at + 1, written_at + 1))
    assert read_unpublished(settings) is None
    _build(settings, {"fct_charges"}, {"fct_charges": [FIRST]})
    assert not _knows_changes(settings)


def test_after_another_program_died_while_it_wrote_nothing_is_known(settings: Settings) -> None:
    file = settings.warehouse_file
    file.with_name(f"{file.name}.wal").write_bytes(b"what the next build takes over")
    assert read_unpublished(settings) is None


def test_of_a_warehouse_that_other_machines_build_nothing_is_known(settings: Settings) -> None:
    elsewhere = Settings(home=settings.home, target="spark")
    assert read_unpublished(elsewhere) is None
    _publish(elsewhere, 8)
    assert read_unpublished(settings) == _noted(settings, 7)


def test_a_database_that_has_grown_by_half_since_it_was_whole_is_written_anew(
    settings: Settings,
) -> None:
    _build(settings, {"fct_charges"}, {"fct_charges": [FIRST]})
    found = read_unpublished(settings)
    assert found is not None
    assert not found.is_outgrown(150)
    assert found.is_outgrown(151)


@pytest.mark.parametrize("content", ["", "[]", '{"publication_id": 7}'])
def test_nothing_is_known_by_a_note_that_is_torn_or_of_an_earlier_version(
    settings: Settings, content: str
) -> None:
    (settings.run_inputs / "unpublished.json").write_text(content, encoding="utf-8")
    assert read_unpublished(settings) is None
    _build(settings, {"fct_charges"}, {"fct_charges": [FIRST]})
    assert read_unpublished(settings) is None


@pytest.mark.parametrize("path", [DATABASE, "parquet/core/fct_charges.parquet"])
def test_after_somebody_wrote_to_the_publication_nothing_is_taken_over_from_it(
    settings: Settings, path: str
) -> None:
    file = folder_of(settings, 7) / path
    written_at = file.stat().st_mtime_ns
    os.utime(file, ns=(written_at + 1, written_at + 1))
    assert read_unpublished(settings) is None


def test_a_log_beside_the_published_database_says_that_somebody_writes_to_it(
    settings: Settings,
) -> None:
    (folder_of(settings, 7) / f"{DATABASE}.wal").write_bytes(b"a change")
    assert read_unpublished(settings) is None


def test_what_was_written_to_the_candidate_after_it_was_read_is_no_part_of_the_publication(
    settings: Settings,
) -> None:
    read = candidate_stamp(settings)
    settings.warehouse_file.write_bytes(b"another state of the warehouse")
    note_published(settings, 7, whole_bytes=100, candidate=read)
    assert read_unpublished(settings) is None
