"""The dirt of real deliveries: files sent again, rows sent again and changed, broken rows.

Belongs here: faults added to finished extracts, few and known, listed in README.txt. Does not
belong here: late and doubled rows, which are drawn with the rows themselves (turns.sql).
"""

from __future__ import annotations

import json
import shutil
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

_RESENT_ROWS = 40
_CHANGED_ROWS = 3


@dataclass(frozen=True, kw_only=True)
class BrokenRows:
    """Rows for one stream that break its contract, as the text of a file."""

    stream: str
    suffix: str
    text: str


def add_dirt(*, out: Path, until: datetime) -> None:
    """Add the faults that README.txt lists to the finished extracts in ``out``."""
    folders = sorted(path for path in (out / "agent_events").iterdir() if path.is_dir())
    plain = [path for path in folders if (path / "part-0.ndjson").exists()]
    repeated = plain[min(5, len(plain) - 1)]
    resent = plain[min(10, len(plain) - 1)]
    shutil.copyfile(
        repeated / "part-0.ndjson", _folder_after(folders, repeated) / "part-repeated.ndjson"
    )
    lines = (resent / "part-0.ndjson").read_text(encoding="utf-8").splitlines()[-_RESENT_ROWS:]
    (_folder_after(folders, resent) / "part-resent.ndjson").write_text(
        "".join(f"{line}\n" for line in _with_changes(lines)), encoding="utf-8"
    )
    for broken in _broken_rows(until):
        folder = out / broken.stream / folders[-1].name
        folder.mkdir(parents=True, exist_ok=True)
        (folder / f"part-broken.{broken.suffix}").write_text(broken.text, encoding="utf-8")


def _folder_after(folders: list[Path], folder: Path) -> Path:
    return folders[min(folders.index(folder) + 1, len(folders) - 1)]


def _with_changes(lines: list[str]) -> list[str]:
    changed = 0
    result = []
    for line in lines:
        event = json.loads(line)
        if changed < _CHANGED_ROWS and event["event_type"] == "agent_completed":
            event["properties"]["duration_ms"] += 1
            changed += 1
            result.append(json.dumps(event, ensure_ascii=False))
        else:
            result.append(line)
    return result


def _broken_rows(until: datetime) -> list[BrokenRows]:
    now = f"{until.isoformat()}Z"
    future = f"{(until + timedelta(days=3)).isoformat()}Z"
    sound: dict[str, object] = {
        "event_type": "agent_completed",
        "agent_id": "agt-aria",
        "publisher_id": "pub-kestrel",
        "tenant_id": "ten-aurora",
        "timestamp": now,
        "properties": {"input_tokens": 900, "output_tokens": 120, "model": "gpt-4.1-mini"},
        "synthetic": True,
    }
    events: list[dict[str, object]] = [
        sound | {"id": "evt-broken-tenant", "tenant_id": None},
        sound | {"id": "evt-broken-tokens", "properties": {"input_tokens": -12}},
        sound
        | {
            "id": "evt-broken-rating",
            "event_type": "user_feedback",
            "properties": {"rating": 9},
        },
        sound | {"id": "evt-broken-time", "timestamp": "yesterday at noon"},
        sound | {"id": "evt-broken-kind", "event_type": "agent_paused"},
        sound | {"id": "evt-broken-tool", "event_type": "tool_called", "properties": {}},
        sound | {"id": "evt-broken-future", "timestamp": future},
        sound | {"id": ""},
        # Sound, but no list names this agent: it lands and gets an inferred dimension row.
        sound | {"id": "evt-unlisted-agent", "agent_id": "agt-unlisted"},
    ]
    event_lines = [json.dumps(event) for event in events]
    event_lines.insert(3, '{"id":"evt-broken-json","event_type":"agent_inv')
    charges = (
        "charge_id,tenant_id,publisher_id,agent_id,charged_at,amount,currency,kind\n"
        f"chg-broken-amount,ten-aurora,pub-kestrel,agt-aria,{now},-4.00,USD,usage\n"
        f"chg-broken-kind,ten-aurora,pub-kestrel,agt-aria,{now},4.00,USD,gift\n"
    )
    audit = {
        "audit_id": "audit-broken-score",
        "tenant_id": "ten-aurora",
        "agent_id": "agt-aria",
        "timestamp": now,
        "toxicity_score": 1.7,
    }
    conversation = {
        "conversation_id": "conv-broken-status",
        "tenant_id": "ten-aurora",
        "agent_id": "agt-aria",
        "created_at": now,
        "status": "paused",
        "updated_at": now,
    }
    return [
        BrokenRows(
            stream="agent_events",
            suffix="ndjson",
            text="".join(f"{line}\n" for line in event_lines),
        ),
        BrokenRows(stream="charges", suffix="csv", text=charges),
        BrokenRows(stream="audit_events", suffix="ndjson", text=json.dumps(audit) + "\n"),
        BrokenRows(stream="conversations", suffix="ndjson", text=json.dumps(conversation) + "\n"),
    ]
