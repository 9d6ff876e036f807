"""What a dataset is: the question it answers, the figures it needs, the answer it gives.

Belongs here: the types that every dataset shares and the part of ``extra`` that is the same in all
of them. Does not belong here: the fields of any one dataset, and any formula over facts: those are
the table functions'.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from orchestration.errors import RunFailure
from orchestration.reporting.documents import Json
from orchestration.reporting.periods import Window
from orchestration.reporting.query import USD, Row
from orchestration.reporting.scopes import Scope, ScopeKind
from orchestration.reporting.tables import Table

Figures = Mapping[str, Sequence[Row]]
"""The rows a dataset asked for, by the name under which it asked."""

TENANT_OR_PLATFORM = frozenset({ScopeKind.TENANT, ScopeKind.PLATFORM})


@dataclass(frozen=True, kw_only=True)
class Question:
    """Whose figures, of which days, from a state that knows nothing after ``data_until``.

    ``currency`` is that of all money in the answer, also of fields whose name ends with ``usd``.
    ``metric`` and ``bucket`` are None unless the dataset takes them.
    """

    scope: Scope
    window: Window
    data_until: datetime
    currency: str = USD
    metric: str | None = None
    bucket: str | None = None


@dataclass(frozen=True, kw_only=True)
class Need:
    """A table function and, where it is not read just as the question says, what differs.

    A function that ``is_compared`` is told which window to compare with: it sees dates alone, and
    those of an open week could be any three days.
    """

    function: str
    window: Callable[[Window], Window] | None = None
    bucket: Callable[[Window], str] | None = None
    currency: str | None = None
    is_compared: bool = False


@dataclass(frozen=True, kw_only=True)
class Answer:
    """The JSON document, and the same as flat tables; the first table is the main one."""

    document: Json
    tables: tuple[Table, ...]


@dataclass(frozen=True, kw_only=True)
class Choice:
    """An option that only some datasets take: its allowed values, and what leaving it out means."""

    allowed: Callable[[], Sequence[str]]
    default: str | None = None
    is_required: bool = False


@dataclass(frozen=True, kw_only=True)
class Dataset:
    """One name that ``agentmart export`` takes. ``answer`` is pure: rows in, structures out.

    ``needs`` may depend on the question. ``metric`` and ``bucket`` are None where the option has no
    meaning; ``check`` refuses values that are allowed each and not together.
    """

    name: str
    default_period: str
    scopes: frozenset[ScopeKind]
    needs: Mapping[str, Need] | Callable[[Question], Mapping[str, Need]]
    answer: Callable[[Question, Figures], Answer]
    metric: Choice | None = None
    bucket: Choice | None = None
    check: Callable[[Question], None] | None = None

    def needs_of(self, question: Question) -> Mapping[str, Need]:
        """What the dataset reads to answer this question."""
        return self.needs(question) if callable(self.needs) else self.needs


def needs(*functions: str) -> dict[str, Need]:
    """Table functions read for the question's own window, under their own names."""
    return {function: Need(function=function) for function in functions}


def only_row(figures: Figures, name: str) -> Row:
    """The single row of a summary.

    Raises:
        RunFailure: there is not exactly one, so the published functions are not those expected.
    """
    rows = figures[name]
    if len(rows) != 1:
        raise RunFailure(
            f"the table function {name} gave {len(rows)} rows for one scope and window instead of "
            "one; report this as a bug"
        )
    return rows[0]


def count(row: Row, column: str) -> int:
    """A count or total; nothing counted is zero."""
    value = row[column]
    return 0 if value is None else int(value)


def model_name(row: Row) -> str:
    """The model of a row; usage whose model no record names is shown as ``unknown``."""
    return str(row["model"] or "unknown")


def about(question: Question) -> dict[str, Json]:
    """The part of ``extra`` that says whose figures these are and where their data end (D-42)."""
    scope, window = question.scope, question.window
    return {
        "scope": scope.text,
        "source": scope.source_name,
        "agent_id": scope.agent_id,
        "period": window.label,
        "window_kind": window.kind.value,
        "time_zone": window.time_zone,
        "first_day": window.first_day,
        "last_day": window.last_period_day,
        "data_to": min(window.end_at, window.as_of, question.data_until),
        "as_of": window.as_of,
        "is_partial": window.is_partial,
        "currency": question.currency,
    }
