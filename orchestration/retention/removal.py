"""One removal from beginning to end: written down, done in steps that may be done again, concluded.

Belongs here: the order of steps, what is written down between them, and the log. Does not belong here:
which rows go (erasure.py, expiry.py), and building anew, which whoever asked for the removal starts.

A removal is pending from the moment ``removal.json`` exists. ``mend`` does everything that can be done
without a new publication; every build calls it first, so that whoever runs next goes on where a killed
removal stopped. ``conclude`` follows the next publication: what readers saw before goes, everything is
searched, and the log says that it is done.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import uuid
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from datetime import date, datetime
from pathlib import Path
from typing import Any

import duckdb

from orchestration.ingest import sql
from orchestration.ingest.lake import move_into_place, staging_folder
from orchestration.ingest.ledger import read_all_entries, sync_folder
from orchestration.ingest.listing import nobody_loading
from orchestration.ingest.shared_lake import lake_maintained
from orchestration.ingest.tombstones import (
    TENANT,
    USER,
    erased_file,
    frozen_file,
    kept_file,
    ranges_file,
)
from orchestration.ingest.worker import worker_pool
from orchestration.retention.doomed import lake_connection
from orchestration.retention.landing import LandingFile, rewrite_landing
from orchestration.retention.records import (
    forget_old_reports,
    forget_reports_without_files,
    forget_scopes,
    forget_words,
    sqlite_databases,
)
from orchestration.retention.rewriting import mend_entries, remove_empty, rewrite_files
from orchestration.retention.search import Words, files_with
from orchestration.settings import Settings
from orchestration.warehouse.engines import engine_of
from orchestration.warehouse.publications import current_id, folder_of, kept_ids

ERASURE, EXPIRY = "erasure", "retention"


@dataclass(frozen=True, kw_only=True)
class Removal:
    """What is to be removed. ``words`` and ``scopes`` are kept until it is concluded and no longer.

    ``scopes`` are (source, tenant id); ``kept_from`` is what retention keeps of each, as (source, tenant
    id, day).
    """

    removal_id: str
    kind: str
    as_of: datetime
    landing: str
    words: tuple[str, ...] = ()
    # Of whom the words are: tenants, users.
    kinds: tuple[str, ...] = (TENANT, USER)
    scopes: tuple[tuple[str, str], ...] = ()
    kept_from: tuple[tuple[str, str, date], ...] = ()
    rows: Mapping[str, int] = field(default_factory=dict)
    # The newest publication when it began; every one up to it holds what was removed.
    last_publication: int = 0
    is_mended: bool = False
    # What was found in landing files, noted once they are rewritten.
    landing_rows: int = 0
    problems: tuple[str, ...] = ()

    @property
    def landing_names(self) -> Words | None:
        """Names without one of which a landing file has no row that names its owner; None: any file may.

        A tenant's rows name it; a user's are found by links too.
        """
        if not self.scopes or USER in self.kinds:
            return None
        return Words(names=self.words, is_anywhere=True)

    @property
    def searched(self) -> Words | None:
        """The names that are searched for; a removal by age has none."""
        return Words(names=self.words, kinds=self.kinds) if self.words else None


@dataclass(frozen=True, kw_only=True)
class LogEntry:
    """What the log says of a removal: how much, and nothing of whom."""

    removal_id: str
    kind: str
    as_of: datetime
    rows: Mapping[str, int]
    landing_rows: int
    places_left: int

    @property
    def row_count(self) -> int:
        return sum(self.rows.values())


def pending_folder(settings: Settings) -> Path:
    """What is written down of a removal that is not concluded."""
    return settings.lake / "removed" / "pending"


def log_file(settings: Settings) -> Path:
    return settings.state_file.with_name("deletions.ndjson")


def has_pending(settings: Settings) -> bool:
    return _intent(settings).exists()


def read_pending(settings: Settings) -> Removal | None:
    """The removal that is not concluded; None when there is none."""
    if not has_pending(settings):
        return None
    content = json.loads(_intent(settings).read_text(encoding="utf-8"))
    content["as_of"] = datetime.fromisoformat(content["as_of"])
    content["words"] = tuple(content["words"])
    content["kinds"] = tuple(content.get("kinds", (TENANT, USER)))
    content["problems"] = tuple(content["problems"])
    content["scopes"] = tuple((source, one) for source, one in content["scopes"])
    content["kept_from"] = tuple(
        (source, one, date.fromisoformat(day)) for source, one, day in content["kept_from"]
    )
    return Removal(**content)


def begin(settings: Settings, removal: Removal, *, files: Mapping[str, Path]) -> None:
    """Write a removal down; from here on it will be done, whatever happens.

    ``files`` are what it needs to know beside that: doomed, erased, kept_from, frozen_days, removed_ranges.
    """
    folder = pending_folder(settings)
    if not has_pending(settings):
        shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True, exist_ok=True)
    folder.chmod(0o700)
    for name, path in files.items():
        move_into_place(path, folder / f"{name}.parquet")
    _note(settings, replace(removal, last_publication=max([0, *kept_ids(settings)])))


def mend(settings: Settings) -> Removal | None:
    """Do what is pending, as far as it can be done before something new is published.

    The caller holds the warehouse's lock.
    """
    removal = read_pending(settings)
    if removal is None or removal.is_mended:
        return removal
    folder, lake = pending_folder(settings), settings.lake
    doomed = folder / "doomed.parquet"
    with (
        nobody_loading(lake),
        lake_maintained(settings),
        staging_folder(lake) as staging,
        lake_connection(settings, scratch=staging) as connection,
    ):
        _keep_out(settings, staging=staging, connection=connection)
        rewrite_files(lake, doomed=doomed, staging=staging, connection=connection)
        mend_entries(lake, doomed=doomed, connection=connection, words=removal.searched)
        remove_empty(lake, doomed=doomed, connection=connection)
        if removal.kind == ERASURE:
            removal = _mend_landing(settings, removal, staging=staging)
    _forget_derived(settings, removal)
    removal = replace(removal, is_mended=True)
    _note(settings, removal)
    return removal


def _keep_out(settings: Settings, *, staging: Path, connection: duckdb.DuckDBPyConnection) -> None:
    """Take over what ingestion and builds have to know from now on; doing it twice gives the same."""
    lake, folder = settings.lake, pending_folder(settings)
    united = {
        erased_file(lake): ("erased", "select distinct kind, key from {rows} order by all"),
        kept_file(lake): (
            "kept_from",
            "select key, max(kept_from) as kept_from from {rows} group by key order by all",
        ),
        frozen_file(lake): ("frozen_days", "select distinct * from {rows} order by all"),
        ranges_file(lake): (
            "removed_ranges",
            "select scope_kind, source_name, scope_id, min(first_date) as first_date, "
            "max(kept_from) as kept_from from {rows} group by all order by all",
        ),
    }
    for target, (name, query) in united.items():
        new = folder / f"{name}.parquet"
        if new.exists():
            files = sql.text_list(str(path) for path in (target, new) if path.exists())
            staged = staging / target.name
            rows = f"read_parquet({files}, union_by_name = true)"
            connection.execute(
                f"copy ({query.format(rows=rows)}) to {sql.text(str(staged))} (format parquet)"
            )
            move_into_place(staged, target)
    _forget_ranges(lake, staging=staging, connection=connection)


def _forget_ranges(lake: Path, *, staging: Path, connection: duckdb.DuckDBPyConnection) -> None:
    """Who was erased has no days of which something is gone."""
    path = ranges_file(lake)
    if path.exists() and erased_file(lake).exists():
        staged = staging / path.name
        connection.execute(
            f"copy (select * from read_parquet({sql.text(str(path))}) where scope_kind <> 'tenant' "
            "or erased_key('tenant', source_name, scope_id) not in (select key from "
            f"read_parquet({sql.text(str(erased_file(lake)))}) where kind = 'tenant') order by all) "
            f"to {sql.text(str(staged))} (format parquet)"
        )
        move_into_place(staged, path)


def _mend_landing(settings: Settings, removal: Removal, *, staging: Path) -> Removal:
    scratch = staging / "landing"
    with worker_pool(settings=settings, scratch=scratch, as_of=removal.as_of) as pool:
        found = rewrite_landing(
            settings,
            landing=removal.landing,
            keys=erased_file(settings.lake),
            names=removal.landing_names,
            pool=pool,
            scratch=scratch,
            is_applied=True,
        )
    removal = replace(
        removal,
        landing_rows=removal.landing_rows + sum(one.rows for one in found if one.problem is None),
        problems=(*removal.problems, *landing_problems(found)),
    )
    _note(settings, removal)
    return removal


def landing_problems(found: Sequence[LandingFile]) -> tuple[str, ...]:
    """What a person has to do about landing files."""
    return tuple(f"{one.path}: {one.problem}" for one in found if one.problem is not None)


def _forget_derived(settings: Settings, removal: Removal) -> None:
    """Remove what was made of the rows and is not what readers see now."""
    forget_scopes(settings, removal.scopes)
    forget_old_reports(settings, removal.kept_from)
    if removal.searched is not None:
        forget_words(settings, removal.searched)
        for path in derived_files_with(settings, removal.searched):
            path.unlink(missing_ok=True)
        forget_reports_without_files(settings)
    engine_of(settings).forget_candidate(settings)
    current = current_id(settings)
    for publication_id in kept_ids(settings):
        if publication_id != current:
            shutil.rmtree(folder_of(settings, publication_id))


def derived_files_with(settings: Settings, words: Words) -> list[Path]:
    """Files made of rows in which a name stands: reports, mails, exports, logs."""
    home = settings.home
    besides = {settings.landing, settings.config, settings.lake, settings.published}
    besides |= {path for database in sqlite_databases(settings) for path in _beside(database)}
    besides |= {settings.warehouse_file, log_file(settings)}
    return files_with(home, words, besides=besides)


def _beside(database: Path) -> list[Path]:
    return [database.with_name(f"{database.name}{ending}") for ending in ("", "-wal", "-shm")]


def conclude(settings: Settings) -> LogEntry | None:
    """End the pending removal if nothing older than it is published; what the log says of it then.

    The caller holds the warehouse's lock.
    """
    removal = read_pending(settings)
    if removal is None or not _is_published(settings, removal):
        return None
    for publication_id in kept_ids(settings):
        if publication_id <= removal.last_publication:
            shutil.rmtree(folder_of(settings, publication_id))
    engine_of(settings).forget_publications(settings, at_once=True)
    places = places_left(settings, removal)
    entry = LogEntry(
        removal_id=removal.removal_id,
        kind=removal.kind,
        as_of=removal.as_of,
        rows=removal.rows,
        landing_rows=removal.landing_rows,
        places_left=len(places) + len(removal.problems),
    )
    _log(settings, entry)
    folder = pending_folder(settings)
    _intent(settings).unlink()
    sync_folder(folder)
    shutil.rmtree(folder)
    return entry


def conclude_left(settings: Settings, *, on_wait: Callable[[str], object]) -> LogEntry | None:
    """The same for a run that may publish nothing, of a removal whose run was killed once it had published.

    Until it ends, what readers saw before is on the disk, and the next publication may be days away. The
    warehouse's lock is waited for only while there is such a removal.
    """
    removal = read_pending(settings)
    if removal is None or not _is_published(settings, removal):
        return None
    with engine_of(settings).lock(settings, on_wait=on_wait):
        return conclude(settings)


def _is_published(settings: Settings, removal: Removal) -> bool:
    """Whether the rows are out of the lake and nothing that was made of them is what readers see."""
    current = current_id(settings)
    return removal.is_mended and (current is None or current > removal.last_publication)


def places_left(settings: Settings, removal: Removal) -> list[str]:
    """Where in the state folder, and in which objects of storage, a name still stands."""
    if removal.searched is None:
        return []
    besides = {pending_folder(settings)}
    found = files_with(settings.home, removal.searched, besides=besides)
    return [path.relative_to(settings.home).as_posix() for path in found]


def objects_with(settings: Settings, *, connection: duckdb.DuckDBPyConnection) -> list[str]:
    """The objects on storage of which rows are in ``doomed``: only their owner can take them out."""
    loads = {
        load_id
        for (load_id,) in connection.execute("select distinct load_id from doomed").fetchall()
    }
    return sorted(
        {
            entry.path
            for entry in read_all_entries(settings.lake)
            if entry.load_id in loads and re.match(r"[a-z0-9]+://", entry.path)
        }
    )


def read_log(settings: Settings) -> list[LogEntry]:
    """Every removal that was concluded, oldest first."""
    path = log_file(settings)
    if not path.exists():
        return []
    entries = []
    for line in path.read_text(encoding="utf-8").splitlines():
        content = json.loads(line)
        entries.append(LogEntry(**{**content, "as_of": datetime.fromisoformat(content["as_of"])}))
    return entries


def note_nothing(settings: Settings, *, kind: str, as_of: datetime) -> None:
    """Log that it was looked for something to remove and there was none."""
    _log(
        settings,
        LogEntry(
            removal_id=uuid.uuid4().hex,
            kind=kind,
            as_of=as_of,
            rows={},
            landing_rows=0,
            places_left=0,
        ),
    )


def _log(settings: Settings, entry: LogEntry) -> None:
    """Add to the log, once."""
    if any(one.removal_id == entry.removal_id for one in read_log(settings)):
        return
    path = log_file(settings)
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    with path.open("a", encoding="utf-8") as file:
        path.chmod(0o600)
        file.write(json.dumps(asdict(entry), default=_as_text, sort_keys=True) + "\n")
        file.flush()
        os.fsync(file.fileno())
    sync_folder(path.parent)


def _intent(settings: Settings) -> Path:
    return pending_folder(settings) / "removal.json"


def _note(settings: Settings, removal: Removal) -> None:
    path = _intent(settings)
    unfinished = path.with_name(".removal.json.unfinished")
    with unfinished.open("w", encoding="utf-8") as file:
        json.dump(asdict(removal), file, default=_as_text, ensure_ascii=False)
        file.flush()
        os.fsync(file.fileno())
    unfinished.chmod(0o600)
    unfinished.replace(path)
    sync_folder(path.parent)


def _as_text(value: Any) -> str:
    return str(value.isoformat())
