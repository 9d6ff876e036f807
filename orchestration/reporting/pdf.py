"""The report as a PDF: A4, tagged, fonts embedded, the same bytes for the same report.

Belongs here: handing a report to the Typst template and compiling it. Does not belong here: the
layout (templates/report.typ), the drawing of charts (charts) and what a report says (model).
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from datetime import UTC
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import typst

from orchestration.reporting import charts, fonts
from orchestration.reporting.formats import plural, shorten, written_as
from orchestration.reporting.headlines import footer_line, meta_line
from orchestration.reporting.model import (
    Block,
    Chart,
    ChartRow,
    Column,
    Empty,
    Figure,
    Figures,
    Insights,
    Notes,
    Report,
    Sentences,
    Table,
)
from orchestration.reporting.palette import Palette

_TEMPLATE = Path(__file__).with_name("templates") / "report.typ"
_PICTURE = _TEMPLATE.with_name("picture.typ")
# 510 points become 1,133 pixels, shown at 567 or less.
_PICTURE_PPI = 160.0
_LONGEST_NAME = 64
_LONGEST_TEXT = 400
# Points: two lines of the title, and what the line at the head of a page leaves for the scope.
_TITLE_SIZE = 24.0
_TITLE_WIDTH = 940.0
_LINE_SIZE = 7.5
_LINE_WIDTH = 330.0
# Points, as the template has them: the lines between the margins, and cells of tables.
_PAGE_WIDTH = 510.0
_CELL_SIZE = 8.0
_LABEL_SIZE = 7.5
_CELL_INSET = 5.0
# Kerning may add a hair to the width of a text.
_CELL_SPARE = 0.6
# What rounding takes from a width.
_HAIR = 0.01
# What a column of names has at least.
_LEAST_SHARE = 46.0
_ABOUT_PLACEHOLDERS = {
    "kind": "notes",
    "prominent": False,
    "notes": [
        [
            "Characters",
            f"{fonts.PLACEHOLDER} stands for a character that the fonts of this file lack; the web"
            " page, the CSV file and the JSON file have it.",
        ]
    ],
}
# A word longer than this gets places where a line may break, or it would run over its column.
_LONGEST_WORD = 18
_BREAK = "\u200b"


@dataclass(frozen=True)
class PdfRenderer:
    """Compiles reports; the first costs a moment more than those after it."""

    _compiler: typst.Compiler
    _pictures: typst.Compiler

    def render(self, report: Report) -> bytes:
        """The PDF of a report. Its date is the report's as-of time, so it never depends on the
        clock.
        """
        pdf = self._compiler.compile(
            format="pdf",
            sys_inputs={"report": self._input(report)},
            pdf_standards="ua-1",
            timestamp=int(report.header.as_of.timestamp()),
        )
        if not isinstance(pdf, bytes):
            raise TypeError("the PDF compiler gave no document")
        return pdf

    def picture(self, svg: str, *, width: float, paper: str) -> bytes:
        """A drawing as a PNG, sharp on screens of twice the usual density."""
        drawing = {"svg": svg, "width": width, "paper": paper, "fonts": list(fonts.FAMILIES)}
        png = self._pictures.compile(
            format="png", ppi=_PICTURE_PPI, sys_inputs={"drawing": json.dumps(drawing)}
        )
        if not isinstance(png, bytes):
            raise TypeError("the compiler gave no picture")
        return png

    def _input(self, report: Report) -> str:
        with written_as(report.header.brand.style):
            return json.dumps(printable(report), ensure_ascii=False)


@contextmanager
def pdf_renderer(font_folder: Path | None = None) -> Iterator[PdfRenderer]:
    """A renderer with the fonts of the lock file, unpacked into a folder that lives as long as it
    does.
    """
    with TemporaryDirectory(prefix="agentmart-fonts-") as own_folder:
        folder = font_folder or Path(own_folder)
        if font_folder is None:
            fonts.write_fonts(folder)
        yield renderer_with(folder)


def renderer_with(font_folder: Path) -> PdfRenderer:
    """A renderer with the fonts of a folder, which stays where it is for as long as it renders."""
    faces = typst.Fonts(
        include_system_fonts=False,
        include_embedded_fonts=False,
        font_paths=[font_folder],
    )
    return PdfRenderer(
        typst.Compiler(_TEMPLATE, root=_TEMPLATE.parent, font_paths=faces),
        typst.Compiler(_PICTURE, root=_PICTURE.parent, font_paths=faces),
    )


def printable(report: Report) -> dict[str, Any]:
    """What the template reads: final texts, cut to their place and limited to the fonts."""
    header = report.header
    palette = header.brand.on_paper
    moment = header.as_of.astimezone(UTC)
    data: dict[str, Any] = {
        "title": header.title,
        "scope": _wrappable(_fitted(header.scope.name, _TITLE_SIZE, width=_TITLE_WIDTH)),
        "scope-line": _fitted(header.scope.name, _LINE_SIZE, width=_LINE_WIDTH),
        "scope-key": _shown(header.scope.text),
        "period": header.period_text,
        "meta": meta_line(report),
        "footer": footer_line(report),
        "statement": _wrappable(shorten(report.statement, _LONGEST_TEXT)),
        "date": {
            "year": moment.year,
            "month": moment.month,
            "day": moment.day,
            "hour": moment.hour,
            "minute": moment.minute,
            "second": moment.second,
        },
        "colors": asdict(palette),
        "brand": {
            "name": _shown(shorten(header.brand.name, 60)),
            "logo": "" if header.brand.logo is None else header.brand.logo.svg,
        },
        "fonts": list(fonts.FAMILIES),
        "sections": [
            {
                "title": section.title,
                "blocks": [_block(block, palette) for block in section.blocks],
            }
            for section in report.sections
        ],
    }
    if fonts.PLACEHOLDER in json.dumps(data, ensure_ascii=False):
        data["sections"][-1]["blocks"].append(_ABOUT_PLACEHOLDERS)
    return data


def _block(block: Block, palette: Palette) -> dict[str, Any]:
    match block:
        case Figures():
            return {
                "kind": "cards" if block.prominent else "strip",
                "figures": [_figure(figure) for figure in block.figures],
            }
        case ChartRow():
            return {
                "kind": "charts",
                "charts": [_chart(chart, palette) for chart in block.charts],
            }
        case Table():
            return _table(block)
        case Insights():
            return {
                "kind": "insights",
                "insights": [
                    {
                        "severity": insight.severity,
                        "title": _wrappable(shorten(insight.title, 120)),
                        "description": _wrappable(shorten(insight.description, _LONGEST_TEXT)),
                        "recommendation": _wrappable(
                            shorten(insight.recommendation, _LONGEST_TEXT)
                        ),
                    }
                    for insight in block.insights
                ],
                "more": f"{plural(len(block.more), 'more finding')} in the CSV file."
                if block.more
                else "",
            }
        case Sentences():
            return {
                "kind": "sentences",
                "sentences": [
                    _wrappable(shorten(sentence, _LONGEST_TEXT)) for sentence in block.sentences
                ],
            }
        case Empty():
            return {"kind": "empty", "reason": _wrappable(block.reason)}
        case Notes():
            return {
                "kind": "notes",
                "prominent": block.prominent,
                "notes": [[_shown(term), _wrappable(text)] for term, text in block.notes],
            }


def _figure(figure: Figure) -> dict[str, Any]:
    change = figure.change
    return {
        "label": figure.label,
        "text": figure.text,
        "note": _shown(figure.note),
        "change": None
        if change is None
        else {
            "arrow": change.arrow,
            "text": change.text,
            "verdict": change.verdict,
            "assessment": change.assessment.value,
        },
    }


def _chart(chart: Chart, palette: Palette) -> dict[str, Any]:
    return {
        "title": chart.title,
        "caption": _shown(chart.caption),
        "svg": charts.draw(charts.displayable(chart), palette),
        "width": charts.WIDE if chart.wide else charts.HALF,
        "alt": _shown(chart.alt),
    }


def _table(table: Table) -> dict[str, Any]:
    texts = [
        [shorten(table.text(row, position), _LONGEST_NAME) for position in range(len(row.cells))]
        for row in table.rows
    ]
    lines = [[column.label for column in table.columns], *texts]
    needed = _needed_widths(lines)
    widths = _column_widths(table.columns, needed)
    return {
        "kind": "table",
        "title": table.title,
        "caption": _shown(table.caption),
        "columns": [
            {"label": column.label, "is-text": column.unit is None, "width": width}
            for column, width in zip(table.columns, widths, strict=True)
        ],
        "single-lines": [
            all(need <= width + _HAIR for need, width in zip(one, widths, strict=True))
            for one in needed
        ],
        "rows": [[_wrappable(text) for text in row] for row in texts],
    }


def _needed_widths(lines: Sequence[Sequence[str]]) -> list[list[float]]:
    """The width that each cell takes on one line, with what stands beside it."""
    last = len(lines[0]) - 1
    beside = [_CELL_INSET * ((at > 0) + (at < last)) + _CELL_SPARE for at in range(last + 1)]
    sizes = [_LABEL_SIZE, *[_CELL_SIZE] * (len(lines) - 1)]
    return [
        [
            fonts.text_width(_shown(text), size) + more
            for text, more in zip(line, beside, strict=True)
        ]
        for line, size in zip(lines, sizes, strict=True)
    ]


def _column_widths(columns: Sequence[Column], needed: Sequence[Sequence[float]]) -> list[float]:
    """Figures get what they need on one line, names share the rest, the first a double part."""
    widest = [max(line[position] for line in needed) for position in range(len(columns))]
    shares = [
        0 if column.unit is not None or column.narrow else 2 if position == 0 else 1
        for position, column in enumerate(columns)
    ]
    fixed = sum(width for width, part in zip(widest, shares, strict=True) if not part)
    least = _LEAST_SHARE * sum(shares)
    if not any(shares):
        return widest
    # Too many figures for the page are broken within their cells instead of running over the edge.
    squeezed = min(1.0, (_PAGE_WIDTH - least) / fixed) if fixed else 1.0
    one_share = (_PAGE_WIDTH - fixed * squeezed) / sum(shares)
    return [
        round(one_share * part if part else width * squeezed, 2)
        for width, part in zip(widest, shares, strict=True)
    ]


def _shown(text: str) -> str:
    return fonts.displayable(text)


def _fitted(text: str, size: float, *, width: float) -> str:
    """The text on one line of the width, however wide its letters are."""
    return fonts.fit(_shown(shorten(text, 200)), size, width=width, bold=size == _TITLE_SIZE)


def _wrappable(text: str) -> str:
    """The text with a place to break inside every word that may be too long for its column."""
    shown = _shown(text)
    if len(shown) <= _LONGEST_WORD:
        return shown
    words = []
    for word in shown.split(" "):
        if len(word) <= _LONGEST_WORD:
            words.append(word)
        else:
            steps = range(0, len(word), _LONGEST_WORD // 2)
            words.append(_BREAK.join(word[at : at + _LONGEST_WORD // 2] for at in steps))
    return " ".join(words)
