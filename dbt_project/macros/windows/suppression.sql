{#
    Suppression of a publisher's small cells (D-22, X-19): a cell that fewer than
    `suppression_min_tenants` distinct tenants contribute to is hidden, an empty cell is not.
    Where the total of the breakdown is published beside it and exactly one cell is hidden, the
    next smallest is hidden too: otherwise the hidden one is the total minus the rest.
#}

{#
    `cells` with is_suppressed. `cells` is a CTE with window_key; `tenants` is its column with the
    distinct tenants behind the figures of the cell; `part_of` are the columns within which cells
    add up to a published total; `size` is the column that orders cells for the choice of the next
    smallest, `cell` its tie-break.
#}
{% macro flag_suppressed_cells(cells, windows, part_of, size, cell, tenants='active_tenants') -%}
    {%- set total = [] -%}
    {%- for column in part_of -%}
        {%- do total.append('sized.' ~ column) -%}
    {%- endfor -%}
    select
        sized.*,
        sized.is_small
        or (
            sized.is_publishers
            and sum(case when sized.is_small then 1 else 0 end) over (partition by {{ total | join(', ') }}) = 1
            and row_number() over (
                partition by {{ total | join(', ') }}, sized.is_publishers and not sized.is_small
                order by sized.{{ size }}, sized.{{ cell }}
            ) = 1
        ) as is_suppressed
    from (
        select
            counted.*,
            windows.scope_kind = 'publisher' and counted.{{ tenants }} > 0 as is_publishers,
            windows.scope_kind = 'publisher'
            and counted.{{ tenants }} > 0
            and counted.{{ tenants }} < {{ setting('suppression_min_tenants') }} as is_small
        from {{ cells }} as counted
        inner join {{ windows }} as windows
            on counted.window_key = windows.window_key
    ) as sized
{%- endmacro %}

{# A column of the CTE `flagged`, NULL where its cell is suppressed. #}
{% macro unless_suppressed(column) -%}
    case when not flagged.is_suppressed then flagged.{{ column }} end as {{ column }}
{%- endmacro %}
