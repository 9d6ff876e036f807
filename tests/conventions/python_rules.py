"""The rules of the Python side, read from the syntax tree; one starts an interpreter.

Belongs here: rules that ruff and mypy cannot express. Does not belong here: what they can
(pyproject.toml).
"""

from __future__ import annotations

import ast
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path

from tests.conventions.rule import Rule, files_of

_ORCHESTRATION = "orchestration/"
_MAY_IMPORT_DAGSTER_AND_DBT = (
    "orchestration/defs/",
    "orchestration/definitions.py",
    "orchestration/cli/run.py",
    "orchestration/cli/ui.py",
    "orchestration/cli/dagster_home.py",
)
_MAY_READ_ENVIRONMENT = ("orchestration/settings.py",)
_MAY_READ_CLOCK = ("orchestration/cli/", "orchestration/clock.py")

# Callables that say what time it is. How long something took (a monotonic clock) is no input.
_CLOCKS = {
    "datetime.now",
    "datetime.utcnow",
    "datetime.today",
    "date.today",
    "time.time",
    "time.time_ns",
    "time.localtime",
    "time.gmtime",
}

_LONGEST_FUNCTION_IN_DEFS = 15


def _modules(root: Path, prefix: str) -> Iterator[tuple[str, ast.Module]]:
    for name, path in files_of(root, "*.py"):
        if name.startswith(prefix):
            yield name, _parsed(path.read_text(encoding="utf-8"), name)


# Sixteen rules read the same 460 modules; parsing them takes a second each time.
@cache
def _parsed(text: str, name: str) -> ast.Module:
    return ast.parse(text, filename=name)


def _imported(tree: ast.Module) -> Iterator[tuple[int, str]]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from ((node.lineno, alias.name) for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield node.lineno, node.module


def _find_wiring_imports(root: Path) -> list[str]:
    return [
        f"{name}:{line} imports {module}"
        for name, tree in _modules(root, _ORCHESTRATION)
        if not name.startswith(_MAY_IMPORT_DAGSTER_AND_DBT)
        for line, module in _imported(tree)
        if module.split(".")[0] in {"dagster", "dagster_dbt", "dagster_webserver", "dbt"}
    ]


def _find_private_dagster_imports(root: Path) -> list[str]:
    return [
        f"{name}:{line} imports {module}"
        for name, tree in _modules(root, "")
        for line, module in _imported(tree)
        if module.startswith("dagster") and any(part.startswith("_") for part in module.split("."))
    ]


def _dotted(node: ast.expr) -> str:
    if isinstance(node, ast.Attribute):
        return f"{_dotted(node.value)}.{node.attr}"
    return node.id if isinstance(node, ast.Name) else ""


def _find_environment_readers(root: Path) -> list[str]:
    found = []
    for name, tree in _modules(root, _ORCHESTRATION):
        if name.startswith(_MAY_READ_ENVIRONMENT):
            continue
        for node in ast.walk(tree):
            reads = isinstance(node, ast.Attribute) and _dotted(node) in {
                "os.environ",
                "os.environb",
                "os.getenv",
            }
            imports = isinstance(node, ast.ImportFrom) and node.module == "os"
            if imports and isinstance(node, ast.ImportFrom):
                reads = any(alias.name in {"environ", "getenv"} for alias in node.names)
            if reads and isinstance(node, (ast.Attribute, ast.ImportFrom)):
                found.append(f"{name}:{node.lineno} reads the environment")
    return found


def _find_clock_readers(root: Path) -> list[str]:
    found = []
    for name, tree in _modules(root, ""):
        if name.startswith(_MAY_READ_CLOCK):
            continue
        for node in ast.walk(tree):
            if isinstance(node, ast.Call):
                callee = _dotted(node.func)
                if any(callee == clock or callee.endswith(f".{clock}") for clock in _CLOCKS):
                    found.append(f"{name}:{node.lineno} calls {callee}()")
    return found


def _find_logic_in_package_files(root: Path) -> list[str]:
    def is_plain(node: ast.stmt) -> bool:
        is_docstring = isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)
        is_list = isinstance(node, ast.Assign) and [_dotted(t) for t in node.targets] == ["__all__"]
        return is_docstring or is_list or isinstance(node, (ast.ImportFrom, ast.Import))

    return [
        f"{name}:{node.lineno} is more than a docstring or an export"
        for name, tree in _modules(root, _ORCHESTRATION)
        if name.endswith("__init__.py")
        for node in tree.body
        if not is_plain(node)
    ]


def _find_missing_docstrings(root: Path) -> list[str]:
    found = []
    for name, tree in _modules(root, _ORCHESTRATION):
        if not tree.body:
            continue
        text = " ".join((ast.get_docstring(tree) or "").lower().split())
        if "belong" not in text or " not " not in text:
            found.append(f"{name} does not say what belongs in it and what does not")
    return found


def _is_dataclass_decorator(node: ast.expr) -> bool:
    return _dotted(node.func if isinstance(node, ast.Call) else node) in {
        "dataclass",
        "dataclasses.dataclass",
    }


def _find_mutable_dataclasses(root: Path) -> list[str]:
    return [
        f"{name}:{node.lineno} {node.name}"
        for name, tree in _modules(root, _ORCHESTRATION)
        for node in ast.walk(tree)
        if isinstance(node, ast.ClassDef)
        for decorator in node.decorator_list
        if _is_dataclass_decorator(decorator)
        and not (
            isinstance(decorator, ast.Call)
            and any(
                keyword.arg == "frozen" and ast.unparse(keyword.value) == "True"
                for keyword in decorator.keywords
            )
        )
    ]


def _find_long_positional_signatures(root: Path) -> list[str]:
    found = []
    for name, tree in _modules(root, _ORCHESTRATION):
        for node in ast.walk(tree):
            if not isinstance(node, ast.FunctionDef):
                continue
            # click calls by keyword, Dagster by the names of assets and resources.
            if node.decorator_list or node.name.startswith("_") or "/defs/" in name:
                continue
            positional = [a.arg for a in node.args.posonlyargs + node.args.args]
            if positional[:1] in (["self"], ["cls"]):
                positional = positional[1:]
            if len(positional) > 2:
                found.append(f"{name}:{node.lineno} {node.name}({', '.join(positional)})")
    return found


def _find_logic_in_defs(root: Path) -> list[str]:
    found = []
    for name, tree in _modules(root, "orchestration/defs/"):
        for node in ast.walk(tree):
            if isinstance(node, ast.FunctionDef) and node.end_lineno is not None:
                body = node.body[1:] if ast.get_docstring(node) and node.body[1:] else node.body
                length = node.end_lineno - body[0].lineno + 1
                if length > _LONGEST_FUNCTION_IN_DEFS:
                    found.append(f"{name}:{node.lineno} {node.name} has {length} lines")
    return found


def _test_functions(root: Path) -> Iterator[tuple[str, ast.FunctionDef]]:
    for name, tree in _modules(root, "tests/"):
        for node in ast.walk(tree):
            if isinstance(node, ast.FunctionDef) and node.name.startswith("test_"):
                yield name, node


def _find_short_test_names(root: Path) -> list[str]:
    return [
        f"{name}:{node.lineno} {node.name}"
        for name, node in _test_functions(root)
        if node.name.count("_") < 4
    ]


def _find_tests_without_assertion(root: Path) -> list[str]:
    def checks(node: ast.AST) -> bool:
        if isinstance(node, ast.Assert):
            return True
        called = _dotted(node.func) if isinstance(node, ast.Call) else ""
        if isinstance(node, ast.Call) and any(k.arg == "check" for k in node.keywords):
            return True
        last = called.rsplit(".", 1)[-1]
        return last.lstrip("_").startswith(("assert", "raises", "check", "expect"))

    return [
        f"{name}:{node.lineno} {node.name}"
        for name, node in _test_functions(root)
        if not any(checks(inner) for inner in ast.walk(node))
    ]


def _find_skipped_tests(root: Path) -> list[str]:
    found = []
    for name, tree in _modules(root, "tests/"):
        for node in ast.walk(tree):
            callee = _dotted(node) if isinstance(node, ast.Attribute) else ""
            if callee in {"pytest.skip", "pytest.mark.skip", "pytest.mark.xfail", "unittest.skip"}:
                found.append(f"{name}:{getattr(node, 'lineno', 0)} {callee}")
    return found


def _find_mocks(root: Path) -> list[str]:
    return [
        f"{name}:{line} imports {module}"
        for name, tree in _modules(root, "tests/")
        for line, module in _imported(tree)
        if module.split(".")[0] in {"mock", "pytest_mock"} or module == "unittest.mock"
    ]


# Runs in an interpreter of its own: imports every module and lists what that did and must not.
_IMPORT_EVERYTHING = """
import importlib, os, sys
root = os.path.realpath(sys.argv[1]) + os.sep
watched = {"module": None}
found = []

def caused_by_a_library():
    frame = sys._getframe(2)
    while frame is not None:
        file = frame.f_code.co_filename
        if "site-packages" in file:
            return True
        if file.startswith(root):
            return False
        frame = frame.f_back
    return False

def note(what):
    if watched["module"] is not None:
        found.append(f"{watched['module']} {what} when imported")

def watch(event, arguments):
    if event in ("socket.connect", "socket.getaddrinfo"):
        note(f"calls {event}")
    elif event == "subprocess.Popen":
        # croniter, inside Dagster, asks `file` how wide a pointer is.
        if not caused_by_a_library():
            note("starts a process")
    elif event == "open" and isinstance(arguments[0], str):
        path = os.path.realpath(arguments[0])
        mode = arguments[1] or "r"
        is_code = path.endswith((".py", ".pyc")) or ".pyc." in path
        # Dagster asks for the asset graph when it loads, and ours is dbt's.
        is_graph = "orchestration.def" in str(watched["module"]) and "/dbt_project/" in path
        if path.startswith(root) and "site-packages" not in path and not is_code and not is_graph:
            note(f"opens {path[len(root):]}")
        elif any(letter in str(mode) for letter in "wax+") and not is_code:
            if path != "/dev/null":
                note(f"writes {path}")

sys.path.insert(0, root)
sys.addaudithook(watch)
for module in sys.argv[2:]:
    watched["module"] = module
    try:
        importlib.import_module(module)
    except BaseException as error:
        found.append(f"{module} cannot be imported: {type(error).__name__}: {error}")
print("\\n".join(found))
"""


def _find_import_side_effects(root: Path) -> list[str]:
    modules = [
        name.removesuffix(".py").removesuffix("/__init__").replace("/", ".")
        for name, _ in files_of(root, "*.py")
        if name.startswith(_ORCHESTRATION)
    ]
    if not modules:
        return []
    finished = subprocess.run(
        [sys.executable, "-I", "-c", _IMPORT_EVERYTHING, str(root), *modules],
        # An empty environment, and a home that cannot be read or made.
        env={"HOME": "/nonexistent", "PATH": os.defpath, "PYTHONDONTWRITEBYTECODE": "1"},
        cwd=root,
        capture_output=True,
        text=True,
        check=False,
    )
    if finished.returncode != 0:
        return [f"the interpreter stopped: {finished.stderr.strip().splitlines()[-1]}"]
    return [line for line in finished.stdout.splitlines() if line]


def _rule(
    name: str,
    *,
    reason: str,
    remedy: str,
    find: Callable[[Path], list[str]],
    bad: dict[str, str],
) -> Rule:
    return Rule(name=name, reason=reason, remedy=remedy, find_violations=find, bad=bad)


RULES = (
    _rule(
        "dagster and dbt are imported by wiring alone",
        reason="what is not wiring must be usable, and tested, without an orchestrator",
        remedy="move the logic to a plain module and call it from orchestration/defs",
        find=_find_wiring_imports,
        bad={"orchestration/ingest/load.py": "from dagster import asset\n"},
    ),
    _rule(
        "no private module of dagster is imported",
        reason="its private modules change without notice",
        remedy="use the public name, or do without",
        find=_find_private_dagster_imports,
        bad={"orchestration/defs/assets.py": "from dagster._core.events import DagsterEvent\n"},
    ),
    _rule(
        "the environment is read in settings alone",
        reason="one place to see what configures a deployment, and tests that need no environment",
        remedy="add the variable to orchestration/settings.py and pass the value",
        find=_find_environment_readers,
        bad={"orchestration/delivery/send.py": "import os\nHOST = os.environ['HOST']\n"},
    ),
    _rule(
        "the clock is read in the command line alone",
        reason="a run must give the same for the same as-of time, and so must a test",
        remedy="take as_of as a parameter",
        find=_find_clock_readers,
        bad={
            "orchestration/reporting/build.py": (
                "from datetime import UTC, datetime\n\n\ndef made() -> datetime:\n"
                "    return datetime.now(tz=UTC)\n"
            )
        },
    ),
    _rule(
        "nothing happens when a module is imported",
        reason="help texts, tests and Dagster import everything; none may need a disk or a network",
        remedy="move the work into a function",
        find=_find_import_side_effects,
        bad={
            "orchestration/__init__.py": "",
            "orchestration/prices.py": "from pathlib import Path\n\n"
            "PRICES = (Path(__file__).parent / 'prices.csv').read_text()\n",
            "orchestration/prices.csv": "model,price\n",
        },
    ),
    _rule(
        "a package file holds no logic",
        reason="a symbol has one home, and importing a package costs nothing",
        remedy="move it to a module of its own",
        find=_find_logic_in_package_files,
        bad={"orchestration/ingest/__init__.py": "def load() -> None: ...\n"},
    ),
    _rule(
        "a module says what belongs in it and what does not",
        reason="the next person must find the right place without asking",
        remedy="say so in its docstring: Belongs here: ... Does not belong here: ...",
        find=_find_missing_docstrings,
        bad={"orchestration/ingest/load.py": '"""Loading."""\n\nSIZE = 1\n'},
    ),
    _rule(
        "a dataclass is frozen",
        reason="values that cross a boundary must not change behind their sender's back",
        remedy="write @dataclass(frozen=True, kw_only=True); make a changed copy with replace()",
        find=_find_mutable_dataclasses,
        bad={
            "orchestration/ingest/load.py": "from dataclasses import dataclass\n\n\n"
            "@dataclass\nclass Load:\n    rows: int\n"
        },
    ),
    _rule(
        "beyond two arguments they are given by keyword",
        reason="a call with three bare values cannot be read, and is easily swapped",
        remedy="put * before the third parameter, or before all",
        find=_find_long_positional_signatures,
        bad={"orchestration/a.py": "def send(host: str, port: int, sender: str) -> None: ...\n"},
    ),
    _rule(
        "a function in defs has at most 15 lines",
        reason="defs wires; what is longer is logic in the wrong place",
        remedy="move the logic to a plain module and call it",
        find=_find_logic_in_defs,
        bad={"orchestration/defs/a.py": "def build() -> None:\n" + "    print()\n" * 16},
    ),
    _rule(
        "a test's name is a sentence",
        reason="the list of test names is the description of what the product does",
        remedy="say what holds: test_<subject>_<does what>_<when>",
        find=_find_short_test_names,
        bad={"tests/unit/test_load.py": "def test_load() -> None:\n    assert True\n"},
    ),
    _rule(
        "a test checks something",
        reason="a test that asserts nothing passes whatever the product does",
        remedy="assert the outcome",
        find=_find_tests_without_assertion,
        bad={"tests/unit/test_load.py": "def test_a_file_loads_once_only() -> None:\n    load()\n"},
    ),
    _rule(
        "no test is skipped or expected to fail",
        reason="a safety net that is off by default is no net",
        remedy="fix the test or delete it; skipif with a reason is for data that is not committed",
        find=_find_skipped_tests,
        bad={
            "tests/unit/test_load.py": "import pytest\n\n\n@pytest.mark.skip\n"
            "def test_a_file_loads_once_only() -> None:\n    assert True\n"
        },
    ),
    _rule(
        "tests use fakes, not mocks",
        reason="a mock repeats the code under test and passes when the real thing has changed",
        remedy="pass a fake from tests/support, or the real thing",
        find=_find_mocks,
        bad={"tests/unit/test_load.py": "from unittest.mock import Mock\n"},
    ),
)
