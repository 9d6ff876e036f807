{#
    Suppression of a publisher's small cells (D-22, X-19): a cell that fewer than
    `suppression_min_tenants` distinct tenants contribute to is hidden, an empty cell is not.
    Where the total of the breakdown is published beside it and exactly one cell is hidden, the
    next smallest is hidden too: otherwise the hidden one is the total minus the rest.

    Two breakdowns of which one is a part of the other (models and their providers) are chosen together:
    the figure of a parent is the total of its cells.
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

{#
    The CTEs `flagged_parents` and `flagged_children` with is_suppressed, for two breakdowns of which the finer adds up
    to the coarser. `rows` is a CTE with window_key, `part` (figures of one kind), the columns `parent` and `cell`,
    tenant_key and `size`. All that can be worked out of what is shown is then the sum of at least two hidden cells:

    - A shown parent holds no hidden cell or at least two, so the next smallest is taken from the same parent. One
      whose only cell is hidden is hidden with it.
    - Of hidden parents there are at least two, each with a hidden cell: one that shows all its cells is their sum.
#}
{% macro flagged_families(rows, windows, parent, cell, size) -%}
    publisher_rows as (
        select
            family_rows.*
        from {{ rows }} as family_rows
        inner join {{ windows }} as windows
            on family_rows.window_key = windows.window_key
            and windows.scope_kind = 'publisher'
    ),

    {%- for level, keys in {'child': [parent, cell], 'parent': [parent]}.items() %}

    {{ level }}_parts as (
        select
            window_key,
            part,
            {{ keys | join(', ') }},
            count(distinct tenant_key) as tenant_count,
            {{ integer_sum(size) }} as part_size
        from publisher_rows
        group by window_key, part, {{ keys | join(', ') }}
    ),

    {{ level }}_cells as (
        select
            window_key,
            {{ keys | join(', ') }},
            min(tenant_count) as active_tenants,
            {{ integer_sum('part_size') }} as cell_size
        from {{ level }}_parts
        where tenant_count > 0
        group by window_key, {{ keys | join(', ') }}
    ),
    {%- endfor %}

    sized_children as (
        {{ flag_suppressed_cells(
            'child_cells', windows, part_of=['window_key', parent], size='cell_size', cell=cell
        ) }}
    ),

    hidden_children as (
        select
            window_key,
            {{ parent }},
            count(*) as hidden_count
        from sized_children
        where is_suppressed
        group by window_key, {{ parent }}
    ),

    {# With one hidden cell, a parent is as small as that cell. -#}
    sized_parents as (
        select
            parent_cells.window_key,
            parent_cells.{{ parent }},
            parent_cells.cell_size,
            case when hidden_children.hidden_count = 1 then 1 else parent_cells.active_tenants end as active_tenants,
            hidden_children.hidden_count
        from parent_cells
        left join hidden_children
            on parent_cells.window_key = hidden_children.window_key
            and parent_cells.{{ parent }} = hidden_children.{{ parent }}
    ),

    flagged_parents as (
        {{ flag_suppressed_cells(
            'sized_parents', windows, part_of=['window_key'], size='cell_size', cell=parent
        ) }}
    ),

    flagged_children as (
        select
            sized_children.window_key,
            sized_children.{{ parent }},
            sized_children.{{ cell }},
            sized_children.is_suppressed
            or (
                flagged_parents.is_suppressed
                and flagged_parents.hidden_count is null
                and row_number() over (
                    partition by sized_children.window_key, sized_children.{{ parent }}
                    order by sized_children.cell_size, sized_children.{{ cell }}
                ) = 1
            ) as is_suppressed
        from sized_children
        inner join flagged_parents
            on sized_children.window_key = flagged_parents.window_key
            and sized_children.{{ parent }} = flagged_parents.{{ parent }}
    )
{%- endmacro %}

{# A column of the CTE `flagged`, NULL where its cell is suppressed. #}
{% macro unless_suppressed(column) -%}
    case when not flagged.is_suppressed then flagged.{{ column }} end as {{ column }}
{%- endmacro %}
