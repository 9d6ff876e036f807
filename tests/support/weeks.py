"""Weeks of operation in as-of time: what each week brings, and what must be true when they are over.

Belongs here: deliveries with their faults, runs as processes, who is due which report. Does not belong here:
which week has which fault (tests/e2e, tests/soak).
"""

from __future__ import annotations

import csv
import gzip
import json
import shutil
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import duckdb

from orchestration.ingest.load import load_landing
from orchestration.settings import Settings
from tests.support.builds import digests, tables_above_staging
from tests.support.command_line import Finished, agentmart
from tests.support.kills import kill_run

WEEK = timedelta(days=7)
# What says how rows came, and of which runs, rather than what they are.
_ABOUT_ARRIVAL = (
    "core.fct_files",
    "core.fct_file_counts",
    "core.fct_stream_counts",
    "operations.data_quality",
    "meta.",
)


@dataclass(frozen=True, kw_only=True)
class Weeks:
    """A deployment, everything that will be delivered to it, and its mail server's address."""

    home: Path
    extracts: Path

    @property
    def landing(self) -> Path:
        return self.home / "landing"

    def days(self, *, since: date, until: date) -> list[str]:
        """The extracts of these days, ``until`` not among them, by their path."""
        return [
            path.relative_to(self.extracts).as_posix()
            for path in sorted(self.extracts.glob("*/dt=*/*"))
            if since <= date.fromisoformat(path.parent.name.removeprefix("dt=")) < until
        ]

    def deliver(self, paths: Iterable[str]) -> None:
        for path in paths:
            target = self.landing / path
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(self.extracts / path, target)

    def deliver_broken(self, path: str) -> Path:
        """An upload that broke off: the extract is to come packed and is no gzip stream."""
        target = self.landing / f"{path}.gz"
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(b"\x1f\x8b\x08 broken off")
        return target

    def mend_broken(self, path: str) -> None:
        (self.landing / f"{path}.gz").write_bytes(
            gzip.compress((self.extracts / path).read_bytes(), mtime=0)
        )

    def run(self, as_of: datetime, environ: Mapping[str, str]) -> Finished:
        return agentmart("run", "--as-of", as_of.isoformat(), home=self.home, environ=environ)

    def run_and_kill(self, as_of: datetime) -> None:
        """A run that is killed while it builds; without a mail server, for it gets nowhere near one."""
        building = self.home / "warehouse" / "agentmart.duckdb.wal"
        assert kill_run(
            self.home, "--as-of", as_of.isoformat(), when=lambda _: building.exists()
        ), "the run was over before it could be killed"

    @contextmanager
    def damaged_lake(self, as_of: datetime) -> Iterator[None]:
        """What was delivered is loaded, and meanwhile a rating in it is 9 where 1 to 5 is allowed."""
        settings = Settings(home=self.home, threads=2)
        before = set(settings.lake.rglob("raw/agent_events/event_date=*/*.parquet"))
        load_landing(settings=settings, landing=settings.landing, as_of=as_of)
        loaded = set(settings.lake.rglob("raw/agent_events/event_date=*/*.parquet")) - before
        path, content = _damage_rating(sorted(loaded))
        try:
            yield
        finally:
            path.write_bytes(content)


def _damage_rating(paths: Iterable[Path]) -> tuple[Path, bytes]:
    with duckdb.connect() as connection:
        for path in paths:
            rows = f"read_parquet('{path}', hive_partitioning = false)"
            (rated,) = connection.execute(f"select count(rating) from {rows}").fetchall()[0]
            if rated:
                content = path.read_bytes()
                damaged = path.with_suffix(".damaged")
                connection.execute(
                    "copy (select * replace (case when rating is not null then 9::bigint end"
                    f" as rating) from {rows}) to '{damaged}' (format parquet)"
                )
                damaged.replace(path)
                return path, content
    raise AssertionError("no file that was loaded has a rating")


def published_digests(home: Path) -> dict[str, tuple[object, ...]]:
    """A digest of every published table but those that say how rows came and which runs there were."""
    file = (home / "published" / "agentmart.duckdb").resolve()
    with duckdb.connect(str(file), read_only=True) as published:
        tables = tables_above_staging(published)
        return digests(published, [name for name in tables if not name.startswith(_ABOUT_ARRIVAL)])


def due_messages(
    extracts: Path, runs: Iterable[datetime], *, erased: Mapping[str, datetime]
) -> Counter[str]:
    """How many reports each address is due after runs at these times, by the extracts alone.

    At each run the last week and the last month that are over in a subscription's zone; of who is ``erased``
    at the runs before that.
    """
    zones = {str(row["tenant_id"]): row["timezone"] for row in _rows(extracts / "tenants")}
    due = set()
    for row in _rows(extracts / "report_subscriptions"):
        if row["is_active"] is not True:
            continue
        scope_id = str(row["scope_id"])
        zone = ZoneInfo(str(row["timezone"] or zones.get(scope_id) or "UTC"))
        addresses = row["recipients"]
        assert isinstance(addresses, list)
        for as_of in runs:
            if scope_id in erased and as_of >= erased[scope_id]:
                continue
            today = as_of.astimezone(zone).date()
            monday = today - timedelta(days=today.weekday())
            period = monday if row["frequency"] == "weekly" else today.replace(day=1)
            due |= {(scope_id, row["frequency"], period, address) for address in addresses}
    return Counter(str(address) for *_, address in due)


def _rows(folder: Path) -> Iterator[dict[str, object]]:
    for path in sorted(folder.rglob("*.*")):
        if path.suffix == ".csv":
            with path.open(encoding="utf-8", newline="") as file:
                yield from csv.DictReader(file)
        else:
            yield from map(json.loads, path.read_text(encoding="utf-8").splitlines())
