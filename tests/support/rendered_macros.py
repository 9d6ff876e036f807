"""The SQL of a macro as dbt would render it, without dbt: a parse of the project takes ten seconds.

Belongs here: the few words of dbt that macros of formulas use. Does not belong here: any SQL, and
macros that ask the database.
"""

from __future__ import annotations

from functools import cache
from types import SimpleNamespace
from typing import Any

from jinja2 import Environment

from orchestration.settings import DBT_PROJECT_DIR

_FOLDERS = ("cross_db", "project", "domain")
# Macros that dbt runs by itself, with words that only dbt has.
_HOOKS = ("create_raw_views.sql", "generate_schema_name.sql", "unit_tests.sql")


def render(macro: str, *arguments: str) -> str:
    """The macro's SQL; every ``ref`` is the name of its model."""
    return str(getattr(_macros(), macro)(*arguments))


@cache
def _macros() -> Any:
    text = "\n".join(
        path.read_text(encoding="utf-8")
        for folder in _FOLDERS
        for path in sorted((DBT_PROJECT_DIR / "macros" / folder).glob("*.sql"))
        if path.name not in _HOOKS
    )

    def dispatch(name: str) -> Any:
        found = getattr(module, f"duckdb__{name}", None)
        return found or getattr(module, f"default__{name}")

    stand_ins = {
        "adapter": SimpleNamespace(dispatch=dispatch),
        "dbt": SimpleNamespace(type_string=lambda: "varchar"),
        "ref": lambda name: name,
        "return": lambda value: value,
    }
    environment = Environment(extensions=["jinja2.ext.do"])
    module: Any = environment.from_string(text, globals=stand_ins).module
    return module
