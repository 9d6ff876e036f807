"""The samples of seeds/sample in a deployment of their own: landed as declared, in any format."""

from __future__ import annotations

import shutil
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import duckdb

from orchestration.ingest.load import LoadReport
from orchestration.settings import PROJECT_ROOT, Settings
from tests.support.landing import landed, load

SAMPLES = PROJECT_ROOT / "seeds" / "sample"
SHARED_DATA = PROJECT_ROOT.parent / "shared" / "data"
AS_OF = datetime(2026, 5, 1, tzinfo=UTC)


def deployment(home: Path, *, sample: str) -> Settings:
    """A deployment that declares the sources of one sample."""
    settings = Settings(home=home, threads=2)
    settings.config.mkdir(parents=True)
    shutil.copy(SAMPLES / sample / "sources.yml", settings.config / "sources.yml")
    settings.landing.mkdir()
    return settings


def deliver(settings: Settings, sample: str, *, target: str | None = None) -> None:
    """Land one file of the samples as it lies there, or in the format of the target's name.

    Args:
        sample: the path below seeds/sample; its first folder is the landing folder's, too.
        target: the path below the landing folder.
    """
    source, path = SAMPLES / sample, settings.landing / (target or sample)
    path.parent.mkdir(parents=True, exist_ok=True)
    if source.suffix == path.suffix:
        shutil.copy(source, path)
        return
    with duckdb.connect() as connection:
        options = {".csv": "format csv, header", ".parquet": "format parquet"}[path.suffix]
        reader = "read_csv" if source.suffix == ".csv" else "read_json"
        more = (
            ", all_varchar = true" if source.suffix == ".csv" else ", map_inference_threshold = 1"
        )
        columns = connection.execute(
            f"describe select * from {reader}('{source}'{more})"
        ).fetchall()
        nested = ", ".join(
            f"to_json({name}) as {name}"
            for name, kind, *_ in columns
            if kind.startswith(("STRUCT", "MAP", "JSON")) or kind.endswith("]")
        )
        replaced = f" replace ({nested})" if nested and path.suffix == ".csv" else ""
        connection.execute(
            f"copy (select *{replaced} from {reader}('{source}'{more})) to '{path}' ({options})"
        )


def load_samples(settings: Settings) -> LoadReport:
    return load(settings, as_of=AS_OF)


def rows_by_key(settings: Settings, stream: str, *, key: str) -> dict[str, dict[str, Any]]:
    """The landed rows of a stream by their key."""
    rows = landed(settings, stream)
    found = {row[key]: row for row in rows}
    assert len(found) == len(rows), f"a {key} of {stream} landed twice"
    return found


def given(row: Mapping[str, Any], *, without: Iterable[str] = ()) -> dict[str, Any]:
    """What a landed row says: its contract fields that have a value."""
    service = {
        "source_name",
        "load_id",
        "row_number",
        "row_hash",
        "loaded_at",
        "event_date",
        *without,
    }
    return {
        name: value
        for name, value in row.items()
        if value is not None and value is not False and name not in service
    }


def lake_bytes(settings: Settings) -> str:
    """Every text of the lake, for tests of what must not be in it."""
    found = []
    with duckdb.connect() as connection:
        for path in sorted(settings.lake.rglob("*.parquet")):
            rows = connection.execute(f"select * from read_parquet('{path}')").fetchall()
            found += [repr(row) for row in rows]
    found += [path.read_text() for path in sorted(settings.lake.rglob("*.json"))]
    return "\n".join(found)
