"""Asks a Spark cluster, for a process whose environment has no Spark (warehouse/spark).

Run by the Python of Spark's own environment, with SPARK_REMOTE set: one statement a line on stdin as JSON,
its answer a line on stdout, until stdin ends.

Belongs here: that exchange, with nothing imported but Spark's client. Does not belong here: what is asked.
"""

from __future__ import annotations

import json
import sys
from importlib import import_module
from typing import Any


def main() -> None:
    # Spark's client says much on stdout and stderr that is no answer.
    answers, sys.stdout = sys.stdout, sys.stderr
    session = import_module("pyspark.sql").SparkSession.builder.getOrCreate()
    session.conf.set("spark.sql.session.timeZone", "UTC")
    _write(answers, {"version": session.version})
    for line in sys.stdin:
        _write(answers, _answer(session, json.loads(line)))


def _answer(session: Any, statement: str) -> dict[str, Any]:
    try:
        found = session.sql(statement)
        return {"columns": found.columns, "rows": [list(row) for row in found.collect()]}
    except import_module("pyspark.errors").PySparkException as error:
        return {"error": str(error)}


def _write(answers: Any, answer: dict[str, Any]) -> None:
    answers.write(json.dumps(answer, default=str) + "\n")
    answers.flush()


if __name__ == "__main__":
    main()
