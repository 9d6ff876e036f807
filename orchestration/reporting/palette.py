"""The colours of a report: one accent and greys, on paper and on a dark screen.

Belongs here: the colours, and whether text in one can be read on another. Does not belong here:
where a colour is used (charts, templates) and whose accent it is (brands). Nothing is told by hue
alone: marks carry their figures, changes an arrow and a word.
"""

from __future__ import annotations

from dataclasses import dataclass, fields, replace

# What WCAG asks of text; the accent is used for text.
_READABLE = 4.5
_STEP = 0.04


@dataclass(frozen=True, kw_only=True)
class Palette:
    """Each colour by what it is for, as CSS writes it."""

    paper: str
    ink: str
    muted: str
    accent: str
    rule: str
    pale: str
    attention: str
    band: str

    def with_accent(self, accent: str) -> Palette:
        """The same with another accent, as near to it as can be read on the paper."""
        return replace(self, accent=readable(accent, on=self.paper))


LIGHT = Palette(
    paper="#ffffff",
    ink="#1d2430",
    muted="#667085",
    accent="#2f5bd0",
    rule="#e4e7ec",
    pale="#c3cad6",
    attention="#b54708",
    band="#f2f4f7",
)
DARK = Palette(
    paper="#14181f",
    ink="#e6e9ef",
    muted="#9aa4b5",
    accent="#8fb0ff",
    rule="#2b323d",
    pale="#4a5465",
    attention="#f5a25d",
    band="#1d232d",
)
# Colours that the style sheet of a page decides, light or dark.
VARIABLES = Palette(**{one.name: f"var(--{one.name})" for one in fields(Palette)})


def contrast(one: str, other: str) -> float:
    """The contrast of two colours ``#rrggbb``, 1 to 21 (WCAG 2)."""
    lighter, darker = sorted((_luminance(one), _luminance(other)), reverse=True)
    return (lighter + 0.05) / (darker + 0.05)


def readable(color: str, *, on: str) -> str:
    """The colour, moved towards black or white until text in it can be read on the paper."""
    target = 0.0 if _luminance(on) > 0.5 else 1.0
    start = _channels(color)
    share = 0.0
    while contrast(color, on) < _READABLE and share < 1:
        share = min(1.0, share + _STEP)
        moved = (channel + (target - channel) * share for channel in start)
        color = "#" + "".join(f"{round(channel * 255):02x}" for channel in moved)
    return color


def _channels(color: str) -> tuple[float, float, float]:
    red, green, blue = (int(color[at : at + 2], 16) / 255 for at in (1, 3, 5))
    return red, green, blue


def _luminance(color: str) -> float:
    red, green, blue = (
        channel / 12.92 if channel <= 0.04045 else ((channel + 0.055) / 1.055) ** 2.4
        for channel in _channels(color)
    )
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue
