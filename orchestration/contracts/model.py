"""The vocabulary in which a stream is declared: kinds of field, fields and streams.

Belongs here: the shape of a declaration and what follows from it alone (lake columns, key, required
fields). Does not belong here: the declarations (streams.py), how a value is read or checked in SQL
(ingest/).
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum


class Kind(Enum):
    """What a field holds."""

    ID = "id"
    TEXT = "text"
    ZONE = "time zone"
    MONTH = "month"
    METRIC = "metric"
    TIME = "time"
    DATE = "date"
    COUNT = "count"
    DURATION = "duration in ms"
    MONEY = "money"
    FRACTION = "fraction"
    BOOLEAN = "boolean"
    TEXT_LIST = "list of texts"
    COUNT_MAP = "counts by name"

    @property
    def column_type(self) -> str:
        """The type of its column in the lake."""
        return _COLUMN_TYPES[self]


_COLUMN_TYPES = {
    Kind.ID: "VARCHAR",
    Kind.TEXT: "VARCHAR",
    Kind.ZONE: "VARCHAR",
    Kind.MONTH: "VARCHAR",
    Kind.METRIC: "VARCHAR",
    Kind.TIME: "TIMESTAMP",
    Kind.DATE: "DATE",
    Kind.COUNT: "BIGINT",
    Kind.DURATION: "BIGINT",
    Kind.MONEY: "DECIMAL(38,12)",
    Kind.FRACTION: "DECIMAL(18,9)",
    Kind.BOOLEAN: "BOOLEAN",
    Kind.TEXT_LIST: "VARCHAR[]",
    Kind.COUNT_MAP: "MAP(VARCHAR, BIGINT)",
}


class Privacy(Enum):
    """What ingestion does with a value that must not reach the lake as it is."""

    HASHED = "hashed"
    PRESENCE_ONLY = "presence only"


@dataclass(frozen=True, kw_only=True)
class Field:
    """One field of a stream. Bounds are texts, so that no decimal passes through a binary float."""

    name: str
    kind: Kind
    is_required: bool = False
    allowed: tuple[str, ...] = ()
    minimum: str | None = None
    maximum: str | None = None
    default: str | None = None
    privacy: Privacy | None = None
    may_be_future: bool = False
    # For properties of agent_events: the event types that carry the field, and those that must.
    events: tuple[str, ...] = ()
    required_events: tuple[str, ...] = ()

    @property
    def column(self) -> str:
        """The field's name in the lake."""
        return f"has_{self.name}" if self.privacy is Privacy.PRESENCE_ONLY else self.name

    @property
    def column_type(self) -> str:
        if self.privacy is Privacy.PRESENCE_ONLY:
            return "BOOLEAN"
        return self.kind.column_type


@dataclass(frozen=True, kw_only=True)
class Stream:
    """One stream of the extract contract.

    ``properties`` are the fields inside the object field ``properties_field``; the lake holds them
    flat. An append stream is de-duplicated on ``key``; of an upsert stream the row with the
    greatest ``version_field`` wins.
    """

    name: str
    fields: tuple[Field, ...]
    key: tuple[str, ...]
    time_field: str
    version_field: str | None = None
    properties_field: str | None = None
    properties: tuple[Field, ...] = ()

    @property
    def is_upsert(self) -> bool:
        return self.version_field is not None

    @property
    def all_fields(self) -> tuple[Field, ...]:
        return self.fields + self.properties

    @property
    def required(self) -> tuple[str, ...]:
        return tuple(field.name for field in self.fields if field.is_required)

    def field(self, name: str) -> Field:
        for field in self.all_fields:
            if field.name == name:
                return field
        raise KeyError(f"{self.name} has no field {name}")

    @property
    def lake_columns(self) -> tuple[tuple[str, str], ...]:
        """Name and type of every column of the stream's lake files, in order."""
        return tuple((field.column, field.column_type) for field in self.all_fields) + LOAD_COLUMNS


# What ingestion adds to every row it lands.
LOAD_COLUMNS: tuple[tuple[str, str], ...] = (
    ("source_name", "VARCHAR"),
    ("load_id", "VARCHAR"),
    ("row_number", "BIGINT"),
    ("row_hash", "VARCHAR"),
    ("loaded_at", "TIMESTAMP"),
    ("source_metadata", "VARCHAR"),
)
