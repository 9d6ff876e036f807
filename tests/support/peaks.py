"""How much memory a process needs to load one file: written by DuckDB, loaded in a child process."""

from __future__ import annotations

import gzip
import json
import resource
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import duckdb
import pytest

from orchestration.ingest import splitting
from orchestration.settings import PROJECT_ROOT, Settings
from tests.support.landing import load

FORMATS = (
    "rows.csv.gz",
    "rows.csv.zst",
    "rows.ndjson.gz",
    "rows.ndjson.zst",
    "array.json",
    "documents.json",
    "rows.parquet",
)

# Texts that a cut has to see through.
_ROWS = """
    select
        'ta-' || range as task_id,
        't-' || range % 50 as tenant_id,
        'a-' || range % 20 as agent_id,
        'queued' as status,
        'says "no", [{ and' || chr(10) || 'goes ' || md5(range::varchar) as name,
        '2026-03-01T10:00:00Z' as created_at,
        '2026-03-01T11:00:00Z' as updated_at
    from range(COUNT)
"""


@dataclass(frozen=True, kw_only=True)
class Load:
    """What a child process said of its load."""

    rows_landed: int
    rows_quarantined: int
    peak_mb: int


def write_rows(path: Path, *, count: int) -> Path:
    """Write tasks in the format that the file's name says."""
    path.parent.mkdir(parents=True)
    parts = path.name.split(".")
    packing = parts[2] if len(parts) > 2 else ""
    options = {
        "csv": "format csv, header true",
        "ndjson": "format json",
        "json": f"format json, array {parts[0] == 'array'}",
        "parquet": "format parquet, row_group_size 20000",
    }[parts[1]]
    rows = _ROWS.replace("COUNT", str(count))
    if parts[0] == "documents":
        # An object over several lines, one behind the other; the delimiter occurs in none.
        rows = f"select '{{' || chr(10) || substr(to_json(one)::varchar, 2) as line from ({rows}) as one"
        options = "format csv, header false, quote '', escape '', delimiter '\x01'"
    if packing == "zst":
        options += ", compression zstd"
    with duckdb.connect(config={"threads": 1}) as connection:
        plain = path.with_suffix("") if packing == "gz" else path
        connection.execute(f"copy ({rows}) to '{plain}' ({options})")
    if packing == "gz":
        with plain.open("rb") as source, gzip.open(path, "wb", compresslevel=1) as target:
            shutil.copyfileobj(source, target)
        plain.unlink()
    return path


def peak_of_load(path: Path, *, home: Path, piece_bytes: int | None, threads: int) -> Load:
    """Load a file of tasks in a child process.

    Args:
        home: the folder of its settings; a folder that does not exist.
        piece_bytes: the size of pieces, if not the product's own.
    """
    target = home / "landing" / "tasks"
    target.mkdir(parents=True)
    (target / path.name).symlink_to(path)
    done = subprocess.run(
        [
            sys.executable,
            "-m",
            "tests.support.peaks",
            str(home),
            str(piece_bytes or 0),
            str(threads),
        ],
        cwd=PROJECT_ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    return Load(**json.loads(done.stdout))


def _load_here(home: Path, *, piece_bytes: int, threads: int) -> Load:
    sizes = {
        "_WHOLE_BYTES": piece_bytes,
        "_LARGEST_PIECE_BYTES": piece_bytes,
        "_SMALLEST_PIECE_BYTES": piece_bytes // 2,
        "_ROWS_OF_PARQUET_PIECE": 10_000,
    }
    with pytest.MonkeyPatch.context() as patch:
        for name, size in sizes.items() if piece_bytes else ():
            patch.setattr(splitting, name, size)
        report = load(Settings(home=home, threads=threads))
    return Load(
        rows_landed=report.rows_landed,
        rows_quarantined=report.rows_quarantined,
        peak_mb=resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024,
    )


if __name__ == "__main__":
    _home, _piece_bytes, _threads = sys.argv[1:]
    _load = _load_here(Path(_home), piece_bytes=int(_piece_bytes), threads=int(_threads))
    sys.stdout.write(json.dumps(vars(_load)))
