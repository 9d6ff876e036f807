"""Rendering reports to files, many at once in processes of their own.

Belongs here: which files a report has and how the work is spread. Does not belong here: which
reports are due (run) and what is in a file (pdf, csv_file, json_file, html_page).
"""

from __future__ import annotations

import multiprocessing
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ProcessPoolExecutor, as_completed
from dataclasses import dataclass
from math import ceil
from pathlib import Path
from tempfile import TemporaryDirectory

from orchestration.delivery.message import write_bodies
from orchestration.reporting import fonts
from orchestration.reporting.build import build_report
from orchestration.reporting.csv_file import render_csv
from orchestration.reporting.files import report_path, scope_slug, write_atomically
from orchestration.reporting.gather import ReportRows
from orchestration.reporting.html_page import render_page
from orchestration.reporting.json_file import render_json
from orchestration.reporting.mail_bodies import render_mail
from orchestration.reporting.model import Report
from orchestration.reporting.pdf import PdfRenderer, pdf_renderer

MOST_PROCESSES = 4
# Starting a process costs as much as two reports.
_WORTH_A_PROCESS = 4
_CHUNKS_PER_PROCESS = 4

_Writer = Callable[[Report, PdfRenderer], bytes]
_WRITERS: Mapping[str, tuple[str, _Writer]] = {
    "pdf": ("pdf", lambda report, renderer: renderer.render(report)),
    "csv": ("csv", lambda report, _: render_csv(report).encode()),
    "json": ("json", lambda report, _: render_json(report).encode()),
    "html": ("html", lambda report, _: render_page(report).encode()),
    "mail": ("mail.json", lambda report, _: write_bodies(render_mail(report)).encode()),
}
FORMATS = ("pdf", "csv", "json", "html")


@dataclass(frozen=True, kw_only=True)
class Rendered:
    """What became of one report: its files relative to the folder, or why there are none."""

    position: int
    files: Mapping[str, str]
    failure: str | None = None


def render_report(
    rows: ReportRows, *, folder: Path, formats: Sequence[str], renderer: PdfRenderer
) -> dict[str, str]:
    """Write a report's files below the folder; returns format to path, relative to the folder."""
    window = rows.window
    scope = scope_slug(
        window.scope.kind, window.scope.id, source_name=window.scope.source_name or ""
    )
    report = build_report(rows)
    # All are made before any is written: a report that fails leaves no half of itself.
    contents = {name: _WRITERS[name][1](report, renderer) for name in formats}
    files = {}
    for name, content in contents.items():
        path = report_path(
            frequency=window.frequency,
            period=window.period,
            scope=scope,
            suffix=_WRITERS[name][0],
        )
        write_atomically(folder / path, content)
        files[name] = path.as_posix()
    return files


def render_all(
    jobs: Sequence[ReportRows], *, folder: Path, formats: Sequence[str], processes: int
) -> Iterator[Rendered]:
    """Render every report, as each is done. One that fails does not stop the others."""
    with TemporaryDirectory(prefix="agentmart-fonts-") as fonts_folder:
        font_folder = Path(fonts_folder)
        fonts.write_fonts(font_folder)
        numbered = list(enumerate(jobs))
        workers = min(processes, MOST_PROCESSES, ceil(len(jobs) / _WORTH_A_PROCESS))
        if workers <= 1:
            yield from render_chunk(
                numbered, folder=folder, formats=tuple(formats), font_folder=font_folder
            )
            return
        size = max(1, ceil(len(numbered) / (workers * _CHUNKS_PER_PROCESS)))
        chunks = [numbered[at : at + size] for at in range(0, len(numbered), size)]
        # A forked child of a process with threads can hang; a spawned one starts clean.
        with ProcessPoolExecutor(workers, multiprocessing.get_context("spawn")) as pool:
            pending: dict[Future[list[Rendered]], list[tuple[int, ReportRows]]] = {
                pool.submit(
                    render_chunk,
                    chunk,
                    folder=folder,
                    formats=tuple(formats),
                    font_folder=font_folder,
                ): chunk
                for chunk in chunks
            }
            for done in as_completed(pending):
                error = done.exception()
                if error is None:
                    yield from done.result()
                else:
                    reason = f"the process that rendered it stopped: {_one_line(error)}"
                    for position, _ in pending[done]:
                        yield Rendered(position=position, files={}, failure=reason)


def render_chunk(
    chunk: Sequence[tuple[int, ReportRows]],
    *,
    folder: Path,
    formats: tuple[str, ...],
    font_folder: Path,
) -> list[Rendered]:
    """Render a few reports in this process."""
    results = []
    with pdf_renderer(font_folder) as renderer:
        for position, rows in chunk:
            try:
                files = render_report(rows, folder=folder, formats=formats, renderer=renderer)
                results.append(Rendered(position=position, files=files))
            # Whatever is wrong with one report, it is listed with its reason and the others go out.
            except Exception as error:  # noqa: BLE001
                results.append(Rendered(position=position, files={}, failure=_one_line(error)))
    return results


def _one_line(error: BaseException) -> str:
    return " ".join(f"{type(error).__name__}: {error}".split())[:500]
