"""The look that a deployment gives its reports: read from its configuration, checked, and shown."""

from __future__ import annotations

import base64
import io
from dataclasses import replace
from datetime import date
from decimal import Decimal
from pathlib import Path

import pytest
from pypdf import PdfReader

from orchestration.errors import UserError
from orchestration.reporting.brands import Brand, Brands, read_brands
from orchestration.reporting.build import build_report
from orchestration.reporting.formats import (
    TextStyle,
    Unit,
    format_days,
    format_short_days,
    format_value,
    written_as,
)
from orchestration.reporting.html_page import render_page
from orchestration.reporting.mail_bodies import render_mail
from orchestration.reporting.model import Report
from orchestration.reporting.palette import DARK, LIGHT, Palette, contrast, readable
from orchestration.reporting.pdf import pdf_renderer
from tests.support.report_rows import report_rows

# One pixel, as any drawing program writes it.
_PNG = base64.b64decode(
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
)
_SVG = (
    '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 4 1"><rect width="4" height="1"/></svg>'
)


def _declared(config: Path, text: str) -> Brands:
    (config / "brands.yml").write_text(text, encoding="utf-8")
    return read_brands(config)


def _branded(brand: Brand) -> Report:
    rows = report_rows()
    brands = Brands(by_scope={("tenant:acme", "native"): brand})
    return build_report(replace(rows, reference=replace(rows.reference, brands=brands)))


def test_a_scope_takes_its_own_brand_and_the_rest_of_the_default(tmp_path: Path) -> None:
    (tmp_path / "logo.svg").write_text(_SVG)
    brands = _declared(
        tmp_path,
        """
        default: {name: House, dates: "2026-03-01"}
        brands:
          - {scope: "publisher:p1", logo: logo.svg, accent: "#0A7F5A", numbers: "1.234,56"}
          - {scope: "publisher:p1", source: other, name: Another}
        """,
    )

    own = brands.of("publisher:p1", source="native")
    assert (own.name, own.accent) == ("House", "#0a7f5a")
    assert own.style == TextStyle(numbers="1.234,56", dates="2026-03-01")
    assert own.logo is not None
    assert own.logo.svg == _SVG
    assert brands.of("publisher:p1", source="other").name == "Another"
    assert brands.of("tenant:t1", source="native").name == "House"


def test_without_a_declaration_reports_are_plain(tmp_path: Path) -> None:
    assert read_brands(tmp_path).of("platform", source=None) == Brand()


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("brands: {a: 1}", "'brands' is no list; write one entry per scope under it"),
        ("colors: red", "write the keys 'default' and 'brands', and no others"),
        ("a: [", "not readable as YAML"),
        ("brands: [{scope: acme}]", "brand 1: scope is 'acme'; use platform, tenant:ID or"),
        ("brands: [{scope: platform, color: red}]", "brand 1: key 'color' is unknown; use scope,"),
        ("default: {accent: red}", "default: accent is 'red'; write a colour such as \"#0a7f5a\""),
        ("default: {numbers: de}", "default: numbers is 'de'; choose one of \"1,234.56\", "),
        ("default: {dates: 1}", 'default: dates is 1; choose one of "Mar 1, 2026", '),
        ("default: {logo: none.svg}", "none.svg does not exist; put the file there"),
        ("default: {logo: brands.yml}", "is neither a PNG nor an SVG picture; convert it"),
        (f"default: {{name: {'x' * 61}}}", "write a text of at most 60 characters"),
        (
            "brands: [{scope: platform}, {scope: platform}]",
            "brand 2: scope 'platform' has a brand already; keep one of them",
        ),
    ],
)
def test_a_wrong_declaration_is_one_line_with_file_key_value_and_fix(
    tmp_path: Path, text: str, problem: str
) -> None:
    with pytest.raises(UserError) as caught:
        _declared(tmp_path, text)

    assert str(caught.value).startswith(f"{tmp_path / 'brands.yml'}: ")
    assert problem in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_drawing_with_entities_is_refused(tmp_path: Path) -> None:
    (tmp_path / "logo.svg").write_text(f'<!DOCTYPE svg [<!ENTITY a "b">]>{_SVG}')

    with pytest.raises(UserError, match="neither a PNG nor an SVG"):
        _declared(tmp_path, "default: {logo: logo.svg}")


def test_a_picture_that_would_swell_every_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "logo.png").write_bytes(_PNG + bytes(512 * 1024))

    with pytest.raises(UserError, match="make it at most 524,288, it is in every file"):
        _declared(tmp_path, "default: {logo: logo.png}")


@pytest.mark.parametrize("accent", ["#ffcc00", "#ffffff", "#2f5bd0", "#000000", "#808080"])
def test_an_accent_can_be_read_on_paper_and_on_dark_screens(accent: str) -> None:
    brand = Brand(accent=accent)

    assert contrast(brand.on_paper.accent, LIGHT.paper) >= 4.5
    assert contrast(brand.on_dark_screens.accent, DARK.paper) >= 4.5


def test_an_accent_that_can_be_read_stays_as_it_is() -> None:
    # Black on white is 21 to 1, the most there is.
    assert contrast("#000000", "#ffffff") == pytest.approx(21)
    assert readable("#0a7f5a", on="#ffffff") == "#0a7f5a"


@pytest.mark.parametrize("palette", [LIGHT, DARK])
def test_every_colour_of_text_can_be_read(palette: Palette) -> None:
    for name in ("ink", "muted", "accent", "attention"):
        assert contrast(getattr(palette, name), palette.paper) >= 4.5, name


@pytest.mark.parametrize(
    ("numbers", "money", "share"),
    [
        ("1,234.56", "$1,234,567.89", "12.3%"),
        ("1.234,56", "$1.234.567,89", "12,3%"),
        ("1 234,56", "$1\u00a0234\u00a0567,89", "12,3%"),
        ("1'234.56", "$1'234'567.89", "12.3%"),
        ("1234.56", "$1234567.89", "12.3%"),
    ],
)
def test_numbers_are_written_in_the_style(numbers: str, money: str, share: str) -> None:
    with written_as(TextStyle(numbers=numbers)):
        assert format_value(Decimal("1234567.894"), Unit.USD) == money
        assert format_value(Decimal("0.1234"), Unit.FRACTION) == share
    assert format_value(Decimal("1234567.894"), Unit.USD) == "$1,234,567.89"


@pytest.mark.parametrize(
    ("dates", "across", "within", "short"),
    [
        ("Mar 1, 2026", "Feb 23 – Mar 1, 2026", "Feb 2–8, 2026", "Feb 2–8"),
        ("1 Mar 2026", "23 Feb – 1 Mar 2026", "2–8 Feb 2026", "2–8 Feb"),
        ("01.03.2026", "23.02. – 01.03.2026", "02.02. – 08.02.2026", "02.02. – 08.02."),
        ("01/03/2026", "23/02 – 01/03/2026", "02/02 – 08/02/2026", "02/02 – 08/02"),
        (
            "2026-03-01",
            "2026-02-23 – 2026-03-01",
            "2026-02-02 – 2026-02-08",
            "02-02 – 02-08",
        ),
    ],
)
def test_dates_are_written_in_the_style(dates: str, across: str, within: str, short: str) -> None:
    with written_as(TextStyle(dates=dates)):
        assert format_days(date(2026, 2, 23), date(2026, 3, 1)) == across
        assert format_days(date(2026, 2, 2), date(2026, 2, 8)) == within
        assert format_short_days(date(2026, 2, 2), date(2026, 2, 8)) == short


def test_a_branded_report_shows_name_logo_accent_and_style_in_every_format(tmp_path: Path) -> None:
    (tmp_path / "logo.png").write_bytes(_PNG)
    declared = _declared(
        tmp_path,
        'default: {name: Hausmarke, logo: logo.png, accent: "#0a7f5a", numbers: "1.234,56",'
        ' dates: "01.03.2026"}',
    )
    report = _branded(declared.default)
    with pdf_renderer() as renderer:
        pdf = PdfReader(io.BytesIO(renderer.render(report)))
        mail = render_mail(report, renderer)
    page = render_page(report)

    text = " ".join(pdf.pages[0].extract_text().split())
    assert "Weekly report · Hausmarke Acme Support 23.02. – 01.03.2026" in text
    assert "$234,56" in text
    for html in (page, mail.html):
        assert "Hausmarke" in html
        assert "#0a7f5a" in html
        assert LIGHT.accent not in html
        assert "$234,56" in html
    assert f"data:image/png;base64,{base64.b64encode(_PNG).decode()}" in page
    assert "23.02. – 01.03.2026" in mail.subject
    assert [picture.cid for picture in mail.pictures] == ["logo", "chart"]
