"""The fonts that reports embed, which characters they can show, and how wide a text is.

Belongs here: everything read from font files. Does not belong here: sizes, colours and layout
(templates, charts). Only fonts that the lock file installs are used, never the machine's own, so
that a report has the same bytes everywhere.
"""

from __future__ import annotations

import struct
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cache
from itertools import chain
from pathlib import Path
from string import ascii_letters

import pymupdf_fonts  # type: ignore[import-untyped]

from orchestration.reporting.font_tables import (
    lean_copy,
    plain_glyphs,
    read_characters,
    read_tables,
)

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
# FiraGO's rules for its many scripts take a shaper most of its time, so letters that stand beside
# each other as they are come from a copy without them. The licence reserves the name for the
# original.
_LEAN_FAMILY = "Report Sans"
_LEAN_FACES: Mapping[str, tuple[str, str]] = {
    "ReportSans-Regular.ttf": ("figo", "Regular"),
    "ReportSans-Bold.ttf": ("figbo", "Bold"),
}
# Latin, Greek and Cyrillic with their punctuation, signs and arrows; no marks to be put above.
_LATIN = range(0x0020, 0x0250), range(0x1E00, 0x1F00)
_GREEK = range(0x0370, 0x0400), range(0x1F00, 0x2000)
_CYRILLIC = (range(0x0400, 0x0483), range(0x048A, 0x0530))
_SIGNS = (range(0x2000, 0x20D0), range(0x2100, 0x2C00))
_LEAN_CHARACTERS = frozenset(chain(*_LATIN, *_GREEK, *_CYRILLIC, *_SIGNS))
# Letters next to which the eye sees a gap; figures keep their columns.
_PUNCTUATION = frozenset(map(ord, " !\"'()*,-./:;?@[]‘’“”–—…"))
_KERNED = (
    _PUNCTUATION.union(map(ord, ascii_letters), range(0x00C0, 0x0180)),
    _PUNCTUATION.union(range(0x0386, 0x03CF)),
    _PUNCTUATION.union(range(0x0400, 0x0460)),
)
# Figures of one height and one width.
_LEAN_FEATURES = ("lnum", "tnum")
FAMILIES = (
    _LEAN_FAMILY,
    "FiraGO",
    "Noto Sans",
    "Noto Sans Symbols",
    "Noto Sans Symbols2",
    "Noto Sans Math",
)
PLACEHOLDER = "□"
# Of a character that no font has.
_UNKNOWN_WIDTH = 0.6
# Control characters and separators of lines and paragraphs.
_BREAKING = frozenset({"Cc", "Zl", "Zp"})

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
    for name, (code, style) in _LEAN_FACES.items():
        (folder / name).write_bytes(_lean_font(code, style))


def displayable(text: str) -> str:
    """The text as the fonts can show it: a visible placeholder for what none of them has."""
    if _shown_as_they_are().issuperset(text):
        return text
    shown = []
    for character in text:
        code = ord(character)
        if code in _DROPPED:
            continue
        if unicodedata.category(character) in _BREAKING:
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
    return sum(map(_widths(bold).__getitem__, text), 0.0) * size


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
def _shown_as_they_are() -> frozenset[str]:
    """The characters that ``displayable`` leaves alone."""
    return frozenset(
        character
        for character in map(chr, _coverage() - _DROPPED)
        if unicodedata.category(character) not in _BREAKING
    )


class _Widths(dict[str, float]):
    """The width of each character at size 1, looked up in the faces when it is first asked for."""

    def __init__(self, faces: tuple[_Face, ...]) -> None:
        super().__init__()
        self._faces = faces

    def __missing__(self, character: str) -> float:
        widths = (face.width(ord(character)) for face in self._faces)
        found = next((width for width in widths if width is not None), _UNKNOWN_WIDTH)
        self[character] = found
        return found


@cache
def _widths(bold: bool) -> _Widths:
    return _Widths(_bold_faces() if bold else _faces())


@cache
def _faces() -> tuple[_Face, ...]:
    codes = ("figo", "notos", "symbol1", "symbol2", "math")
    return (
        _lean_face("figo"),
        *(_read_face(_font_bytes(code)) for code in codes),
    )


@cache
def _bold_faces() -> tuple[_Face, ...]:
    return (
        _lean_face("figbo"),
        _read_face(_font_bytes("figbo")),
        *_faces(),
    )


@cache
def _font_bytes(code: str) -> bytes:
    return bytes(pymupdf_fonts.myfont(code))


def _lean_font(code: str, style: str) -> bytes:
    tables = read_tables(_font_bytes(code))
    return lean_copy(tables, _lean_glyphs(tables), family=_LEAN_FAMILY, style=style, kerned=_KERNED)


def _lean_glyphs(tables: Mapping[str, bytes]) -> dict[int, int]:
    return plain_glyphs(tables, characters=_LEAN_CHARACTERS, features=_LEAN_FEATURES)


def _lean_face(code: str) -> _Face:
    tables = read_tables(_font_bytes(code))
    return replace(_face(tables), glyphs=_lean_glyphs(tables))


def _read_face(data: bytes) -> _Face:
    return _face(read_tables(data))


def _face(tables: Mapping[str, bytes]) -> _Face:
    units_per_em = struct.unpack_from(">H", tables["head"], 18)[0]
    metric_count = struct.unpack_from(">H", tables["hhea"], 34)[0]
    metrics = struct.unpack_from(f">{2 * metric_count}H", tables["hmtx"])
    return _Face(
        glyphs=read_characters(tables["cmap"]),
        advances=metrics[::2],
        units_per_em=units_per_em,
    )
