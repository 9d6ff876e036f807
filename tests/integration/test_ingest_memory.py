"""A large file is read in memory that does not grow with it, whatever its format.

Belongs here: peaks of child processes over files of some ten MB, with small pieces. Does not belong
here: files of GB (tests/soak/memory.py).
"""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.peaks import FORMATS, peak_of_load, write_rows

# 4 and 25 MB as csv, 7 and 43 MB as JSON; to read a file whole takes several times its size.
ROWS, MORE_ROWS = 30_000, 200_000
# What is not given back in time varies by some 20 MB.
MOST_GROWTH_MB = 40


@pytest.mark.parametrize("name", FORMATS)
def test_the_peak_does_not_grow_with_the_file(tmp_path: Path, name: str) -> None:
    peaks = []
    for rows in (ROWS, MORE_ROWS):
        file = write_rows(tmp_path / str(rows) / name, count=rows)
        load = peak_of_load(file, home=tmp_path / f"home-{rows}", piece_bytes=2_000_000, threads=1)
        assert (load.rows_landed, load.rows_quarantined) == (rows, 0)
        peaks.append(load.peak_mb)
    assert peaks[1] - peaks[0] < MOST_GROWTH_MB, peaks
