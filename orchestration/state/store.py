"""The deployment's private store: runs, audits and publications, in one SQLite file.

Belongs here: what happened and what was published. Does not belong here: the outbox (delivery/ keeps its
own tables in the same file) and anything an analyst queries (that is published).
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

from orchestration.state.tables import PrivateTables


@dataclass(frozen=True, kw_only=True)
class Run:
    """One run of the job. ``status`` is running, succeeded, failed or nothing new."""

    run_id: int
    command: str
    as_of: datetime
    status: str
    failure: str | None = None
    counts: Mapping[str, Any] = field(default_factory=dict)

    def listed(self, step: str, name: str) -> list[str]:
        """What a step listed under a name, such as the files that could not be loaded."""
        return list(self.counts.get(step, {}).get(name, []))


@dataclass(frozen=True, kw_only=True)
class Publication:
    """One published state. ``is_complete`` is false when only part of the models was built for it."""

    publication_id: int
    run_id: int
    as_of: datetime
    code_fingerprint: str
    is_complete: bool
    load_ids: frozenset[str]


@dataclass(frozen=True, kw_only=True)
class Audit:
    """The result of one data test. ``status`` is pass, warn, fail, error or skipped."""

    check_name: str
    model_name: str | None
    status: str
    failures: int | None = None
    message: str | None = None


class StateStore(PrivateTables):
    """Access to the store; every write is one transaction, on disk when the call returns."""

    _schema = Path(__file__).with_name("schema.sql")

    def start_run(self, *, run_key: str, command: str, as_of: datetime) -> Run:
        """The run with this key; a step of a run that another step started gets the same one."""
        with self._connection() as connection:
            connection.execute(
                "insert into runs (run_key, command, as_of, status) values (?, ?, ?, 'running')"
                " on conflict (run_key) do nothing",
                (run_key, command, as_of.isoformat()),
            )
            row = connection.execute(
                "select run_id, command, as_of, status, failure, counts from runs"
                " where run_key = ?",
                (run_key,),
            ).fetchone()
        return _run(row)

    def finish_run(self, run_id: int, *, status: str, failure: str | None = None) -> None:
        with self._connection() as connection:
            connection.execute(
                "update runs set status = ?, failure = ? where run_id = ?",
                (status, failure, run_id),
            )

    def fail_run(self, run_id: int, *, failure: str) -> None:
        """Note that a run failed, unless it is noted already: what was noted first is the cause."""
        with self._connection() as connection:
            connection.execute(
                "update runs set status = 'failed', failure = ?"
                " where run_id = ? and status <> 'failed'",
                (failure, run_id),
            )

    def add_counts(self, run_id: int, counts: Mapping[str, object]) -> None:
        """Note what a step of the run did; figures of earlier steps stay."""
        with self._connection() as connection:
            connection.execute("begin immediate")
            (text,) = connection.execute(
                "select counts from runs where run_id = ?", (run_id,)
            ).fetchone()
            merged = {**json.loads(text), **counts}
            connection.execute(
                "update runs set counts = ? where run_id = ?",
                (json.dumps(merged, sort_keys=True), run_id),
            )

    def run(self, run_id: int) -> Run:
        with self._connection() as connection:
            row = connection.execute(
                "select run_id, command, as_of, status, failure, counts from runs where run_id = ?",
                (run_id,),
            ).fetchone()
        return _run(row)

    def find_run(self, run_key: str) -> Run | None:
        """The run with this key, if one was started."""
        with self._connection() as connection:
            row = connection.execute(
                "select run_id, command, as_of, status, failure, counts from runs"
                " where run_key = ?",
                (run_key,),
            ).fetchone()
        return None if row is None else _run(row)

    def recent_runs(self, limit: int) -> list[Run]:
        """The last runs, newest first."""
        with self._connection() as connection:
            rows = connection.execute(
                "select run_id, command, as_of, status, failure, counts from runs"
                " order by run_id desc limit ?",
                (limit,),
            ).fetchall()
        return [_run(row) for row in rows]

    def record_audits(self, run_id: int, audits: Iterable[Audit]) -> None:
        with self._connection() as connection:
            connection.executemany(
                "insert or replace into audits"
                " (run_id, check_name, model_name, status, failures, message)"
                " values (?, ?, ?, ?, ?, ?)",
                [
                    (run_id, one.check_name, one.model_name, one.status, one.failures, one.message)
                    for one in audits
                ],
            )

    def audits_of(self, run_id: int) -> list[Audit]:
        with self._connection() as connection:
            rows = connection.execute(
                "select check_name, model_name, status, failures, message from audits"
                " where run_id = ? order by check_name",
                (run_id,),
            ).fetchall()
        return [
            Audit(check_name=name, model_name=model, status=status, failures=count, message=message)
            for name, model, status, count, message in rows
        ]

    def broken_audits(self, *, before: int, run_count: int) -> list[tuple[int, Audit]]:
        """What did not pass in the runs before one, with the number of the run, newest first."""
        with self._connection() as connection:
            rows = connection.execute(
                "select run_id, check_name, model_name, status, failures, message from audits"
                " where run_id < ? and run_id >= ? and status not in ('pass', 'skipped')"
                " order by run_id desc, check_name",
                (before, before - run_count),
            ).fetchall()
        return [
            (
                run_id,
                Audit(
                    check_name=name, model_name=model, status=status, failures=count, message=text
                ),
            )
            for run_id, name, model, status, count, text in rows
        ]

    def record_publication(
        self,
        *,
        publication_id: int,
        run_id: int,
        as_of: datetime,
        code_fingerprint: str,
        is_complete: bool,
        load_ids: Iterable[str],
    ) -> None:
        """Note that this run's state is what readers see now; its loads are no longer pending."""
        with self._connection() as connection:
            connection.execute(
                "insert into publications"
                " (publication_id, run_id, as_of, code_fingerprint, is_complete)"
                " values (?, ?, ?, ?, ?)",
                (publication_id, run_id, as_of.isoformat(), code_fingerprint, int(is_complete)),
            )
            # Only the last publication's loads are ever compared with the ledger.
            connection.execute("delete from publication_loads")
            connection.executemany(
                "insert into publication_loads (publication_id, load_id) values (?, ?)",
                [(publication_id, load_id) for load_id in sorted(load_ids)],
            )

    def last_publication(self) -> Publication | None:
        with self._connection() as connection:
            row = connection.execute(
                "select publication_id, run_id, as_of, code_fingerprint, is_complete"
                " from publications order by publication_id desc limit 1"
            ).fetchone()
            if row is None:
                return None
            loads = connection.execute(
                "select load_id from publication_loads where publication_id = ?", (row[0],)
            ).fetchall()
        return Publication(
            publication_id=row[0],
            run_id=row[1],
            as_of=datetime.fromisoformat(row[2]),
            code_fingerprint=row[3],
            is_complete=bool(row[4]),
            load_ids=frozenset(load_id for (load_id,) in loads),
        )


def _run(row: tuple[int, str, str, str, str | None, str]) -> Run:
    return Run(
        run_id=row[0],
        command=row[1],
        as_of=datetime.fromisoformat(row[2]),
        status=row[3],
        failure=row[4],
        counts=json.loads(row[5]),
    )
