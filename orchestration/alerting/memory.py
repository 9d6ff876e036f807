"""What alerting remembers from run to run, in the deployment's private store.

Belongs here: reading and writing it, each write one transaction on disk. Does not belong here: what
follows from it (decide).
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path

from orchestration.alerting.decide import Memory, Told
from orchestration.state.tables import PrivateTables


class AlertMemory(PrivateTables):
    """Access to the memory of every subject."""

    _schema = Path(__file__).with_name("schema.sql")

    def read(self) -> dict[str, Memory]:
        """The memory by subject."""
        with self._connection() as connection:
            rows = connection.execute(
                "select subject_key, known_until, told_at, standing from alert_subjects"
            ).fetchall()
        return {
            key: Memory(
                known_until=datetime.fromisoformat(known_until),
                told_at=None if told_at is None else datetime.fromisoformat(told_at),
                standing=None if standing is None else _told(json.loads(standing)),
            )
            for key, known_until, told_at, standing in rows
        }

    def write(self, memories: Mapping[str, Memory]) -> None:
        """Replace the memory of these subjects."""
        with self._connection() as connection:
            connection.executemany(
                "insert or replace into alert_subjects (subject_key, known_until, told_at, standing)"
                " values (?, ?, ?, ?)",
                [
                    (
                        key,
                        memory.known_until.isoformat(),
                        None if memory.told_at is None else memory.told_at.isoformat(),
                        None if memory.standing is None else _text(memory.standing),
                    )
                    for key, memory in memories.items()
                ],
            )


def _text(told: Told) -> str:
    return json.dumps(
        {
            "rule_id": told.rule_id,
            "fired_at": told.fired_at.isoformat(),
            "title": told.title,
            "severity": told.severity,
            "channels": list(told.channels),
            "tells_end": told.tells_end,
        }
    )


def _told(content: Mapping[str, object]) -> Told:
    channels = content["channels"]
    assert isinstance(channels, list)
    return Told(
        rule_id=str(content["rule_id"]),
        fired_at=datetime.fromisoformat(str(content["fired_at"])),
        title=str(content["title"]),
        severity=str(content["severity"]),
        channels=tuple(str(name) for name in channels),
        tells_end=bool(content["tells_end"]),
    )
