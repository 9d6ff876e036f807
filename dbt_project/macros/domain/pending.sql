{#
    What the loads that no publication holds yet have changed. Belongs here: finding changed keys and their copies.
    Does not belong here: which fact a change reaches (models/intermediate/pending).
#}

{#
    CTEs `<name>_keys` and `<name>_changes` for one stream. `<name>_changes` holds every landed copy, old and new, of
    each key of which a pending load brought content that no published load had: the old copies say where the row
    stood, the new ones where it may stand now. A copy with known content changes nothing and opens nothing, so a
    file delivered twice under another name costs nothing. Needs a CTE `pending_loads`.
#}
{% macro changes_of_stream(name, relation, key_columns, columns) -%}
{{ name }}_keys as (
    select distinct
        arrived.source_name,
        {{ prefixed('arrived', key_columns) }}
    from {{ relation }} as arrived
    inner join pending_loads on arrived.load_id = pending_loads.load_id
    where not exists (
        select 1
        from {{ relation }} as known
        where
            known.source_name = arrived.source_name
            and {{ same_key('known', 'arrived', key_columns) }}
            and known.row_hash = arrived.row_hash
            and known.load_id not in (select pending_loads.load_id from pending_loads)
    )
),

{{ name }}_changes as (
    select
        copies.source_name,
        copies.event_date,
        {{ prefixed('copies', columns) }}
    from {{ relation }} as copies
    inner join {{ name }}_keys as changed
        on
            copies.source_name = changed.source_name
            and {{ same_key('copies', 'changed', key_columns) }}
)
{%- endmacro %}

{% macro prefixed(alias, columns) -%}
    {%- for column in columns -%}
        {{ alias }}.{{ column }}{{ ", " if not loop.last }}
    {%- endfor -%}
{%- endmacro %}

{#- Parts of a key may be missing (the tenant of a shared gauge), and times have no empty value to stand for that. -#}
{% macro same_key(left_alias, right_alias, key_columns) -%}
    {%- for column in key_columns -%}
        {{ left_alias }}.{{ column }} is not distinct from {{ right_alias }}.{{ column }}
        {{- " and " if not loop.last }}
    {%- endfor -%}
{%- endmacro %}
