"""The golden files of reports: what each audience's report says, byte for byte.

`python -m tests.golden.report_files` writes them again; read the difference before committing it.
"""

from __future__ import annotations

import io
from pathlib import Path

from pypdf import PdfReader

from orchestration.reporting.build import build_report
from orchestration.reporting.csv_file import render_csv
from orchestration.reporting.json_file import render_json
from orchestration.reporting.mail_bodies import render_mail
from orchestration.reporting.model import Frequency
from orchestration.reporting.pdf import pdf_renderer
from orchestration.reporting.scopes import ScopeKind
from tests.support.report_rows import report_rows

FOLDER = Path(__file__).with_name("reports")
_CASES = {
    "platform-monthly": report_rows(kind=ScopeKind.PLATFORM, frequency=Frequency.MONTHLY),
    "publisher-weekly": report_rows(kind=ScopeKind.PUBLISHER, identifier="p1", name="Maker"),
    "tenant-weekly": report_rows(),
}


def make_files() -> dict[str, bytes]:
    """Each golden file's name and what it must hold now."""
    files: dict[str, bytes] = {}
    with pdf_renderer() as renderer:
        for name, rows in _CASES.items():
            report = build_report(rows)
            files[f"{name}.csv"] = render_csv(report).encode()
            files[f"{name}.json"] = render_json(report).encode()
            files[f"{name}.mail.txt"] = render_mail(report).text.encode()
            files[f"{name}.pdf.txt"] = _text_of(renderer.render(report)).encode()
    return files


def _text_of(pdf: bytes) -> str:
    """The words of each page, a line per page: kerning and places are not what is compared."""
    pages = PdfReader(io.BytesIO(pdf)).pages
    return "".join(f"{' '.join(page.extract_text().split())}\n" for page in pages)


if __name__ == "__main__":
    for file, content in make_files().items():
        (FOLDER / file).write_bytes(content)
