"""Names and values as DuckDB reads them in a statement.

Belongs here: quoting. Does not belong here: any statement.
"""

from __future__ import annotations


def quoted(identifier: str) -> str:
    """The identifier between double quotes."""
    return '"' + identifier.replace('"', '""') + '"'


def text(value: object) -> str:
    """The value as a string literal."""
    return "'" + str(value).replace("'", "''") + "'"
