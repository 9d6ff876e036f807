"""Moving what a load staged into the lake, and summing up what it did.

Belongs here: which folder of the lake a file goes to. Does not belong here: the ledger entry that makes them
count (ledger.py), and publishing the warehouse (warehouse/).
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from orchestration.ingest import sql
from orchestration.ingest.lake import keep_file
from orchestration.ingest.ledger import StreamEntry
from orchestration.ingest.pieces import PieceResult, StagedFile
from orchestration.ingest.worker import Worker


def land_rows(
    *, lake: Path, load_id: str, results: Sequence[PieceResult]
) -> dict[str, StreamEntry]:
    """Move the staged rows of all pieces into the lake and sum up each stream."""
    streams: dict[str, StreamEntry] = {}
    for name in dict.fromkeys(name for result in results for name in result.streams):
        parts = [result.streams[name] for result in results if name in result.streams]
        files = move_rows(
            [staged for part in parts for staged in part.files],
            lake=lake,
            stream=name,
            load_id=load_id,
        )
        future_files: list[str] = []
        for part in parts:
            if part.future_file is not None:
                future_files.append(
                    keep_file(part.future_file, lake=lake, folder=f"future/{name}", load_id=load_id)
                )
        reasons: dict[str, int] = {}
        for part in parts:
            for reason, count in part.quarantined_by_reason.items():
                reasons[reason] = reasons.get(reason, 0) + count
        streams[name] = StreamEntry(
            rows_landed=sum(part.rows_landed for part in parts),
            rows_quarantined=sum(reasons.values()),
            min_event_at=min((p.min_event_at for p in parts if p.min_event_at), default=None),
            max_event_at=max((p.max_event_at for p in parts if p.max_event_at), default=None),
            event_dates=tuple(
                sorted({staged.event_date for part in parts for staged in part.files})
            ),
            files=files,
            quarantined_by_reason=dict(sorted(reasons.items())),
            future_files=tuple(future_files),
        )
    return streams


def move_rows(
    staged: Sequence[StagedFile], *, lake: Path, stream: str, load_id: str
) -> tuple[str, ...]:
    """Move staged files to their dates; the paths they have below the lake."""
    return tuple(
        keep_file(
            file.path,
            lake=lake,
            folder=f"raw/{stream}/event_date={file.event_date}",
            load_id=load_id,
        )
        for file in sorted(staged, key=lambda file: file.event_date)
    )


def keep_refused_rows(*, lake: Path, load_id: str, staged: Sequence[Path], worker: Worker) -> str:
    """Unite the refused rows of all pieces in one file of the quarantine; its path below the lake."""
    united = staged[0]
    if len(staged) > 1:
        united = worker.scratch / f"{load_id}.parquet"
        paths = sql.text_list(str(path) for path in staged)
        worker.connection.execute(
            f"copy (select * from read_parquet({paths}) "
            f"order by row_number, stream_name) to {sql.text(str(united))} (format parquet)"
        )
    return keep_file(united, lake=lake, folder="quarantine", load_id=load_id)
