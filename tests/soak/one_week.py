"""One week in which everything goes wrong ends as if nothing had.

Belongs here: the short form. Ten weeks are in tests/soak/ten_weeks.py.
"""

from __future__ import annotations

import json
from collections import Counter
from datetime import datetime
from pathlib import Path

from orchestration.retention.erasure import Subject
from orchestration.settings import Settings
from tests.e2e.conftest import AS_OF, DeploymentUnderTest
from tests.support.certificates import self_signed
from tests.support.kills import published_tables
from tests.support.mail_server import mail_server, received
from tests.support.published_home import publish_landing
from tests.support.removals import erase, places_of
from tests.support.secrets import MARKS, secrets_of_receivers
from tests.support.smtp_server import PASSWORD
from tests.support.weeks import WEEK, Weeks, due_messages, published_digests

_FIRST = datetime.fromisoformat(AS_OF)
_SECOND = _FIRST + WEEK
_TENANT = "ten-quiet"
_CHARGES = "charges/dt=2026-03-08/part-0.csv"


def _event(number: int, kind: str, moment: str, **properties: object) -> dict[str, object]:
    return {
        "id": f"week-{number}",
        "event_type": kind,
        "agent_id": "agt-pascal",
        "publisher_id": "pub-menard",
        "tenant_id": "ten-banyan",
        "timestamp": moment,
        "properties": {"invocation_id": f"week-{number // 2}", **properties},
    }


def _write_extracts(folder: Path) -> None:
    """Answers and ratings of the week, some of them for a day of the month before, and a charge."""
    events = []
    for number, day in enumerate(("2026-02-10", "2026-03-02", "2026-03-04", "2026-03-08")):
        answered, rated = f"{day}T10:00:00Z", f"{day}T10:05:00Z"
        tokens = {"model": "gpt-4o", "input_tokens": 100, "output_tokens": 20, "cost_usd": "0.25"}
        events.append(_event(2 * number, "agent_completed", answered, **tokens))
        events.append(_event(2 * number + 1, "user_feedback", rated, rating=4))
    written = {
        "agent_events/dt=2026-03-08/part-0.ndjson": "".join(f"{json.dumps(e)}\n" for e in events),
        _CHARGES: (
            "charge_id,tenant_id,publisher_id,agent_id,charged_at,amount,currency,kind\n"
            "week-1,ten-banyan,pub-menard,agt-pascal,2026-03-05T09:00:00Z,12.50,EUR,usage\n"
        ),
    }
    for path, text in written.items():
        (folder / path).parent.mkdir(parents=True)
        (folder / path).write_text(text)


def test_a_week_of_faults_ends_in_the_marts_of_a_clean_full_refresh_and_each_report_sent_once(
    own_deployment: DeploymentUnderTest, deployment: DeploymentUnderTest, tmp_path: Path
) -> None:
    weeks = Weeks(home=own_deployment.home, extracts=tmp_path / "extracts")
    settings = Settings(home=weeks.home, threads=2)
    _write_extracts(weeks.extracts)
    weeks.deliver(path for path in weeks.days(since=_FIRST.date(), until=_SECOND.date()))
    (weeks.landing / _CHARGES).unlink()
    broken = weeks.deliver_broken(_CHARGES)
    mailboxes, certificate = tmp_path / "mailboxes", self_signed(tmp_path)
    with mail_server(mailboxes / "dead", certificate=certificate) as dead:
        unreachable = {**dead.environ, **secrets_of_receivers()}

    before = published_tables(weeks.home)
    with weeks.damaged_lake(_SECOND):
        failed = weeks.run(_SECOND, unreachable)
    assert failed.exit_code == 1, failed.stderr
    assert broken.name in failed.stdout + failed.stderr
    assert "the published state stays as it is" in failed.stderr
    assert published_tables(weeks.home) == before

    erase(settings, Subject(kind="tenant", id=_TENANT), as_of=_SECOND)
    weeks.run_and_kill(_SECOND)
    assert published_tables(weeks.home) == before
    weeks.mend_broken(_CHARGES)
    finished = weeks.run(_SECOND, unreachable)
    assert finished.exit_code == 0, finished.stdout + finished.stderr
    assert received(mailboxes) == []
    assert places_of(weeks.home, _TENANT) == []
    assert [mark for mark in (*MARKS, PASSWORD) if places_of(weeks.home, mark)] == []
    assert [mark for mark in MARKS if mark in failed.stderr + finished.stdout] == []

    with mail_server(mailboxes / "alive", certificate=certificate) as alive:
        for _ in range(2):
            delivered = own_deployment("deliver", **alive.environ)
            assert delivered.exit_code == 0, delivered.stderr
    # What was due at the first run was written to the outbox then.
    landing, erased = deployment.home / "landing", {_TENANT: _SECOND}
    due = due_messages(landing, [_FIRST, _SECOND], erased=erased)
    due -= due_messages(landing, [_FIRST], erased={})
    messages = received(mailboxes)
    assert Counter(recipient for recipient, _ in messages) == due != Counter()
    assert len({mail["Message-ID"] for _, mail in messages}) == len(messages)

    clean = Settings(home=tmp_path / "clean", threads=2)
    clean.home.mkdir()
    weeks.landing.rename(clean.landing)
    publish_landing(clean, as_of=_SECOND)
    tables, expected = published_digests(weeks.home), published_digests(clean.home)
    assert {name for name in tables if tables[name] != expected[name]} == set()
