"""What a table's columns decide about the copy of a scope; every published table is decided upon."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import yaml

from orchestration.errors import RunFailure
from orchestration.settings import DBT_PROJECT_DIR
from orchestration.warehouse.history import HISTORY
from orchestration.warehouse.scope_copy import BY_USE, CopiedScope, rows_held

TENANT = CopiedScope(kind="tenant", id="t'1", source_name="native")
PUBLISHER = CopiedScope(kind="publisher", id="p1", source_name="native")
_SCHEMAS = {"core": "core", "functions": "meta", "insights": "insights"}
_OPEN_FOLDERS = ("alerts", "reports")


def _published() -> Iterator[tuple[str, list[str]]]:
    """Every published table with its columns, as the YAML beside each model says."""
    root = DBT_PROJECT_DIR / "models"
    for path in sorted(root.rglob("_*.yml")):
        folders = path.relative_to(root).parts
        schema = folders[1] if folders[0] == "marts" else _SCHEMAS.get(folders[0], folders[0])
        if folders[0] in ("marts", *_SCHEMAS, *_OPEN_FOLDERS):
            document = yaml.load(path.read_text(encoding="utf-8"), Loader=yaml.CSafeLoader)
            for model in document["models"]:
                if model.get("config", {}).get("meta", {}).get("private"):
                    continue
                name = model["name"].removeprefix("published_")
                yield f"{schema}.{name}", [column["name"] for column in model["columns"]]
    for table in HISTORY:
        yield f"meta.{table.name}", list(table.columns)


_PUBLISHED = list(_published())


@pytest.mark.parametrize("scope", [TENANT, PUBLISHER], ids=lambda scope: str(scope.kind))
@pytest.mark.parametrize(("table", "columns"), _PUBLISHED, ids=[name for name, _ in _PUBLISHED])
def test_every_published_table_is_copied_by_a_rule_shared_or_withheld(
    table: str, columns: list[str], scope: CopiedScope
) -> None:
    held = rows_held(scope, table=table, columns=columns)
    personal = {"tenant_key", "tenant_id", "user_key", "user_id", "conversation_key"} & set(columns)
    if scope is PUBLISHER and personal:
        assert held is None
    if held == "true":
        assert not personal
        assert not {"scope_id", "publisher_key", "agent_key", "load_id", "path"} & set(columns)


def test_a_tenant_gets_the_gauges_of_common_instances_of_the_types_that_answered_it() -> None:
    gauges = ["tenant_key", "agent_type_key", "source_name"]
    held = rows_held(TENANT, table="core.fct_instance_samples", columns=gauges)
    assert held is not None
    own, _, common = held.partition(" or ")
    assert own == "tenant_key = 'native:t''1'"
    assert "tenant_key is null and source_name = 'native'" in common
    assert "from whole.core.fct_invocations where tenant_key = 'native:t''1'" in common
    assert rows_held(PUBLISHER, table="core.fct_instance_samples", columns=gauges) is None


@pytest.mark.parametrize(
    ("columns", "tenant", "publisher"),
    [
        (
            ["window_key", "scope_kind", "scope_id", "source_name"],
            "scope_kind = 'tenant' and scope_id = 't''1' and source_name is not distinct from 'native'",
            "scope_kind = 'publisher' and scope_id = 'p1' and source_name is not distinct from 'native'",
        ),
        (["tenant_key", "agent_key"], "tenant_key = 'native:t''1'", None),
        (["agent_key", "publisher_key"], BY_USE, "publisher_key = 'native:p1'"),
        (["model_key", "model"], BY_USE, BY_USE),
    ],
)
def test_the_columns_say_which_rows_are_held(
    columns: list[str], tenant: str | None, publisher: str | None
) -> None:
    assert rows_held(TENANT, table="core.any", columns=columns) == tenant
    assert rows_held(PUBLISHER, table="core.any", columns=columns) == publisher


def test_a_table_that_says_nothing_about_its_rows_is_an_error_and_never_copied() -> None:
    with pytest.raises(RunFailure, match=r"core\.new says neither whose its rows are"):
        rows_held(TENANT, table="core.new", columns=["new_id", "amount"])
