"""Runs floor.sql on a landing, in one connection.

Belongs here: its variables and its database. Does not belong here: the SQL.

    python -m tests.benchmarks.whole_job.floor <landing> <database>
"""

from __future__ import annotations

import sys
from pathlib import Path

import duckdb

from orchestration.settings import PROJECT_ROOT
from tests.benchmarks.whole_job.landings import AS_OF, SALT

_THREADS = 4


def make_floor(landing: Path, database: Path) -> None:
    """Make the core facts and the daily marts of a landing in a database of their own."""
    script = Path(__file__).with_name("floor.sql").read_text(encoding="utf-8")
    variables = {
        "landing": landing,
        "reference": PROJECT_ROOT / "seeds" / "reference",
        "as_of": AS_OF.isoformat(),
        "user_salt": SALT,
    }
    with duckdb.connect(str(database), config={"threads": _THREADS}) as connection:
        for name, value in variables.items():
            connection.execute(f"set variable {name} = '{value}'")
        connection.execute(script)


if __name__ == "__main__":
    make_floor(Path(sys.argv[1]), Path(sys.argv[2]))
