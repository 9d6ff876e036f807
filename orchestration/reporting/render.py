"""Rendering reports to files, many at once in processes of their own.

Belongs here: which files a report has and how the work is spread. Does not belong here: which
reports are due (run) and what is in a file (pdf, csv_file, json_file, html_page).
"""

from __future__ import annotations

import multiprocessing
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, BrokenExecutor, Future, ProcessPoolExecutor, wait
from dataclasses import dataclass
from functools import lru_cache
from itertools import islice
from math import ceil
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Self

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
from orchestration.reporting.pdf import PdfRenderer, renderer_with

MOST_PROCESSES = 4
# Starting a process costs as much as two reports.
_WORTH_A_PROCESS = 4
_CHUNKS_PER_PROCESS = 4
# Reports that a process is given at once, and how many such lots each has, the one under way
# included.
_MOST_AT_ONCE = 8
_CHUNKS_WAITING = 2

_Job = tuple[int, ReportRows]
_Writer = Callable[[Report, PdfRenderer], bytes]
_WRITERS: Mapping[str, tuple[str, _Writer]] = {
    "pdf": ("pdf", lambda report, renderer: renderer.render(report)),
    "csv": ("csv", lambda report, _: render_csv(report).encode()),
    "json": ("json", lambda report, _: render_json(report).encode()),
    "html": ("html", lambda report, _: render_page(report).encode()),
    "mail": (
        "mail.json",
        lambda report, renderer: write_bodies(render_mail(report, renderer)).encode(),
    ),
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
            period=window.edition,
            scope=scope,
            suffix=_WRITERS[name][0],
        )
        write_atomically(folder / path, content)
        files[name] = path.as_posix()
    return files


def render_all(
    jobs: Iterable[ReportRows],
    *,
    count: int,
    folder: Path,
    formats: Sequence[str],
    processes: int,
) -> Iterator[Rendered]:
    """Render every report, as each is done. One that fails does not stop the others.

    ``count`` says how many there are. They are taken from ``jobs`` as processes become free, so
    that only a few are in memory.
    """
    numbered = enumerate(jobs)
    workers = min(processes, MOST_PROCESSES, ceil(count / _WORTH_A_PROCESS))
    with TemporaryDirectory(prefix="agentmart-fonts-") as fonts_folder:
        fonts.write_fonts(Path(fonts_folder))
        task = _Task(folder=folder, formats=tuple(formats), font_folder=Path(fonts_folder))
        if workers <= 1:
            for position, rows in numbered:
                yield _rendered(position, rows, task)
            return
        size = max(1, min(_MOST_AT_ONCE, count // (workers * _CHUNKS_PER_PROCESS)))
        with _Workers(workers, task) as pool:
            yield from pool.render(numbered, size=size)


@dataclass(frozen=True, kw_only=True)
class _Task:
    """What every process is told."""

    folder: Path
    formats: tuple[str, ...]
    font_folder: Path


class _Workers:
    """Processes that render. When one dies, the others die with it and all are started anew."""

    def __init__(self, count: int, task: _Task) -> None:
        self._count = count
        self._task = task
        self._pool = self._started()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._pool.shutdown(cancel_futures=True)

    def render(self, numbered: Iterator[_Job], *, size: int) -> Iterator[Rendered]:
        pending: dict[Future[list[Rendered]], list[_Job]] = {}
        while True:
            while len(pending) < self._count * _CHUNKS_WAITING:
                chunk = list(islice(numbered, size))
                if not chunk:
                    break
                pending[self._submitted(chunk)] = chunk
            if not pending:
                return
            lost: list[_Job] = []
            for future in wait(pending, return_when=FIRST_COMPLETED).done:
                chunk = pending.pop(future)
                if future.exception() is None:
                    yield from future.result()
                else:
                    lost += chunk
            if lost:
                # Whatever else was under way may be lost as well, so it is waited for first.
                for future in wait(pending).done:
                    chunk = pending.pop(future)
                    if future.exception() is None:
                        yield from future.result()
                    else:
                        lost += chunk
                yield from self._one_by_one(lost)

    def _one_by_one(self, lost: Iterable[_Job]) -> Iterator[Rendered]:
        """Render what was lost again, alone: so the report that stops a process is found."""
        self._restart()
        for job in sorted(lost, key=lambda one: one[0]):
            future = self._submitted([job])
            error = future.exception()
            if error is None:
                yield from future.result()
            else:
                reason = f"the process that rendered it stopped: {_one_line(error)}"
                yield Rendered(position=job[0], files={}, failure=reason)
                self._restart()

    def _submitted(self, chunk: Sequence[_Job]) -> Future[list[Rendered]]:
        try:
            return self._pool.submit(render_chunk, chunk, self._task)
        except BrokenExecutor as error:
            future: Future[list[Rendered]] = Future()
            future.set_exception(error)
            return future

    def _restart(self) -> None:
        self._pool.shutdown(cancel_futures=True)
        self._pool = self._started()

    def _started(self) -> ProcessPoolExecutor:
        # A forked child of a process with threads can hang; a spawned one starts clean.
        return ProcessPoolExecutor(self._count, multiprocessing.get_context("spawn"))


def render_chunk(chunk: Sequence[_Job], task: _Task) -> list[Rendered]:
    """Render a few reports in this process."""
    return [_rendered(position, rows, task) for position, rows in chunk]


def _rendered(position: int, rows: ReportRows, task: _Task) -> Rendered:
    try:
        files = render_report(
            rows,
            folder=task.folder,
            formats=task.formats,
            renderer=_renderer(task.font_folder),
        )
    # Whatever is wrong with one report, it is listed with its reason and the others go out.
    except Exception as error:  # noqa: BLE001
        return Rendered(position=position, files={}, failure=_one_line(error))
    return Rendered(position=position, files=files)


@lru_cache(maxsize=1)
def _renderer(font_folder: Path) -> PdfRenderer:
    """One for all reports of a process: it reads the fonts and parses the template once."""
    return renderer_with(font_folder)


def _one_line(error: BaseException) -> str:
    return " ".join(f"{type(error).__name__}: {error}".split())[:500]
