"""The checks of the contract as SQL, generated from the declaration of a stream.

Belongs here: how a raw value becomes a typed one, and in which order the rules of a row are tried.
Does not belong here: the rules' declaration (contracts/), reading files, writing the lake.

``checked_rows`` wraps the SELECT of an adapter section into one SELECT with the lake's columns and
four more: ``event_date``, ``failed_rule`` (0, or the number of the first rule the row breaks),
``rejected_value`` and ``retry_at`` (when a row refused as future may land). Session variables:
``user_salt``, ``latest_time``, ``loaded_at``.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from orchestration.contracts.model import Field, Kind, Privacy, Stream
from orchestration.contracts.reasons import Reason
from orchestration.contracts.streams import EVENT_TYPES, FUTURE_TOLERANCE
from orchestration.ingest import sql
from orchestration.ingest.leftovers import (
    SERVICE_COLUMNS,
    extra_columns,
    leftover_members,
    raw_name,
    source_metadata,
    typed_name,
)

_INTEGERS = ("TINYINT", "SMALLINT", "INTEGER", "BIGINT")
_TIMESTAMPS = (
    "TIMESTAMP",
    "TIMESTAMP_S",
    "TIMESTAMP_MS",
    "TIMESTAMP_NS",
    "TIMESTAMP WITH TIME ZONE",
)


@dataclass(frozen=True, kw_only=True)
class Rule:
    """One way to break the contract; failed_rule numbers them from 1."""

    reason: Reason
    text: str
    condition: str
    # True of at least the rows that break the rule, and cheap for all rows.
    suspicion: str
    # The raw value shown beside the text; none for what may not be shown.
    shown_value: str | None = None


@dataclass(frozen=True, kw_only=True)
class CheckedSelect:
    """A SELECT of checked rows, with the rules its failed_rule numbers refer to."""

    sql: str
    rules: tuple[Rule, ...]


def checked_rows(
    stream: Stream,
    *,
    section_sql: str,
    columns: Mapping[str, str],
    source_name: str,
    load_id: str,
    is_json: bool,
    is_native: bool,
) -> CheckedSelect:
    """Wrap an adapter section into the SELECT that types and checks its rows.

    Args:
        section_sql: the section; it must give row_number.
        columns: name and type of the section's columns.
        load_id: SQL of the load's id.
        is_json: raw_text is the JSON document of the row itself, so that the kind of a value and
            members the contract does not know can be looked up in it.
        is_native: the section's columns are the members of the raw row.
    """
    fields = stream.all_fields
    raw = {field.name: _raw_value(field, columns=columns) for field in fields}
    typed = {
        field.name: _typed_value(field, raw_type=columns.get(field.name), source_name=source_name)
        for field in fields
    }
    looks_up_kinds = is_json and is_native
    rules = _rules(stream, columns=columns, looks_up_kinds=looks_up_kinds)
    leftover = leftover_members(stream) if looks_up_kinds else "null::varchar"
    metadata = source_metadata(stream, columns=columns, is_json=is_json, is_native=is_native)
    values = ",\n        ".join(
        [f"{raw[field.name]} as {raw_name(field)}" for field in fields]
        + [sql.name(column) for column in SERVICE_COLUMNS if column in columns]
        + [sql.name(column) for column in extra_columns(stream, columns=columns)]
    )
    typings = ",\n        ".join(
        [f"{typed[field.name]} as {typed_name(field)}" for field in fields]
        + ([f"{_event_bit()} as event_bit"] if stream.properties else [])
    )
    numbered = list(enumerate(rules, start=1))
    # Trying rule after rule is slow, so rows that cannot break any are told apart first, by
    # conditions that are computed for whole vectors.
    suspicions = "\n            or ".join(dict.fromkeys(rule.suspicion for rule in rules))
    cases = "\n            ".join(
        f"when {rule.condition} then {number}" for number, rule in numbered
    )
    shown = "\n            ".join(
        f"when {number} then {rule.shown_value}::varchar"
        for number, rule in numbered
        if rule.shown_value
    )
    landed = ",\n    ".join(f"{_landed(field)} as {sql.name(field.column)}" for field in fields)
    time_column = typed_name(stream.field(stream.time_field))
    checked_times = [typed_name(field) for field in fields if _is_checked_for_future(field)]
    tolerance = f"interval {int(FUTURE_TOLERANCE.total_seconds())} second"
    retry = (
        f"greatest({', '.join(checked_times)}) - {tolerance}"
        if checked_times
        else "null::timestamp"
    )
    first_future = min(
        (number for number, rule in numbered if rule.reason is Reason.FUTURE_TIME),
        default=len(rules) + 1,
    )
    statement = f"""
with section as not materialized (
    {section_sql}
),
raw_values as not materialized (
    select
        {values}
    from section
),
typed_values as not materialized (
    select
        *,
        {typings}
    from raw_values
),
suspected as not materialized (
    select
        *,
        coalesce({suspicions}, false) as is_suspect,
        {leftover} as leftover
    from typed_values
),
ruled as not materialized (
    select
        *,
        case when is_suspect then case
            {cases}
            else 0
        end else 0 end::utinyint as failed_rule
    from suspected
)
select
    {landed},
    {sql.text(source_name)} as source_name,
    {load_id} as load_id,
    row_number::bigint as row_number,
    {_row_hash(fields)} as row_hash,
    getvariable('loaded_at')::timestamp as loaded_at,
    {metadata} as source_metadata,
    {time_column}::date as event_date,
    failed_rule,
    case when failed_rule > 0 then case failed_rule
            {shown}
    end end as rejected_value,
    case when failed_rule >= {first_future} then {retry} end as retry_at
from ruled
"""
    return CheckedSelect(sql=statement, rules=rules)


def plain_rows(
    stream: Stream,
    *,
    section_sql: str,
    columns: Mapping[str, str],
    source_name: str,
    load_id: str,
    metadata: str,
    is_wary: bool,
) -> str:
    """The lake's columns and event_date of the rows of a native JSON section that raise no suspicion.

    The rows that remain are those that ``checked_rows`` lands, with the same values, if what counts
    over all rows can show holds too (plain_rows.py): that they have no members beyond the contract,
    and, unless the checks are wary, that no required value is missing, no value is unread or out of
    range, and that no text was of another kind.

    Args:
        section_sql: gives row_number and the fields as texts, lists of texts as lists.
        metadata: SQL of source_metadata.
        is_wary: leave out every row that could break a rule or be read in two ways, so that counts
            have to show less.
    """
    fields = stream.all_fields
    suspicions = ["not has_object"] if stream.properties_field else []
    for field in fields:
        suspicions += _doubts(stream, field)
    if is_wary:
        suspicions += [f"{raw_name(field)} = ''" for field in fields if not _is_list(field)]
        rules = _rules(stream, columns=columns, looks_up_kinds=True)
        suspicions += [rule.suspicion for rule in rules]
    return _unsuspected_rows(
        stream,
        section_sql=section_sql,
        raw={field.name: sql.name(field.name) for field in fields},
        columns=columns,
        source_name=source_name,
        load_id=load_id,
        metadata=metadata,
        suspicions=suspicions,
    )


def plain_table_rows(
    stream: Stream,
    *,
    section_sql: str,
    columns: Mapping[str, str],
    source_name: str,
    load_id: str,
) -> str:
    """The lake's columns and event_date of the rows of a native table that raise no suspicion.

    ``checked_rows`` lands the same rows with the same values, and perhaps some of the others.

    Args:
        section_sql: gives row_number and the fields.
        columns: name and type of the section's columns; those beyond the contract go to
            source_metadata.
    """
    raw, suspicions = {}, []
    for field in stream.all_fields:
        raw[field.name] = _raw_value(field, columns=columns)
        if columns.get(field.name) == "VARCHAR":
            # Asking whether a text is empty is cheaper than making it null.
            raw[field.name] = sql.name(field.name)
            suspicions.append(f"{raw_name(field)} = ''")
    rules = _rules(stream, columns=columns, looks_up_kinds=False)
    suspicions += [rule.suspicion for rule in rules]
    return _unsuspected_rows(
        stream,
        section_sql=section_sql,
        raw=raw,
        columns=columns,
        source_name=source_name,
        load_id=load_id,
        metadata=source_metadata(stream, columns=columns, is_json=False, is_native=True),
        suspicions=suspicions,
    )


def _unsuspected_rows(
    stream: Stream,
    *,
    section_sql: str,
    raw: Mapping[str, str],
    columns: Mapping[str, str],
    source_name: str,
    load_id: str,
    metadata: str,
    suspicions: Sequence[str],
) -> str:
    fields = stream.all_fields
    names = {field.name for field in fields}
    values = ",\n        ".join(
        [f"{raw[field.name]} as {raw_name(field)}" for field in fields]
        + [sql.name(column) for column in columns if column not in names]
    )
    typed = {}
    doubts = [*suspicions]
    for field in fields:
        raw_type = columns.get(field.name)
        typed[field.name] = _typed_value(field, raw_type=raw_type, source_name=source_name)
        cheaper = _cheaper_value(field, raw_type=raw_type, source_name=source_name)
        if cheaper is not None:
            typed[field.name] = cheaper[0]
            doubts += cheaper[1:]
    typings = ",\n        ".join(
        [f"{typed[field.name]} as {typed_name(field)}" for field in fields]
        + ([f"{_event_bit()} as event_bit"] if stream.properties else [])
    )
    all_suspicions = "\n    or ".join(dict.fromkeys(doubts)) or "false"
    landed = ",\n    ".join(f"{_landed(field)} as {sql.name(field.column)}" for field in fields)
    return f"""
with section as not materialized (
    {section_sql}
),
raw_values as not materialized (
    select
        {values}
    from section
),
typed_values as not materialized (
    select
        *,
        false as is_suspect,
        {typings}
    from raw_values
)
select
    {landed},
    {sql.text(source_name)} as source_name,
    {load_id} as load_id,
    row_number::bigint as row_number,
    {_row_hash(fields)} as row_hash,
    getvariable('loaded_at')::timestamp as loaded_at,
    {metadata} as source_metadata,
    {typed_name(stream.field(stream.time_field))}::date as event_date
from typed_values
where not coalesce({all_suspicions}, false)
"""


def _cheaper_value(
    field: Field, *, raw_type: str | None, source_name: str
) -> tuple[str, ...] | None:
    """SQL: the typed value without asking first which way it is to be read, and where it is another.

    A choice between two values takes about as long as reading them.
    """
    raw = raw_name(field)
    if field.privacy is Privacy.HASHED:
        fresh = f"fresh_user({sql.text(source_name)}, {raw})"
        return fresh, f"starts_with({raw}, 'sha256:')"
    if raw_type == "TIMESTAMP WITH TIME ZONE":
        # The engine's cast asks the calendar of the time zone for every value.
        return (f"make_timestamp(epoch_us({raw}))",)
    if not _is_text(raw_type):
        return None
    if field.kind is Kind.TIME:
        usual = f"make_timestamp(epoch_us(try_cast({raw} as timestamptz)))"
        return f"coalesce({usual}, {_time(raw)})", f"not ascii({raw}) between 43 and 57"
    if field.kind in (Kind.MONEY, Kind.FRACTION):
        return f"try_cast({raw} as {field.kind.column_type})", f"contains({raw}, '_')"
    return None


def _is_list(field: Field) -> bool:
    return field.kind is Kind.TEXT_LIST


def _doubts(stream: Stream, field: Field) -> list[str]:
    """SQL: what counts over many rows cannot show of a field."""
    raw = raw_name(field)
    doubts = []
    if field.required_events:
        doubts += [rule.suspicion for rule in _presence_rules(stream, field)]
    if field.kind.column_type == "VARCHAR":
        doubts += [rule.suspicion for rule in _text_rules(stream, field, looks_up_kinds=False)]
    if _is_list(field):
        doubts += [rule.suspicion for rule in _value_rules(stream, field, is_text=False)]
        doubts += [
            f"list_contains({raw}, '')",
            f"contains({raw}::varchar, '{{')",
            f"contains({raw}::varchar, 'NULL')",
        ]
    if field.kind is Kind.ID:
        doubts.append(_looks_like_fraction(raw))
    if field.kind is Kind.MONEY:
        # The digits of large amounts are in the text of the row only.
        doubts.append(f"abs({typed_name(field)}) >= 1000")
    return doubts


def _landed(field: Field) -> str:
    if field.default is None:
        return typed_name(field)
    return f"coalesce({typed_name(field)}, {field.default}::{field.kind.column_type})"


def _is_text(raw_type: str | None) -> bool:
    return raw_type in ("VARCHAR", "JSON")


def _is_direct(field: Field, *, raw_type: str) -> bool:
    """Whether a column of this type needs no reading of text."""
    if field.kind in (Kind.COUNT, Kind.DURATION):
        return raw_type in _INTEGERS
    if field.kind is Kind.TIME:
        return raw_type in _TIMESTAMPS
    if field.kind is Kind.DATE:
        return raw_type == "DATE"
    if field.kind is Kind.BOOLEAN:
        return raw_type == "BOOLEAN"
    if field.kind in (Kind.MONEY, Kind.FRACTION):
        return raw_type in _INTEGERS or raw_type.startswith("DECIMAL")
    if field.kind is Kind.TEXT_LIST:
        return raw_type == "VARCHAR[]"
    return False


def _is_nested(raw_type: str) -> bool:
    return raw_type.endswith("]") or raw_type.startswith(("STRUCT", "MAP"))


def _raw_value(field: Field, *, columns: Mapping[str, str]) -> str:
    raw_type = columns.get(field.name)
    column = sql.name(field.name)
    if raw_type is None:
        return "null::varchar"
    if _is_text(raw_type):
        return f"nullif({column}::varchar, '')"
    if _is_direct(field, raw_type=raw_type):
        return column
    if _is_nested(raw_type):
        return f"to_json({column})::varchar"
    return f"nullif({column}::varchar, '')"


def _typed_value(field: Field, *, raw_type: str | None, source_name: str) -> str:
    raw = raw_name(field)
    if field.privacy is Privacy.HASHED:
        return f"hashed_user({sql.text(source_name)}, {raw})"
    if field.privacy is Privacy.PRESENCE_ONLY:
        return f"({raw} is not null)"
    if raw_type is not None and not _is_text(raw_type) and _is_direct(field, raw_type=raw_type):
        return f"try_cast({raw} as {field.kind.column_type})"
    return _READERS[field.kind](raw)


def _time(raw: str) -> str:
    # 'infinity' and 'epoch', which the engine understands, are no times of an extract; ISO forms it
    # does not understand (no seconds before a zone, basic format, decimal comma) are rewritten
    # first. The way over microseconds is four times as fast as the engine's cast to a time without
    # zone.
    number = f"try_cast({raw} as decimal(38, 9))"
    rewritten = (
        f"regexp_replace(regexp_replace(replace(upper({raw}), ',', '.'), "
        r"'^(\d{4})(\d{2})(\d{2})T(\d{2})(\d{2})(\d{2})', '\1-\2-\3T\4:\5:\6'), "
        r"'^(\d{4}-\d{2}-\d{2}[T ]\d{2}:\d{2})(Z|[-+].*)$', '\1:00\2')"
    )
    return f"""case
            when {raw} is null or not ascii({raw}) between 43 and 57 then null
            else coalesce(
                make_timestamp(epoch_us(try_cast({raw} as timestamptz))),
                case
                    when {number} is null then
                        make_timestamp(epoch_us(try_cast({rewritten} as timestamptz)))
                    when abs({number}) < 1e11 then make_timestamp(({number} * 1000000)::bigint)
                    when abs({number}) < 1e14 then make_timestamp(({number} * 1000)::bigint)
                    when abs({number}) < 1e17 then make_timestamp({number}::bigint)
                    when abs({number}) < 1e20 then make_timestamp(({number} / 1000)::bigint)
                end
            )
        end"""


def _date(raw: str) -> str:
    return (
        f"case when strlen({raw}) = 10 and contains({raw}, '-') then try_cast({raw} as date) "
        f"else ({_time(raw)})::date end"
    )


def _number(raw: str, *, column_type: str) -> str:
    # The engine reads 1_000 as a number; JSON, csv and people do not.
    return f"case when not contains({raw}, '_') then try_cast({raw} as {column_type}) end"


def _count(raw: str) -> str:
    # Writers of csv turn whole numbers into 12.0 where a column has gaps. The engine's own cast
    # rounds 12.5.
    return f"""case
            when try_cast({raw} as bigint)::varchar = {raw} then try_cast({raw} as bigint)
            when regexp_full_match({raw}, '[-+]?[0-9]+(\\.0*)?') then
                try_cast(try_cast({raw} as decimal(38, 9)) as bigint)
        end"""


def _duration(raw: str) -> str:
    return f"""case
            when try_cast({raw} as bigint)::varchar = {raw} then try_cast({raw} as bigint)
            when not contains({raw}, '_') then
                try_cast(round(try_cast({raw} as decimal(38, 9)), 0) as bigint)
        end"""


def _boolean(raw: str) -> str:
    return (
        f"case lower({raw}) when 'true' then true when '1' then true when 'yes' then true "
        f"when 'false' then false when '0' then false when 'no' then false end"
    )


def _text_list(raw: str) -> str:
    elements = f"try(from_json({raw}, '[\"VARCHAR\"]'))"
    return f"""case when starts_with({raw}, '[') and not contains({raw}, '{{') then
            list_filter({elements}, lambda e: e is not null and e <> '')
        end"""


def _count_map(raw: str) -> str:
    entries = f"map_entries(from_json({raw}, '\"MAP(VARCHAR,VARCHAR)\"'))"
    return f"""case when json_valid({raw}) then
            case when json_type({raw}) = 'OBJECT'
                and len(list_filter({entries}, lambda e:
                    not coalesce(regexp_full_match(e.value, '[0-9]{{1,18}}(\\.0*)?'), false))) = 0
            then map_from_entries(list_sort(list_transform({entries}, lambda e:
                {{'k': e.key, 'v': try_cast(try_cast(e.value as decimal(38, 9)) as bigint)}})))
            end
        end"""


def _same(raw: str) -> str:
    return raw


_READERS: dict[Kind, Callable[[str], str]] = {
    Kind.ID: _same,
    Kind.TEXT: _same,
    Kind.ZONE: _same,
    Kind.MONTH: _same,
    Kind.METRIC: _same,
    Kind.TIME: _time,
    Kind.DATE: _date,
    Kind.COUNT: _count,
    Kind.DURATION: _duration,
    Kind.MONEY: lambda raw: _number(raw, column_type="decimal(38, 12)"),
    Kind.FRACTION: lambda raw: _number(raw, column_type="decimal(18, 9)"),
    Kind.BOOLEAN: _boolean,
    Kind.TEXT_LIST: _text_list,
    Kind.COUNT_MAP: _count_map,
}


def _is_checked_for_future(field: Field) -> bool:
    return field.kind is Kind.TIME and not field.may_be_future


def _rules(stream: Stream, *, columns: Mapping[str, str], looks_up_kinds: bool) -> tuple[Rule, ...]:
    """The rules of a stream in the order they are tried; future times last.

    So a row is refused as future only if nothing else is wrong with it.
    """
    found: list[Rule] = []
    for field in stream.all_fields:
        found += _presence_rules(stream, field)
        raw_type = columns.get(field.name)
        if raw_type is None:
            continue
        if field.kind in (Kind.ID, Kind.TEXT, Kind.ZONE, Kind.MONTH, Kind.METRIC):
            found += _text_rules(stream, field, looks_up_kinds=looks_up_kinds)
        else:
            found += _value_rules(stream, field, is_text=_is_text(raw_type))
    if stream.properties_field and "has_object" in columns:
        # Any other kind of value than an object reads as no properties at all.
        is_other = suspicion = "(not has_object and object_text is not null)"
        if looks_up_kinds:
            kind = f"coalesce(json_type(raw_text, '$.{stream.properties_field}'), 'NULL')"
            suspicion = "not has_object"
            is_other = f"({suspicion} and not {_is_one_of(kind, ('NULL', 'OBJECT'))})"
        found.append(
            Rule(
                reason=Reason.WRONG_TYPE,
                text=f"{stream.name}.{stream.properties_field} must be an object",
                condition=is_other,
                suspicion=suspicion,
            )
        )
    for field in stream.all_fields:
        if _is_checked_for_future(field):
            is_future = f"{typed_name(field)} > getvariable('latest_time')::timestamp"
            found.append(
                Rule(
                    reason=Reason.FUTURE_TIME,
                    text=f"{stream.name}.{field.name} lies in the future of the load",
                    condition=is_future,
                    suspicion=is_future,
                    shown_value=raw_name(field),
                )
            )
    return tuple(found)


def _presence_rules(stream: Stream, field: Field) -> list[Rule]:
    label, raw = f"{stream.name}.{field.name}", raw_name(field)
    if field.is_required:
        is_missing = f"{raw} is null"
        if field.kind is Kind.TEXT_LIST:
            is_missing = f"({is_missing} or len({typed_name(field)}) = 0)"
        return [
            Rule(
                reason=Reason.MISSING_REQUIRED,
                text=f"{label} is required",
                condition=is_missing,
                suspicion=is_missing,
            )
        ]
    if field.required_events:
        is_missing = f"({raw} is null and {_has_event(field.required_events)})"
        return [
            Rule(
                reason=Reason.MISSING_REQUIRED,
                text=f"{label} is required for {' and '.join(field.required_events)}",
                condition=is_missing,
                suspicion=is_missing,
            )
        ]
    return []


def _looks_like_fraction(raw: str) -> str:
    # An id may be a whole number; numbers begin with a digit or a minus.
    return f"(ascii({raw}) between 45 and 57 and contains({raw}, '.'))"


def _text_rules(stream: Stream, field: Field, *, looks_up_kinds: bool) -> list[Rule]:
    label, raw = f"{stream.name}.{field.name}", raw_name(field)
    shown = None if field.privacy else raw
    found = []
    if looks_up_kinds:
        is_not_text = _is_not_text(stream, field)
        what = "a text or a whole number" if field.kind is Kind.ID else "a text"
        suspicion = f"{raw} = 'true' or {raw} = 'false' or ascii({raw}) = 91 or ascii({raw}) = 123"
        if field.kind is Kind.ID:
            suspicion += f" or {_looks_like_fraction(raw)}"
        found.append(
            Rule(
                reason=Reason.WRONG_TYPE,
                text=f"{label} must be {what}",
                condition=f"({_applies(field)}({suspicion}) and {is_not_text})",
                suspicion=suspicion,
                shown_value=shown,
            )
        )
    if field.allowed:
        is_other = f"({raw} is not null and not {_is_one_of(raw, field.allowed)})"
        found.append(
            Rule(
                reason=Reason.NOT_ALLOWED,
                text=f"{label} must be one of {', '.join(field.allowed)}",
                condition=is_other,
                suspicion="event_bit = 0" if field.allowed == EVENT_TYPES else is_other,
                shown_value=shown,
            )
        )
    if field.kind is Kind.ZONE:
        is_no_zone = f"({raw} is not null and not list_contains(getvariable('time_zones'), {raw}))"
        found.append(
            Rule(
                reason=Reason.NOT_ALLOWED,
                text=f"{label} must be an IANA time zone such as Europe/Berlin",
                condition=is_no_zone,
                suspicion=is_no_zone,
                shown_value=shown,
            )
        )
    if field.kind is Kind.METRIC:
        is_no_metric = (
            f"({raw} is not null and not list_contains(getvariable('metric_keys'), {raw}))"
        )
        found.append(
            Rule(
                reason=Reason.NOT_ALLOWED,
                text=f"{label} must be a key of the metric catalogue (agentmart metrics)",
                condition=is_no_metric,
                suspicion=is_no_metric,
                shown_value=shown,
            )
        )
    if field.kind is Kind.MONTH:
        is_no_month = f"not regexp_full_match({raw}, '[0-9]{{4}}-(0[1-9]|1[0-2])')"
        found.append(
            Rule(
                reason=Reason.BAD_TIME,
                text=f"{label} must be a month as YYYY-MM",
                condition=is_no_month,
                suspicion=is_no_month,
                shown_value=shown,
            )
        )
    return found


def _value_rules(stream: Stream, field: Field, *, is_text: bool) -> list[Rule]:
    """The rules of a field whose lake column is no text."""
    label, raw, typed = f"{stream.name}.{field.name}", raw_name(field), typed_name(field)
    applies = _applies(field)
    shown = None if field.privacy else raw
    is_unread = f"(({raw} is null) <> ({typed} is null))"
    found = []

    def rule(reason: Reason, *, text: str, condition: str, suspicion: str) -> None:
        found.append(
            Rule(
                reason=reason,
                text=f"{label} {text}",
                condition=f"({applies}{condition})",
                suspicion=suspicion,
                shown_value=shown,
            )
        )

    if field.kind in (Kind.TIME, Kind.DATE):
        what = "a time: ISO 8601, or epoch s, ms, us or ns" if field.kind is Kind.TIME else "a date"
        # The engine knows years before 1 and after 9999; Python and most readers do not.
        first, end = "timestamp '0001-01-01'", "timestamp '10000-01-01'"
        is_no_time = f"({is_unread} or {typed} < {first} or {typed} >= {end})"
        rule(Reason.BAD_TIME, text=f"must be {what}", condition=is_no_time, suspicion=is_no_time)
        return found
    if field.kind is Kind.COUNT and is_text:
        number = f"try_cast({raw} as double)"
        rule(
            Reason.NOT_WHOLE,
            text="must be a whole number",
            condition=f"{is_unread} and {number} <> floor({number})",
            suspicion=is_unread,
        )
        # A count too large for its column is a number all the same.
        rule(
            Reason.OUT_OF_RANGE,
            text="is too large",
            condition=f"{is_unread} and abs({number}) >= 9223372036854775807",
            suspicion=is_unread,
        )
    rule(
        Reason.WRONG_TYPE,
        text=f"must be {_KIND_TEXTS[field.kind]}",
        condition=is_unread,
        suspicion=is_unread,
    )
    bounds = [
        f"{typed} {operator} {bound}"
        for operator, bound in (("<", field.minimum), (">", field.maximum))
        if bound is not None
    ]
    if bounds:
        is_outside = f"({' or '.join(bounds)})"
        rule(
            Reason.OUT_OF_RANGE,
            text=f"must be {_range_text(field)}",
            condition=is_outside,
            suspicion=is_outside,
        )
    if field.kind is Kind.TEXT_LIST and field.allowed:
        is_other = (
            f"({typed} is not null and not list_has_all({sql.text_list(field.allowed)}, {typed}))"
        )
        rule(
            Reason.NOT_ALLOWED,
            text=f"may hold {', '.join(field.allowed)}",
            condition=is_other,
            suspicion=is_other,
        )
    return found


def _applies(field: Field) -> str:
    return f"{_has_event(field.events)} and " if field.events else ""


_KIND_TEXTS = {
    Kind.COUNT: "a whole number",
    Kind.DURATION: "a number of milliseconds",
    Kind.MONEY: "a decimal number",
    Kind.FRACTION: "a decimal number",
    Kind.BOOLEAN: "true or false",
    Kind.TEXT_LIST: "a list of texts",
    Kind.COUNT_MAP: "an object of names and whole numbers",
}


def _range_text(field: Field) -> str:
    if field.minimum is not None and field.maximum is not None:
        return f"between {field.minimum} and {field.maximum}"
    return f"{field.minimum} or more" if field.minimum is not None else f"{field.maximum} or less"


def _is_not_text(stream: Stream, field: Field) -> str:
    # A text that only looks like another kind of value is fine, so the document decides; it is
    # looked into for the few texts that could be something else.
    fine = ["VARCHAR", "UBIGINT", "BIGINT", "HUGEINT", "UHUGEINT"]
    if field.kind is not Kind.ID:
        fine.append("DOUBLE")
    inside = f"{stream.properties_field}." if field in stream.properties else ""
    kind = f"coalesce(json_type(raw_text, '$.{inside}{field.name}'), 'VARCHAR')"
    return f"not {_is_one_of(kind, fine)}"


def _is_one_of(value: str, allowed: Sequence[str]) -> str:
    # IN over a list becomes a join, for which the value is computed for every row, wanted or not.
    return f"list_contains({sql.text_list(allowed)}, {value})"


def _has_event(events: Sequence[str]) -> str:
    mask = sum(1 << EVENT_TYPES.index(event) for event in events)
    return f"(event_bit & {mask}) > 0"


def _event_bit() -> str:
    cases = " ".join(
        f"when {sql.text(event)} then {1 << number}" for number, event in enumerate(EVENT_TYPES)
    )
    return f"case raw_event_type {cases} else 0 end::integer"


def _row_hash(fields: tuple[Field, ...]) -> str:
    parts = []
    for field in fields:
        value = _landed(field)
        if field.privacy is Privacy.PRESENCE_ONLY or field.kind is Kind.BOOLEAN:
            value = f"{value}::utinyint::varchar"
        elif field.kind is Kind.TIME:
            value = f"epoch_us({value})::varchar"
        elif field.kind in (Kind.TEXT_LIST, Kind.COUNT_MAP):
            value = f"to_json({value})::varchar"
        elif field.kind.column_type != "VARCHAR":
            value = f"{value}::varchar"
        parts.append(value)
    # concat takes a null for an empty text, which no field holds.
    # Half of the digits tell the rows of one key apart as well, and are half as long to write.
    return f"md5(concat({', chr(31), '.join(parts)}))[1:16]"
