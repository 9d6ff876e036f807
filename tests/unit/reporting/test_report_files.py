"""Every format of a report: complete, safe with any name, the same bytes each time."""

from __future__ import annotations

import csv
import io
import json
import re
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest
from pypdf import PdfReader

from orchestration.reporting.build import build_report
from orchestration.reporting.csv_file import COLUMNS, render_csv
from orchestration.reporting.files import report_path, scope_slug, write_atomically
from orchestration.reporting.html_page import render_page
from orchestration.reporting.json_file import render_json
from orchestration.reporting.mail_bodies import render_mail
from orchestration.reporting.model import Frequency, Report
from orchestration.reporting.pdf import PdfRenderer, pdf_renderer
from orchestration.reporting.scopes import ScopeKind
from tests.support.report_rows import agent, empty_rows, report_rows

HOSTILE_NAMES = (
    '$x^2$ #import "/etc/passwd" [a] *b* _c_ `d` \\ @e <f>',
    "<script>alert(1)</script><img src=x onerror=alert(1)>",
    '=cmd|"/c calc"!A1',
    "🚀😀 日本語 العربية עברית \u202eevil",
    "W" * 500,
    "two\nlines\tand\x00nul",
    "{{ 7 * 7 }} {% raw %}",
    "%ATTACHMENTS% &amp; ''\"",
)


@pytest.fixture(scope="module")
def renderer() -> Iterator[PdfRenderer]:
    with pdf_renderer() as made:
        yield made


def _hostile_report() -> Report:
    agents = [agent(n, agent_name=name) for n, name in enumerate(HOSTILE_NAMES, start=1)]
    return build_report(report_rows(name=HOSTILE_NAMES[0], marts={"usage_by_agent": agents}))


def _pdf_text(pdf: bytes) -> str:
    return " ".join(
        " ".join(page.extract_text().split()) for page in PdfReader(io.BytesIO(pdf)).pages
    )


def test_a_pdf_has_the_same_bytes_each_time(renderer: PdfRenderer) -> None:
    report = build_report(report_rows())
    with pdf_renderer() as another:
        assert renderer.render(report) == another.render(report)


def test_a_pdf_is_tagged_titled_dated_and_has_bookmarks(renderer: PdfRenderer) -> None:
    reader = PdfReader(io.BytesIO(renderer.render(build_report(report_rows()))))

    assert reader.metadata is not None
    assert reader.metadata.title == "Weekly report: Acme Support, Feb 23 – Mar 1, 2026"
    assert reader.metadata.creation_date_raw == "D:20260302060000Z"
    root: Any = reader.root_object
    assert root["/MarkInfo"]["/Marked"].value
    assert root["/Lang"] == "en"
    titles = {str(entry.title) for entry in _flat(reader.outline)}
    assert {"Is this working?", "Engagement", "Agents", "Cost"} <= titles


def _flat(outline: list) -> Iterator:  # type: ignore[type-arg]
    for entry in outline:
        if isinstance(entry, list):
            yield from _flat(entry)
        else:
            yield entry


def test_every_page_says_whose_it_is_and_which_page_of_how_many(renderer: PdfRenderer) -> None:
    reader = PdfReader(io.BytesIO(renderer.render(build_report(report_rows()))))
    pages = [" ".join(page.extract_text().split()) for page in reader.pages]

    for number, text in enumerate(pages, start=1):
        assert f"{number} / {len(pages)}" in text
        assert "Acme Support" in text


def test_a_character_that_no_font_has_is_a_placeholder_with_a_note(renderer: PdfRenderer) -> None:
    plain = _pdf_text(renderer.render(build_report(report_rows(name="Ωmega Обзор"))))
    foreign = _pdf_text(renderer.render(build_report(report_rows(name="日本 Acme"))))

    assert "Ωmega Обзор" in plain
    assert "Characters" not in plain
    assert "□□ Acme" in foreign
    assert (
        foreign.count("Characters □ stands for a character that the fonts of this file lack") == 1
    )


def test_one_session_is_one_in_the_mail() -> None:
    rows = report_rows(marts={"usage_by_agent": [agent(1, sessions=1), agent(2, sessions=0)]})
    text = render_mail(build_report(rows)).text

    assert "Agent 1: 1 session\n" in text
    assert "Agent 2: 0 sessions\n" in text


def test_only_embedded_fonts_are_used(renderer: PdfRenderer) -> None:
    reader = PdfReader(io.BytesIO(renderer.render(build_report(report_rows()))))

    names = {
        str(font.get_object()["/BaseFont"])
        for page in reader.pages
        for font in page["/Resources"]["/Font"].values()  # type: ignore[index]
    }
    assert names
    assert all("+" in name for name in names), "a subset has a prefix, so the font is embedded"


def test_the_header_of_a_long_table_is_repeated_on_the_next_page(renderer: PdfRenderer) -> None:
    report = build_report(report_rows(agents=200))

    assert _pdf_text(renderer.render(report)).count("Tokens / message") == 2


def test_markup_in_names_is_printed_as_text(renderer: PdfRenderer) -> None:
    text = _pdf_text(renderer.render(_hostile_report()))

    assert "$x^2$ #import" in text
    assert "<script>alert(1)" in text
    assert "□" in text, "characters no font has are shown as a placeholder"


@pytest.mark.parametrize("kind", list(ScopeKind))
def test_a_scope_without_data_still_has_a_report_in_every_format(
    kind: ScopeKind, renderer: PdfRenderer
) -> None:
    report = build_report(empty_rows(report_rows(kind=kind)))

    assert "No activity in this week." in _pdf_text(renderer.render(report))
    assert "No activity in this week." in render_csv(report)
    assert "No activity in this week." in render_page(report)
    assert json.loads(render_json(report))["statement"] == "No activity in this week."


def _csv_rows(report: Report) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(render_csv(report), newline="")))


def test_the_csv_has_the_documented_columns_and_one_value_per_row() -> None:
    text = render_csv(build_report(report_rows()))

    assert text.partition("\r\n")[0] == ",".join(COLUMNS)
    rows = _csv_rows(build_report(report_rows()))
    card = next(row for row in rows if row["metric"] == "cost_usd" and row["kind"] == "figure")
    assert (card["section"], card["value"], card["unit"]) == ("overview", "234.56", "usd")
    assert (card["previous"], card["change"], card["change_rate"]) == ("190", "44.56", "0.234526")
    assert (card["direction"], card["assessment"]) == ("up", "worsening")
    series = [row for row in rows if row["metric"] == "dau"]
    assert [row["date"] for row in series][:2] == ["2026-02-23", "2026-02-24"]


def test_the_csv_has_every_agent_that_the_paper_leaves_out() -> None:
    rows = _csv_rows(build_report(report_rows(agents=200)))

    agents = {row["subject"] for row in rows if row["metric"] == "avg_tokens_per_message"}
    assert len(agents) == 200


def test_a_spreadsheet_runs_no_cell_of_the_csv() -> None:
    rows = _csv_rows(_hostile_report())

    for row in rows:
        for value in row.values():
            is_number = re.fullmatch(r"-?\d+(\.\d+)?", value)
            assert is_number or not value.startswith(("=", "+", "-", "@", "\t", "\r")), value


class _Elements(HTMLParser):
    """The tags and attributes of a page."""

    def __init__(self) -> None:
        super().__init__()
        self.tags: set[str] = set()
        self.attributes: set[str] = set()
        self.links: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        self.attributes |= {name for name, _ in attrs}
        self.links += [value or "" for name, value in attrs if name in ("src", "href")]


@pytest.mark.parametrize("render", [render_page, lambda report: render_mail(report).html])
def test_no_name_becomes_an_element_of_a_page(render):  # type: ignore[no-untyped-def]
    page = _Elements()
    page.feed(render(_hostile_report()))

    assert not {"script", "img", "iframe"} & page.tags
    assert not [name for name in page.attributes if name.startswith("on")]


def test_the_page_needs_no_network() -> None:
    page = _Elements()
    page.feed(render_page(build_report(report_rows())))

    assert page.links == []
    assert not {"link", "script", "iframe"} & page.tags


def test_the_mail_has_its_styles_on_the_elements() -> None:
    html = render_mail(build_report(report_rows())).html

    # The one sheet that is left says how a dark screen shows it; no style of the light one is in it.
    assert html.count("<style") == 1
    assert "@media (prefers-color-scheme: dark)" in html
    assert 'style="' in html


def test_the_mail_shows_cards_findings_and_the_three_busiest_agents() -> None:
    text = render_mail(build_report(report_rows())).text

    assert "Model cost: $234.56 (↑ +23.5%, worse)" in text
    assert "[critical] One Answer Cost $90.01" in text
    assert "Agent 3: 66 sessions" in text
    assert "Agent 4" not in text


@pytest.mark.parametrize(
    ("kind", "name", "frequency", "subject"),
    [
        (
            ScopeKind.TENANT,
            "Acme Support",
            Frequency.WEEKLY,
            "Acme Support Weekly Analytics Report: Feb 23 – Mar 1, 2026",
        ),
        (
            ScopeKind.PLATFORM,
            "",
            Frequency.MONTHLY,
            "Platform Monthly Analytics Report: February 2026",
        ),
    ],
)
def test_the_subject_names_scope_frequency_and_dates(
    kind: ScopeKind, name: str, frequency: Frequency, subject: str
) -> None:
    report = build_report(report_rows(kind=kind, name=name, frequency=frequency))

    assert render_mail(report).subject == subject


def test_a_subject_is_one_line_whatever_the_name() -> None:
    report = build_report(report_rows(name="a\r\nBcc: everyone@example.org"))

    assert "\n" not in render_mail(report).subject
    assert "\r" not in render_mail(report).subject


@pytest.mark.parametrize(
    ("kind", "source", "identifier", "slug"),
    [
        ("platform", "", "", r"platform"),
        ("tenant", "native", "acme", r"tenant-acme"),
        ("tenant", "other", "acme", r"tenant-acme-[0-9a-f]{8}"),
        ("tenant", "native", "../../etc", r"tenant-etc-[0-9a-f]{8}"),
        ("tenant", "native", "日本", r"tenant-[0-9a-f]{8}"),
    ],
)
def test_a_scope_has_a_folder_name_without_any_path_in_it(
    kind: str, source: str, identifier: str, slug: str
) -> None:
    assert re.fullmatch(slug, scope_slug(kind, identifier, source_name=source))


def test_scopes_that_look_alike_have_different_folders() -> None:
    names = {
        scope_slug("tenant", identifier, source_name=source)
        for source in ("native", "other")
        for identifier in ("a/b", "a b", "a-b", "日本", "A" * 100)
    }

    assert len(names) == 10


def test_a_file_is_named_after_what_it_is(tmp_path: Path) -> None:
    path = report_path(frequency="weekly", period="2026-W09", scope="tenant-acme", suffix="pdf")
    write_atomically(tmp_path / path, b"one")
    write_atomically(tmp_path / path, b"two")

    assert path.as_posix() == (
        "weekly/2026-W09/tenant-acme/agentmart-weekly-tenant-acme-2026-W09.pdf"
    )
    assert [one.name for one in (tmp_path / path).parent.iterdir()] == [path.name]
    assert (tmp_path / path).read_bytes() == b"two"
