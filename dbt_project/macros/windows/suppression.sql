{#
    Suppression of a publisher's small cells (D-22, X-19): a cell by agent, tool or model that fewer than
    `suppression_min_tenants` distinct tenants contribute to is hidden, an empty cell is not. Where the total of the
    breakdown is published beside it and exactly one cell is hidden, the cell with the next fewest tenants (ties by
    key) is hidden too: otherwise the hidden one is the total minus the rest.
#}

{#
    The cells to hide, as (window_key, cell_key). `cells` is a CTE with window_key, `cell_key` (an expression over it)
    and `tenant_count` (the number of distinct tenants; 0 for an empty cell).
#}
{% macro suppressed_cells(cells, cell_key, tenant_count, windows, is_total_published=true) -%}
    select
        ranked.window_key,
        ranked.cell_key
    from (
        select
            sized.window_key,
            sized.cell_key,
            sized.is_small,
            sum(case when sized.is_small then 1 else 0 end) over (partition by sized.window_key) as small_count,
            row_number() over (
                partition by sized.window_key, sized.is_small
                order by sized.tenant_count, sized.cell_key
            ) as place
        from (
            select
                cells.window_key,
                {{ cell_key }} as cell_key,
                {{ tenant_count }} as tenant_count,
                {{ tenant_count }} < {{ published_setting('suppression_min_tenants') }} as is_small
            from {{ cells }} as cells
            inner join {{ windows }} as windows
                on cells.window_key = windows.window_key
            where windows.scope_kind = 'publisher' and {{ tenant_count }} > 0
        ) as sized
    ) as ranked
    where ranked.is_small{% if is_total_published %} or (ranked.small_count = 1 and ranked.place = 1){% endif %}
{%- endmacro %}

{# Select list: each column, NULL where the cell is hidden. `hidden` is a boolean expression. #}
{% macro unless_suppressed(columns, relation, hidden) -%}
    {%- for column in columns %}
        case when not {{ hidden }} then {{ relation }}.{{ column }} end as {{ column }}{{ "," if not loop.last }}
    {%- endfor %}
{%- endmacro %}
