{#
    What the loads that no publication holds yet have changed. Belongs here: finding changed keys and
    their copies. Does not belong here: which fact a change reaches (int_pending_dates).
#}

{#
    CTEs `<name>_keys` and `<name>_changes` for one stream. `<name>_changes` holds every landed copy, old
    and new, of each key of which a pending load brought content that no published load had: the old
    copies say where the row stood, the new ones where it may stand now. A copy with known content
    changes nothing and opens nothing, so a file delivered again costs nothing. Needs a CTE `pending_loads`.

    Of a stream whose relation of repeated keys lists every key that landed more than once, earlier copies
    are looked up there: a search among the keys of 1,000 days took ten times that of 90.
#}
{% macro changes_of(name, stream_name) -%}
    {%- set copies = ref('stg_' ~ stream_name ~ '__copies') -%}
    {%- set repeated_key = name_of_repeated_key(stream_name) -%}
    {%- set earlier = ref('stg_' ~ stream_name ~ '__repeated_keys') if repeated_key else copies -%}
    {%- set key = repeated_key or 'row_key' -%}
{{ name }}_arrivals as (
    select arrived.*
    from {{ copies }} as arrived
    inner join pending_loads on arrived.load_id = pending_loads.load_id
    {#- Said again by days, for the engine knows the least and greatest day of each block of rows. #}
    inner join {{ ref('stg_pending_event_dates') }} as touched_dates
        on
            arrived.event_date = touched_dates.event_date
            and touched_dates.stream_name = '{{ stream_name }}'
),

{{ name }}_keys as (
    select distinct
        arrived.source_name,
        arrived.row_key
    from {{ name }}_arrivals as arrived
    where
        not exists (
            select 1
            from {{ earlier }} as known
            left join pending_loads on known.load_id = pending_loads.load_id
            where
                known.source_name = arrived.source_name
                and known.{{ key }} = arrived.row_key
                and known.row_hash = arrived.row_hash
                and pending_loads.load_id is null
        )
),

{{ name }}_changes as (
    select arrived.*
    from {{ name }}_arrivals as arrived
    inner join {{ name }}_keys
        on
            arrived.source_name = {{ name }}_keys.source_name
            and arrived.row_key = {{ name }}_keys.row_key
    union all
    select copies.*
    from {{ copies }} as copies
    inner join (
        select distinct
            known.source_name,
            known.{{ key }} as row_key,
            known.load_id,
            known.event_date
        from {{ earlier }} as known
        inner join {{ name }}_keys
            on
                known.source_name = {{ name }}_keys.source_name
                and known.{{ key }} = {{ name }}_keys.row_key
        left join pending_loads on known.load_id = pending_loads.load_id
        where pending_loads.load_id is null
    ) as earlier_copies
        on
            copies.source_name = earlier_copies.source_name
            and copies.row_key = earlier_copies.row_key
            and copies.load_id = earlier_copies.load_id
            and copies.event_date = earlier_copies.event_date
)
{%- endmacro %}
