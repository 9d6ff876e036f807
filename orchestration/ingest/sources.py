"""The sources of a deployment: native stream folders, and what config/sources.yml declares.

Belongs here: reading and checking the declaration. Does not belong here: adapters (adapter.py),
files (files.py).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from orchestration.errors import UserError
from orchestration.ingest.adapter import NATIVE, Adapter, find_adapter, is_source_name

FILE_NAME = "sources.yml"
_KEYS = ("name", "path", "adapter", "defaults")
_DEFAULTS = ("publisher_id", "tenant_id", "agent_id")


@dataclass(frozen=True, kw_only=True)
class Source:
    """A foreign extract: which files, which adapter, and the ids its rows do not carry."""

    name: str
    path: str
    adapter: Adapter
    defaults: Mapping[str, str] = field(default_factory=dict)


def read_sources(config: Path) -> tuple[Source, ...]:
    """The declared sources; none without a declaration.

    Raises:
        UserError: the declaration cannot be used; the message names file, key, value and fix.
    """
    path = config / FILE_NAME
    if not path.is_file():
        return ()
    try:
        content = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        reason = " ".join(str(error).split())
        raise UserError(f"{path}: not readable as YAML ({reason}); correct it") from error
    if isinstance(content, dict) and set(content) == {"sources"}:
        content = content["sources"]
    if content is None:
        return ()
    if not isinstance(content, list):
        raise UserError(f"{path}: holds {_kind(content)}; write a list of sources under 'sources:'")
    sources = tuple(
        _source(item, place=f"{path}: source {position}", config=config)
        for position, item in enumerate(content, start=1)
    )
    # Formats of one system share its name, so that their rows refer to each other.
    names = [(source.name, source.adapter.name) for source in sources]
    for name, adapter in names:
        if names.count((name, adapter)) > 1:
            raise UserError(
                f"{path}: name {name!r} is used twice with adapter {adapter!r}; give each source "
                "its own name"
            )
    return sources


def _source(item: object, *, place: str, config: Path) -> Source:
    if not isinstance(item, dict):
        raise UserError(f"{place}: is {_kind(item)}; write the keys {', '.join(_KEYS)}")
    for key in item:
        if key not in _KEYS:
            raise UserError(f"{place}: key {key!r} is unknown; use {', '.join(_KEYS)}")
    name = _text(item, "name", place=place)
    if not is_source_name(name):
        raise UserError(f"{place}: name is {name!r}; use lower case letters, digits and _")
    if name == NATIVE:
        raise UserError(f"{place}: name {NATIVE!r} is that of the stream folders; use another")
    adapter_name = _text(item, "adapter", place=place)
    try:
        adapter = find_adapter(adapter_name, config=config)
    except UserError as error:
        raise UserError(f"{place} ({name}): {error}") from error
    return Source(
        name=name,
        path=_text(item, "path", place=place),
        adapter=adapter,
        defaults=_defaults(item.get("defaults"), place=f"{place} ({name})"),
    )


def _text(item: Mapping[Any, Any], key: str, *, place: str) -> str:
    value = item.get(key)
    if not isinstance(value, str) or not value.strip():
        shown = "missing" if value is None else f"{value!r}"
        raise UserError(f"{place}: {key} is {shown}; write a text")
    return value


def _defaults(value: object, *, place: str) -> dict[str, str]:
    if value is None:
        return {}
    if not isinstance(value, dict):
        raise UserError(
            f"{place}: defaults is {_kind(value)}; write keys of {', '.join(_DEFAULTS)}"
        )
    defaults = {}
    for key, default in value.items():
        if key not in _DEFAULTS:
            raise UserError(f"{place}: default {key!r} is unknown; use {', '.join(_DEFAULTS)}")
        if isinstance(default, bool) or not isinstance(default, (str, int)) or default == "":
            raise UserError(f"{place}: default {key} is {default!r}; write an id")
        defaults[key] = str(default)
    return defaults


def _kind(value: object) -> str:
    if isinstance(value, dict):
        return "a mapping"
    return "a list" if isinstance(value, list) else f"{value!r}"
