"""What reports were made and which messages are to bring them: the tables of delivery.

Belongs here: reading and changing those rows, each change one transaction on disk. Does not belong
here: how a message is written (message) or sent (channels), and the store's other tables (state/).
"""

from __future__ import annotations

import hashlib
import json
import sqlite3
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from pathlib import Path

from orchestration.delivery.addresses import mask_address
from orchestration.settings import Settings
from orchestration.state.tables import PrivateTables


class MessageState(StrEnum):
    """Where a message stands; sent, written, failed and parked are final until a person acts."""

    PENDING = "pending"
    SENDING = "sending"
    SENT = "sent"
    WRITTEN = "written"
    FAILED = "failed"
    PARKED = "parked"


@dataclass(frozen=True, kw_only=True)
class ReportKey:
    """What makes a report the same report: whose, how often, for when."""

    scope_kind: str
    source_name: str
    scope_id: str
    frequency: str
    period: str

    @property
    def scope_text(self) -> str:
        """The scope as people type it."""
        return f"{self.scope_kind}:{self.scope_id}" if self.scope_id else self.scope_kind


@dataclass(frozen=True, kw_only=True)
class MadeReport:
    """A report whose files exist; ``files`` maps a format to a path below the reports folder."""

    key: ReportKey
    as_of: datetime
    files: Mapping[str, str]


@dataclass(frozen=True, kw_only=True)
class FailedReport:
    """A report that could not be made, and why."""

    key: ReportKey
    as_of: datetime
    reason: str

    def __str__(self) -> str:
        return (
            f"{self.key.frequency} report {self.key.period} of {self.key.scope_text}: {self.reason}"
        )


@dataclass(frozen=True, kw_only=True)
class NewMessage:
    """A report for one recipient, about to be queued; ``reason`` says why it can never be sent."""

    report: ReportKey
    subscription_id: str
    recipient: str
    formats: tuple[str, ...]
    reason: str | None = None

    @property
    def idempotency_key(self) -> str:
        """The same for the same report and recipient, whatever subscription asks for it."""
        parts = (
            self.report.scope_kind,
            self.report.source_name,
            self.report.scope_id,
            self.report.frequency,
            self.report.period,
            self.recipient.strip().lower(),
        )
        return hashlib.sha256("\x1f".join(parts).encode()).hexdigest()[:32]


@dataclass(frozen=True, kw_only=True)
class Message:
    """A row of the outbox."""

    message_id: int
    idempotency_key: str
    subscription_id: str
    report: ReportKey
    recipient: str
    formats: tuple[str, ...]
    state: MessageState
    reason: str | None
    attempts: int

    def __str__(self) -> str:
        line = (
            f"#{self.message_id} {self.report.frequency} report {self.report.period} of"
            f" {self.report.scope_text} to {mask_address(self.recipient)}: {self.state.value}"
        )
        return f"{line}, {self.reason}" if self.reason else line


class Outbox(PrivateTables):
    """Access to the tables of delivery in the private store."""

    _schema = Path(__file__).with_name("schema.sql")

    def failed_reports(self) -> set[ReportKey]:
        """Every report that was tried and is still not made."""
        with self._connection() as connection:
            rows = connection.execute(
                "select scope_kind, source_name, scope_id, frequency, period from reports"
                " where status = 'failed'"
            ).fetchall()
        return {_report_key(row) for row in rows}

    def made_reports(self) -> dict[ReportKey, MadeReport]:
        """Every report whose files were made."""
        with self._connection() as connection:
            rows = connection.execute(
                "select scope_kind, source_name, scope_id, frequency, period, as_of, files"
                " from reports where status = 'made'"
            ).fetchall()
        made = {}
        for *names, as_of, files in rows:
            key = _report_key(names)
            made[key] = MadeReport(
                key=key, as_of=datetime.fromisoformat(as_of), files=json.loads(files)
            )
        return made

    def record_reports(
        self,
        reports: Iterable[MadeReport | FailedReport],
        *,
        messages: Iterable[NewMessage] = (),
        as_of: datetime,
    ) -> list[Message]:
        """Note reports as made, or as failed with the reason, and queue what is to bring them.

        Both are one transaction: a report that is noted as made has its messages, whenever the
        process dies. Returns the messages that were not there yet.
        """
        with self._connection() as connection:
            connection.executemany(
                "insert or replace into reports"
                " (scope_kind, source_name, scope_id, frequency, period, as_of, status, failure,"
                " files)"
                " values (?, ?, ?, ?, ?, ?, ?, ?, ?)",
                [_report_row(report) for report in reports],
            )
            return _queue(connection, messages, as_of=as_of)

    def queue(self, messages: Iterable[NewMessage], *, as_of: datetime) -> list[Message]:
        """Add the messages that are not there yet, and return those."""
        with self._connection() as connection:
            return _queue(connection, messages, as_of=as_of)

    def messages(self, *states: MessageState) -> list[Message]:
        """The rows in any of the states (all rows when none is named), oldest first."""
        wanted = [state.value for state in (states or tuple(MessageState))]
        with self._connection() as connection:
            rows = connection.execute(
                f"select {_MESSAGE} from outbox where state in ({', '.join('?' * len(wanted))})"
                " order by message_id",
                wanted,
            ).fetchall()
        return [_message(row) for row in rows]

    def message(self, message_id: int) -> Message | None:
        """The row with this number, if there is one."""
        with self._connection() as connection:
            row = connection.execute(
                f"select {_MESSAGE} from outbox where message_id = ?", (message_id,)
            ).fetchone()
        return None if row is None else _message(row)

    def release(self, message_id: int, *, as_of: datetime) -> bool:
        """Let a failed or parked message wait again, its tries counted anew; False when it is neither.

        Asking and changing are one statement, so two people who ask at once send it once.
        """
        with self._connection() as connection:
            cursor = connection.execute(
                "update outbox set state = 'pending', reason = null, attempts = 0,"
                " settled_as_of = ? where message_id = ? and state in ('failed', 'parked')",
                (as_of.isoformat(), message_id),
            )
        return cursor.rowcount == 1

    def change_state(
        self,
        message_id: int,
        state: MessageState,
        *,
        as_of: datetime,
        reason: str | None = None,
        counts_as_attempt: bool = False,
    ) -> None:
        """Move one message to a state; on disk when the call returns."""
        with self._connection() as connection:
            connection.execute(
                "update outbox set state = ?, reason = ?, settled_as_of = ?,"
                " attempts = attempts + ? where message_id = ?",
                (state.value, reason, as_of.isoformat(), int(counts_as_attempt), message_id),
            )


def undelivered(settings: Settings) -> list[Message]:
    """What a person should know of: messages that wait, failed or are parked."""
    if not settings.state_file.exists():
        return []
    waiting = (
        MessageState.PENDING,
        MessageState.SENDING,
        MessageState.FAILED,
        MessageState.PARKED,
    )
    return Outbox(settings.state_file).messages(*waiting)


def _queue(
    connection: sqlite3.Connection, messages: Iterable[NewMessage], *, as_of: datetime
) -> list[Message]:
    added = []
    for new in messages:
        state = MessageState.PENDING if new.reason is None else MessageState.FAILED
        row = connection.execute(
            "insert into outbox (idempotency_key, subscription_id, scope_kind, source_name,"
            " scope_id, frequency, period, recipient, formats, state, reason, queued_as_of)"
            " values (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"
            f" on conflict (idempotency_key) do nothing returning {_MESSAGE}",
            (
                new.idempotency_key,
                new.subscription_id,
                new.report.scope_kind,
                new.report.source_name,
                new.report.scope_id,
                new.report.frequency,
                new.report.period,
                new.recipient,
                ",".join(new.formats),
                state.value,
                new.reason,
                as_of.isoformat(),
            ),
        ).fetchone()
        if row is not None:
            added.append(_message(row))
    return added


def _report_key(names: Sequence[str]) -> ReportKey:
    scope_kind, source_name, scope_id, frequency, period = names
    return ReportKey(
        scope_kind=scope_kind,
        source_name=source_name,
        scope_id=scope_id,
        frequency=frequency,
        period=period,
    )


def _report_row(report: MadeReport | FailedReport) -> tuple[str | None, ...]:
    is_made = isinstance(report, MadeReport)
    return (
        report.key.scope_kind,
        report.key.source_name,
        report.key.scope_id,
        report.key.frequency,
        report.key.period,
        report.as_of.isoformat(),
        "made" if is_made else "failed",
        report.reason if isinstance(report, FailedReport) else None,
        json.dumps(dict(report.files), sort_keys=True) if isinstance(report, MadeReport) else "{}",
    )


_MESSAGE = (
    "message_id, idempotency_key, subscription_id, scope_kind, source_name, scope_id, frequency,"
    " period, recipient, formats, state, reason, attempts"
)
_Row = tuple[int, str, str, str, str, str, str, str, str, str, str, str | None, int]


def _message(row: _Row) -> Message:
    return Message(
        message_id=row[0],
        idempotency_key=row[1],
        subscription_id=row[2],
        report=_report_key(row[3:8]),
        recipient=row[8],
        formats=tuple(row[9].split(",")),
        state=MessageState(row[10]),
        reason=row[11],
        attempts=row[12],
    )
