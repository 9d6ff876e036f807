{#
    Agent types side by side: use, speed, compliance and satisfaction of each in a window.

    Belongs here: which figures stand together, and the model of a type. Does not belong here: any of the figures, which
    are those of usage, compliance and feedback by agent type.
#}

{#
    One row per window and agent type with a message, a usage record, an audit or a rating in it. Its model is the one
    that answered most messages, ties by name (AG-083).
#}
{% macro agent_type_comparison_sql(windows) -%}
    {%- set cell = ['window_key', 'agent_type_key'] -%}
    with invocation_rows as (
        {{ rows_in_windows(ref('fct_invocations'), 'responded_at', windows) }}
    ),

    token_rows as (
        {{ rows_in_windows(ref('fct_llm_calls'), 'used_at', windows) }}
    ),

    agent_messages as (
        {{ invocation_measures('invocation_rows', cell) }}
    ),

    tokens as (
        {{ token_measures('token_rows', cell) }}
    ),

    messages_by_model as (
        select
            window_key,
            agent_type_key,
            primary_model,
            primary_provider,
            count(*) as message_count
        from invocation_rows
        where primary_model is not null
        group by window_key, agent_type_key, primary_model, primary_provider
    ),

    ranked_models as (
        select
            messages_by_model.*,
            row_number() over (
                partition by window_key, agent_type_key
                order by message_count desc, primary_model, primary_provider
            ) as model_place
        from messages_by_model
    ),

    parts as (
        select window_key, agent_type_key, active_tenants as tenant_count from agent_messages
        union all
        select window_key, agent_type_key, spending_tenants from tokens
    ),

    {# The fewest tenants of any part: tokens of one tenant show that tenant's use. -#}
    cells as (
        select
            window_key,
            agent_type_key,
            min(tenant_count) as tenant_count
        from parts
        where tenant_count > 0
        group by window_key, agent_type_key
    ),

    measured as (
        select
            cells.window_key,
            cells.agent_type_key,
            ranked_models.primary_model,
            ranked_models.primary_provider,
            {{ counts_or_zero(['model_count'], 'tokens') }},
            {{ counts_or_zero(['agent_messages', 'errored_count'], 'agent_messages') }},
            {{ counts_or_zero(token_columns(), 'tokens') }},
            cast({{ cost_or_zero('tokens') }} as decimal(38, 12)) as cost_usd,
            agent_messages.avg_llm_latency_ms,
            agent_messages.avg_response_time_ms,
            agent_messages.message_error_rate,
            agent_messages.tokens_per_second,
            agent_messages.avg_message_tokens_per_second,
            {{ quotient('avg_tokens_per_message', {
                'total_tokens': 'coalesce(tokens.total_tokens, 0)', 'agent_messages': 'agent_messages.agent_messages'
            }) }}
                as avg_tokens_per_message,
            {{ quotient('avg_output_tokens_per_message', {
                'output_tokens': 'coalesce(tokens.output_tokens, 0)', 'agent_messages': 'agent_messages.agent_messages'
            }) }}
                as avg_output_tokens_per_message,
            cells.tenant_count
        from cells
        left join agent_messages
            on cells.window_key = agent_messages.window_key
            and cells.agent_type_key is not distinct from agent_messages.agent_type_key
        left join tokens
            on cells.window_key = tokens.window_key
            and cells.agent_type_key is not distinct from tokens.agent_type_key
        left join ranked_models
            on cells.window_key = ranked_models.window_key
            and cells.agent_type_key is not distinct from ranked_models.agent_type_key
            and ranked_models.model_place = 1
    ),

    used as (
        {{ flag_suppressed_cells(
            'measured',
            windows,
            part_of=['window_key'],
            size='agent_messages',
            cell='agent_type_key',
            tenants='tenant_count'
        ) }}
    ),

    compliance as (
        {{ compliance_by_agent_type_sql(windows) }}
    ),

    feedback as (
        {{ feedback_by_agent_type_sql(windows) }}
    ),

    agent_types_seen as (
        select window_key, agent_type_key from used
        union
        select window_key, agent_type_key from compliance
        union
        select window_key, agent_type_key from feedback
    ),

    {#
        A type that is hidden in one part is hidden in all: its messages are the denominators of two of them. In a
        part in which it has no row, nothing happened.
    -#}
    flagged as (
        select
            agent_types_seen.window_key,
            agent_types_seen.agent_type_key,
            used.primary_model,
            used.primary_provider,
            {{ counts_or_zero(['model_count', 'agent_messages', 'errored_count'] + token_columns(), 'used') }},
            cast({{ cost_or_zero('used') }} as decimal(38, 12)) as cost_usd,
            used.avg_llm_latency_ms,
            used.avg_response_time_ms,
            used.message_error_rate,
            used.tokens_per_second,
            used.avg_message_tokens_per_second,
            used.avg_tokens_per_message,
            used.avg_output_tokens_per_message,
            {{ counts_or_zero(
                ['audited_messages', 'toxic_messages', 'messages_with_pii', 'pii_redactions'], 'compliance'
            ) }},
            compliance.toxic_rate,
            compliance.pii_redactions_per_message,
            {{ counts_or_zero(['feedback_count'], 'feedback') }},
            feedback.avg_rating,
            feedback.rating_degrades_at_load,
            coalesce(used.is_suppressed, false)
            or coalesce(compliance.is_suppressed, false)
            or coalesce(feedback.is_suppressed, false) as is_suppressed
        from agent_types_seen
        left join used
            on agent_types_seen.window_key = used.window_key
            and agent_types_seen.agent_type_key is not distinct from used.agent_type_key
        left join compliance
            on agent_types_seen.window_key = compliance.window_key
            and agent_types_seen.agent_type_key is not distinct from compliance.agent_type_key
        left join feedback
            on agent_types_seen.window_key = feedback.window_key
            and agent_types_seen.agent_type_key is not distinct from feedback.agent_type_key
    )

    select
        flagged.window_key,
        flagged.agent_type_key,
        agent_types.agent_type_id,
        agent_types.agent_type_name,
        {%- for column in ['primary_model', 'primary_provider', 'model_count', 'agent_messages', 'errored_count']
            + token_columns() + [
                'cost_usd',
                'avg_llm_latency_ms',
                'avg_response_time_ms',
                'message_error_rate',
                'tokens_per_second',
                'avg_message_tokens_per_second',
                'avg_tokens_per_message',
                'avg_output_tokens_per_message',
                'audited_messages',
                'toxic_messages',
                'toxic_rate',
                'messages_with_pii',
                'pii_redactions',
                'pii_redactions_per_message',
                'feedback_count',
                'avg_rating',
                'rating_degrades_at_load',
            ] %}
        {{ unless_suppressed(column) }},
        {%- endfor %}
        flagged.is_suppressed
    from flagged
    left join {{ ref('dim_agent_types') }} as agent_types
        on flagged.agent_type_key = agent_types.agent_type_key
{%- endmacro %}
