"""The golden files of reports: what each audience's report says, byte for byte.

`python -m tests.golden.report_files` writes them again; read the difference before committing it.
"""

from __future__ import annotations

import io
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

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
CASES = {
    "platform-daily": report_rows(kind=ScopeKind.PLATFORM, frequency=Frequency.DAILY),
    "platform-monthly": report_rows(kind=ScopeKind.PLATFORM, frequency=Frequency.MONTHLY),
    "publisher-weekly": report_rows(kind=ScopeKind.PUBLISHER, identifier="p1", name="Maker"),
    "tenant-weekly": report_rows(),
}


def make_files() -> dict[str, bytes]:
    """Each golden file's name and what it must hold now."""
    files: dict[str, bytes] = {}
    with pdf_renderer() as renderer:
        for name, rows in CASES.items():
            report = build_report(rows)
            files[f"{name}.csv"] = render_csv(report).encode()
            files[f"{name}.json"] = render_json(report).encode()
            files[f"{name}.mail.txt"] = render_mail(report).text.encode()
            files[f"{name}.pdf.txt"] = _text_of(renderer.render(report)).encode()
    return files


def _text_of(pdf: bytes) -> str:
    """What the file says of itself, then the words of each page, a line per page.

    Kerning and places are not what is compared.
    """
    reader = PdfReader(io.BytesIO(pdf))
    root: Any = reader.trailer["/Root"]
    metadata: Mapping[str, Any] = reader.metadata or {}
    roles = Counter(_roles(root["/StructTreeRoot"]))
    lines = [
        f"pages: {len(reader.pages)}",
        *(f"{key.removeprefix('/')}: {metadata[key]}" for key in sorted(metadata)),
        f"language: {root['/Lang']}",
        f"tagged: {root['/MarkInfo']['/Marked']}",
        f"tags: {', '.join(f'{role} {count}' for role, count in sorted(roles.items()))}",
        *(f"bookmark: {title}" for title in _titles(reader.outline)),
        *(" ".join(page.extract_text().split()) for page in reader.pages),
    ]
    return "".join(f"{line}\n" for line in lines)


def _roles(node: Any) -> Iterator[str]:
    """The kinds of the elements of a structure tree."""
    found = node.get_object() if hasattr(node, "get_object") else node
    if isinstance(found, list):
        for child in found:
            yield from _roles(child)
    elif isinstance(found, dict):
        if "/S" in found:
            yield str(found["/S"]).removeprefix("/")
        if "/K" in found:
            yield from _roles(found["/K"])


def _titles(outline: Sequence[Any]) -> Iterator[str]:
    for entry in outline:
        if isinstance(entry, list):
            yield from _titles(entry)
        else:
            yield str(entry.title)


if __name__ == "__main__":
    for file, content in make_files().items():
        (FOLDER / file).write_bytes(content)
