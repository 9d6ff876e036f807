"""The fonts that reports embed, which characters they can show, and how wide a text is.

Belongs here: everything read from font files. Does not belong here: sizes, colours and layout
(templates, charts). Only fonts that the lock file installs are used, never the machine's own, so
that a report has the same bytes everywhere.
"""

from __future__ import annotations

import struct
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import pymupdf_fonts  # type: ignore[import-untyped]

# File name and the code under which the font package has it. FiraGO draws Latin, Greek, Cyrillic,
# Arabic, Hebrew, Devanagari, Georgian and Thai; the others fill in letters and symbols it lacks.
_FONT_FILES: Mapping[str, str] = {
    "FiraGO-Regular.ttf": "figo",
    "FiraGO-Bold.ttf": "figbo",
    "NotoSans-Regular.ttf": "notos",
    "NotoSans-Bold.ttf": "notosbo",
    "NotoSansSymbols-Regular.otf": "symbol1",
    "NotoSansSymbols2-Regular.otf": "symbol2",
    "NotoSansMath-Regular.otf": "math",
}
FAMILIES = (
    "FiraGO",
    "Noto Sans",
    "Noto Sans Symbols",
    "Noto Sans Symbols2",
    "Noto Sans Math",
)
PLACEHOLDER = "□"

# Marks that change the direction or the look of what follows: a name must not reorder the page it
# stands on.
_DROPPED = frozenset(
    {0x00AD, 0x200B, 0x200C, 0x200D, 0x200E, 0x200F, 0xFEFF, *range(0x202A, 0x202F)}
    | {*range(0x2060, 0x2070), *range(0xFE00, 0xFE10), *range(0xE0000, 0xE01F0)}
)


@dataclass(frozen=True, kw_only=True)
class _Face:
    """What is needed of one font file: characters to glyphs, and the width of each glyph."""

    glyphs: Mapping[int, int]
    advances: tuple[int, ...]
    units_per_em: int

    def width(self, character: int) -> float | None:
        """The width at size 1, or None when the font lacks the character."""
        glyph = self.glyphs.get(character)
        if glyph is None:
            return None
        return self.advances[min(glyph, len(self.advances) - 1)] / self.units_per_em


def write_fonts(folder: Path) -> None:
    """Put the font files into a folder, where the PDF compiler looks for them."""
    for name, code in _FONT_FILES.items():
        (folder / name).write_bytes(_font_bytes(code))


def displayable(text: str) -> str:
    """The text as the fonts can show it: a visible placeholder for what none of them has."""
    shown = []
    for character in text:
        code = ord(character)
        if code in _DROPPED:
            continue
        if unicodedata.category(character) in ("Cc", "Zl", "Zp"):
            shown.append(" ")
        elif code in _coverage():
            shown.append(character)
        elif unicodedata.combining(character):
            continue
        else:
            shown.append(PLACEHOLDER)
    return "".join(shown)


def text_width(text: str, size: float, *, bold: bool = False) -> float:
    """How wide a line of text is, in the unit of the size."""
    faces = _bold_faces() if bold else _faces()
    total = 0.0
    for character in text:
        widths = (face.width(ord(character)) for face in faces)
        total += next((width for width in widths if width is not None), 0.6)
    return total * size


def fit(text: str, size: float, *, width: float, bold: bool = False) -> str:
    """The text, cut with an ellipsis so that it is no wider than the width."""
    if text_width(text, size, bold=bold) <= width:
        return text
    kept = text
    while kept and text_width(f"{kept}…", size, bold=bold) > width:
        kept = kept[:-1]
    return f"{kept.rstrip()}…"


@cache
def _coverage() -> frozenset[int]:
    return frozenset().union(*(face.glyphs.keys() for face in _faces()))


@cache
def _faces() -> tuple[_Face, ...]:
    return tuple(
        _read_face(_font_bytes(code)) for code in ("figo", "notos", "symbol1", "symbol2", "math")
    )


@cache
def _bold_faces() -> tuple[_Face, ...]:
    return (_read_face(_font_bytes("figbo")), *_faces())


@cache
def _font_bytes(code: str) -> bytes:
    return bytes(pymupdf_fonts.myfont(code))


def _read_face(data: bytes) -> _Face:
    tables = _table_offsets(data)
    units_per_em = struct.unpack_from(">H", data, tables["head"] + 18)[0]
    metric_count = struct.unpack_from(">H", data, tables["hhea"] + 34)[0]
    metrics = struct.unpack_from(f">{2 * metric_count}H", data, tables["hmtx"])
    return _Face(
        glyphs=_read_characters(data, tables["cmap"]),
        advances=metrics[::2],
        units_per_em=units_per_em,
    )


def _table_offsets(data: bytes) -> dict[str, int]:
    count = struct.unpack_from(">H", data, 4)[0]
    return {
        data[12 + 16 * i : 16 + 16 * i].decode("ascii"): struct.unpack_from(
            ">I", data, 20 + 16 * i
        )[0]
        for i in range(count)
    }


def _read_characters(data: bytes, start: int) -> dict[int, int]:
    """The Unicode characters of a font: cmap formats 4 and 12, the two that matter today."""
    glyphs: dict[int, int] = {}
    for index in range(struct.unpack_from(">H", data, start + 2)[0]):
        platform, encoding, offset = struct.unpack_from(">HHI", data, start + 4 + 8 * index)
        if platform == 0 or (platform == 3 and encoding in (1, 10)):
            kind = struct.unpack_from(">H", data, start + offset)[0]
            if kind == 4:
                glyphs.update(_read_segments(data, start + offset))
            elif kind == 12:
                glyphs.update(_read_groups(data, start + offset))
    return glyphs


def _read_segments(data: bytes, start: int) -> dict[int, int]:
    count = struct.unpack_from(">H", data, start + 6)[0] // 2
    ends = struct.unpack_from(f">{count}H", data, start + 14)
    starts = struct.unpack_from(f">{count}H", data, start + 16 + 2 * count)
    deltas = struct.unpack_from(f">{count}H", data, start + 16 + 4 * count)
    ranges_at = start + 16 + 6 * count
    ranges = struct.unpack_from(f">{count}H", data, ranges_at)
    glyphs: dict[int, int] = {}
    for position, (first, last, delta, offset) in enumerate(
        zip(starts, ends, deltas, ranges, strict=True)
    ):
        for code in range(first, min(last, 0xFFFE) + 1):
            if offset == 0:
                glyph = (code + delta) & 0xFFFF
            else:
                place = ranges_at + 2 * position + offset + 2 * (code - first)
                glyph = struct.unpack_from(">H", data, place)[0]
                glyph = (glyph + delta) & 0xFFFF if glyph else 0
            if glyph:
                glyphs[code] = glyph
    return glyphs


def _read_groups(data: bytes, start: int) -> dict[int, int]:
    glyphs: dict[int, int] = {}
    for index in range(struct.unpack_from(">I", data, start + 12)[0]):
        first, last, glyph = struct.unpack_from(">III", data, start + 16 + 12 * index)
        glyphs.update({first + step: glyph + step for step in range(last - first + 1)})
    return glyphs
