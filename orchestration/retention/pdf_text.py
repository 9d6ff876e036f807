"""The words of a PDF file, as far as a search needs them.

Belongs here: unpacking streams and undoing the numbering of glyphs. Does not belong here: layout; words
come in the order in which they were written.
"""

from __future__ import annotations

import re
import zlib
from collections.abc import Iterator

_STREAM = re.compile(rb"stream\r?\n(.*?)\r?\nendstream", re.DOTALL)
_BLOCK = re.compile(rb"begin(bfchar|bfrange)(.*?)endbf", re.DOTALL)
_HEX = re.compile(rb"<([0-9A-Fa-f]*)>")
# Texts of a content stream: in brackets, with escapes, or as hexadecimal digits.
_SHOWN = re.compile(rb"\(((?:\\.|[^\\()])*)\)|<([0-9A-Fa-f]+)>", re.DOTALL)
_ESCAPE = re.compile(rb"\\([0-7]{1,3}|.)", re.DOTALL)
_ESCAPES = {b"n": b"\n", b"r": b"\r", b"t": b"\t", b"b": b"\b", b"f": b"\f"}


def texts_of_pdf(content: bytes) -> Iterator[str]:
    """The texts of a PDF: its own strings, and what each font would show of each stream.

    Which font a string is in is not looked up: read with another font it is a text without sense, in which no
    name is found by chance.
    """
    streams = [content, *_unpacked(content)]
    fonts = [font for stream in streams if (font := _glyphs(stream))]
    for stream in streams:
        shown = list(_shown(stream))
        yield b" ".join(shown).decode("latin-1")
        yield from (
            text.decode("utf-16", errors="replace") for text in shown if text[:2] == b"\xfe\xff"
        )
        if b"Tj" in stream or b"TJ" in stream:
            glyphs = b"".join(text for text in shown if len(text) % 2 == 0)
            codes = glyphs.decode("utf-16-be", errors="replace")
            yield from (codes.translate(font) for font in fonts)


def _unpacked(content: bytes) -> Iterator[bytes]:
    for found in _STREAM.finditer(content):
        try:
            yield zlib.decompressobj().decompress(found[1])
        except zlib.error:
            # Pictures and other streams that are packed in another way hold no words.
            continue


def _glyphs(stream: bytes) -> dict[int, str]:
    """Which text each glyph of a font stands for."""
    glyphs: dict[int, str] = {}
    for kind, block in _BLOCK.findall(stream):
        numbers = [bytes.fromhex(one.decode()) for one in _HEX.findall(block)]
        if kind == b"bfchar":
            glyphs |= {
                int.from_bytes(code): text.decode("utf-16-be", errors="replace")
                for code, text in zip(numbers[::2], numbers[1::2], strict=False)
            }
        else:
            for first, last, text in zip(numbers[::3], numbers[1::3], numbers[2::3], strict=False):
                start = int.from_bytes(first)
                glyphs |= {
                    start + step: (int.from_bytes(text) + step)
                    .to_bytes(len(text))
                    .decode("utf-16-be", errors="replace")
                    for step in range(int.from_bytes(last) - start + 1)
                }
    return glyphs


def _shown(stream: bytes) -> Iterator[bytes]:
    for literal, digits in _SHOWN.findall(stream):
        if digits:
            yield bytes.fromhex(digits.decode() + "0" * (len(digits) % 2))
        else:
            yield _ESCAPE.sub(_unescaped, literal)


def _unescaped(found: re.Match[bytes]) -> bytes:
    code = found[1]
    if code[:1] in (b"0", b"1", b"2", b"3", b"4", b"5", b"6", b"7"):
        return bytes((int(code, 8) % 256,))
    return _ESCAPES.get(code, code)
