"""Ten weeks of operation in as-of time, with a fault in most of them, against one clean full refresh.

Run by `make soak`; pytest does not collect it by itself. one_week.py is its short form.
"""

from __future__ import annotations

import shutil
from collections import Counter
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path

from tests.support.certificates import self_signed
from tests.support.command_line import agentmart
from tests.support.kills import published_tables
from tests.support.mail_server import MailServer, mail_server, received
from tests.support.removals import places_of
from tests.support.weeks import WEEK, Weeks, due_messages, published_digests

# Mondays, the first with two weeks behind it.
RUNS = tuple(datetime(2026, 1, 5, 6, tzinfo=UTC) + number * WEEK for number in range(10))
TENANT = "ten-quiet"
BAD_FILE, MAIL_DOWN, FAILED_TEST, KILLED, ERASED, COMES_AGAIN = 2, 3, 4, 5, 7, 8


def _schedule(weeks: Weeks) -> list[list[str]]:
    """Which extracts come before which run: a day's events and another day's calls a week late."""
    coming: list[list[str]] = [[] for _ in RUNS]
    for number, as_of in enumerate(RUNS):
        since = as_of - (WEEK if number else 2 * WEEK)
        for path in weeks.days(since=since.date(), until=as_of.date()):
            stream, day, _ = path.split("/")
            weekday = datetime.fromisoformat(day.removeprefix("dt=")).weekday()
            is_late = 0 < number < len(RUNS) - 1 and (stream, weekday) in (
                ("agent_events", 2),
                ("llm_calls", 4),
            )
            # The events of one day are found a month later.
            weeks_late = 4 if is_late and number == 1 and stream == "agent_events" else int(is_late)
            coming[number + weeks_late].append(path)
    return coming


class _Operation:
    """The deployment over its ten weeks."""

    def __init__(self, weeks: Weeks) -> None:
        self._weeks = weeks
        self._coming = _schedule(weeks)
        (self._broken,) = (path for path in self._coming[BAD_FILE] if path.startswith("charges/"))

    def week(self, number: int, server: MailServer) -> None:
        weeks, as_of = self._weeks, RUNS[number]
        weeks.deliver(path for path in self._coming[number] if path != self._broken)
        if number == BAD_FILE:
            weeks.deliver_broken(self._broken)
            assert f"{self._broken}.gz" in self._run(as_of, server, exit_code=2)
            return
        if number == BAD_FILE + 1:
            weeks.mend_broken(self._broken)
        if number == FAILED_TEST:
            before = published_tables(weeks.home)
            with weeks.damaged_lake(as_of):
                assert "failed" in self._run(as_of, server, exit_code=1)
            assert published_tables(weeks.home) == before
        if number == KILLED:
            weeks.run_and_kill(as_of)
        if number == ERASED:
            done = agentmart(
                "erase", "--tenant", TENANT, "--apply", home=weeks.home, environ=server.environ
            )
            assert done.exit_code == 0, done.stdout + done.stderr
            assert places_of(weeks.home, TENANT) == []
        if number == COMES_AGAIN:
            self._deliver_again()
        self._run(as_of, server)

    def _run(self, as_of: datetime, server: MailServer, *, exit_code: int = 0) -> str:
        done = self._weeks.run(as_of, server.environ)
        assert done.exit_code == exit_code, (as_of, done.stdout, done.stderr)
        return done.stdout + done.stderr

    def _deliver_again(self) -> None:
        """Files that name who was erased, with other bytes than those that were loaded."""
        found = sorted(self._weeks.extracts.glob("agent_events/*/*.ndjson"))
        of_tenant = [path for path in found if TENANT.encode() in path.read_bytes()]
        assert of_tenant
        for path in of_tenant[:3]:
            folder = self._weeks.landing / path.parent.relative_to(self._weeks.extracts)
            (folder / f"again-{path.name}").write_bytes(b"\n" + path.read_bytes())


def test_ten_weeks_with_faults_end_in_the_marts_of_one_clean_full_refresh(
    tmp_path: Path, record_property: Callable[[str, object], None]
) -> None:
    weeks = Weeks(home=tmp_path / "home", extracts=tmp_path / "extracts")
    made = agentmart(
        "generate", "--out", str(weeks.extracts), "--events", "2200", "--days", "77",
        "--until", RUNS[-1].isoformat(), home=weeks.home,
    )  # fmt: skip
    assert made.exit_code == 0, made.stderr
    mailboxes, certificate = tmp_path / "mailboxes", self_signed(tmp_path)
    operation = _Operation(weeks)
    with mail_server(mailboxes / "first", certificate=certificate) as server:
        _operate(operation, range(MAIL_DOWN), server)
    before = len(received(mailboxes))
    _operate(operation, [MAIL_DOWN], server)
    assert len(received(mailboxes)) == before
    with mail_server(mailboxes / "second", certificate=certificate) as server:
        _operate(operation, range(MAIL_DOWN + 1, len(RUNS)), server)
    messages = received(mailboxes)
    record_property("messages", len(messages))
    assert len({mail["Message-ID"] for _, mail in messages}) == len(messages)
    due = due_messages(weeks.extracts, RUNS, erased={TENANT: RUNS[ERASED]})
    assert Counter(recipient for recipient, _ in messages) == due
    assert places_of(weeks.home / "published", TENANT) == []
    clean = tmp_path / "clean"
    shutil.copytree(weeks.landing, clean / "landing", ignore=shutil.ignore_patterns("again-*"))
    done = agentmart("run", "--as-of", RUNS[-1].isoformat(), home=clean)
    assert done.exit_code == 0, done.stderr
    tables, expected = published_digests(weeks.home), published_digests(clean)
    record_property("tables", len(tables))
    assert {name for name in tables if tables[name] != expected[name]} == set()


def _operate(operation: _Operation, numbers: Sequence[int], server: MailServer) -> None:
    for number in numbers:
        operation.week(number, server)
