"""Compliance: toxic messages and redacted personal data.

Belongs here: what audits found. Does not belong here: what counts as toxic (the warehouse).
"""

from __future__ import annotations

from collections.abc import Sequence

from orchestration.reporting.formats import Number, Unit
from orchestration.reporting.gather import MartRow, ReportRows
from orchestration.reporting.model import (
    Block,
    Chart,
    ChartKind,
    ChartRow,
    Column,
    Empty,
    Figures,
    Section,
    Table,
)
from orchestration.reporting.sections.common import (
    Measure,
    bars_alt,
    descending,
    figures,
    period_noun,
    table_of,
    top_and_other,
)

_ENTITIES = 8
_FIGURES = (
    Measure(
        mart="compliance_summary",
        column="audited_messages",
        label="Messages audited",
        unit=Unit.COUNT,
    ),
    Measure(
        mart="compliance_summary",
        column="pii_redactions",
        label="Redactions",
        unit=Unit.COUNT,
    ),
    Measure(
        mart="compliance_summary", column="toxic_rate", label="Toxic messages", unit=Unit.FRACTION
    ),
    Measure(
        mart="compliance_summary",
        column="pii_rate",
        label="Messages with personal data",
        unit=Unit.FRACTION,
    ),
)
_TYPE_COLUMNS = (
    Column(metric="agent_type_name", label="Agent type"),
    Column(metric="audited_messages", label="Audited", unit=Unit.COUNT),
    Column(metric="toxic_messages", label="Toxic", unit=Unit.COUNT),
    Column(metric="toxic_rate", label="Toxic rate", unit=Unit.FRACTION),
    Column(metric="messages_with_pii", label="With personal data", unit=Unit.COUNT),
    Column(metric="pii_redactions", label="Redactions", unit=Unit.COUNT),
)


def compliance(rows: ReportRows) -> Section:
    """What audits found, by kind of data and by agent type."""
    if not rows.summary("compliance_summary").count("audited_messages"):
        reason = f"No message was audited in this {period_noun(rows)}."
        return _section(Empty(reason=reason))
    blocks: list[Block] = [Figures(figures=figures(rows, *_FIGURES))]
    entities = rows.rows("pii_by_entity")
    if entities:
        blocks.append(ChartRow(charts=(_by_entity(rows, entities),)))
    types = sorted(rows.rows("compliance_by_agent_type"), key=_order)
    if types:
        blocks.append(_by_type(types))
    return _section(*blocks)


def _section(*blocks: Block) -> Section:
    return Section(key="compliance", title="Compliance", blocks=blocks)


def _by_entity(rows: ReportRows, entities: Sequence[MartRow]) -> Chart:
    points = top_and_other(
        [(row.text("entity_type"), row.number("redaction_count")) for row in entities],
        keep=_ENTITIES,
        total=rows.summary("compliance_summary").number("pii_redactions"),
    )
    return Chart(
        kind=ChartKind.BARS,
        metric="pii_redactions",
        title="Redacted personal data by kind",
        unit=Unit.COUNT,
        points=points,
        wide=True,
        alt=bars_alt("Redacted personal data by kind", points, unit=Unit.COUNT),
    )


def _by_type(types: Sequence[MartRow]) -> Table:
    def cells(row: MartRow) -> tuple[str | Number | None, ...]:
        return (
            type_label(row),
            *(row.number(column.metric) for column in _TYPE_COLUMNS[1:]),
        )

    return table_of(
        "By agent type",
        types,
        columns=_TYPE_COLUMNS,
        subject=lambda row: row.text("agent_type_id") or "unknown",
        cells=cells,
        noun="agent types",
    )


def type_label(row: MartRow) -> str:
    """What an agent type is called."""
    return row.text("agent_type_name") or row.text("agent_type_id") or "Unknown type"


def _order(row: MartRow) -> tuple[bool, object, str]:
    return (
        row.flag("is_suppressed"),
        descending(row.number("audited_messages")),
        row.text("agent_type_key"),
    )
