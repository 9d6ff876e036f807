{#
    What the loads that no publication holds yet have changed. Belongs here: finding changed keys and
    their copies. Does not belong here: which fact a change reaches (int_pending_dates).
#}

{#
    CTEs `<name>_keys` and `<name>_changes` for one stream. `<name>_changes` holds every landed copy, old
    and new, of each key of which a pending load brought content that no published load had: the old
    copies say where the row stood, the new ones where it may stand now. A copy with known content
    changes nothing and opens nothing, so a file delivered again costs nothing. Needs a CTE `pending_loads`.
#}
{% macro changes_of(name, copies) -%}
{{ name }}_keys as (
    select distinct
        arrived.source_name,
        arrived.row_key
    from {{ copies }} as arrived
    inner join pending_loads on arrived.load_id = pending_loads.load_id
    where
        not exists (
            select 1
            from {{ copies }} as known
            left join pending_loads on known.load_id = pending_loads.load_id
            where
                known.source_name = arrived.source_name
                and known.row_key = arrived.row_key
                and known.row_hash = arrived.row_hash
                and pending_loads.load_id is null
        )
),

{{ name }}_changes as (
    select copies.*
    from {{ copies }} as copies
    inner join {{ name }}_keys
        on
            copies.source_name = {{ name }}_keys.source_name
            and copies.row_key = {{ name }}_keys.row_key
)
{%- endmacro %}
