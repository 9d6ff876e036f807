"""What stands in for dbt's `adapter` while sqlfluff renders models without a connection.

Belongs here: finding the macro that dbt would dispatch to. Does not belong here: any SQL; the
macros of dbt_project/macros/cross_db are rendered as they are.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable
from functools import cache
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import cast

from jinja2 import Environment
from sqlfluff.core.templaters.jinja import DBTMaterializationExtension

_CROSS_DB = Path(__file__).resolve().parents[3] / "dbt_project" / "macros" / "cross_db"


def dispatch(macro_name: str, macro_namespace: str | None = None) -> Callable[..., str]:
    """Give the macro that target duckdb gets: its own, else the default one."""
    del macro_namespace
    macros = _engine_macros()
    for prefix in ("duckdb__", "default__"):
        if hasattr(macros, prefix + macro_name):
            return cast(Callable[..., str], getattr(macros, prefix + macro_name))
    raise LookupError(f"no duckdb__{macro_name} or default__{macro_name} in {_CROSS_DB}")


@cache
def _engine_macros() -> ModuleType:
    text = "\n".join(path.read_text(encoding="utf-8") for path in sorted(_CROSS_DB.glob("*.sql")))
    stand_ins = {
        "adapter": SimpleNamespace(dispatch=dispatch),
        # sqlfluff has loaded the module beside this one under the name that models use.
        "dbt": importlib.import_module("dbt"),
    }
    return cast(
        ModuleType,
        Environment(extensions=["jinja2.ext.do", DBTMaterializationExtension])
        .from_string(text, globals=stand_ins)
        .module,
    )
