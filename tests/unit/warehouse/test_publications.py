"""Publications are listed, gone back to and forgotten; readers always see one of them whole."""

import os
from datetime import UTC, datetime
from pathlib import Path

import duckdb
import pytest

from orchestration.errors import RunFailure, UserError
from orchestration.settings import Settings
from orchestration.state.store import StateStore
from orchestration.warehouse.build import is_rolled_back
from orchestration.warehouse.publications import (
    current_id,
    folder_of,
    forget_old,
    kept_ids,
    list_publications,
    make_current,
    roll_back,
)

AS_OF = datetime(2026, 3, 2, 6, tzinfo=UTC)


def _publish(settings: Settings, publication_id: int) -> None:
    """A publication with one row of data; its run has ten times its number."""
    folder = folder_of(settings, publication_id)
    folder.mkdir(parents=True)
    with duckdb.connect(str(folder / "agentmart.duckdb")) as connection:
        connection.execute("create schema meta")
        connection.execute(
            "create table meta.run_context as select ? as run_id, ? as as_of",
            [str(publication_id * 10), AS_OF.replace(tzinfo=None)],
        )
    os.utime(folder / "agentmart.duckdb", (1_772_436_600, 1_772_436_600))
    make_current(settings, folder)


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    settings = Settings(home=tmp_path, kept_publications=3)
    for publication_id in (1, 2, 3):
        _publish(settings, publication_id)
    return settings


def test_the_list_says_which_run_made_each_and_which_one_readers_see(settings: Settings) -> None:
    newest, *_, oldest = list_publications(settings)
    assert (newest.publication_id, newest.run_id, newest.is_current) == (3, "30", True)
    assert (oldest.publication_id, oldest.run_id, oldest.is_current) == (1, "10", False)
    assert newest.as_of == AS_OF
    assert newest.published_at == datetime(2026, 3, 2, 7, 30, tzinfo=UTC)
    assert (newest.table_count, newest.row_count) == (1, 1)
    assert newest.size_bytes == settings.published_file.stat().st_size


def test_nothing_is_listed_before_the_first_run(tmp_path: Path) -> None:
    assert list_publications(Settings(home=tmp_path)) == []


def test_readers_go_back_one_by_one_or_to_the_one_that_is_named(settings: Settings) -> None:
    assert roll_back(settings, None).publication_id == 2
    assert current_id(settings) == 2
    assert roll_back(settings, None).publication_id == 1
    make_current(settings, folder_of(settings, 3))
    went_to = roll_back(settings, 1)
    assert (went_to.publication_id, went_to.is_current) == (1, True)
    assert settings.published_file.resolve() == folder_of(settings, 1) / "agentmart.duckdb"


def test_an_open_reader_keeps_what_it_opened(settings: Settings) -> None:
    with duckdb.connect(str(settings.published_file.resolve()), read_only=True) as reader:
        roll_back(settings, None)
        assert reader.execute("select run_id from meta.run_context").fetchone() == ("30",)


@pytest.mark.parametrize("wanted", [3, 4, 0])
def test_a_publication_that_is_not_older_is_refused_with_those_that_are(
    settings: Settings, wanted: int
) -> None:
    with pytest.raises(UserError, match=f"publication {wanted} .* from 3: use one of 1, 2"):
        roll_back(settings, wanted)
    assert current_id(settings) == 3


def test_the_oldest_publication_has_none_before_it(settings: Settings) -> None:
    roll_back(settings, 1)
    with pytest.raises(UserError, match="no publication before 1"):
        roll_back(settings, None)


def test_a_damaged_publication_never_becomes_what_readers_see(settings: Settings) -> None:
    (folder_of(settings, 2) / "agentmart.duckdb").write_bytes(b"no database")
    with pytest.raises(RunFailure, match="publication 2 cannot be read"):
        roll_back(settings, None)
    assert current_id(settings) == 3


def test_only_as_many_as_the_setting_says_are_kept(settings: Settings) -> None:
    for publication_id in (4, 5):
        _publish(settings, publication_id)
    forget_old(settings)
    assert kept_ids(settings) == [3, 4, 5]


def test_the_current_publication_is_kept_however_old(settings: Settings) -> None:
    for publication_id in (4, 5):
        _publish(settings, publication_id)
    roll_back(settings, 1)
    forget_old(settings)
    assert kept_ids(settings) == [1, 3, 4, 5]


def test_it_is_rolled_back_only_when_readers_see_less_than_the_last_publication(
    settings: Settings,
) -> None:
    store = StateStore(settings.state_file)
    run = store.start_run(run_key="a", command="agentmart run", as_of=AS_OF)
    assert not is_rolled_back(settings, store)
    # A run killed after the switch and before the note leaves a newer current than the store knows.
    for publication_id, expected in ((2, False), (3, False), (4, True)):
        store.record_publication(
            publication_id=publication_id,
            run_id=run.run_id,
            as_of=AS_OF,
            code_fingerprint="f",
            is_complete=True,
            load_ids=[],
        )
        assert is_rolled_back(settings, store) is expected
