{#
    What publishers are shown beside the marts of all scopes: which of their agents, and what never ended.

    Belongs here: figures that only a publisher's view needs. Does not belong here: suppression of cells inside another
    breakdown (windows/suppression.sql and the breakdowns themselves).
#}

{#
    One row per window, agent and part of its figures with anything in it: whether a publisher may see that part of the
    agent by itself.

    The figures of one agent are a cell (D-22), and each part of them has tenants of its own: ratings of one tenant are
    that tenant's satisfaction, however many use the agent. A part that a breakdown by agent shows is withheld where the
    breakdown withholds the agent: with a next smallest of its own, what the two show would add up to what they hide.
    Installs count up to the window's end, as active installs do. `cell_size` orders the agents of a part.
#}
{% macro agent_visibility_sql(windows) -%}
    {%- set breakdowns = {
        'usage': [usage_by_agent_sql(windows), 'messages'],
        'quality': [agent_quality_sql(windows), 'feedback_count + conversations'],
        'tasks': [tasks_by_agent_sql(windows), 'total_tokens'],
    } -%}
    {%- set kinds = {
        'tools': [ref('fct_tool_calls'), 'called_at', windows],
        'scores': [ref('fct_quality_scores'), 'judged_at', windows],
        'audits': [ref('fct_audits'), 'audited_at', windows],
        'charges': [ref('fct_charges'), 'charged_at', windows],
        'installs': [ref('fct_install_events'), 'happened_at', 'history_windows'],
    } -%}
    with history_windows as (
        {{ windows_with_bounds(windows, "timestamp '1900-01-01 00:00:00'", 'windows.end_at') }}
    ),

    {% for part, (breakdown_sql, size) in breakdowns.items() %}
    {{ part }}_cells as (
        {{ breakdown_sql }}
    ),
    {% endfor %}

    {% for kind, (fact, time_column, kind_windows) in kinds.items() %}
    {{ kind }}_rows as (
        {{ rows_in_windows(fact, time_column, kind_windows) }}
    ),
    {% endfor %}

    counted as (
        {%- for kind in kinds %}
        select
            window_key,
            agent_key,
            '{{ kind }}' as part,
            count(distinct tenant_key) as active_tenants,
            count(*) as cell_size
        from {{ kind }}_rows
        group by window_key, agent_key
        {{ "union all" if not loop.last }}
        {%- endfor %}
    ),

    flagged as (
        {{ flag_suppressed_cells(
            'counted', windows, part_of=['window_key', 'part'], size='cell_size', cell='agent_key'
        ) }}
    ),

    parts as (
        {%- for part, (breakdown_sql, size) in breakdowns.items() %}
        select
            window_key,
            agent_key,
            '{{ part }}' as part,
            {{ size }} as cell_size,
            is_suppressed
        from {{ part }}_cells
        union all
        {%- endfor %}
        select
            flagged.window_key,
            flagged.agent_key,
            flagged.part,
            {{ unless_suppressed('cell_size') }},
            flagged.is_suppressed
        from flagged
    )

    select
        parts.window_key,
        agents.agent_id,
        agents.agent_name,
        parts.part,
        parts.cell_size,
        parts.is_suppressed
    from parts
    inner join {{ ref('dim_agents') }} as agents
        on parts.agent_key = agents.agent_key
{%- endmacro %}


{#
    One row per window: invocations that began in it and had no end by its end (MP-010). Within the timeout they are
    open, after it abandoned; neither is in any total. One that names no invocation cannot be told from one that ended.
#}
{% macro open_invocations_sql(windows) -%}
    with ends as (
        select
            invocation_key,
            min(responded_at) as first_end_at
        from {{ ref('fct_invocations') }}
        group by invocation_key
    ),

    {# Once for each message, not for each of its windows, of which there are eight. -#}
    begun as (
        select
            messages.source_name,
            messages.agent_key,
            messages.tenant_key,
            messages.publisher_key,
            messages.invocation_key,
            messages.sent_at,
            ends.first_end_at
        from {{ ref('fct_user_messages') }} as messages
        left join ends
            on messages.invocation_key = ends.invocation_key
        where messages.invocation_key is not null
    ),

    begun_rows as (
        {{ rows_in_windows('begun', 'sent_at', windows) }}
    ),

    unended as (
        select
            begun_rows.window_key,
            begun_rows.invocation_key,
            min(begun_rows.sent_at) as begun_at
        from begun_rows
        inner join {{ windows }} as windows
            on begun_rows.window_key = windows.window_key
        where begun_rows.first_end_at is null or begun_rows.first_end_at >= windows.end_at
        group by begun_rows.window_key, begun_rows.invocation_key
    ),

    counted as (
        select
            unended.window_key,
            count(*) as unended_count,
            count(*) filter (
                where {{ timestamp_add_seconds(
                    'unended.begun_at', setting('open_invocation_timeout_hours') ~ ' * 3600'
                ) }} <= windows.end_at
            ) as abandoned_count
        from unended
        inner join {{ windows }} as windows
            on unended.window_key = windows.window_key
        group by unended.window_key
    )

    select
        windows.window_key,
        coalesce(counted.unended_count - counted.abandoned_count, 0) as open_invocations,
        coalesce(counted.abandoned_count, 0) as abandoned_invocations
    from {{ windows }} as windows
    left join counted
        on windows.window_key = counted.window_key
{%- endmacro %}
