"""dbt without repeated work does what dbt does: the same macros, messages and code of templates."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from dbt.clients.jinja import MacroStack
from dbt.context.macros import MacroNamespace, MacroNamespaceBuilder
from dbt.contracts.graph.manifest import Manifest
from dbt_common.clients.jinja import MacroFuzzEnvironment, get_template, render_template
from dbt_common.events.base_types import BaseEvent, EventLevel
from dbt_common.events.event_manager_client import get_event_manager
from dbt_common.events.functions import fire_event
from dbt_common.events.logger import LoggerConfig
from dbt_common.events.types import Note

from orchestration.defs.dbt_quickly import dbt_quickly
from orchestration.settings import Settings
from orchestration.warehouse.manifest import MANIFEST_FILE, prepare_manifest

_ENGINES = ["duckdb", "dbt_duckdb", "dbt"]


@pytest.fixture(scope="module")
def manifest(tmp_path_factory: pytest.TempPathFactory) -> Manifest:
    prepare_manifest(Settings(home=tmp_path_factory.mktemp("home")))
    parsed = MANIFEST_FILE.with_name("partial_parse.msgpack").read_bytes()
    return Manifest.from_msgpack(parsed)


def _namespace(manifest: Manifest, package: str) -> MacroNamespace:
    stack = MacroStack()  # type: ignore[no-untyped-call]
    builder = MacroNamespaceBuilder("agentmart", package, stack, _ENGINES, node="node")
    return builder.build_namespace(manifest.get_macros_by_package(), {"context": 1})


def _macros(members: object) -> object:
    """Macros by the name that they are found under, as dbt names them."""
    if isinstance(members, MacroNamespace | dict):
        return {name: _macros(member) for name, member in members.items()}
    assert members.node == "node"  # type: ignore[attr-defined]
    assert members.context == {"context": 1}  # type: ignore[attr-defined]
    return members.macro.unique_id  # type: ignore[attr-defined]


@pytest.mark.parametrize("package", ["agentmart", "dbt", "dbt_duckdb"])
def test_each_name_means_the_macro_that_it_means_to_dbt(
    manifest: Manifest, tmp_path: Path, package: str
) -> None:
    own = _namespace(manifest, package)
    with dbt_quickly(tmp_path / "templates"):
        ours = _namespace(manifest, package)
    assert type(ours) is not type(own)
    found = _macros(own)
    assert isinstance(found, dict)
    assert len(found) > 500
    assert _macros(ours) == found
    for of_package in ("agentmart", "dbt", None):
        mine, theirs = (one.get_from_package(of_package, "create_raw_views") for one in (ours, own))
        assert (mine and mine.macro) == (theirs and theirs.macro)


def test_what_a_log_keeps_is_said_as_dbt_says_it_and_what_none_keeps_is_not_worded(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    worded: list[str] = []
    word = BaseEvent.__init__

    def noting(event: BaseEvent, msg: str) -> None:
        worded.append(msg)
        word(event, msg=msg)

    monkeypatch.setattr("orchestration.defs.dbt_quickly._own_init", noting)
    heard: list[Any] = []
    log = tmp_path / "log"
    with dbt_quickly(tmp_path / "templates"):
        get_event_manager().callbacks.append(heard.append)
        get_event_manager().add_logger(
            LoggerConfig(name="kept", level=EventLevel.INFO, output_file_name=str(log))
        )
        for level in (EventLevel.DEBUG, EventLevel.INFO, EventLevel.WARN):
            fire_event(Note(msg=f"at {level.value}"), level=level)
    assert worded == ["at info", "at warn"]
    assert [(one.info.level, one.info.msg) for one in heard] == [
        ("info", "at info"),
        ("warn", "at warn"),
    ]
    assert [line.split("  ")[1] for line in log.read_text().splitlines()] == worded


def test_a_log_for_debugging_keeps_everything(tmp_path: Path) -> None:
    log = tmp_path / "log"
    with dbt_quickly(tmp_path / "templates"):
        get_event_manager().add_logger(
            LoggerConfig(name="all", level=EventLevel.DEBUG, output_file_name=str(log))
        )
        fire_event(Note(msg="at debug"), level=EventLevel.DEBUG)
    assert "at debug" in log.read_text()


def test_a_template_is_compiled_once_and_then_read_from_the_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file, compiled = tmp_path / "templates", []
    compile_anew = MacroFuzzEnvironment.compile

    def noting(environment: MacroFuzzEnvironment, source: str) -> object:
        compiled.append(source)
        return compile_anew(environment, source)

    monkeypatch.setattr("orchestration.defs.dbt_quickly._compile_anew", noting)

    def rendered(source: str, *, is_native: bool) -> object:
        with dbt_quickly(file):
            template = get_template(source, {}, native=is_native)
            return render_template(template, {"number": 2})

    source = "{% macro twice(one) %}{{ 2 * one }}{% endmacro %}{{ number + 1 }}"
    assert [rendered(source, is_native=False) for _ in range(3)] == ["3", "3", "3"]
    assert compiled == [source]
    # As a number it is other code.
    assert [rendered(source, is_native=True) for _ in range(2)] == [3, 3]
    assert compiled == [source, source]
    # What another Python or a damaged disk left is not read.
    for damaged in (b"", b"not ours", file.read_bytes()[:-1]):
        file.write_bytes(damaged)
        assert rendered(source, is_native=False) == "3"
    assert len(compiled) == 5
