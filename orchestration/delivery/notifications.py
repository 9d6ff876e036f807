"""What people and their tools are to be told: the queue of notifications, one row per channel target.

Belongs here: what a notification is, the names of channels, and reading and changing the rows, each
change one transaction on disk. Does not belong here: sending (notify), any protocol (channels) and
what makes an alert fire (alerting/).
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from decimal import Decimal
from enum import StrEnum
from pathlib import Path

from orchestration.delivery.addresses import mask_address
from orchestration.delivery.outbox import MessageState
from orchestration.reporting.documents import Json, to_json
from orchestration.settings import Settings
from orchestration.state.tables import PrivateTables


class NotificationKind(StrEnum):
    """What a notification is about."""

    ALERT = "alert"
    DAILY_SUMMARY = "daily_summary"
    RUN_FAILURE = "run_failure"
    TEST = "test"


class NotificationStatus(StrEnum):
    """How its subject stands now; info for what neither fires nor resolves."""

    FIRING = "firing"
    RESOLVED = "resolved"
    NO_DATA = "no_data"
    INFO = "info"


class Severity(StrEnum):
    """How bad it is, in the words of insights."""

    CRITICAL = "critical"
    WARNING = "warning"
    INFO = "info"


@dataclass(frozen=True, kw_only=True)
class NewNotification:
    """One thing to tell through one channel, about to be queued.

    ``subject_key`` says what it is about and stays the same from firing to resolved: receivers that
    keep incidents join the two by it. ``transition_at`` is when that changed, a time of the data.
    ``occurrence`` tells apart changes of a subject at one time. ``payload`` is for programs;
    ``title`` and ``body`` are plain text for people.
    """

    kind: NotificationKind
    subject_key: str
    transition_at: datetime
    channel: str
    severity: Severity
    status: NotificationStatus
    title: str
    body: str
    payload: Mapping[str, Json] = field(default_factory=dict)
    occurrence: str = ""

    @property
    def idempotency_key(self) -> str:
        """The same for the same change of the same subject on the same channel."""
        parts = (
            self.kind.value,
            self.subject_key,
            _time_text(self.transition_at),
            self.status.value,
            self.channel,
            self.occurrence,
        )
        return hashlib.sha256("\x1f".join(parts).encode()).hexdigest()[:32]


@dataclass(frozen=True, kw_only=True)
class Notification:
    """A row of the queue; ``target`` is an address where its channel has several, else empty."""

    notification_id: int
    idempotency_key: str
    channel: str
    target: str
    kind: NotificationKind
    subject_key: str
    transition_at: datetime
    severity: Severity
    status: NotificationStatus
    title: str
    body: str
    payload: Mapping[str, Json]
    state: MessageState
    reason: str | None
    attempts: int
    next_attempt_at: datetime | None
    queued_as_of: datetime

    @property
    def thread(self) -> tuple[str, ...]:
        """What a receiver sees as one thing: a subject, at one target of a channel."""
        return (self.kind.value, self.subject_key, self.channel, self.target)

    def __str__(self) -> str:
        what = self.kind.value.replace("_", " ")
        to = f" to {mask_address(self.target)}" if self.target else ""
        line = (
            f"n{self.notification_id} {what} {self.title!r} by {self.channel}{to}:"
            f" {self.state.value}"
        )
        if self.state is MessageState.PENDING and self.next_attempt_at is not None:
            line = f"{line} until {self.next_attempt_at:%Y-%m-%d %H:%M} UTC"
        return f"{line}, {self.reason}" if self.reason else line


def known_channels(settings: Settings) -> tuple[str, ...]:
    """Every channel that a rule may name here: the standard ones and the deployment's own."""
    return settings.channels.known


class Notifications(PrivateTables):
    """Access to the queue in the private store."""

    _schema = Path(__file__).with_name("schema.sql")

    def queue(
        self, notifications: Iterable[NewNotification], *, as_of: datetime
    ) -> list[Notification]:
        """Add the notifications that were never queued before, and return those."""
        added: list[int] = []
        with self._connection() as connection:
            for new in notifications:
                cursor = connection.execute(
                    "insert into notifications (idempotency_key, channel, kind, subject_key,"
                    " transition_at, severity, status, title, body, payload, state, queued_as_of)"
                    " select ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, 'pending', ?"
                    # Its rows may have got targets meanwhile, so no constraint can tell.
                    " where not exists (select 1 from notifications where idempotency_key = ?)",
                    (
                        new.idempotency_key,
                        new.channel,
                        new.kind.value,
                        new.subject_key,
                        _time_text(new.transition_at),
                        new.severity.value,
                        new.status.value,
                        new.title,
                        new.body,
                        to_json(new.payload),
                        _time_text(as_of),
                        new.idempotency_key,
                    ),
                )
                if cursor.rowcount == 1 and cursor.lastrowid is not None:
                    added.append(cursor.lastrowid)
            rows = connection.execute(
                f"select {_COLUMNS} from notifications"
                " where notification_id in (select value from json_each(?))"
                " order by notification_id",
                (json.dumps(added),),
            ).fetchall()
        return [_notification(row) for row in rows]

    def rows(self, *states: MessageState) -> list[Notification]:
        """The rows in any of the states (all rows when none is named), oldest first."""
        wanted = [state.value for state in (states or tuple(MessageState))]
        with self._connection() as connection:
            rows = connection.execute(
                f"select {_COLUMNS} from notifications"
                f" where state in ({', '.join('?' * len(wanted))}) order by notification_id",
                wanted,
            ).fetchall()
        return [_notification(row) for row in rows]

    def latest(self, kind: NotificationKind, subject_key: str) -> Notification | None:
        """The row that was queued last about a subject."""
        with self._connection() as connection:
            row = connection.execute(
                f"select {_COLUMNS} from notifications where kind = ? and subject_key = ?"
                " order by notification_id desc limit 1",
                (kind.value, subject_key),
            ).fetchone()
        return None if row is None else _notification(row)

    def written(self) -> dict[str, int]:
        """How many rows became files, by channel and what it lacks."""
        with self._connection() as connection:
            rows = connection.execute(
                "select channel || ', ' || reason, count(*) from notifications"
                " where state = 'written' group by 1 order by 1"
            ).fetchall()
        return dict(rows)

    def waiting(self, *, as_of: datetime) -> list[Notification]:
        """The rows that may be tried at this time, oldest first.

        What became of a subject waits for what was to be told of it before: an incident that is
        resolved before it is triggered would stay open.
        """
        with self._connection() as connection:
            rows = connection.execute(
                f"select {_COLUMNS} from notifications where state = 'pending'"
                " and coalesce(next_attempt_at, '') <= :as_of"
                " and not exists (select 1 from notifications as earlier"
                " where earlier.state = 'pending' and earlier.next_attempt_at > :as_of"
                " and earlier.notification_id < notifications.notification_id"
                " and earlier.kind = notifications.kind"
                " and earlier.subject_key = notifications.subject_key"
                " and earlier.channel = notifications.channel"
                " and earlier.target = notifications.target)"
                " order by notification_id",
                {"as_of": _time_text(as_of)},
            ).fetchall()
        return [_notification(row) for row in rows]

    def address(self, notification: Notification, targets: Sequence[str]) -> None:
        """Give a row without a target its targets: one row each."""
        with self._connection() as connection:
            connection.execute(
                "update notifications set target = ? where notification_id = ? and target = ''",
                (targets[0], notification.notification_id),
            )
            connection.executemany(
                "insert into notifications (idempotency_key, target, channel, kind, subject_key,"
                " transition_at, severity, status, title, body, payload, state, queued_as_of)"
                " select idempotency_key, ?, channel, kind, subject_key, transition_at, severity,"
                " status, title, body, payload, state, queued_as_of"
                " from notifications where notification_id = ?"
                " on conflict (idempotency_key, target) do nothing",
                [(target, notification.notification_id) for target in targets[1:]],
            )

    def postpone(self, channel: str, *, until: datetime) -> None:
        """Let none of a channel's waiting rows be tried before a time."""
        with self._connection() as connection:
            connection.execute(
                "update notifications set next_attempt_at = ? where channel = ?"
                " and state = 'pending' and (next_attempt_at is null or next_attempt_at < ?)",
                (_time_text(until), channel, _time_text(until)),
            )

    def release(self, notification_id: int, *, as_of: datetime) -> bool:
        """Let a failed or parked row wait to be tried at once; False when it is neither.

        Asking and changing are one statement, so two people who ask at once send it once.
        """
        with self._connection() as connection:
            cursor = connection.execute(
                "update notifications set state = 'pending', reason = null, settled_as_of = ?,"
                " next_attempt_at = null where notification_id = ? and state in ('failed', 'parked')",
                (_time_text(as_of), notification_id),
            )
        return cursor.rowcount == 1

    def change_state(
        self,
        notification_id: int,
        state: MessageState,
        *,
        as_of: datetime,
        reason: str | None = None,
        counts_as_attempt: bool = False,
        next_attempt_at: datetime | None = None,
    ) -> None:
        """Move one row to a state; on disk when the call returns."""
        with self._connection() as connection:
            connection.execute(
                "update notifications set state = ?, reason = ?, settled_as_of = ?,"
                " attempts = attempts + ?, next_attempt_at = ? where notification_id = ?",
                (
                    state.value,
                    reason,
                    _time_text(as_of),
                    int(counts_as_attempt),
                    None if next_attempt_at is None else _time_text(next_attempt_at),
                    notification_id,
                ),
            )


def undelivered_notifications(settings: Settings) -> list[Notification]:
    """What a person should know of: notifications that wait, failed or are parked."""
    if not settings.state_file.exists():
        return []
    waiting = (
        MessageState.PENDING,
        MessageState.SENDING,
        MessageState.FAILED,
        MessageState.PARKED,
    )
    return Notifications(settings.state_file).rows(*waiting)


def written_notifications(settings: Settings) -> dict[str, int]:
    """How many notifications became files, by channel and what it lacks."""
    if not settings.state_file.exists():
        return {}
    return Notifications(settings.state_file).written()


def _time_text(moment: datetime) -> str:
    """The same text for the same instant, in an order that texts keep."""
    return moment.astimezone(UTC).isoformat()


_COLUMNS = (
    "notification_id, idempotency_key, channel, target, kind, subject_key, transition_at, severity,"
    " status, title, body, payload, state, reason, attempts, next_attempt_at, queued_as_of"
)
_Row = tuple[
    int,
    str,
    str,
    str,
    str,
    str,
    str,
    str,
    str,
    str,
    str,
    str,
    str,
    str | None,
    int,
    str | None,
    str,
]


def _notification(row: _Row) -> Notification:
    return Notification(
        notification_id=row[0],
        idempotency_key=row[1],
        channel=row[2],
        target=row[3],
        kind=NotificationKind(row[4]),
        subject_key=row[5],
        transition_at=datetime.fromisoformat(row[6]),
        severity=Severity(row[7]),
        status=NotificationStatus(row[8]),
        title=row[9],
        body=row[10],
        payload=json.loads(row[11], parse_float=Decimal),
        state=MessageState(row[12]),
        reason=row[13],
        attempts=row[14],
        next_attempt_at=None if row[15] is None else datetime.fromisoformat(row[15]),
        queued_as_of=datetime.fromisoformat(row[16]),
    )
