"""What a row carries beyond the contract, as SQL: unknown members are kept as JSON text.

Belongs here: finding what no field of the contract took. Does not belong here: the fields (validation.py).

The expressions refer to the columns validation.py makes: ``raw_<field>``, ``typed_<field>``, ``is_suspect``.
"""

from __future__ import annotations

import json
from collections.abc import Mapping

from orchestration.contracts.model import Field, Kind, Stream
from orchestration.ingest import sql

# Columns of a section that are neither contract fields nor left-over members.
SERVICE_COLUMNS = ("row_number", "raw_text", "has_object", "object_text")


def raw_name(field: Field) -> str:
    """SQL: the column with the field's value as it was read."""
    return sql.name(f"raw_{field.name}")


def typed_name(field: Field) -> str:
    """SQL: the column with the field's typed value."""
    return sql.name(f"typed_{field.name}")


def extra_columns(stream: Stream, *, columns: Mapping[str, str]) -> list[str]:
    """The columns of a section that the contract does not know."""
    known = {field.name for field in stream.all_fields}
    return [column for column in columns if column not in known and column not in SERVICE_COLUMNS]


def leftover_members(stream: Stream) -> str:
    """SQL: the document of a native JSON row without the members of the contract; null if none is left."""
    # Counting the members first tells cheaply that every one of them was taken.
    count = " + ".join(
        f"({raw_name(field) if field.privacy else typed_name(field)} is not null)::integer"
        for field in stream.all_fields
    )
    known: dict[str, object] = {field.name: None for field in stream.fields}
    keys = "len(json_keys(raw_text))"
    if stream.properties_field:
        known[stream.properties_field] = {field.name: None for field in stream.properties}
        count += " + has_object::integer"
        paths = sql.text_list(["$", f"$.{stream.properties_field}"])
        both = f"json_keys(raw_text, {paths})"
        keys = f"(len({both}[1]) + coalesce(len({both}[2]), 0))"
    # A patch that sets a member to null removes it.
    patch = sql.text(json.dumps(known, separators=(",", ":")))
    return f"case when {keys} = {count} then null else json_merge_patch(raw_text, {patch})::varchar end"


def source_metadata(
    stream: Stream, *, columns: Mapping[str, str], is_json: bool, is_native: bool
) -> str:
    """SQL: what the row carries beyond the contract, as JSON text; null if nothing."""
    if is_json and is_native:
        return _metadata_of_document(stream)
    pairs = [
        f"case when {sql.name(column)} is not null then "
        f"{{'name': {sql.text(column)}, 'value': to_json({sql.name(column)})}} end"
        for column in extra_columns(stream, columns=columns)
    ]
    if stream.properties_field and "object_text" in columns:
        known = sql.text_list(field.name for field in stream.properties)
        inner = f"list_concat(unknown_members(object_text, {known}), {_misfits(stream)})"
        pairs.append(
            "case when has_object and (is_suspect or object_text is not null) "
            f"then {{'name': {sql.text(stream.properties_field)}, "
            f"'value': members_text({inner})::json}} end"
        )
    if not pairs:
        return "null::varchar"
    return (
        f"members_text(list_filter([{', '.join(pairs)}], "
        "lambda m: m is not null and m.value is not null))"
    )


def _metadata_of_document(stream: Stream) -> str:
    known = sql.text_list(
        [field.name for field in stream.fields]
        + ([stream.properties_field] if stream.properties_field else [])
    )
    members = f"unknown_members(raw_text, {known})"
    tidy = "leftover"
    if stream.properties_field:
        path = f"json_extract(raw_text, '$.{stream.properties_field}')"
        known_properties = sql.text_list(field.name for field in stream.properties)
        inner = f"list_concat(unknown_members({path}, {known_properties}), {_misfits(stream)})"
        members = (
            f"list_concat({members}, case when has_object then list_filter("
            f"[{{'name': {sql.text(stream.properties_field)}, "
            f"'value': members_text({inner})::json}}], lambda m: m.value is not null) else [] end)"
        )
        empty = f'"{stream.properties_field}":{{}}'
        tidy = (
            f"replace(replace(replace(leftover, {sql.text(empty + ',')}, ''), "
            f"{sql.text(',' + empty)}, ''), {sql.text(empty)}, '')"
        )
    # Taking the leftovers apart member by member is slow; it is for rows with values that cannot stay as
    # they are: nulls, private names, and properties that their column could not take.
    needs_care = (
        "is_suspect or contains(leftover, 'null') or contains(leftover, 'user_id') "
        "or contains(leftover, 'comment') or contains(leftover, '\\')"
    )
    return (
        "case when leftover is null then null "
        f"when {needs_care} then members_text({members}) "
        f"else nullif({tidy}, '{{}}') end"
    )


def _misfits(stream: Stream) -> str:
    """SQL: the properties that belong to other event types and are not of their column's type."""
    misfits = ", ".join(
        f"case when {raw_name(field)} is not null and {typed_name(field)} is null then "
        f"{{'name': {sql.text(field.name)}, 'value': to_json({raw_name(field)})}} end"
        for field in stream.properties
        if field.kind not in (Kind.ID, Kind.TEXT) and field.privacy is None
    )
    return f"list_filter([{misfits}], lambda m: m is not null)" if misfits else "[]"
