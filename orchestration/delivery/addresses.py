"""Mail addresses: which ones can be sent to, and how one is shown without giving it away.

Belongs here: checks of the text of an address. Does not belong here: asking any mail server.
"""

from __future__ import annotations

import re

_LOCAL = r"[A-Za-z0-9.!#$%&'*+/=?^_`{|}~-]{1,64}"
_LABEL = r"[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?"
_ADDRESS = re.compile(rf"{_LOCAL}@{_LABEL}(?:\.{_LABEL})*")
_LONGEST = 254


def address_problem(address: str) -> str | None:
    """Why nothing can be sent to this address, or None when it looks deliverable."""
    text = address.strip()
    if not text:
        return "the address is empty"
    if not text.isascii():
        return "the address has letters outside ASCII, which many mail servers refuse"
    if "@" not in text:
        return "the address has no @"
    if len(text) > _LONGEST or not _ADDRESS.fullmatch(text):
        return "the address is not valid"
    local = text.partition("@")[0]
    if local.startswith(".") or local.endswith(".") or ".." in local:
        return "the address is not valid"
    return None


def mask_address(address: str) -> str:
    """The address with most of its local part hidden: ``a***@example.org``."""
    local, separator, domain = address.strip().rpartition("@")
    if not separator or not local:
        return f"{address.strip()[:1]}***"
    return f"{local[:1]}***@{domain}"
