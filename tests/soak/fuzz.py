"""The long form of the fuzz test: a million lines, cells and rows of noise.

Run by `make soak`; pytest does not collect it by itself.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

from tests.support.fuzz import NOTHING, load_noise

LINES = 1_000_000
LINES_PER_FILE = 4_500


def test_a_million_lines_of_noise_are_landed_or_quarantined_every_one(
    tmp_path: Path, record_property: Callable[[str, object], None]
) -> None:
    total = NOTHING
    number = 0
    while total.lines < LINES:
        number += 1
        home = tmp_path / f"round-{number}"
        total += load_noise(home, seed=f"soak {number}", lines_per_file=LINES_PER_FILE)
        shutil.rmtree(home)
    assert total.rows_landed > LINES / 4
    assert total.rows_quarantined > LINES / 4
    assert total.refused_files < total.files / 5
    for name, value in vars(total).items():
        record_property(name, value)
