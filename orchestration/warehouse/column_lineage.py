"""Which columns each column of a model is made of, read from the SQL that dbt compiled.

Parsing all models takes 6 s, so it is done once for each state of the code and kept beside the manifest.

Belongs here: reading SQL. Does not belong here: showing the lineage (defs/metadata).
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import sqlglot
from sqlglot import exp
from sqlglot.errors import SqlglotError
from sqlglot.optimizer.qualify import qualify
from sqlglot.optimizer.scope import Scope, build_scope

from orchestration.warehouse.manifest import MANIFEST_FILE

# By column of the model: the columns, as (schema.table, column), that it is made of.
Lineage = Mapping[str, Sequence[tuple[str, str]]]

_CACHE = MANIFEST_FILE.with_name("column_lineage.json")
# A table of texts of functions: 2 MB of SQL that read nothing.
_UNREAD = ("table_functions",)


def known_lineage(
    nodes: Mapping[str, Mapping[str, Any]], *, cache: Path = _CACHE
) -> dict[str, Lineage]:
    """The lineage of those models of the manifest whose file is as it was when it was last built in full."""
    kept = _read(cache)
    return {
        name: model["columns"]
        for name, model in kept.items()
        if name in nodes and nodes[name]["checksum"]["checksum"] == model["checksum"]
    }


def note_lineage(
    results: Mapping[str, Any],
    nodes: Mapping[str, Mapping[str, Any]],
    *,
    columns: Mapping[str, Sequence[str]],
    cache: Path = _CACHE,
) -> None:
    """Read the SQL of a full build, as far as it is not known yet, from dbt's run results.

    An increment compiles its dates into the SQL, so it would be read anew each time. ``nodes`` are those of
    the manifest, ``columns`` those of every relation of the warehouse, by ``schema.table``.
    """
    known = _read(cache)
    models = {name: model for name, model in known.items() if name in nodes}
    for result in results["results"]:
        name, compiled = result["unique_id"], result.get("compiled_code")
        if name not in nodes or not compiled or name.split(".")[2] in _UNREAD:
            continue
        if not name.startswith("model."):
            continue
        digest = hashlib.sha256(compiled.encode()).hexdigest()
        same = known.get(name, {}).get("digest") == digest
        models[name] = {
            "checksum": nodes[name]["checksum"]["checksum"],
            "digest": digest,
            "columns": known[name]["columns"] if same else _lineage(compiled, columns),
        }
    _write(cache, models)


def _lineage(
    compiled: str, columns: Mapping[str, Sequence[str]]
) -> dict[str, list[tuple[str, str]]]:
    schema: dict[str, dict[str, dict[str, str]]] = {}
    for name, names in columns.items():
        folder, _, table = name.partition(".")
        schema.setdefault(folder, {})[table] = dict.fromkeys(names, "text")
    try:
        tree = qualify(
            sqlglot.parse_one(compiled, dialect="duckdb"),
            schema={"agentmart": schema},
            dialect="duckdb",
            validate_qualify_columns=False,
            quote_identifiers=False,
        )
        scope = build_scope(tree)
    except SqlglotError:
        # A lineage that cannot be read is missing from a page and from no figure.
        return {}
    return {} if scope is None else {name: sorted(of) for name, of in _Sources().of(scope).items()}


class _Sources:
    """The stored columns behind the columns of each part of a query, each part looked at once."""

    def __init__(self) -> None:
        self._known: dict[int, dict[str, set[tuple[str, str]]]] = {}

    def of(self, scope: Scope) -> dict[str, set[tuple[str, str]]]:
        if id(scope) not in self._known:
            # A recursive part reads itself: what it adds to itself is what it has.
            self._known[id(scope)] = {}
            self._known[id(scope)] = (
                self._of_union(scope) if scope.set_operation_scopes else self._of_select(scope)
            )
        return self._known[id(scope)]

    def _of_union(self, scope: Scope) -> dict[str, set[tuple[str, str]]]:
        parts = [self.of(part) for part in scope.set_operation_scopes]
        return {
            name: set().union(*(list(part.values())[place] for part in parts if place < len(part)))
            for place, name in enumerate(parts[0])
        }

    def _of_select(self, scope: Scope) -> dict[str, set[tuple[str, str]]]:
        found: dict[str, set[tuple[str, str]]] = {}
        for projection in getattr(scope.expression, "selects", []):
            sources: set[tuple[str, str]] = set()
            for column in projection.find_all(exp.Column):
                source = scope.sources.get(column.table)
                if isinstance(source, exp.Table):
                    sources.add((f"{source.db}.{source.name}", column.name))
                elif source is not None:
                    sources |= self.of(source).get(column.name, set())
            found[projection.alias_or_name] = sources
        return found


def _read(cache: Path) -> dict[str, Any]:
    if not cache.exists():
        return {}
    kept: dict[str, Any] = json.loads(cache.read_text(encoding="utf-8"))
    return kept


def _write(cache: Path, content: Mapping[str, object]) -> None:
    """Replace the file as a whole; where the code cannot be written to, each full build reads its SQL."""
    unfinished = cache.with_name(f".{cache.name}.{os.getpid()}")
    with contextlib.suppress(PermissionError):
        unfinished.write_text(json.dumps(content), encoding="utf-8")
        unfinished.replace(cache)
