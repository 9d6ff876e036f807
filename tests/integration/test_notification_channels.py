"""Notifications through real web servers on loopback: payload, signature, repetition, and no more."""

from __future__ import annotations

import base64
import hashlib
import hmac
import os
import re
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from orchestration.delivery.channels.http import HttpClient
from orchestration.delivery.channels.sender import Fate
from orchestration.delivery.notifications import Notifications, NotificationStatus
from orchestration.delivery.notify import NotificationRun, send_notifications
from orchestration.delivery.outbox import MessageState
from orchestration.settings import PROJECT_ROOT, ChannelSettings, Settings
from tests.support.certificates import self_signed
from tests.support.http_server import Reply, Server, closed_port, serve
from tests.support.notifications import AS_OF, only, queue, states

# The moment of sending, unlike the as-of time.
_SENT_AT = datetime(2026, 3, 2, 6, 0, 7, tzinfo=UTC)
# How often a channel is tried in one call.
_TRIES = 3
_KEY, _OLD_KEY = b"k" * 32, b"o" * 24
_README = (PROJECT_ROOT / "README.md").read_text(encoding="utf-8")


@pytest.fixture
def server() -> Iterator[Server]:
    with serve() as running:
        yield running


@pytest.fixture
def settings(tmp_path: Path, server: Server) -> Settings:
    """A deployment whose every channel ends at the server, each at a path of its own."""
    return _settings(tmp_path, server)


def _settings(home: Path, server: Server) -> Settings:
    channels = ChannelSettings(
        slack_url=server.url("/slack/canary-slack"),
        teams_url=server.url("/teams?sig=canary-teams"),
        pagerduty_key="canary-pagerduty",
        pagerduty_url=server.url("/v2/enqueue"),
        webhook_url=server.url("/hook"),
        webhook_keys=(_KEY, _OLD_KEY),
        apprise_urls={"sms": f"smseagle://canary-sms@127.0.0.1:{server.port}/15550001111"},
    )
    return Settings(home=home, channels=channels)


def _send(settings: Settings, *, as_of: datetime = AS_OF) -> NotificationRun:
    return send_notifications(
        settings=settings, as_of=as_of, clock=lambda: _SENT_AT, sleep=lambda _: None
    )


def test_each_channel_gets_its_form_at_its_url(settings: Settings, server: Server) -> None:
    server.replies = [Reply(status=202)]
    queue(settings, "slack", "teams", "pagerduty", "webhook")

    assert _send(settings).sent == 4

    by_path = {request.path: request for request in server.requests}
    assert by_path["/slack/canary-slack"].json()["text"] == "Daily cost over 50 USD"
    assert by_path["/teams?sig=canary-teams"].json()["type"] == "message"
    assert by_path["/v2/enqueue"].json()["routing_key"] == "canary-pagerduty"
    assert by_path["/hook"].json()["type"] == "alert.firing"
    assert {request.headers["content-type"] for request in server.requests} == {"application/json"}


def test_a_webhook_is_signed_with_each_key_over_what_arrived(
    settings: Settings, server: Server
) -> None:
    (row,) = queue(settings, "webhook")

    _send(settings)

    (request,) = server.requests
    timestamp = "1772431207"  # 2026-03-02T06:00:07Z
    assert request.headers["webhook-timestamp"] == timestamp
    assert request.headers["webhook-id"] == row.idempotency_key
    signed = b".".join([row.idempotency_key.encode(), timestamp.encode(), request.body])
    assert request.headers["webhook-signature"].split(" ") == [
        "v1," + base64.b64encode(hmac.new(key, signed, hashlib.sha256).digest()).decode()
        for key in (_KEY, _OLD_KEY)
    ]


def test_the_readme_shows_how_a_receiver_checks_a_signature(
    settings: Settings, server: Server
) -> None:
    shown = re.search(r"```python\n(.*?)```", _README, flags=re.DOTALL)
    assert shown is not None
    names: dict[str, Any] = {}
    exec(shown.group(1), names)
    is_genuine = names["is_genuine"]
    queue(settings, "webhook")
    send_notifications(settings=settings, as_of=AS_OF)
    (request,) = server.requests

    secrets = ["whsec_" + base64.b64encode(key).decode() for key in (_KEY, _OLD_KEY)]
    assert all(is_genuine(request.headers, request.body, secret) for secret in secrets)

    stranger = "whsec_" + base64.b64encode(b"s" * 32).decode()
    older = {**request.headers, "webhook-timestamp": "1772431207"}
    assert not is_genuine(request.headers, request.body, stranger)
    assert not is_genuine(request.headers, request.body + b" ", secrets[0])
    assert not is_genuine(older, request.body, secrets[0])


def test_a_repeated_webhook_keeps_its_id(settings: Settings, server: Server) -> None:
    server.replies = [Reply(status=503), Reply(how="cut"), Reply(status=204)]
    queue(settings, "webhook")

    assert _send(settings).sent == 1

    assert len(server.requests) == 3
    assert len({request.headers["webhook-id"] for request in server.requests}) == 1
    assert only(settings).attempts == 3


def test_firing_and_resolved_are_one_incident(settings: Settings, server: Server) -> None:
    queue(settings, "pagerduty")
    queue(
        settings,
        "pagerduty",
        status=NotificationStatus.RESOLVED,
        transition_at=AS_OF,
    )

    _send(settings)

    events = [request.json() for request in server.requests]
    assert [event["event_action"] for event in events] == ["trigger", "resolve"]
    assert len({event["dedup_key"] for event in events}) == 1


@pytest.mark.parametrize("status", [400, 401, 403, 404, 410, 413])
def test_a_refusal_is_final_and_told_in_the_receivers_words(
    status: int, settings: Settings, server: Server
) -> None:
    server.replies = [Reply(status=status, body=b"invalid_blocks\n\x1b[31m")]
    queue(settings, "slack")

    for _ in range(2):
        run = _send(settings)

    assert len(server.requests) == 1
    (row,) = run.waiting
    assert row.state is MessageState.FAILED
    assert row.reason == f"127.0.0.1:{server.port} answered {status} invalid_blocks [31m"


@pytest.mark.parametrize("status", [408, 429, 500, 502, 503, 504])
def test_what_may_succeed_later_is_tried_three_times_and_waits(
    status: int, settings: Settings, server: Server
) -> None:
    server.replies = [Reply(status=status, body=b"")]
    queue(settings, "slack")

    (row,) = _send(settings).waiting

    assert len(server.requests) == 3
    assert row.state is MessageState.PENDING
    assert row.reason == f"127.0.0.1:{server.port} answered {status}"
    assert row.next_attempt_at == AS_OF + timedelta(minutes=1)

    server.replies = [Reply()]
    assert _send(settings, as_of=AS_OF + timedelta(minutes=1)).sent == 1


@pytest.mark.parametrize(
    "asked_for",
    ["90", "Mon, 02 Mar 2026 06:01:37 GMT"],
)
def test_retry_after_is_kept_in_seconds_and_as_a_date(
    asked_for: str, settings: Settings, server: Server
) -> None:
    server.replies = [Reply(status=429, headers={"Retry-After": asked_for}), Reply()]
    queue(settings, "slack")

    _send(settings)
    _send(settings, as_of=AS_OF + timedelta(seconds=89))
    assert len(server.requests) == 1

    assert _send(settings, as_of=AS_OF + timedelta(seconds=90)).sent == 1


@pytest.mark.parametrize(
    "asked_for",
    [
        "soon",
        "-5",
        "",
        "99999999999999999999",
        "9" * 5_000,
        "Sun, 06 Nov 2094 08:49:37 +99999999999999999999",
    ],
)
def test_a_retry_after_without_sense_is_no_reason_to_wait_longer_than_a_day(
    asked_for: str, server: Server
) -> None:
    server.replies = [Reply(status=429, headers={"Retry-After": asked_for})]

    attempt = HttpClient().post(server.url(), b"{}", sent_at=_SENT_AT)

    assert attempt.fate is Fate.NOT_ACCEPTED
    assert attempt.retry_after_seconds in (None, 86_400)


def test_a_redirect_is_not_followed_so_that_nobody_else_gets_the_signature(
    settings: Settings, server: Server
) -> None:
    with serve() as elsewhere:
        server.replies = [Reply(status=307, headers={"Location": elsewhere.url("/steal")})]
        queue(settings, "webhook", "sms")

        run = _send(settings)

        assert elsewhere.requests == []
    assert {row.state for row in run.waiting} == {MessageState.FAILED}
    assert "redirects are not followed" in str(run.waiting[0].reason)


@pytest.mark.parametrize("how", ["silent", "drip"])
def test_a_receiver_that_never_ends_its_answer_is_left_at_the_deadline(
    how: str, server: Server
) -> None:
    server.replies = [Reply(how=how)]

    attempt = HttpClient(timeout=0.3).post(server.url(), b"{}", sent_at=_SENT_AT)

    assert attempt.fate is Fate.UNKNOWN
    assert "may or may not have arrived" in str(attempt.reason)


def test_what_slack_never_confirmed_is_parked_and_not_sent_again(
    settings: Settings, server: Server
) -> None:
    server.replies = [Reply(how="cut")]
    queue(settings, "slack", "teams", "sms")

    for _ in range(2):
        run = _send(settings)

    assert len(server.requests) == 3
    assert {row.state for row in run.waiting} == {MessageState.PARKED}
    assert all(f"--resend n{row.notification_id}" in str(row.reason) for row in run.waiting)


def test_one_channel_that_is_not_there_does_not_keep_the_others_from_delivering(
    settings: Settings, server: Server
) -> None:
    down = replace(settings.channels, slack_url=f"http://127.0.0.1:{closed_port()}/x")
    settings = replace(settings, channels=down)
    queue(settings, "slack", "pagerduty", "webhook", "teams")

    run = _send(settings)

    assert (run.sent, run.undelivered) == (3, 1)
    assert run.waiting[0].state is MessageState.PENDING
    assert "cannot be reached: Connection refused" in str(run.waiting[0].reason)


@pytest.mark.parametrize("name", ["hooks..slack.com", f"{'a' * 64}.example.org", ".example.org"])
def test_a_name_that_cannot_be_looked_up_keeps_its_channel_waiting_alone(
    name: str, settings: Settings, server: Server
) -> None:
    misspelt = replace(settings.channels, slack_url=f"https://{name}/services/canary")
    settings = replace(settings, channels=misspelt)
    queue(settings, "slack", "webhook")

    run = _send(settings)

    assert (run.sent, run.undelivered) == (1, 1)
    (row,) = run.waiting
    assert (row.channel, row.state) == ("slack", MessageState.PENDING)
    assert str(row.reason).startswith(f"{name} cannot be reached: ")


def test_a_proxy_that_does_not_speak_http_keeps_its_channel_waiting_alone(
    settings: Settings, server: Server
) -> None:
    settings = replace(
        settings,
        channels=replace(settings.channels, slack_url="https://hooks.example.org/canary"),
    )
    queue(settings, "slack", "webhook")

    with _babbler(b"\x1b[31mnothing of HTTP\r\n\r\n") as port:
        run = _send(replace(settings, https_proxy=f"http://127.0.0.1:{port}"))

    assert (run.sent, run.undelivered) == (1, 1)
    (row,) = run.waiting
    assert (row.channel, row.state) == ("slack", MessageState.PENDING)
    assert row.reason == "hooks.example.org cannot be reached: [31mnothing of HTTP"


@contextmanager
def _babbler(words: bytes) -> Iterator[int]:
    """A port where everybody gets the same words, whatever they said; a few times."""
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def answer() -> None:
            for _ in range(_TRIES):
                peer, _ = listener.accept()
                with peer:
                    peer.recv(65_536)
                    peer.sendall(words)

        thread = threading.Thread(target=answer, daemon=True)
        thread.start()
        yield listener.getsockname()[1]
        thread.join(timeout=10)


def test_a_server_without_tls_gets_nothing_of_what_is_meant_for_a_secure_one(
    settings: Settings, server: Server
) -> None:
    secure = replace(settings.channels, webhook_url=server.url("/hook").replace("http", "https"))
    settings = replace(settings, channels=secure)
    queue(settings, "webhook")

    (row,) = _send(settings).waiting

    assert server.requests == []
    assert row.state is MessageState.PENDING
    assert "no secure connection" in str(row.reason)


@pytest.fixture
def secure_server(
    tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Server]:
    """A server with a certificate that clients trust."""
    certificate = self_signed(tmp_path_factory.mktemp("tls"))
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate[0]))
    with serve(certificate=certificate) as running:
        yield running


def test_a_secure_server_gets_it_and_one_that_is_not_trusted_gets_nothing(
    secure_server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    trusted = HttpClient().post(secure_server.url(), b"{}", sent_at=_SENT_AT)
    monkeypatch.delenv("SSL_CERT_FILE")
    untrusted = HttpClient().post(secure_server.url(), b"{}", sent_at=_SENT_AT)

    assert (trusted.fate, untrusted.fate) == (Fate.ACCEPTED, Fate.NOT_ACCEPTED)
    assert "certificate verify failed" in str(untrusted.reason)
    assert len(secure_server.requests) == 1


def test_what_goes_out_encrypted_goes_through_the_proxy_of_the_environment(
    secure_server: Server, server: Server, tmp_path: Path
) -> None:
    environ = {
        "AGENTMART_HOME": str(tmp_path),
        "AGENTMART_SLACK_URL": secure_server.url("/slack"),
        "HTTPS_PROXY": f"http://me:p%40ss@127.0.0.1:{server.port}",
    }
    queue(Settings.from_environment(environ), "slack")

    assert _send(Settings.from_environment(environ)).sent == 1

    (tunnel,), (request,) = server.requests, secure_server.requests
    assert tunnel.path == f"127.0.0.1:{secure_server.port}"
    assert base64.b64decode(tunnel.headers["proxy-authorization"].split()[1]) == b"me:p@ss"
    assert (request.path, "proxy-authorization" in request.headers) == ("/slack", False)


@pytest.mark.parametrize(
    ("client", "tunnels", "fate"),
    [
        ({"https_proxy": "127.0.0.1:{port}"}, 1, Fate.ACCEPTED),
        ({"https_proxy": "http://127.0.0.1:{port}", "no_proxy": "a.org, .0.1"}, 0, Fate.ACCEPTED),
        ({"https_proxy": "http://127.0.0.1:{port}", "no_proxy": "*"}, 0, Fate.ACCEPTED),
        ({"https_proxy": "http://127.0.0.1:{port}", "no_proxy": "7.0.0.1,"}, 1, Fate.ACCEPTED),
        ({"https_proxy": "socks5://127.0.0.1:{port}"}, 0, Fate.NOT_ACCEPTED),
        ({"https_proxy": "http://127.0.0.1:none"}, 0, Fate.NOT_ACCEPTED),
        ({"https_proxy": "http://proxy..example.org:3128"}, 0, Fate.NOT_ACCEPTED),
    ],
)
def test_the_proxy_is_used_where_it_is_one_and_not_excepted(
    client: dict[str, str], tunnels: int, fate: Fate, secure_server: Server, server: Server
) -> None:
    given = {name: value.format(port=server.port) for name, value in client.items()}
    attempt = HttpClient(**given).post(secure_server.url(), b"{}", sent_at=_SENT_AT)  # type: ignore[arg-type]

    assert (attempt.fate, len(server.requests)) == (fate, tunnels)


def test_a_proxy_that_refuses_is_named_as_the_reason(secure_server: Server, server: Server) -> None:
    server.replies = [Reply(status=407)]
    client = HttpClient(https_proxy=f"http://127.0.0.1:{server.port}")

    attempt = client.post(secure_server.url(), b"{}", sent_at=_SENT_AT)

    assert attempt.fate is Fate.NOT_ACCEPTED
    assert "Tunnel connection failed: 407" in str(attempt.reason)
    assert secure_server.requests == []


def test_an_sms_goes_to_its_gateway_through_apprise(settings: Settings, server: Server) -> None:
    server.replies = [Reply(body=b'{"result": [{"message_id": 1, "status": "ok"}]}')]
    queue(settings, "sms")

    assert _send(settings).sent == 1

    (request,) = server.requests
    assert request.json()["params"]["to"] == "15550001111"
    assert request.json()["params"]["message"] == (
        "Daily cost over 50 USD\r\nThe platform spent 51.20 USD today & <counting>."
    )


@pytest.mark.parametrize(
    ("status", "state", "reason"),
    [
        (401, MessageState.FAILED, "the service answered with error 401"),
        (429, MessageState.PENDING, "the service answered with error 429"),
        (503, MessageState.PENDING, "the service answered with error 503"),
    ],
)
def test_an_answer_to_apprise_decides_as_an_answer_to_us(
    status: int, state: MessageState, reason: str, settings: Settings, server: Server
) -> None:
    server.replies = [Reply(status=status, body=b"")]
    queue(settings, "sms")

    (row,) = _send(settings).waiting

    assert (row.state, row.reason) == (state, reason)


def test_an_sms_gateway_that_is_not_there_is_tried_again(settings: Settings) -> None:
    gateway = {"sms": f"smseagle://canary@127.0.0.1:{closed_port()}/15550001111"}
    settings = replace(settings, channels=replace(settings.channels, apprise_urls=gateway))
    queue(settings, "sms")

    (row,) = _send(settings).waiting

    assert (row.state, row.reason) == (MessageState.PENDING, "the service cannot be reached")
    assert row.attempts == 3


def test_secrets_stand_in_no_reason_no_log_and_no_file(
    settings: Settings, server: Server, caplog: pytest.LogCaptureFixture
) -> None:
    """Servers that repeat what they were sent, or where."""
    caplog.set_level("DEBUG", logger="apprise")
    server.replies = [
        Reply(
            status=400, body=f"bad canary-pagerduty at {server.url('/slack/canary-slack')}".encode()
        )
    ]
    queue(settings, "slack", "teams", "pagerduty", "webhook", "sms", "email")

    run = _send(settings)

    assert len(run.waiting) == 5
    shown = [str(row) for row in run.waiting]
    shown += [file.read_text(encoding="utf-8") for file in settings.outbox.iterdir()]
    of_slack, _, of_pagerduty, *_ = shown
    assert "canary-slack" not in of_slack
    assert "canary-pagerduty" not in of_pagerduty
    assert "canary-teams" not in "".join(shown)
    assert "canary-sms" not in "".join(shown)
    assert "canary" not in caplog.text


_CHILD = """
import sys
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from orchestration.delivery.notify import send_notifications
from orchestration.settings import PROJECT_ROOT, ChannelSettings, Settings
home, url, as_of = sys.argv[1:]
channels = ChannelSettings(
    slack_url=url, pagerduty_key="k", pagerduty_url=url, webhook_url=url, webhook_keys=(b"k" * 24,)
)
send_notifications(
    settings=Settings(home=Path(home), channels=channels), as_of=datetime.fromisoformat(as_of)
)
"""


@pytest.mark.parametrize(
    ("channel", "state", "requests"),
    [
        ("slack", MessageState.PARKED, 1),
        ("webhook", MessageState.SENT, 2),
    ],
)
def test_a_sender_that_was_killed_before_the_answer_is_mended_by_the_next_one(
    channel: str, state: MessageState, requests: int, tmp_path: Path, server: Server
) -> None:
    settings = _settings(tmp_path, server)
    queue(settings, channel)
    child = subprocess.Popen(
        [sys.executable, "-c", _CHILD, str(tmp_path), server.url("/first"), AS_OF.isoformat()]
    )
    try:
        server.on_request = lambda _: os.kill(child.pid, signal.SIGKILL)
        assert child.wait(timeout=60) == -signal.SIGKILL
    finally:
        child.kill()
        child.wait()
    assert states(settings) == {channel: MessageState.SENDING}

    server.on_request = lambda _: None
    _send(settings)

    assert states(settings) == {channel: state}
    assert len(server.requests) == requests


def test_two_senders_at_once_send_each_notification_once(tmp_path: Path, server: Server) -> None:
    settings = _settings(tmp_path, server)
    for minute in range(20):
        queue(settings, "slack", transition_at=AS_OF + timedelta(minutes=minute))
    command = [sys.executable, "-c", _CHILD, str(tmp_path), server.url("/x"), AS_OF.isoformat()]
    children = [subprocess.Popen(command) for _ in range(2)]
    try:
        assert [child.wait(timeout=60) for child in children] == [0, 0]
    finally:
        for child in children:
            child.kill()
            child.wait()

    assert len(server.requests) == 20
    assert {row.state for row in Notifications(settings.state_file).rows()} == {MessageState.SENT}
