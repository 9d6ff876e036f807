"""`agentmart report` and `agentmart deliver` as a person runs them."""

from __future__ import annotations

import email
from email import policy
from pathlib import Path

import pytest

from orchestration.settings import Settings
from tests.support import http_server, notifications
from tests.support.command_line import agentmart
from tests.support.delivery import deployment, queue
from tests.support.report_state import publish_reports


def test_report_prints_the_paths_of_the_files_it_wrote(tmp_path: Path) -> None:
    publish_reports(tmp_path / "home")
    out = tmp_path / "out"

    done = agentmart(
        "report",
        "weekly",
        "--scope",
        "tenant:acme",
        "--format",
        "csv,html",
        "--out",
        str(out),
        home=tmp_path / "home",
    )

    stem = "weekly/2026-W09/tenant-acme/agentmart-weekly-tenant-acme-2026-W09"
    assert done.stdout.splitlines() == [f"{out}/{stem}.csv", f"{out}/{stem}.html"]
    assert (done.exit_code, done.stderr) == (0, "")


def test_a_preview_writes_every_format_and_the_mail_and_sends_nothing(tmp_path: Path) -> None:
    publish_reports(tmp_path / "home")
    out = tmp_path / "out"

    done = agentmart(
        *("report", "weekly", "--scope", "tenant:acme", "--preview", "--out", str(out)),
        home=tmp_path / "home",
        environ={"AGENTMART_SMTP_HOST": "127.0.0.1", "AGENTMART_SMTP_PORT": "9"},
    )

    stem = f"{out}/weekly/2026-W09/tenant-acme/agentmart-weekly-tenant-acme-2026-W09"
    assert done.stdout.splitlines() == [
        f"{stem}.{suffix}"
        for suffix in ("pdf", "csv", "json", "html", "eml", "mail.txt", "mail.html")
    ]
    assert (done.exit_code, done.stderr) == (0, "")
    message = email.message_from_bytes(Path(f"{stem}.eml").read_bytes(), policy=policy.default)
    assert [part.get_filename() for part in message.iter_attachments()] == [
        "agentmart-weekly-tenant-acme-2026-W09.pdf",
        "agentmart-weekly-tenant-acme-2026-W09.csv",
    ]
    page = Path(f"{stem}.mail.html").read_text(encoding="utf-8")
    assert 'src="data:image/png;base64,' in page
    assert "%ATTACHMENTS%" not in page
    assert "cid:" not in page


def test_a_week_is_the_last_seven_days_and_the_iso_week_on_request(tmp_path: Path) -> None:
    publish_reports(tmp_path / "home")

    def made(*arguments: str) -> str:
        done = agentmart(
            *("report", "weekly", "--as-of", "2026-03-05", "--format", "csv"),
            *("--out", str(tmp_path / "out"), *arguments),
            home=tmp_path / "home",
        )
        return done.stdout.rpartition("agentmart-")[2].strip() or done.stderr

    # 5 March 2026 is a Thursday: the seven days end with Wednesday.
    assert made() == "weekly-platform-2026-02-26..2026-03-04.csv"
    assert made("--period", "2026-W09") == "weekly-platform-2026-W09.csv"
    assert made("--period", "2026-02") == (
        "agentmart: --period '2026-02' has 28 days; a weekly report covers seven days, such as"
        " 2026-W09\n"
    )


def test_report_names_an_unknown_format_and_what_is_allowed(tmp_path: Path) -> None:
    done = agentmart("report", "weekly", "--format", "pdf,doc", home=tmp_path)

    assert done.exit_code == 2
    assert done.stderr == (
        "agentmart: --format 'pdf,doc' names no known format; use any of pdf, csv, json, html\n"
    )


def test_deliver_tells_what_it_wrote_and_lists_the_messages_masked(tmp_path: Path) -> None:
    settings = deployment(tmp_path)
    queue(settings, "ann.secret@example.org")

    dry = agentmart("deliver", "--dry-run", "--as-of", "2026-03-02", home=tmp_path)
    done = agentmart("deliver", "--as-of", "2026-03-02", home=tmp_path)

    line = "#1 weekly report 2026-W09 of tenant:acme to a***@example.org"
    assert (dry.stdout, dry.stderr) == (f"{line}: pending\n", "1 would be sent\n")
    assert done.stdout == f"{line}: written\n"
    assert done.stderr == f"1 written to {settings.outbox}\n0 sent, 0 undelivered\n"


def test_deliver_fails_when_the_mail_server_is_not_there_and_keeps_the_message(
    tmp_path: Path,
) -> None:
    settings = deployment(tmp_path)
    queue(settings, "ann@example.org")
    environ = {"AGENTMART_SMTP_HOST": "127.0.0.1", "AGENTMART_SMTP_PORT": "9"}

    done = agentmart("deliver", "--as-of", "2026-03-02", home=tmp_path, environ=environ)

    assert done.exit_code == 1
    assert "undelivered: #1 weekly report 2026-W09 of tenant:acme" in done.stderr
    assert "agentmart: the mail server 127.0.0.1:9 cannot be reached" in done.stderr


def test_deliver_sends_notifications_and_status_says_what_became_of_them(tmp_path: Path) -> None:
    settings = Settings(home=tmp_path)
    notifications.queue(settings, "slack", "teams", "webhook")
    at = ("--as-of", "2026-03-02T06:00:00Z")
    with http_server.serve(http_server.Reply(status=404, body=b"no_service")) as server:
        environ = {
            "AGENTMART_SLACK_URL": server.url("/canary"),
            "AGENTMART_TEAMS_URL": server.url(),
        }
        dry = agentmart("deliver", "--dry-run", *at, home=tmp_path, environ=environ)
        assert dry.stderr == "3 would be sent\n"
        assert server.requests == []

        server.replies = [http_server.Reply(status=404, body=b"no_service"), http_server.Reply()]
        done = agentmart("deliver", *at, home=tmp_path, environ=environ)
        status = agentmart("status", home=tmp_path, environ=environ)

        slack = "n1 alert 'Daily cost over 50 USD' by slack"
        refused = f"{slack}: failed, 127.0.0.1:{server.port} answered 404 no_service"
        assert done.stdout.splitlines() == [
            refused,
            "n2 alert 'Daily cost over 50 USD' by teams: sent",
            "n3 alert 'Daily cost over 50 USD' by webhook: written, AGENTMART_WEBHOOK_URL is not set",
        ]
        assert done.stderr.splitlines() == [
            f"1 written to {settings.outbox}",
            "1 sent, 1 undelivered",
            f"undelivered: {refused}",
        ]
        shown = status.stdout.splitlines()
        begins = shown.index("undelivered")
        assert shown[begins : begins + 3] == [
            "undelivered",
            f"  {refused}",
            f"  1 written to {settings.outbox} instead of webhook, AGENTMART_WEBHOOK_URL is not set",
        ]

        again = agentmart("deliver", "--resend", "n1", *at, home=tmp_path, environ=environ)
        assert (again.exit_code, again.stdout) == (0, f"{slack}: sent\n")


@pytest.mark.parametrize("number", ["n", "1n"])
def test_a_number_that_is_none_is_named(number: str, tmp_path: Path) -> None:
    done = agentmart("deliver", "--resend", number, home=tmp_path)

    assert done.exit_code == 2
    assert f"'{number}' is no number of a message (12) or notification (n12)" in done.stderr
