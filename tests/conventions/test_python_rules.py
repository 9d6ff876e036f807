"""The Python rules hold in this project, and each of them can fail."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.conventions.python_rules import RULES
from tests.conventions.rule import Rule, assert_bad_example_breaks, assert_project_keeps

_each_rule = pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.name)


@_each_rule
def test_project_keeps_the_python_rule(rule: Rule) -> None:
    assert_project_keeps(rule)


@_each_rule
def test_bad_example_breaks_the_python_rule(rule: Rule, tmp_path: Path) -> None:
    assert_bad_example_breaks(rule, tmp_path)
