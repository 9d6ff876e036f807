"""Data and names that try to be SQL, shell, templates, markup, formulas or paths stay what they are: text.

Belongs here: what is made of such rows, from the lake to mails. Does not belong here: rows that break the
contract (tests of ingestion).
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator
from email import message_from_bytes
from email.policy import default
from pathlib import Path
from typing import Any

import pytest

from orchestration.cli.main import main
from orchestration.delivery.send import deliver
from orchestration.reporting.model import Frequency
from orchestration.reporting.run import make_due_reports, make_report
from orchestration.settings import Settings
from tests.support.command_line import agentmart
from tests.support.isolation import AS_OF, pdf_text
from tests.support.published_home import plant, publish_landing

_UPDATED_AT = "2026-01-01T00:00:00Z"
# 7 * 7919, which stands in a text only where a template computed it.
_COMPUTED = "55433"
_IDS = (
    "x'); drop table core.dim_tenants; --",
    "../../../../pwned",
    '{{ 7*7919 }}{% for x in [7*7919] %}{{ x }}{% endfor %}"$(touch pwned)"',
)
_NAMES = (
    '=HYPERLINK("http://evil.example";"x")',
    '#eval("7*7919") #read("/etc/passwd") $7*7919$ *b* @ref <label> \\ // [',
    "<script>alert(1)</script><img src=x onerror=alert(1)>{{ 7*7919 }} `touch pwned`",
)
_TOOLS = ("@SUM(1+1)*cmd|' /C calc'!A0", "+1+1", "; touch pwned #")


def _rows() -> dict[str, list[dict[str, Any]]]:
    """A week's answers of each tenant, all of whose names are hostile."""
    streams: dict[str, list[dict[str, Any]]] = {
        "publishers": [
            {"publisher_id": _IDS[1], "publisher_name": _NAMES[1], "updated_at": _UPDATED_AT}
        ],
        "agents": [
            {
                "agent_id": _IDS[2],
                "agent_name": _NAMES[0],
                "agent_type_id": _IDS[0],
                "agent_type_name": _NAMES[2],
                "publisher_id": _IDS[1],
                "updated_at": _UPDATED_AT,
            }
        ],
        "tenants": [
            {"tenant_id": one, "tenant_name": name, "updated_at": _UPDATED_AT}
            for one, name in zip(_IDS, _NAMES, strict=True)
        ],
        "report_subscriptions": [
            {
                "subscription_id": f"{one}-{kind}",
                "scope_kind": kind,
                "scope_id": one,
                "frequency": "weekly",
                "formats": ["pdf", "csv", "json"],
                "recipients": ["reader@example.org"],
                "updated_at": _UPDATED_AT,
            }
            for one, kind in (*((one, "tenant") for one in _IDS), (_IDS[1], "publisher"))
        ],
        "agent_events": [],
    }
    for tenant, tool in zip(_IDS, _TOOLS, strict=True):
        for number, day in enumerate(("2026-02-24", "2026-02-27", "2026-03-01")):
            happened: tuple[tuple[str, dict[str, Any]], ...] = (
                ("agent_invoked", {}),
                ("tool_called", {"tool_name": tool, "duration_ms": 40}),
                ("tool_failed", {"tool_name": tool}),
                ("agent_completed", {"model": tool, "input_tokens": 9, "cost_usd": "1.5"}),
                ("user_feedback", {"rating": 2, "comment": tenant}),
            )
            streams["agent_events"] += [
                {
                    "id": f"{tenant}-{number}-{kind}",
                    "event_type": kind,
                    "agent_id": _IDS[2],
                    "publisher_id": _IDS[1],
                    "tenant_id": tenant,
                    "timestamp": f"{day}T10:00:0{second}Z",
                    "properties": {
                        "invocation_id": f"{tenant}-{number}",
                        "user_id": f"user {tenant}",
                        **properties,
                    },
                }
                for second, (kind, properties) in enumerate(happened)
            ]
    return streams


@pytest.fixture(scope="module")
def settings(tmp_path_factory: pytest.TempPathFactory) -> Settings:
    """A deployment that has made and written all reports; nothing else is in its parent folder."""
    settings = Settings(home=tmp_path_factory.mktemp("hostile") / "home", threads=2)
    plant(settings.landing, _rows())
    planted = settings.landing / "agent_events" / "planted.ndjson"
    planted.rename(planted.with_name("it's; touch pwned $(touch pwned) {{ 7*7919 }}.ndjson"))
    publish_landing(settings, as_of=AS_OF)
    made = make_due_reports(settings=settings, as_of=AS_OF)
    assert not made.failed, made.failed
    assert deliver(settings=settings, as_of=AS_OF).written == made.queued > 0
    return settings


def _files(folder: Path) -> Iterator[Path]:
    return (path for path in sorted(folder.rglob("*")) if path.is_file() and not path.is_symlink())


def _cells(text: str) -> Iterator[str]:
    yield from (cell for row in csv.reader(io.StringIO(text)) for cell in row)


def _is_formula(cell: str) -> bool:
    try:
        float(cell)
    except ValueError:
        return cell.startswith(("=", "+", "-", "@", "\t", "\r"))
    return False


def test_names_are_published_as_they_are(settings: Settings) -> None:
    answer = agentmart(
        "sql", "select tenant_id, tenant_name from core.dim_tenants order by 1", "--format", "json",
        home=settings.home,
    )  # fmt: skip
    assert answer.exit_code == 0, answer.stderr
    for text in (*_IDS, *_NAMES):
        escaped = text.replace("\\", "\\\\").replace('"', '\\"')
        assert escaped in answer.stdout


def test_nothing_is_run_and_nothing_leaves_the_state_folder(settings: Settings) -> None:
    assert [path.name for path in settings.home.parent.iterdir()] == ["home"]
    assert not list(settings.home.rglob("pwned*"))
    assert not list(Path.cwd().glob("pwned*"))
    assert all(path.resolve().is_relative_to(settings.home) for path in _files(settings.home))


def test_no_template_computes_and_no_page_runs_what_a_name_says(
    settings: Settings, tmp_path: Path
) -> None:
    for tenant in _IDS:
        (page,) = make_report(
            settings=settings,
            scope_text=f"tenant:{tenant}",
            source=None,
            frequency=Frequency.WEEKLY,
            as_of=None,
            formats=["html"],
            folder=tmp_path,
        )
        assert page.resolve().is_relative_to(tmp_path)
        text = page.read_text(encoding="utf-8")
        assert _COMPUTED not in text
        assert "<script>alert" not in text
        assert "<img src=x" not in text
    pages = [pdf_text(path) for path in _files(settings.reports) if path.suffix == ".pdf"]
    assert any("#eval(" in text for text in pages)
    assert not any(_COMPUTED in text or "root:" in text for text in pages)


def test_no_cell_of_any_csv_file_is_a_formula(settings: Settings) -> None:
    texts = [
        path.read_text(encoding="utf-8")
        for path in _files(settings.reports)
        if path.suffix == ".csv"
    ]
    for words in (
        ("export", "usage-by-agent", "--scope", f"tenant:{_IDS[0]}", "--format", "csv"),
        ("sql", "select agent_name, -1 as less from core.dim_agents", "--format", "csv"),
    ):
        answer = (
            agentmart(*words, "--as-of", AS_OF.isoformat(), home=settings.home)
            if (words[0] == "export")
            else agentmart(*words, home=settings.home)
        )
        assert answer.exit_code == 0, answer.stderr
        texts.append(answer.stdout)
    assert all("HYPERLINK" in text for text in texts[-2:])
    cells = [cell for text in texts for cell in _cells(text)]
    assert [cell for cell in cells if _is_formula(cell)] == []


def test_a_mail_has_no_header_and_no_recipient_that_a_name_brought(settings: Settings) -> None:
    mails = [
        message_from_bytes(path.read_bytes(), policy=default)
        for path in settings.outbox.glob("*.eml")
    ]
    assert len(mails) == 4
    for mail in mails:
        assert mail["To"] == "reader@example.org"
        assert mail["Bcc"] is None
        assert not mail.defects
        names = [part.get_filename() for part in mail.iter_attachments()]
        assert all(name and "/" not in name and "'" not in name for name in names)
        page = mail.get_body(("html",))
        assert page is not None
        assert "<script>alert" not in page.get_content()
        assert _COMPUTED not in page.get_content()


@pytest.mark.parametrize(
    "words",
    [
        ("export", "usage-summary", "--scope", "tenant:x' or '1'='1"),
        ("export", "usage-summary", "--scope", "tenant:../../etc"),
        ("export", "../../etc/passwd", "--scope", "platform"),
        ("export", "series", "--scope", "platform", "--metric", "cost_usd'; drop table x; --"),
        ("export", "usage-summary", "--scope", "platform", "--tz", "UTC'; select 1; --"),
        ("export", "usage-summary", "--scope", "platform", "--source", "../../native"),
        ("report", "weekly", "--scope", "publisher:$(touch pwned)"),
    ],
    ids=lambda words: words[-1],
)
def test_a_hostile_argument_is_wrong_input_and_no_more(
    words: tuple[str, ...],
    settings: Settings,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setenv("AGENTMART_HOME", str(settings.home))
    with pytest.raises(SystemExit) as left:
        main(words)
    assert left.value.code == 2
    assert len(capsys.readouterr().err.strip().splitlines()) == 1
