{#
    What the checks of a build are about. Belongs here: which streams a schema of marts is made of, and how a mart is held
    against its facts. Does not belong here: bounds (seeds/reference/check_bounds.csv), and which marts and measures are
    held against what (data_tests).
#}

{# A mart is as fresh as the most recent of its streams. #}
{% macro streams_of_marts() -%}
    {{ return({
        'usage': ['agent_events', 'llm_calls'],
        'quality': ['agent_events', 'conversations', 'tasks', 'quality_scores'],
        'revenue': ['charges', 'agent_events', 'llm_calls'],
        'compliance': ['audit_events', 'agent_events'],
        'feedback': ['agent_events', 'instance_samples'],
        'operations': ['health_samples', 'incidents'],
        'insights': ['agent_events', 'llm_calls'],
    }) }}
{%- endmacro %}

{# Relation: one row per schema of marts and stream it is made of: mart_name, stream_name. #}
{% macro mart_streams_sql() -%}
    {%- for mart, stream_names in streams_of_marts().items() %}
        {%- set is_last_mart = loop.last %}
        {%- for stream_name in stream_names %}
    select
        '{{ mart }}' as mart_name,
        '{{ stream_name }}' as stream_name
    {{ "union all" if not (is_last_mart and loop.last) }}
        {%- endfor %}
    {%- endfor %}
{%- endmacro %}

{# A measured value or a bound as people read it: rows are whole. #}
{% macro measured_text(value) -%}
    case
        when unit = 'rows' then cast(cast(round({{ value }}) as bigint) as {{ dbt.type_string() }})
        else cast(cast({{ value }} as decimal(18, 3)) as {{ dbt.type_string() }})
    end
{%- endmacro %}

{#
    For each window whose marts do not add up to their facts: which measure of which mart, in the shape that rules which
    are not kept are worded by. `facts` is {fact: {mart: [measures]}}, of measures that facts_measured() defines and that
    add up over the rows of a window. Every window of the platform and of tenants is looked at; small cells of publishers
    are withheld, so their rows need not add up. A fact that knows no tenant counts in windows of the platform alone.
    `rows_of` is {fact: {mart: condition}} for marts that have no row for some of the fact's: of a message without a model.

    The fact is joined to its windows here and not by rows_in_windows: what made the mart must not make the proof.
#}
{% macro marts_add_up_sql(facts, rows_of={}) -%}
    with windows as (
        select *
        from {{ ref('dim_windows') }}
        where scope_kind in ('platform', 'tenant')
    ),
    {% for fact, marts in facts.items() %}
    {%- set definition = facts_measured()[fact] -%}
    {%- set measures = (marts.values() | sum(start=[])) | unique | list -%}
    {%- set has_tenant = fact not in ['fct_health_samples'] -%}
    {{ fact }}_in_windows as (
        select
            facts.*,
            windows.window_key
        from {{ ref(fact) }} as facts
        inner join windows
            on facts.{{ definition['time'] }} >= windows.start_at
            and facts.{{ definition['time'] }} < windows.end_at
        where windows.scope_kind = 'platform'
        {%- if has_tenant %}
        union all
        select
            facts.*,
            windows.window_key
        from {{ ref(fact) }} as facts
        inner join windows
            on facts.tenant_key = windows.scope_key
            and facts.{{ definition['time'] }} >= windows.start_at
            and facts.{{ definition['time'] }} < windows.end_at
        where windows.scope_kind = 'tenant'
        {%- endif %}
    ),

    {{ fact }}_sums as (
        select
            window_key
            {%- for measure in measures %},
            {{ measure_sql(definition['measures'], measure) }} as {{ measure }}
            {%- endfor %}
        from {{ fact }}_in_windows
        {{ rows_measured(fact) }}
        group by window_key
    ),
    {% for mart, mart_measures in marts.items() %}
    {%- set condition = rows_of.get(fact, {}).get(mart) -%}
    {%- set sums = fact ~ '_sums_of_' ~ mart if condition else fact ~ '_sums' -%}
    {% if condition %}
    {{ sums }} as (
        select
            window_key
            {%- for measure in mart_measures %},
            {{ measure_sql(definition['measures'], measure) }} as {{ measure }}
            {%- endfor %}
        from {{ fact }}_in_windows
        where {{ condition }}
        group by window_key
    ),
    {% endif %}
    {{ mart }}_of_{{ fact }} as (
        select
            {{ sql_text(mart ~ ' adds up to ' ~ fact ~ ': ') }}
            {%- for measure in mart_measures %}
            || case
                when coalesce(mart_sums.{{ measure }}, 0) <> coalesce(fact_sums.{{ measure }}, 0)
                    then {{ sql_text(measure ~ '; ') }}
                else ''
            end
            {%- endfor %} as broken_rules,
            windows.window_key
        from windows
        left join {{ sums }} as fact_sums
            on windows.window_key = fact_sums.window_key
        left join (
            select
                window_key
                {%- for measure in mart_measures %},
                sum({{ measure }}) as {{ measure }}
                {%- endfor %}
            from {{ ref(mart) }}
            group by window_key
        ) as mart_sums
            on windows.window_key = mart_sums.window_key
        where
            {{ "true" if has_tenant else "windows.scope_kind = 'platform'" }}
            and (
                {%- for measure in mart_measures %}
                {{ "or " if not loop.first -}}
                coalesce(mart_sums.{{ measure }}, 0) <> coalesce(fact_sums.{{ measure }}, 0)
                {%- endfor %}
            )
    ),
    {% endfor %}
    {%- endfor %}
    united as (
        {%- for fact, marts in facts.items() %}
        {%- set is_last_fact = loop.last %}
        {%- for mart in marts %}
        select * from {{ mart }}_of_{{ fact }}
        {{ "union all" if not (is_last_fact and loop.last) }}
        {%- endfor %}
        {%- endfor %}
    )

    select
        broken_rules,
        count(*) as failing_rows,
        min(window_key) as example_key
    from united
    group by broken_rules
{%- endmacro %}
