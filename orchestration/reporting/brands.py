"""The look that a deployment gives its reports: name, logo, accent colour, numbers and dates.

Belongs here: reading and checking config/brands.yml. Does not belong here: where a logo stands
(templates), which colours can be read (palette), how numbers and dates are written (formats).
"""

from __future__ import annotations

import re
import struct
import xml.etree.ElementTree as ElementTree
from base64 import b64encode
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import yaml

from orchestration.errors import UserError
from orchestration.reporting.formats import DATE_STYLES, NUMBER_STYLES, PLAIN, TextStyle
from orchestration.reporting.palette import DARK, LIGHT, Palette

FILE_NAME = "brands.yml"
_KEYS = ("scope", "source", "name", "logo", "accent", "numbers", "dates")
_LOOKS = ("name", "logo", "accent", "numbers", "dates")
_ACCENT = re.compile(r"#[0-9a-fA-F]{6}")
_SCOPE = re.compile(r"platform|(tenant|publisher):.+")
_PNG = b"\x89PNG\r\n\x1a\n"
_LARGEST_LOGO = 512 * 1024
_LONGEST_NAME = 60


@dataclass(frozen=True, kw_only=True)
class Logo:
    """A picture: ``format`` is svg or png."""

    format: str
    content: bytes = field(repr=False)

    @property
    def url(self) -> str:
        """The picture itself as the address of one, so that a page needs no other file."""
        kind = "svg+xml" if self.format == "svg" else self.format
        return f"data:image/{kind};base64,{b64encode(self.content).decode('ascii')}"

    @property
    def svg(self) -> str:
        """The picture as a drawing: what a PNG shows, inside a frame of its size."""
        if self.format == "svg":
            return self.content.decode("utf-8")
        # The first chunk of a PNG holds its width and height.
        width, height = struct.unpack_from(">II", self.content, 16)
        return (
            f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}">'
            f'<image width="{width}" height="{height}" href="{self.url}"/></svg>'
        )


@dataclass(frozen=True, kw_only=True)
class Brand:
    """How the reports of one scope look. Without a name nobody but agentmart signs."""

    name: str = ""
    logo: Logo | None = None
    accent: str = LIGHT.accent
    style: TextStyle = PLAIN

    @property
    def on_paper(self) -> Palette:
        """The colours on white; the accent is darkened as far as its texts need it."""
        return LIGHT.with_accent(self.accent)

    @property
    def on_dark_screens(self) -> Palette:
        """The colours on a dark screen, likewise lightened."""
        return DARK if self.accent == LIGHT.accent else DARK.with_accent(self.accent)


PLAIN_BRAND = Brand()


@dataclass(frozen=True, kw_only=True)
class Brands:
    """The brands of a deployment, by scope and source; an entry without a source is for all."""

    default: Brand = PLAIN_BRAND
    by_scope: Mapping[tuple[str, str | None], Brand] = field(default_factory=dict)

    def of(self, scope_text: str, *, source: str | None) -> Brand:
        """The brand of a scope, written as people type it."""
        for key in ((scope_text, source), (scope_text, None)):
            if key in self.by_scope:
                return self.by_scope[key]
        return self.default


NO_BRANDS = Brands()


def read_brands(config: Path) -> Brands:
    """The brands that the deployment declares; plain ones without a declaration.

    Raises:
        UserError: the declaration cannot be used; the message names file, key, value and fix.
    """
    path = config / FILE_NAME
    if not path.is_file():
        return NO_BRANDS
    try:
        content = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        reason = " ".join(str(error).split())
        raise UserError(f"{path}: not readable as YAML ({reason}); correct it") from error
    if content is None:
        return NO_BRANDS
    if not isinstance(content, dict) or not set(content) <= {"default", "brands"}:
        raise UserError(f"{path}: write the keys 'default' and 'brands', and no others")
    default = _brand(
        content.get("default") or {}, base=PLAIN_BRAND, place=f"{path}: default", keys=_LOOKS
    )
    entries = content.get("brands") or []
    if not isinstance(entries, list):
        raise UserError(f"{path}: 'brands' is no list; write one entry per scope under it")
    found: dict[tuple[str, str | None], Brand] = {}
    for position, entry in enumerate(entries, start=1):
        place = f"{path}: brand {position}"
        brand = _brand(entry, base=default, place=place, keys=_KEYS)
        scope, source = entry.get("scope"), entry.get("source")
        if not isinstance(scope, str) or not _SCOPE.fullmatch(scope):
            raise UserError(f"{place}: scope is {scope!r}; use platform, tenant:ID or publisher:ID")
        if source is not None and not isinstance(source, str):
            raise UserError(f"{place}: source is {source!r}; write the name of a source")
        if (scope, source) in found:
            raise UserError(f"{place}: scope {scope!r} has a brand already; keep one of them")
        found[scope, source] = brand
    return Brands(default=default, by_scope=found)


def _brand(entry: object, *, base: Brand, place: str, keys: tuple[str, ...]) -> Brand:
    if not isinstance(entry, dict):
        raise UserError(f"{place}: is {entry!r}; write the keys {', '.join(keys)}")
    for key in entry:
        if key not in keys:
            raise UserError(f"{place}: key {key!r} is unknown; use {', '.join(keys)}")
    name = entry.get("name", base.name)
    if not isinstance(name, str) or len(name) > _LONGEST_NAME:
        raise UserError(
            f"{place}: name is {name!r}; write a text of at most {_LONGEST_NAME} characters"
        )
    accent = entry.get("accent", base.accent)
    if not isinstance(accent, str) or not _ACCENT.fullmatch(accent):
        raise UserError(f'{place}: accent is {accent!r}; write a colour such as "#0a7f5a"')
    logo = base.logo
    if "logo" in entry:
        logo = _logo(entry["logo"], place=place)
    return Brand(
        name=name,
        logo=logo,
        accent=accent.lower(),
        style=TextStyle(
            numbers=_choice(entry, "numbers", NUMBER_STYLES, base.style.numbers, place=place),
            dates=_choice(entry, "dates", DATE_STYLES, base.style.dates, place=place),
        ),
    )


def _choice(
    entry: Mapping[str, object], key: str, allowed: tuple[str, ...], default: str, *, place: str
) -> str:
    value = entry.get(key, default)
    if isinstance(value, str) and value in allowed:
        return value
    examples = ", ".join(f'"{one}"' for one in allowed)
    raise UserError(f"{place}: {key} is {value!r}; choose one of {examples}")


def _logo(value: object, *, place: str) -> Logo:
    # The place of an entry begins with its file, beside which the picture stands.
    folder = Path(place.partition(f"{FILE_NAME}:")[0])
    if not isinstance(value, str) or not value.strip():
        raise UserError(f"{place}: logo is {value!r}; write the path of a .svg or .png file")
    path = folder / value
    if not path.is_file():
        raise UserError(f"{place}: logo {path} does not exist; put the file there")
    content = path.read_bytes()
    if len(content) > _LARGEST_LOGO:
        raise UserError(
            f"{place}: logo {path} has {len(content):,} bytes; make it at most {_LARGEST_LOGO:,},"
            " it is in every file"
        )
    if content.startswith(_PNG) and content[12:16] == b"IHDR" and len(content) > 32:
        return Logo(format="png", content=content)
    if _is_drawing(content):
        return Logo(format="svg", content=content)
    raise UserError(f"{place}: logo {path} is neither a PNG nor an SVG picture; convert it")


def _is_drawing(content: bytes) -> bool:
    # Entities could make a few bytes a gigabyte, or read other files.
    if b"<!ENTITY" in content:
        return False
    try:
        root = ElementTree.fromstring(content.decode("utf-8"))
    except (ElementTree.ParseError, UnicodeDecodeError, ValueError):
        return False
    return root.tag.rpartition("}")[2] == "svg"
