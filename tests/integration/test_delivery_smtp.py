"""Delivery to a real mail server process on loopback: STARTTLS, AUTH, refusals, cut connections."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass, replace
from email import message_from_bytes
from email.policy import default
from pathlib import Path

import pytest

from orchestration.delivery.notify import send_notifications
from orchestration.delivery.outbox import MessageState
from orchestration.delivery.send import deliver
from orchestration.settings import ChannelSettings, Settings, SmtpSettings
from tests.support import notifications, smtp_server
from tests.support.certificates import self_signed
from tests.support.delivery import AS_OF, deployment, queue, states

_SERVER = Path(smtp_server.__file__)
_ANN = "ann@example.org"


@dataclass(frozen=True, kw_only=True)
class MailServer:
    """A running server and where it keeps what it accepted."""

    port: int
    folder: Path
    certificate: Path

    def received(self) -> list[str]:
        """The recipients of the accepted messages, in order."""
        return [path.stem.partition("-")[2] for path in sorted(self.folder.iterdir())]


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    return self_signed(tmp_path_factory.mktemp("tls"))


@pytest.fixture
def server(
    certificate: tuple[Path, Path],
    tmp_path_factory: pytest.TempPathFactory,
    monkeypatch: pytest.MonkeyPatch,
) -> Iterator[MailServer]:
    folder = tmp_path_factory.mktemp("mailbox")
    process = subprocess.Popen(
        [sys.executable, str(_SERVER), str(folder), *map(str, certificate)],
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        assert process.stdout is not None
        port = int(process.stdout.readline())
        # The client trusts what OpenSSL is told to trust.
        monkeypatch.setenv("SSL_CERT_FILE", str(certificate[0]))
        yield MailServer(port=port, folder=folder, certificate=certificate[0])
    finally:
        process.kill()
        process.wait()


def _settings(home: Path, server: MailServer, **changes: object) -> Settings:
    smtp = SmtpSettings(
        host="127.0.0.1",
        port=server.port,
        security="starttls",
        sender="Reports <reports@example.org>",
        user=smtp_server.USER,
        password=smtp_server.PASSWORD,
    )
    return replace(deployment(home), smtp=replace(smtp, **changes))  # type: ignore[arg-type]


def test_a_report_arrives_whole_with_starttls_and_auth(server: MailServer, tmp_path: Path) -> None:
    settings = _settings(tmp_path, server)
    queue(settings, _ANN)

    outcome = deliver(settings=settings, as_of=AS_OF)

    assert (outcome.sent, outcome.problem) == (1, None)
    (file,) = server.folder.iterdir()
    message = message_from_bytes(file.read_bytes(), policy=default)
    assert message["To"] == _ANN
    assert {part.get_filename() for part in message.walk() if part.get_filename()} == {
        "acme.pdf",
        "acme.csv",
    }
    text = message.get_body(("plain",))
    assert text is not None
    assert ".a line with a dot" in text.get_content()


def test_a_second_delivery_brings_nothing_new(server: MailServer, tmp_path: Path) -> None:
    settings = _settings(tmp_path, server)
    queue(settings, _ANN, "bob@example.org")

    deliver(settings=settings, as_of=AS_OF)
    again = deliver(settings=settings, as_of=AS_OF)

    assert again.sent == 0
    assert server.received() == [_ANN, "bob@example.org"]


def test_a_refused_recipient_among_good_ones_is_listed_with_the_servers_words(
    server: MailServer, tmp_path: Path
) -> None:
    settings = _settings(tmp_path, server)
    queue(settings, _ANN, "refused-x@example.org", "rejected-x@example.org", "bob@example.org")

    outcome = deliver(settings=settings, as_of=AS_OF)

    assert server.received() == [_ANN, "bob@example.org"]
    assert [(one.recipient, one.state) for one in outcome.waiting] == [
        ("refused-x@example.org", MessageState.FAILED),
        ("rejected-x@example.org", MessageState.FAILED),
    ]
    assert str(outcome.waiting[0].reason).endswith("refused the recipient: 550 no such mailbox")
    assert str(outcome.waiting[1].reason).endswith("refused the message: 554 not wanted here")


@pytest.mark.parametrize("how", ["later", "greylist", "vanish"])
def test_a_message_that_was_certainly_not_accepted_waits_for_the_next_delivery(
    how: str, server: MailServer, tmp_path: Path
) -> None:
    settings = _settings(tmp_path, server)
    queue(settings, f"{how}-x@example.org", _ANN)

    outcome = deliver(settings=settings, as_of=AS_OF)

    assert states(settings) == {
        f"{how}-x@example.org": MessageState.PENDING,
        _ANN: MessageState.SENT,
    }
    assert outcome.waiting[0].attempts == 1


def test_a_message_whose_fate_is_unknown_is_parked_and_arrives_once(
    server: MailServer, tmp_path: Path
) -> None:
    settings = _settings(tmp_path, server)
    queue(settings, "drop-x@example.org", _ANN)

    for _ in range(3):
        outcome = deliver(settings=settings, as_of=AS_OF)

    assert server.received() == ["drop-x@example.org", _ANN]
    assert states(settings)["drop-x@example.org"] is MessageState.PARKED
    assert "never confirmed the message" in str(outcome.waiting[0].reason)


def test_a_wrong_password_is_told_without_the_password(server: MailServer, tmp_path: Path) -> None:
    settings = _settings(tmp_path, server, password="hunter2")
    queue(settings, _ANN)

    outcome = deliver(settings=settings, as_of=AS_OF)

    assert "refused the user name or password (535)" in str(outcome.problem)
    assert "hunter2" not in str(outcome.problem)
    assert states(settings) == {_ANN: MessageState.PENDING}


def test_a_server_whose_certificate_is_not_trusted_gets_no_password(
    server: MailServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("SSL_CERT_FILE")
    settings = _settings(tmp_path, server)
    queue(settings, _ANN)

    outcome = deliver(settings=settings, as_of=AS_OF)

    assert "no secure connection to the mail server" in str(outcome.problem)
    assert server.received() == []


def test_a_server_that_is_not_there_is_named(tmp_path: Path, server: MailServer) -> None:
    settings = _settings(tmp_path, server, port=9)
    queue(settings, _ANN)

    outcome = deliver(settings=settings, as_of=AS_OF)

    assert "127.0.0.1:9 cannot be reached: Connection refused" in str(outcome.problem)
    assert states(settings) == {_ANN: MessageState.PENDING}


@pytest.mark.parametrize(
    ("setting", "value"),
    [("host", "mail..example.com"), ("user", "Jürgen"), ("password", "geheim-ä")],
)
def test_what_cannot_be_said_to_a_mail_server_is_told_without_the_password(
    setting: str, value: str, server: MailServer, tmp_path: Path
) -> None:
    settings = _settings(tmp_path, server, **{setting: value})
    settings = replace(settings, channels=ChannelSettings(email_to=(_ANN,)))
    queue(settings, _ANN)
    notifications.queue(settings, "email", "webhook")

    outcome = deliver(settings=settings, as_of=AS_OF)
    told = send_notifications(settings=settings, as_of=AS_OF, sleep=lambda _: None)

    assert f"AGENTMART_SMTP_{setting.upper()}" in str(outcome.problem)
    assert "ä" not in str(outcome.problem)
    assert states(settings) == {_ANN: MessageState.PENDING}
    # A file of the other channel is written all the same.
    assert told.written == 1
    assert [one.state for one in told.waiting] == [MessageState.PENDING]
    assert server.received() == []


def test_a_server_that_wants_a_login_and_gets_none_says_so(
    server: MailServer, tmp_path: Path
) -> None:
    settings = _settings(tmp_path, server, user=None, password=None)
    queue(settings, _ANN)

    outcome = deliver(settings=settings, as_of=AS_OF)

    assert "530" in str(outcome.waiting[0].reason)
    assert server.received() == []


def test_an_alert_goes_to_each_recipient_by_mail_and_each_end_is_told(
    server: MailServer, tmp_path: Path
) -> None:
    recipients = (_ANN, "refused-x@example.org", "greylist-x@example.org", "drop-x@example.org")
    settings = _settings(tmp_path, server)
    settings = replace(
        settings, channels=ChannelSettings(email_to=(*recipients, "bob@example.org"))
    )
    notifications.queue(settings, "email")

    for _ in range(2):
        run = send_notifications(settings=settings, as_of=AS_OF, sleep=lambda _: None)

    assert server.received() == [_ANN, "drop-x@example.org", "bob@example.org"]
    assert {one.target: one.state for one in run.waiting} == {
        "refused-x@example.org": MessageState.FAILED,
        "greylist-x@example.org": MessageState.PENDING,
        "drop-x@example.org": MessageState.PARKED,
    }
    (file,) = server.folder.glob(f"*-{_ANN}.eml")
    message = message_from_bytes(file.read_bytes(), policy=default)
    assert message["Subject"] == "Daily cost over 50 USD"
    assert message["To"] == _ANN


def test_a_mail_server_that_is_not_there_keeps_alerts_waiting(
    server: MailServer, tmp_path: Path
) -> None:
    settings = _settings(tmp_path, server, port=9)
    settings = replace(settings, channels=ChannelSettings(email_to=(_ANN,)))
    notifications.queue(settings, "email")

    (row,) = send_notifications(settings=settings, as_of=AS_OF, sleep=lambda _: None).waiting

    assert row.state is MessageState.PENDING
    assert "127.0.0.1:9 cannot be reached" in str(row.reason)
