"""What Dagster shows of what was loaded and built: rows, bytes, event dates, lineage, a few rows, the SQL.

Belongs here: wording what was found as metadata. Does not belong here: finding it (warehouse/inspection,
warehouse/column_lineage).
"""

from __future__ import annotations

from collections.abc import Container, Mapping, Sequence
from pathlib import Path
from typing import Any

import dagster as dg

from orchestration.defs.dbt_build import keys_of_models
from orchestration.ingest.load import LoadReport
from orchestration.settings import DBT_PROJECT_DIR, Settings
from orchestration.warehouse.column_lineage import Lineage, note_lineage
from orchestration.warehouse.inspection import BuiltTable, Inspection, inspect
from orchestration.warehouse.manifest import read_manifest
from orchestration.warehouse.plan import BuildPlan

Metadata = dict[str, Any]

# Of a column; a figure of many windows and scopes has a dozen.
_MOST_SOURCES = 6


def metadata_of_models(
    settings: Settings, *, plan: BuildPlan, results: Mapping[str, Any], models: Container[str]
) -> dict[str, Metadata]:
    """Metadata by dbt's unique id of those of the models that were built. The caller holds the warehouse."""
    nodes = read_manifest()["nodes"]
    seconds = {
        one["unique_id"]: round(one["execution_time"], 3)
        for one in results["results"]
        if one["unique_id"] in models and one["status"] == "success"
    }
    inspection = inspect(settings, [nodes[unique_id] for unique_id in seconds])
    if plan.is_full_refresh:
        note_lineage(results, nodes, columns=inspection.columns)
    return {
        unique_id: {"seconds": spent, **_of_model(inspection, nodes[unique_id], plan=plan)}
        for unique_id, spent in seconds.items()
    }


def built_models(
    settings: Settings, assets: dg.AssetsDefinition, *, plan: BuildPlan, results: Mapping[str, Any]
) -> list[dg.AssetMaterialization]:
    """What a build made of these assets, for a run of another one to note."""
    keys = keys_of_models(assets)
    metadata = metadata_of_models(settings, plan=plan, results=results, models=keys)
    return [
        dg.AssetMaterialization(asset_key=keys[unique_id], metadata=known)
        for unique_id, known in metadata.items()
    ]


def metadata_of_stream(report: LoadReport, stream: str, *, lake: Path) -> Metadata:
    """What a load brought for a stream; the rate is that of refused rows."""
    loaded = [one for one in report.files if stream in one.streams]
    entries = [one.streams[stream] for one in loaded]
    landed = sum(one.rows_landed for one in entries)
    refused = sum(one.rows_quarantined for one in entries)
    files = [lake / file for one in entries for file in one.files]
    days = sorted({day for one in entries for day in one.event_dates})
    return {
        "dagster/row_count": landed,
        "quarantined": refused,
        "quarantine_rate": refused / (landed + refused) if landed + refused > 0 else None,
        "bytes": sum(file.stat().st_size for file in files if file.exists()),
        "seconds": round(sum(one.seconds for one in loaded), 3),
        "event_dates": f"{days[0]} to {days[-1]} ({len(days)} dates)" if days else "none",
    }


def code_references(original_file_path: str) -> dg.CodeReferencesMetadataValue:
    """The link to the SQL (of reference data: to the rows) of an asset of dbt."""
    path = (DBT_PROJECT_DIR / original_file_path).resolve()
    return dg.CodeReferencesMetadataValue(
        code_references=[dg.LocalFileCodeReference(file_path=str(path), label=path.name)]
    )


def _of_model(inspection: Inspection, node: Mapping[str, Any], *, plan: BuildPlan) -> Metadata:
    return {
        **_of_dates(inspection, node, is_full_refresh=plan.is_full_refresh),
        **_of_table(inspection.tables.get(f"{node['schema']}.{node['alias']}")),
    }


def _of_dates(
    inspection: Inspection, node: Mapping[str, Any], *, is_full_refresh: bool
) -> Metadata:
    """The event dates that were built, of what is built by event date."""
    if node["config"]["materialized"] != "incremental":
        return {}
    dates = inspection.event_dates.get(node["name"])
    if is_full_refresh:
        return {"event_dates": "all"}
    if dates is None:
        return {"event_dates": "none"}
    return {"event_dates": f"{dates.first} to {dates.last} ({dates.count} dates)"}


def _of_table(table: BuiltTable | None) -> Metadata:
    if table is None:
        return {}
    size = {} if table.size_bytes is None else {"bytes": table.size_bytes}
    preview = {"preview": _preview(table)} if table.preview else {}
    return {"dagster/row_count": table.row_count, **size, **preview}


def _preview(table: BuiltTable) -> dg.MarkdownMetadataValue:
    shown = table.columns[: len(table.preview[0])]
    lines = [_line(shown), _line(["---"] * len(shown)), *(_line(row) for row in table.preview)]
    left_out = len(table.columns) - len(shown)
    if left_out:
        lines.append(f"\n… and {left_out} more columns")
    return dg.MetadataValue.md("\n".join(lines))


def _line(cells: Sequence[str]) -> str:
    # A bar or a line break in a value would end its cell.
    escaped = [" ".join(cell.replace("|", "\\|").split()) for cell in cells]
    return f"| {' | '.join(escaped)} |"


def metadata_of_columns(schema: dg.TableSchema, lineage: Lineage) -> Metadata:
    """The columns of a model with what each is made of, in words too: Dagster's own page draws no lineage of
    columns."""
    deps = {
        column: [
            dg.TableColumnDep(asset_key=dg.AssetKey(name.split(".")), column_name=of)
            for name, of in sources
        ]
        for column, sources in lineage.items()
    }
    columns = [_described(column, lineage.get(column.name, ())) for column in schema.columns]
    return {
        "dagster/column_schema": dg.TableSchema(columns=columns),
        "dagster/column_lineage": dg.TableColumnLineage(deps_by_column=deps),
    }


def _described(column: dg.TableColumn, sources: Sequence[tuple[str, str]]) -> dg.TableColumn:
    return dg.TableColumn(
        name=column.name,
        type=column.type,
        description=_with_sources(column, sources),
        constraints=column.constraints,
        tags=column.tags,
    )


def _with_sources(column: dg.TableColumn, sources: Sequence[tuple[str, str]]) -> str:
    description = column.description or ""
    if not sources:
        return description
    # A column of the same name says more than what it was cut or chosen by.
    ordered = sorted(sources, key=lambda one: (one[1] != column.name, one[0], one[1]))
    shown = ", ".join(f"{name}.{of}" for name, of in ordered[:_MOST_SOURCES])
    more = f" and {len(sources) - _MOST_SOURCES} more" if len(sources) > _MOST_SOURCES else ""
    return f"{description}\n\nMade of {shown}{more}."
