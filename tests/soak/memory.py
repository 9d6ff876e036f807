"""The long form of the memory test: files of 1 and 2 GB in every format, with the product's own pieces.

Run by `make soak`; pytest does not collect it by itself.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.support.peaks import FORMATS, peak_of_load, write_rows

# Rows of 220 bytes as JSON.
ROWS, MORE_ROWS = 4_500_000, 9_000_000
MOST_GROWTH_MB = 400


@pytest.mark.parametrize("name", FORMATS)
def test_a_file_of_two_gigabytes_takes_no_more_memory_than_one_of_one(
    tmp_path: Path, record_property: Callable[[str, object], None], name: str
) -> None:
    peaks = []
    for rows in (ROWS, MORE_ROWS):
        file = write_rows(tmp_path / str(rows) / name, count=rows)
        home = tmp_path / f"home-{rows}"
        load = peak_of_load(file, home=home, piece_bytes=None, threads=4)
        assert (load.rows_landed, load.rows_quarantined) == (rows, 0)
        record_property(f"peak_mb_{rows}", load.peak_mb)
        peaks.append(load.peak_mb)
        file.unlink()
        shutil.rmtree(home)
    assert peaks[1] - peaks[0] < MOST_GROWTH_MB, peaks
