"""Reports say exactly what the golden files hold; a change there is a change for every reader."""

from __future__ import annotations

from functools import cache

import pytest

from tests.golden import report_files

_NAMES = [
    f"{case}.{kind}"
    for case in report_files.CASES
    for kind in ("csv", "json", "mail.txt", "pdf.txt")
]


@cache
def _made() -> dict[str, bytes]:
    return report_files.make_files()


@pytest.mark.parametrize("name", _NAMES)
def test_a_report_is_what_its_golden_file_holds(name: str) -> None:
    assert _made()[name].decode() == (report_files.FOLDER / name).read_bytes().decode()


def test_no_golden_file_is_left_over() -> None:
    assert sorted(path.name for path in report_files.FOLDER.iterdir()) == sorted(_NAMES)
