"""What a rule of the house is, and how it is shown to hold here and to fail on a bad example.

Belongs here: the shape of a rule. Does not belong here: any rule.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from fnmatch import fnmatch
from functools import cache
from pathlib import Path

PROJECT = Path(__file__).resolve().parents[2]

_NOT_OURS = {
    ".git",
    ".venv",
    ".venv-spark",
    "data",
    "target",
    "logs",
    "__pycache__",
    ".mypy_cache",
    ".ruff_cache",
    ".pytest_cache",
    ".hypothesis",
}


@dataclass(frozen=True, kw_only=True)
class Rule:
    """A rule that a program can check. ``bad`` is a small project, path to text, that breaks it."""

    name: str
    reason: str
    remedy: str
    find_violations: Callable[[Path], list[str]]
    bad: Mapping[str, str]


def assert_project_keeps(rule: Rule) -> None:
    violations = rule.find_violations(PROJECT)
    listed = "\n".join(f"  {violation}" for violation in violations)
    assert not violations, (
        f"{len(violations)} times against the rule: {rule.name}\n"
        f"Why: {rule.reason}\nWhat to do: {rule.remedy}\n{listed}"
    )


def assert_bad_example_breaks(rule: Rule, folder: Path) -> None:
    for name, text in rule.bad.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    assert rule.find_violations(folder), f"the bad example passes the rule: {rule.name}"


def files_of(root: Path, pattern: str) -> Iterator[tuple[str, Path]]:
    """Our own files that match, as (path relative to the root, path), in a fixed order."""
    for relative in _own_files(root):
        if fnmatch(relative.name, pattern):
            yield relative.as_posix(), root / relative


@cache
def _own_files(root: Path) -> tuple[Path, ...]:
    found = []
    for folder, names, files in os.walk(root):
        # Pruned while walking: an environment alone holds 40,000 files.
        names[:] = sorted(name for name in names if name not in _NOT_OURS)
        found += [(Path(folder) / file).relative_to(root) for file in files]
    return tuple(sorted(found))
