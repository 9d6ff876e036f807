"""dbt in this process, without what it works out again for each node, statement and template.

Of the 46 s of the processor that a build of few rows took, a third went into three things: the 900 macros
were wrapped anew for each node and each call of the adapter; 9,000 events were worded that nobody keeps; and
1,500 templates were compiled by each process. What dbt does, and says, stays the same.

dbt offers no way to it; tests/definitions/test_dbt_quickly.py fails where dbt changes what this leans on.

Belongs here: those three. Does not belong here: calling dbt (dbt_build).
"""

from __future__ import annotations

import hashlib
import marshal
import os
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from types import CodeType
from typing import Any

import jinja2
from dbt.clients.jinja import MacroGenerator
from dbt.context.macros import MacroNamespace, MacroNamespaceBuilder
from dbt_common.clients.jinja import MacroFuzzEnvironment
from dbt_common.events.base_types import BaseEvent, EventLevel
from dbt_common.events.event_manager import EventManager
from dbt_common.events.event_manager_client import ctx_set_event_manager, get_event_manager

from orchestration.warehouse.manifest import MANIFEST_FILE

# Every deployment of this code has the same templates.
TEMPLATES = MANIFEST_FILE.with_name("templates.marshal")


@contextmanager
def dbt_quickly(templates: Path) -> Iterator[None]:
    """Have dbt work so meanwhile; compiled templates are kept in the file, if it can be written."""
    compiled = _CompiledTemplates(templates)
    with ExitStack() as replaced:
        replaced.enter_context(_events_that_are_kept())
        for owner, name, ours in (
            (MacroNamespaceBuilder, "build_namespace", _build_namespace),
            (BaseEvent, "__init__", _note_event),
            (BaseEvent, "__getattr__", _word_event),
            (MacroFuzzEnvironment, "compile", lambda of, *source: compiled.compile(of, *source)),
        ):
            replaced.enter_context(_instead(owner, name, ours))
        yield
    compiled.save()


@contextmanager
def _instead(owner: type, name: str, ours: Callable[..., Any]) -> Iterator[None]:
    own = owner.__dict__.get(name)
    setattr(owner, name, ours)
    try:
        yield
    finally:
        if own is None:
            delattr(owner, name)
        else:
            setattr(owner, name, own)


class _Namespace(MacroNamespace):
    """Answers by one look-up what its parent searches five dictionaries for."""

    def __init__(self, **parts: Any) -> None:
        super().__init__(**parts)
        self._found: dict[str, Any] = {}
        for names in reversed(list(self._search_order())):
            self._found.update(names)

    def __iter__(self) -> Iterator[str]:
        return iter(self._found)

    def __len__(self) -> int:
        return len(self._found)

    def __getitem__(self, key: str) -> Any:
        return self._found[key]


class _Macro(MacroGenerator):
    """dbt's own, made by one call instead of three."""

    def __init__(self, macro: Any, context: Any, builder: MacroNamespaceBuilder) -> None:
        self.macro = macro
        self.context = context
        self.node = builder.node
        self.stack = builder.thread_ctx


def _build_namespace(
    builder: MacroNamespaceBuilder, macros_by_package: Mapping[str, Mapping[str, Any]], ctx: Any
) -> MacroNamespace:
    """What dbt's own method makes; that no two macros of a package share a name, it saw when it parsed."""
    packages = {
        package: {name: _Macro(macro, ctx, builder) for name, macro in macros.items()}
        for package, macros in macros_by_package.items()
    }
    internal: dict[str, Any] = {}
    # The first of them wins.
    for package in reversed(builder.internal_package_names_order):
        internal.update(packages.pop(package, {}))
    is_of_root = builder.search_package == builder.root_package
    return _Namespace(
        global_namespace={} if is_of_root else packages.get(builder.root_package, {}),
        local_namespace=packages.get(builder.search_package, {}),
        global_project_namespace=internal,
        packages=packages,
    )


class _EventsThatAreKept(EventManager):
    """Drops what is for debugging before it is worded, unless a log is kept of it.

    The one listener that dbt brings along waits for warnings.
    """

    def fire_event(
        self,
        e: BaseEvent,
        level: EventLevel | None = None,
        node: Any = None,
        force_warn_or_error_handling: bool = False,
    ) -> None:
        is_for_debugging = (level or e.level_tag()) in _FOR_DEBUGGING
        is_kept = any(logger.level in _FOR_DEBUGGING for logger in self.loggers)
        if is_for_debugging and not is_kept and not force_warn_or_error_handling:
            return
        super().fire_event(e, level, node, force_warn_or_error_handling)


_FOR_DEBUGGING = (EventLevel.DEBUG, EventLevel.TEST)


@contextmanager
def _events_that_are_kept() -> Iterator[None]:
    before = get_event_manager()
    ctx_set_event_manager(_EventsThatAreKept())
    try:
        yield
    finally:
        ctx_set_event_manager(before)


_own_init = BaseEvent.__init__


def _note_event(event: BaseEvent, *args: Any, **said: Any) -> None:
    """What the event was made of; the message that holds it is made for those that are kept."""
    event.__dict__["_said"] = (args, said)


def _word_event(event: BaseEvent, name: str) -> Any:
    if name != "pb_msg":
        return getattr(event.pb_msg, name)
    if "_said" not in event.__dict__:
        raise AttributeError(name)
    args, said = event.__dict__.pop("_said")
    _own_init(event, *args, **said)
    return event.__dict__["pb_msg"]


_compile_anew = MacroFuzzEnvironment.compile


class _CompiledTemplates:
    """Python's code of each template, by what it was compiled from, in a file that later builds read."""

    def __init__(self, file: Path) -> None:
        # Code of another Python is not to be loaded, nor that of another generator to be run.
        self._version = f"{sys.implementation.cache_tag} {sys.hexversion} {jinja2.__version__}"
        self._file = file
        self._codes = self._read()
        self._is_new = False

    def compile(self, environment: MacroFuzzEnvironment, source: Any, *args: Any) -> Any:
        if args or not isinstance(source, str):
            return _compile_anew(environment, source, *args)
        text = f"{type(environment).__name__}\n{source}"
        key = hashlib.blake2b(text.encode(), digest_size=16).digest()
        if key not in self._codes:
            self._codes[key] = _compile_anew(environment, source)
            self._is_new = True
        return self._codes[key]

    def save(self) -> None:
        if not self._is_new:
            return
        part = self._file.with_name(f".{self._file.name}.{os.getpid()}")
        try:
            part.write_bytes(marshal.dumps((self._version, self._codes)))
            part.replace(self._file)
        except OSError:
            # An installation that its user cannot write to, or a full disk: the next build compiles again.
            part.unlink(missing_ok=True)

    def _read(self) -> dict[bytes, CodeType]:
        try:
            version, codes = marshal.loads(self._file.read_bytes())
        except (OSError, EOFError, ValueError, TypeError):
            return {}
        return codes if version == self._version else {}
