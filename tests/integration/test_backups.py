"""A backup put back is the deployment it was made of, and nobody who was erased since comes back with it."""

from __future__ import annotations

import io
import os
import shutil
import signal
import subprocess
import sys
import tarfile
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from orchestration.delivery.outbox import MessageState
from orchestration.errors import RunFailure, UserError
from orchestration.ingest.tombstones import erased_file
from orchestration.retention.erasure import Subject
from orchestration.retention.removal import conclude, has_pending, mend
from orchestration.settings import PROJECT_ROOT, Settings
from orchestration.state.backup import write_backup
from orchestration.state.home import check_home, open_home
from orchestration.state.restore import Restored, restore_backup
from orchestration.state.store import StateStore
from orchestration.warehouse.lock import exclusive_lock
from tests.support.command_line import agentmart, command_environment
from tests.support.delivery import made_report, queue, states
from tests.support.kills import lake_content, published_tables
from tests.support.landing import landed, row_of
from tests.support.published_home import plant, publish_landing
from tests.support.removals import check_lake, content_of, erase, erase_and_die, places_of

AS_OF = datetime(2026, 3, 2, 6, tzinfo=UTC)
GONE, STAYS = "ten-gone", "ten-stays"


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Settings:
    """A published deployment of two tenants with a report, and a message that waits."""
    settings = Settings(home=tmp_path_factory.mktemp("base") / "home", threads=2)
    plant(
        settings.landing,
        {
            "tenants": [
                row_of("tenants", tenant_id=one, tenant_name=f"{one} Ltd") for one in (GONE, STAYS)
            ],
            "agent_events": [
                row_of(
                    "agent_events",
                    id=f"{one}-{kind}",
                    tenant_id=one,
                    event_type=kind,
                    properties={"invocation_id": one, "cost_usd": "1.25"},
                )
                for one in (GONE, STAYS)
                for kind in ("agent_invoked", "agent_completed")
            ],
        },
    )
    publish_landing(settings, as_of=AS_OF)
    made_report(settings)
    queue(settings, "reader@example.org")
    (settings.config).mkdir()
    (settings.config / "agentmart.yml").write_text("threads: 2\n")
    return settings


@pytest.fixture
def settings(base: Settings, tmp_path: Path) -> Settings:
    """A copy that the test may change."""
    shutil.copytree(base.home, tmp_path / "home", symlinks=True)
    return Settings(home=tmp_path / "home", threads=2)


@pytest.fixture(scope="module")
def made(base: Settings) -> Path:
    target = base.home.with_name("made.tar")
    write_backup(base, target, made_at=AS_OF, say=lambda _: None)
    return target


@pytest.fixture
def backup(made: Path, tmp_path: Path) -> Path:
    """A backup of the deployment that the test may damage."""
    copy = tmp_path / "backup.tar"
    shutil.copy(made, copy)
    return copy


def _restore(
    source: Path,
    settings: Settings,
    *,
    is_replacing: bool = True,
    tombstones: tuple[Path, ...] = (),
) -> Restored:
    before = os.umask(0o077)
    try:
        return restore_backup(
            source,
            settings,
            is_replacing=is_replacing,
            tombstones=tombstones,
            as_of=AS_OF,
            say=lambda _: None,
        )
    finally:
        os.umask(before)


def _end_removal(settings: Settings) -> None:
    """What a run does for a removal that is pending, but for publishing again."""
    mend(settings)
    shutil.rmtree(settings.published)
    assert conclude(settings) is not None


def test_the_commands_bring_a_deployment_to_another_folder_with_the_same_tables(
    settings: Settings, tmp_path: Path
) -> None:
    file, other = tmp_path / "backups.tar", tmp_path / "other"
    saved = agentmart("backup", str(file), home=settings.home)
    assert saved.exit_code == 0, saved.stderr
    assert "publication 1" in saved.stdout
    assert file.stat().st_mode & 0o077 == 0
    restored = agentmart("restore", str(file), home=other)
    assert restored.exit_code == 0, restored.stderr
    assert "1 messages that waited are parked" in restored.stdout
    assert published_tables(other) == published_tables(settings.home)
    assert lake_content(other / "lake") == lake_content(settings.lake)
    assert (other / "config" / "agentmart.yml").read_text() == "threads: 2\n"
    assert sorted(path.name for path in (other / "reports").rglob("*.pdf")) == ["acme.pdf"]
    last = StateStore(other / "state" / "agentmart.sqlite").last_publication()
    assert last == StateStore(settings.state_file).last_publication() is not None
    assert not (other / ".restore").exists()
    status = agentmart("status", home=other)
    assert "restored from a backup: it may have been sent since" in status.stdout


def test_a_message_that_waited_is_not_sent_by_itself_after_a_restore(
    settings: Settings, backup: Path
) -> None:
    assert states(settings) == {"reader@example.org": MessageState.PENDING}
    assert _restore(backup, settings).parked == 1
    assert states(settings) == {"reader@example.org": MessageState.PARKED}


def test_who_was_erased_since_does_not_come_back(settings: Settings, backup: Path) -> None:
    (settings.home / "landing").rename(settings.home / "elsewhere")
    shutil.rmtree(settings.home / "elsewhere")
    settings.landing.mkdir()
    erase(settings, Subject(kind="tenant", id=GONE), as_of=AS_OF)
    _end_removal(settings)
    restored = _restore(backup, settings)
    # Its state, and two events.
    assert restored.rows_erased == 3
    assert places_of(settings.home, GONE) == []
    assert {row["tenant_id"] for row in landed(settings, "agent_events")} == {STAYS}
    check_lake(settings)
    assert not settings.published.joinpath("current").exists()


def test_a_removal_that_was_killed_at_its_beginning_is_ended_before_a_restore(
    settings: Settings, backup: Path
) -> None:
    # Both files and the note are in place, and nothing is done yet.
    assert erase_and_die(settings, Subject(kind="tenant", id=GONE), as_of=AS_OF, renames=4)
    assert has_pending(settings)
    assert not erased_file(settings.lake).exists()
    before = content_of(settings.lake)
    refused = agentmart("restore", str(backup), "--replace", home=settings.home)
    assert refused.exit_code == 1
    (line,) = refused.stderr.splitlines()
    assert "run `agentmart run`, which ends it, and then restore" in line
    assert content_of(settings.lake) == before
    _end_removal(settings)
    assert _restore(backup, settings).rows_erased == 3
    # Its landing files were rewritten, too.
    assert places_of(settings.home, GONE) == []


def test_where_no_run_ends_a_removal_its_tombstones_keep_the_erased_out_of_a_new_folder(
    settings: Settings, backup: Path, tmp_path: Path
) -> None:
    assert erase_and_die(settings, Subject(kind="tenant", id=GONE), as_of=AS_OF, renames=4)
    files = tuple((settings.lake / "removed").rglob("erased.parquet"))
    other = Settings(home=tmp_path / "other", threads=2)
    assert _restore(backup, other, tombstones=files).rows_erased == 3
    assert places_of(other.home, GONE) == []


def test_tombstones_that_were_kept_elsewhere_keep_the_erased_out_of_a_new_folder(
    settings: Settings, backup: Path, tmp_path: Path
) -> None:
    erase(settings, Subject(kind="tenant", id=GONE), as_of=AS_OF)
    other = Settings(home=tmp_path / "other", threads=2)
    restored = _restore(backup, other, tombstones=(erased_file(settings.lake),))
    assert restored.rows_erased == 3
    assert places_of(other.home, GONE) == []


def test_an_older_erasure_is_in_the_backup_and_leaves_what_is_published(
    settings: Settings, tmp_path: Path
) -> None:
    erase(settings, Subject(kind="tenant", id="ten-gone"), as_of=AS_OF)
    shutil.rmtree(settings.lake / "removed" / "pending")
    file = tmp_path / "later.tar"
    write_backup(settings, file, made_at=AS_OF, say=lambda _: None)
    assert _restore(file, settings).rows_erased == 0
    assert settings.published.joinpath("current").exists()


def test_a_backup_waits_for_the_run_that_is_at_work(settings: Settings, tmp_path: Path) -> None:
    file = tmp_path / "waited.tar"
    with exclusive_lock(settings.lock_file, on_wait=lambda _: None):
        process = subprocess.Popen(
            [sys.executable, "-m", "orchestration.cli.main", "backup", str(file)],
            env=command_environment(settings.home),
            cwd=PROJECT_ROOT,
            stderr=subprocess.PIPE,
            text=True,
        )
        assert process.stderr is not None
        assert f"in use by process {os.getpid()}" in process.stderr.readline()
        assert not file.exists()
    with process:
        assert process.wait(60) == 0
    assert file.exists()


def test_a_backup_never_writes_over_a_file_or_into_the_folder_it_saves(
    settings: Settings, backup: Path
) -> None:
    content = backup.read_bytes()
    with pytest.raises(UserError, match="exists; name a file that does not"):
        write_backup(settings, backup, made_at=AS_OF, say=lambda _: None)
    assert backup.read_bytes() == content
    with pytest.raises(UserError, match="lies in the state folder"):
        write_backup(settings, settings.home / "b.tar", made_at=AS_OF, say=lambda _: None)


def test_an_interrupted_removal_is_ended_before_a_backup(
    settings: Settings, tmp_path: Path
) -> None:
    erase(settings, Subject(kind="tenant", id=GONE), as_of=AS_OF)
    with pytest.raises(RunFailure, match="run `agentmart run`, which ends it"):
        write_backup(settings, tmp_path / "no.tar", made_at=AS_OF, say=lambda _: None)
    assert not list(tmp_path.glob("*no.tar*"))


def test_a_deployment_is_replaced_only_on_demand(settings: Settings, backup: Path) -> None:
    with pytest.raises(UserError, match="holds a deployment; add --replace"):
        _restore(backup, settings, is_replacing=False)


def _archive(path: Path, name: str) -> Path:
    with tarfile.open(path, "w") as archive:
        member = tarfile.TarInfo(name)
        member.size = 4
        archive.addfile(member, io.BytesIO(b"evil"))
    return path


@pytest.mark.parametrize("damage", ["cut off", "one byte", "no archive", "outside", "absolute"])
def test_what_is_no_whole_backup_is_refused_and_changes_nothing(
    damage: str, backup: Path, tmp_path: Path
) -> None:
    settings = Settings(home=tmp_path / "home")
    settings.state_file.parent.mkdir(parents=True)
    content = bytearray(backup.read_bytes())
    if damage == "cut off":
        backup.write_bytes(content[: len(content) // 2])
    elif damage == "one byte":
        content[content.index(b"PAR1") + 40] ^= 1
        backup.write_bytes(content)
    elif damage == "no archive":
        backup.write_bytes(b"this is no archive")
    else:
        _archive(backup, "lake/../../evil" if damage == "outside" else "/tmp/evil")
    with pytest.raises(UserError, match=f"{backup} (is|cannot)"):
        _restore(backup, settings)
    assert lake_content(settings.lake).keys() <= {".loading.lock"}
    assert not list(settings.state_file.parent.iterdir())
    assert not (tmp_path / "evil").exists()
    check_home(settings, is_hashing=True)


@pytest.mark.parametrize("wrong", ["salt", "text", "columns", "killed"])
def test_a_restore_that_fails_changes_nothing_and_leaves_nothing_of_the_backup(
    wrong: str,
    settings: Settings,
    backup: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    file = tmp_path / "erased.parquet"
    file.write_text("no Parquet")
    if wrong == "salt":
        open_home(settings, is_hashing=True, is_made=False, say=lambda _: None)
        backup = tmp_path / "marked.tar"
        write_backup(settings, backup, made_at=AS_OF, say=lambda _: None)
    elif wrong == "columns":
        shutil.copy(next((settings.lake / "raw").rglob("*.parquet")), file)
    before = content_of(settings.home)
    expected: type[BaseException] = UserError
    if wrong == "killed":
        expected = KeyboardInterrupt
        monkeypatch.setattr("orchestration.state.restore._park_waiting", _interrupted)
    with pytest.raises(expected) as failure:
        _restore(
            backup,
            replace(settings, user_id_salt="another salt") if wrong == "salt" else settings,
            tombstones=(file,) if wrong in ("text", "columns") else (),
        )
    if wrong in ("text", "columns"):
        assert str(failure.value).startswith(f"{file} holds no tombstones (")
        assert "put a whole copy of lake/removed/erased.parquet there" in str(failure.value)
    assert not (settings.home / ".restore").exists()
    assert content_of(settings.home) == before


def _interrupted(store: Path) -> int:
    raise KeyboardInterrupt(store)


_DYING = """
import os, pathlib, signal, sys
from datetime import UTC, datetime
from orchestration.settings import Settings
from orchestration.state.restore import restore_backup

rename, left = pathlib.Path.rename, [int(sys.argv[3])]

def dying(path, target):
    left[0] -= 1
    if left[0] == 0:
        os.kill(os.getpid(), signal.SIGKILL)
    return rename(path, target)

pathlib.Path.rename = dying
restore_backup(pathlib.Path(sys.argv[1]), Settings(home=pathlib.Path(sys.argv[2])),
               is_replacing=True, tombstones=(), as_of=datetime(2026, 3, 2, tzinfo=UTC), say=print)
"""


def test_a_restore_that_is_killed_while_it_moves_folders_is_ended_by_the_next(
    settings: Settings, backup: Path
) -> None:
    expected, lake = published_tables(settings.home), lake_content(settings.lake)
    shutil.rmtree(settings.lake / "raw")
    words = [sys.executable, "-c", _DYING, str(backup), str(settings.home), "4"]
    killed = subprocess.run(words, cwd=PROJECT_ROOT, check=False)
    assert killed.returncode == -signal.SIGKILL
    refused = agentmart("status", home=settings.home)
    assert refused.exit_code == 1
    assert "was interrupted; run the same `agentmart restore` again" in refused.stderr
    assert _restore(backup, settings).backup is None
    assert published_tables(settings.home) == expected
    assert lake_content(settings.lake) == lake
    check_home(settings, is_hashing=True)
