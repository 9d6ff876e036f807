"""Telling a file of a wrong stream from a file of broken rows.

Belongs here: the comparison of what rows carry with what streams require. Does not belong here: the
rules of single rows (validation.py).
"""

from __future__ import annotations

import json
from collections.abc import Iterable

from orchestration.contracts.model import Stream
from orchestration.contracts.streams import STREAMS


def explain_wrong_stream(stream: Stream, *, raw_texts: Iterable[str]) -> str | None:
    """Why none of these refused rows is one of the stream; None if they are, only broken."""
    rows = [members for text in raw_texts if (members := _members(text)) is not None]
    if not rows or any(set(stream.key) & set(stream.required) <= row for row in rows):
        return None
    fits = [
        other.name
        for other in STREAMS.values()
        if other is not stream and any(set(other.required) <= row for row in rows)
    ]
    share = max(len(set(stream.required) & row) / len(stream.required) for row in rows)
    if share >= 0.5 and not fits:
        return None
    advice = f"move it to {fits[0]}/" if len(fits) == 1 else "move it to the folder of its stream"
    looks = f"; it looks like {' or '.join(fits)}" if fits else ""
    return (
        f"is no file of {stream.name}: no row carries its required fields "
        f"({', '.join(stream.required)}){looks}; {advice}"
    )


def _members(text: str) -> set[str] | None:
    """The names of the members that have a value."""
    try:
        content = json.loads(text)
    except ValueError:
        return None
    if not isinstance(content, dict):
        return None
    return {name for name, value in content.items() if value not in (None, "")}
