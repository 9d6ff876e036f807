"""What a report says, independent of any format: header, sections, figures, charts, tables, notes.

Belongs here: the frozen types that every renderer reads. Does not belong here: SQL, text layout,
files.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime
from enum import StrEnum

from orchestration.reporting.brands import PLAIN_BRAND, Brand
from orchestration.reporting.formats import Change, Number, Unit, format_value
from orchestration.reporting.scopes import ScopeKind


class Frequency(StrEnum):
    """How often a report is due."""

    DAILY = "daily"
    WEEKLY = "weekly"
    MONTHLY = "monthly"


@dataclass(frozen=True, kw_only=True)
class ReportScope:
    """Whose data a report holds."""

    kind: ScopeKind
    id: str
    source_name: str | None
    name: str

    @property
    def text(self) -> str:
        """The scope as people type it: ``platform``, ``tenant:ID``, ``publisher:ID``."""
        return self.kind.value if self.kind is ScopeKind.PLATFORM else f"{self.kind}:{self.id}"


@dataclass(frozen=True, kw_only=True)
class Header:
    """What every page needs to be read alone: scope, window, zone, as-of and freshness."""

    scope: ReportScope
    frequency: Frequency
    title: str
    period: str
    period_text: str
    first_day: date
    last_day: date
    zone: str
    window_start: datetime
    window_end: datetime
    as_of: datetime
    data_until: datetime | None
    is_partial: bool
    gaps: tuple[str, ...] = ()
    brand: Brand = PLAIN_BRAND


@dataclass(frozen=True, kw_only=True)
class Figure:
    """One metric with its value and its change against the previous window."""

    metric: str
    label: str
    value: Number | None
    unit: Unit
    change: Change | None = None
    note: str = ""

    @property
    def text(self) -> str:
        return format_value(self.value, self.unit)


@dataclass(frozen=True, kw_only=True)
class Figures:
    """A group of figures: prominent cards, or a plain row of smaller ones."""

    figures: tuple[Figure, ...]
    prominent: bool = False


@dataclass(frozen=True, kw_only=True)
class Point:
    """One place on a chart; a value of None is a gap, not a zero.

    A day on which nothing was reported has ``has_data`` false, whatever its value. ``row`` is where
    a point of a heat map stands, its label the column.
    """

    label: str
    value: Number | None
    day: date | None = None
    note: str = ""
    has_data: bool = True
    row: str = ""


class ChartKind(StrEnum):
    """The few shapes a report uses."""

    LINE = "line"
    COLUMNS = "columns"
    BARS = "bars"
    HEAT = "heat"


@dataclass(frozen=True, kw_only=True)
class Chart:
    """A series and how to draw it. ``second`` is a paler companion of a line, such as a p95."""

    kind: ChartKind
    metric: str
    title: str
    unit: Unit
    points: tuple[Point, ...]
    alt: str
    caption: str = ""
    wide: bool = False
    second: tuple[Point, ...] = ()
    second_metric: str = ""
    label: str = ""
    second_label: str = ""


@dataclass(frozen=True, kw_only=True)
class ChartRow:
    """One wide chart, or two that share the width."""

    charts: tuple[Chart, ...]


@dataclass(frozen=True, kw_only=True)
class Column:
    """A column of a table; without a unit it holds text, of a word or two where it is narrow."""

    metric: str
    label: str
    unit: Unit | None = None
    narrow: bool = False


@dataclass(frozen=True, kw_only=True)
class TableRow:
    """One subject of a table and its cells, in the order of the columns.

    ``units`` are those of its own cells, where rows of a table differ in them.
    """

    subject: str
    cells: tuple[str | Number | None, ...]
    is_suppressed: bool = False
    units: tuple[Unit | None, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Table:
    """A titled comparison; the first column names the subject.

    Rows in ``more`` stand in the data files only.
    """

    title: str
    columns: tuple[Column, ...]
    rows: tuple[TableRow, ...]
    caption: str = ""
    more: tuple[TableRow, ...] = ()

    def text(self, row: TableRow, position: int) -> str:
        """The cell as shown to people."""
        unit, cell = self.unit(row, position), row.cells[position]
        if unit is None:
            return "" if cell is None else str(cell)
        if cell is None and row.is_suppressed:
            return "hidden"
        if isinstance(cell, str):
            return cell
        return format_value(cell, unit)

    def unit(self, row: TableRow, position: int) -> Unit | None:
        """The unit of a cell; None where it holds text."""
        return row.units[position] if row.units else self.columns[position].unit


@dataclass(frozen=True, kw_only=True)
class Insight:
    """A finding with what to do about it."""

    rule: str
    severity: str
    title: str
    description: str
    recommendation: str
    subject: str = ""


@dataclass(frozen=True, kw_only=True)
class Insights:
    """The findings of a section, gravest first; ``more`` stand in the data files only."""

    insights: tuple[Insight, ...]
    more: tuple[Insight, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Sentences:
    """Answers written from the figures, one sentence each."""

    sentences: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class Empty:
    """Why there is nothing to show, in one line."""

    reason: str


@dataclass(frozen=True, kw_only=True)
class Notes:
    """Terms and what is to be said of each: a summary, or what a careful reader should know."""

    notes: tuple[tuple[str, str], ...]
    prominent: bool = False


Block = Figures | ChartRow | Table | Insights | Sentences | Empty | Notes


@dataclass(frozen=True, kw_only=True)
class Section:
    """A heading and what stands under it."""

    key: str
    title: str
    blocks: tuple[Block, ...]


@dataclass(frozen=True, kw_only=True)
class Report:
    """A whole report: page one is the statement and the overview, then the sections."""

    header: Header
    statement: str
    sections: tuple[Section, ...]
