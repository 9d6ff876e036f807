"""With every secret set and everything failing, no secret and no user's id stands anywhere.

Belongs here: a run that fails early, and what commands say. A failed audit and whole runs with secrets
set are in tests/soak/one_week.py.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import pytest

from orchestration.settings import PROJECT_ROOT, Settings
from tests.support.command_line import Finished, command_environment
from tests.support.http_server import closed_port
from tests.support.landing import load, ndjson, put, row_of
from tests.support.removals import places_of
from tests.support.secrets import MARKS, SALT, secrets_of_receivers

_USER = "canary-user@example.org"
_COMMENT = "canary-comment"


def _secrets() -> dict[str, str]:
    """Every secret there is."""
    return {
        **secrets_of_receivers(),
        "AGENTMART_ENVIRONMENT": "production",
        "AGENTMART_USER_ID_SALT": SALT,
        "AGENTMART_SMTP_HOST": "127.0.0.1",
        "AGENTMART_SMTP_PORT": str(closed_port()),
        "AGENTMART_SMTP_USER": "reports",
        "AGENTMART_SMTP_PASSWORD": "canary-smtp",
        "AGENTMART_ALERT_EMAIL_TO": "oncall@example.org",
        "AGENTMART_RUN_FAILURE_CHANNELS": "email,slack,teams,pagerduty,webhook,sms",
    }


def _call(home: Path, *words: str, secrets: Mapping[str, str]) -> Finished:
    """A command whose shell lets everybody read what it writes."""
    done = subprocess.run(
        [sys.executable, "-m", "orchestration.cli.main", *words],
        env={**command_environment(home), **secrets},
        cwd=PROJECT_ROOT,
        capture_output=True,
        text=True,
        umask=0,
        check=False,
    )
    return Finished(done.returncode, done.stdout, done.stderr)


@pytest.fixture(scope="module")
def said(
    tmp_path_factory: pytest.TempPathFactory,
) -> tuple[Settings, dict[str, Finished]]:
    """A home with loaded rows and a ledger that cannot be read, and what commands say of it."""
    home = tmp_path_factory.mktemp("secrets") / "home"
    settings = Settings(home=home, threads=1, user_id_salt=SALT)
    properties = {"user_id": _USER, "comment": _COMMENT, "rating": 4}
    rows = [row_of("agent_events", event_type="user_feedback", properties=properties)]
    broken = row_of("agent_events", id=None, properties=properties)
    put(settings, "agent_events/rows.ndjson", ndjson([*rows, broken]))
    secrets, before = _secrets(), os.umask(0o077)
    try:
        load(settings)
        entry = next((settings.lake / "ledger" / "native").glob("*.json"))
        (entry.parent / "broken.json").write_text("this is no entry")
    finally:
        os.umask(before)
    # First what the run left; by the clock of a delivery it is too late to tell of that run.
    words = {
        "run": ("run", "--as-of", "2026-03-10"),
        "status": ("status",),
        "storage": ("sources", "check", "--landing", "s3://bucket/extracts"),
        "debug": ("--debug", "deliver"),
        "deliver": ("deliver",),
        "check": ("config", "check"),
        "quarantine": ("quarantine", "show"),
    }
    return settings, {name: _call(home, *one, secrets=secrets) for name, one in words.items()}


def test_the_run_fails_and_nobody_can_be_told(
    said: tuple[Settings, dict[str, Finished]],
) -> None:
    _, finished = said
    assert finished["run"].exit_code == 1
    assert "broken.json" in finished["run"].stderr
    assert finished["check"].exit_code == 0, finished["check"].stderr
    for channel in ("email", "slack", "teams", "pagerduty", "webhook", "sms"):
        assert re.search(rf"by {channel}(?: to \S+)?: pending", finished["status"].stdout)


def test_no_command_says_a_secret(said: tuple[Settings, dict[str, Finished]]) -> None:
    _, finished = said
    for name, done in finished.items():
        for mark in MARKS:
            assert mark not in done.stdout + done.stderr, name


def test_no_file_of_the_state_folder_holds_a_secret_a_users_id_or_a_comment(
    said: tuple[Settings, dict[str, Finished]],
) -> None:
    settings, _ = said
    for mark in MARKS:
        found = places_of(settings.home, mark)
        assert [place for place in found if not place.startswith("landing/")] == []


def test_nobody_but_the_owner_reads_what_is_written_whatever_the_shell_allows(
    said: tuple[Settings, dict[str, Finished]],
) -> None:
    settings, _ = said
    readable = [
        path.relative_to(settings.home).as_posix()
        for folder in settings.written_folders
        if folder.exists()
        for path in (folder, *folder.rglob("*"))
        if not path.is_symlink() and path.stat().st_mode & 0o077
    ]
    assert readable == []
    assert (settings.dagster_home / "dagster.yaml").exists()
