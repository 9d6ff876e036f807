{#
    The windows framework. A window is a row: a scope, an optional agent, a time zone and a
    half-open span of UTC time. Every summary is one macro `<name>_sql(windows)` that takes the
    name of a relation of such rows and gives one row per window_key (and sub-dimension). The mart
    over core.dim_windows and the table function over one row made from its arguments are that
    same macro, so a formula exists once.

    Belongs here: choosing rows for windows, days of windows, and joining a summary back to its
    window. Does not belong here: any formula.

    A relation of windows has: window_key, scope_kind, scope_id, source_name, scope_key,
    agent_key, time_zone, window_kind, is_previous, start_local, end_local, start_at, end_at,
    is_partial.

    Columns of windows are always written with their table in front. In a table function an
    unqualified `time_zone` would be replaced by the parameter of that name.
#}

{#
    The rows of `relation` (an event fact, or a CTE with its scope columns) that fall into each
    window: all its columns plus window_key and window_time_zone. Three joins rather than one on a
    computed scope key: with 2,700 windows on 3 million rows 2.6 s against 129 s. Money is in the
    currency of the request where the windows, or those that they were made of (`made_of`), are
    `requested_windows` (currency.sql).
#}
{% macro rows_in_windows(relation, time_column, windows, made_of=none) -%}
    {%- set scope_conditions = {
        'platform': "windows.scope_key = '*'",
        'tenant': "windows.scope_key = facts.tenant_key",
        'publisher': "windows.scope_key = facts.publisher_key",
    } -%}
    {%- for scope_kind, condition in scope_conditions.items() %}
    select
        facts.*,
        windows.window_key,
        windows.time_zone as window_time_zone
    from {{ in_currency_of_windows(relation, made_of or windows) }} as facts
    inner join {{ windows }} as windows
        on {{ condition }}
        and windows.scope_kind = '{{ scope_kind }}'
        and facts.{{ time_column }} >= windows.start_at
        and facts.{{ time_column }} < windows.end_at
        and (windows.source_name is null or windows.source_name = facts.source_name)
        and (windows.agent_key is null or windows.agent_key = facts.agent_key)
    {{ "union all" if not loop.last }}
    {%- endfor %}
{%- endmacro %}

{#
    The same with the local_date and local_hour of each row in its window's zone. They are looked
    up per zone and quarter of an hour that has rows (every zone's clock changes and midnights
    fall on one): a conversion takes 4 us where the zone differs from row to row, and a row is in
    several windows.
#}
{% macro local_rows_in_windows(relation, time_column, windows, made_of=none) -%}
    select
        window_rows.*,
        local_times.local_date,
        local_times.local_hour
    from (
        {{ rows_in_windows(relation, time_column, windows, made_of) }}
    ) as window_rows
    inner join (
        select
            quarters.quarter_at,
            zones.time_zone,
            {{ local_date('quarters.quarter_at', 'zones.time_zone') }} as local_date,
            extract(hour from {{ to_local_timestamp('quarters.quarter_at', 'zones.time_zone') }}) as local_hour
        from (
            select distinct {{ timestamp_floor('facts.' ~ time_column, 900) }} as quarter_at
            from {{ relation }} as facts
            inner join (
                select
                    min(windows.start_at) as first_at,
                    max(windows.end_at) as end_at
                from {{ windows }} as windows
            ) as bounds
                on facts.{{ time_column }} >= bounds.first_at
                and facts.{{ time_column }} < bounds.end_at
        ) as quarters
        cross join (
            select distinct windows.time_zone
            from {{ windows }} as windows
        ) as zones
    ) as local_times
        on window_rows.window_time_zone = local_times.time_zone
        and {{ timestamp_floor('window_rows.' ~ time_column, 900) }} = local_times.quarter_at
{%- endmacro %}

{#
    The windows with their reach_key. What belongs to a local day is the same in every window that the day is whole in, so
    it is measured once per reach, which takes in all windows of one scope, agent and zone, and not once per window:
    windows of a scope overlap, and users are looked back on for thirty days. A window that begins or ends within a day
    shares a reach only with those that begin or end at the same moment.
#}
{% macro windows_with_reach(windows) -%}
    {%- set whole_start_at = to_utc_timestamp('windows.start_local', 'windows.time_zone') -%}
    {%- set whole_end_at = to_utc_timestamp('windows.end_local', 'windows.time_zone') -%}
    select
        windows.window_key,
        windows.scope_kind,
        windows.scope_key,
        windows.source_name,
        windows.agent_key,
        windows.time_zone,
        windows.start_local,
        windows.end_local,
        windows.start_at,
        windows.end_at,
        min(windows.window_key) over (
            partition by
                windows.scope_kind,
                windows.scope_key,
                windows.source_name,
                windows.agent_key,
                windows.time_zone,
                case when windows.start_at <> {{ whole_start_at }} then windows.start_at end,
                case when windows.end_at <> {{ whole_end_at }} then windows.end_at end
        ) as reach_key
    from {{ windows }} as windows
{%- endmacro %}

{#
    The reaches of such windows as windows themselves, their key being the reach_key. With `days_before` they begin that
    many local days earlier.
#}
{% macro reaches_of(reached_windows, days_before=0) -%}
    {%- set start_local = 'min(reached.start_local)' -%}
    {%- if days_before -%}
        {%- set start_local = date_add_days(start_local, -days_before) -%}
    {%- endif -%}
    select
        reached.reach_key as window_key,
        reached.scope_kind,
        reached.scope_key,
        reached.source_name,
        reached.agent_key,
        reached.time_zone,
        {{ start_local }} as start_local,
        max(reached.end_local) as end_local,
        {% if days_before -%}
        {{ to_utc_timestamp(start_local, 'reached.time_zone') }} as start_at,
        {%- else -%}
        min(reached.start_at) as start_at,
        {%- endif %}
        max(reached.end_at) as end_at
    from {{ reached_windows }} as reached
    group by
        reached.reach_key,
        reached.scope_kind,
        reached.scope_key,
        reached.source_name,
        reached.agent_key,
        reached.time_zone
{%- endmacro %}

{# The first local date that no moment before `utc_timestamp` is in: where that is a midnight, the date that begins. #}
{% macro first_date_after(utc_timestamp, zone) -%}
    {{ date_add_days(local_date(timestamp_add_seconds(utc_timestamp, '-0.000001'), zone), 1) }}
{%- endmacro %}

{# One row per window and local date of it: window_key, date_day. #}
{% macro days_of_windows(windows) -%}
    select
        windows.window_key,
        days.date_day
    from {{ windows }} as windows
    {{ join_dates('windows.start_local', 'windows.end_local', 'days') }}
{%- endmacro %}

{#
    A summary with the columns that say whose and when it is. The whole body of a mart is a call
    of this. `where` leaves out the windows that the figure is not for.
#}
{% macro mart_over_windows(summary_sql, where=none) -%}
    with windows as (
        select * from {{ ref('dim_windows') }}
        {%- if where %}
        where {{ where }}
        {%- endif %}
    ),

    {{ joined_to_windows(summary_sql) }}

    select * from final
{%- endmacro %}

{#
    The CTEs after `windows` of a mart or a table function; the last one is `final`. Requested
    windows say the currency too.
#}
{% macro joined_to_windows(summary_sql, windows='windows') -%}
    summary as (
        {{ summary_sql }}
    ),

    final as (
        select
            summary.*,
            windows.scope_kind,
            windows.scope_id,
            windows.source_name,
            windows.time_zone,
            windows.window_kind,
            windows.is_previous,
            windows.start_local,
            windows.end_local,
            windows.start_at,
            windows.end_at,
            windows.is_partial
            {%- if windows == 'requested_windows' %},
            windows.currency
            {%- endif %}
        from summary
        inner join {{ windows }} as windows
            on summary.window_key = windows.window_key
    )
{%- endmacro %}

{# A count or whole sum that is zero, not unknown, where there are no rows. #}
{% macro integer_sum(value, where=none) -%}
    cast(coalesce(sum({{ value }}){% if where %} filter (where {{ where }}){% endif %}, 0) as bigint)
{%- endmacro %}

{#
    A mean as the quotient of two exact integers, so that the order of rows cannot change its
    digits.
#}
{% macro exact_average(value, where=none) -%}
    {%- set filter = ' filter (where ' ~ where ~ ')' if where else '' -%}
    {{ safe_divide('sum(' ~ value ~ ')' ~ filter, 'count(' ~ value ~ ')' ~ filter) }}
{%- endmacro %}
