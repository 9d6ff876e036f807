"""The e-mail: parts, headers, attachments, the same bytes each time."""

from __future__ import annotations

from email import message_from_bytes
from email.message import EmailMessage
from email.policy import default
from pathlib import Path

import pytest

from orchestration.delivery.message import Envelope, build_message, read_bodies, write_bodies
from orchestration.reporting.mail_bodies import MailBody, MailPicture
from tests.support.delivery import AS_OF, BODY

ENVELOPE = Envelope(
    key="0123456789abcdef0123456789abcdef",
    sender="Reports <reports@example.org>",
    recipient="ann@example.org",
    subscription_id="s1",
    as_of=AS_OF,
)


@pytest.fixture
def attachments(tmp_path: Path) -> list[Path]:
    pdf, csv = tmp_path / "acme.pdf", tmp_path / "acme.csv"
    pdf.write_bytes(bytes(range(256)) * 8)
    csv.write_bytes("name\r\nÜmlaut\r\n".encode())
    return [pdf, csv]


def _parsed(content: bytes) -> EmailMessage:
    message = message_from_bytes(content, policy=default)
    assert isinstance(message, EmailMessage)
    return message


def test_a_message_has_text_html_and_the_attachments(attachments: list[Path]) -> None:
    message = _parsed(build_message(ENVELOPE, BODY, attachments=attachments))

    assert message.get_content_type() == "multipart/mixed"
    text, html = message.get_body(("plain",)), message.get_body(("html",))
    assert text is not None
    assert "Zahlen für Acme" in text.get_content()
    assert html is not None
    assert "<p>Zahlen für Acme</p>" in html.get_content()
    assert {
        part.get_filename(): part.get_payload(decode=True) for part in message.iter_attachments()
    } == {path.name: path.read_bytes() for path in attachments}


def test_the_headers_are_complete_and_stable(attachments: list[Path]) -> None:
    message = _parsed(build_message(ENVELOPE, BODY, attachments=attachments))

    assert message["Subject"] == "Acme Weekly Analytics Report: Feb 23 – Mar 1, 2026"
    assert message["Message-ID"] == "<0123456789abcdef0123456789abcdef@example.org>"
    assert message["Date"] == "Mon, 02 Mar 2026 06:00:00 +0000"
    assert message["List-Unsubscribe"] == "<mailto:reports@example.org?subject=unsubscribe%20s1>"
    assert message["To"] == "ann@example.org"


def test_the_body_says_what_is_attached_and_how_to_stop(attachments: list[Path]) -> None:
    text = _parsed(build_message(ENVELOPE, BODY, attachments=attachments)).get_body(("plain",))

    assert text is not None
    content = text.get_content()
    assert "acme.pdf (2 KB), acme.csv (1 KB)" in content
    assert 'with the subject "unsubscribe s1"' in content


def test_the_same_message_has_the_same_bytes(attachments: list[Path]) -> None:
    first = build_message(ENVELOPE, BODY, attachments=attachments)

    assert build_message(ENVELOPE, BODY, attachments=attachments) == first


def test_a_message_is_plain_ascii_in_short_lines(attachments: list[Path]) -> None:
    content = build_message(ENVELOPE, BODY, attachments=attachments)

    assert content.isascii()
    assert all(len(line) <= 998 for line in content.split(b"\r\n"))
    assert b"\n" not in content.replace(b"\r\n", b"")


def test_a_subscription_id_cannot_write_html(attachments: list[Path]) -> None:
    envelope = Envelope(**{**vars(ENVELOPE), "subscription_id": "<script>x</script>"})

    html = _parsed(build_message(envelope, BODY, attachments=attachments)).get_body(("html",))

    assert html is not None
    assert "<script>" not in html.get_content()


def test_a_subject_with_a_line_break_is_refused() -> None:
    body = MailBody(subject="a\r\nBcc: all@example.org", text="", html="")

    with pytest.raises(ValueError, match="linefeed or carriage return"):
        build_message(ENVELOPE, body, attachments=[])


def test_bodies_survive_being_kept_in_a_file(tmp_path: Path) -> None:
    (tmp_path / "mail.json").write_text(write_bodies(BODY), encoding="utf-8")

    assert read_bodies(tmp_path / "mail.json") == BODY


def test_pictures_travel_inside_the_html_by_their_content_id(tmp_path: Path) -> None:
    picture = MailPicture(cid="chart", content=b"\x89PNG...")
    body = MailBody(
        subject="S", text="T", html='<p><img src="cid:chart" alt="a"></p>', pictures=(picture,)
    )
    (tmp_path / "mail.json").write_text(write_bodies(body), encoding="utf-8")

    content = build_message(ENVELOPE, read_bodies(tmp_path / "mail.json"), attachments=[])

    message = _parsed(content)
    (image,) = [part for part in message.walk() if part.get_content_type() == "image/png"]
    assert (image["Content-ID"], image.get_content_disposition()) == ("<chart>", "inline")
    assert image.get_payload(decode=True) == picture.content
    # Text first, then the HTML together with its picture: a program shows the last one it can.
    alternatives = list(message.iter_parts())
    assert [part.get_content_type() for part in alternatives] == ["text/plain", "multipart/related"]
    assert build_message(ENVELOPE, body, attachments=[]) == content
