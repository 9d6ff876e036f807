{#
    Toxicity and redacted personal data by window. The denominators are the agent messages of the window, audited or
    not; beside each rate stands the same of the audited messages alone, and how many those are (AG-049). A message is
    audited at the audit's time (D-17).

    Belongs here: the SQL of the compliance marts, each formula once. Does not belong here: what counts as toxic
    (fct_audits).
#}

{# Of audits: rows of fct_audits. Messages are counted, not audits: a message may be audited twice. #}
{% macro audit_measures(rows, keys) -%}
    select
        {{ keys | join(', ') }},
        {{ measure_columns('fct_audits') }},
        count(distinct tenant_key) as audited_tenants
    from {{ rows }}
    group by {{ keys | join(', ') }}
{%- endmacro %}

{# Select list: the figures of the compliance marts from the joined relations agent_messages and audits. #}
{% macro compliance_figures() -%}
    {%- set counts = {'agent_messages': 'agent_messages.agent_messages'} -%}
    {%- for measure in ['audited_messages', 'toxic_messages', 'messages_with_pii', 'pii_redactions'] -%}
        {%- do counts.update({measure: 'coalesce(audits.' ~ measure ~ ', 0)'}) -%}
    {%- endfor -%}
    coalesce(agent_messages.agent_messages, 0) as total_messages,
    {{ counts_or_zero(['audited_messages'], 'audits') }},
    {{ quotient('audit_coverage', counts) }} as audit_coverage,
    {{ counts_or_zero(['toxic_messages'], 'audits') }},
    {{ quotient('toxic_rate', counts) }} as toxic_rate,
    {{ quotient('toxic_rate_of_audited', counts) }} as toxic_rate_of_audited,
    {{ counts_or_zero(['messages_with_pii'], 'audits') }},
    {{ quotient('pii_rate', counts) }} as pii_rate,
    {{ quotient('pii_rate_of_audited', counts) }} as pii_rate_of_audited,
    {{ counts_or_zero(['pii_redactions'], 'audits') }},
    {{ quotient('pii_redactions_per_message', counts) }} as pii_redactions_per_message
{%- endmacro %}


{# One row per window. #}
{% macro compliance_summary_sql(windows) -%}
    with invocation_rows as (
        {{ rows_in_windows(ref('fct_invocations'), 'responded_at', windows) }}
    ),

    audit_rows as (
        {{ rows_in_windows(ref('fct_audits'), 'audited_at', windows) }}
    ),

    agent_messages as (
        {{ invocation_measures('invocation_rows', ['window_key']) }}
    ),

    audits as (
        {{ audit_measures('audit_rows', ['window_key']) }}
    )

    select
        windows.window_key,
        {{ compliance_figures() }}
    from {{ windows }} as windows
    left join agent_messages
        on windows.window_key = agent_messages.window_key
    left join audits
        on windows.window_key = audits.window_key
{%- endmacro %}


{# One row per window and agent type with a message or an audit in it. #}
{% macro compliance_by_agent_type_sql(windows) -%}
    {%- set cell = ['window_key', 'agent_type_key'] -%}
    with invocation_rows as (
        {{ rows_in_windows(ref('fct_invocations'), 'responded_at', windows) }}
    ),

    audit_rows as (
        {{ rows_in_windows(ref('fct_audits'), 'audited_at', windows) }}
    ),

    agent_messages as (
        {{ invocation_measures('invocation_rows', cell) }}
    ),

    audits as (
        {{ audit_measures('audit_rows', cell) }}
    ),

    parts as (
        select window_key, agent_type_key, active_tenants as tenant_count from agent_messages
        union all
        select window_key, agent_type_key, audited_tenants from audits
    ),

    {# The fewest tenants of any part: audits of one tenant show that tenant's toxicity. -#}
    cells as (
        select
            window_key,
            agent_type_key,
            min(tenant_count) as tenant_count
        from parts
        group by window_key, agent_type_key
    ),

    measured as (
        select
            cells.window_key,
            cells.agent_type_key,
            {{ compliance_figures() }},
            coalesce(agent_messages.active_tenants, 0) as active_tenants,
            cells.tenant_count
        from cells
        left join agent_messages
            on cells.window_key = agent_messages.window_key
            and cells.agent_type_key is not distinct from agent_messages.agent_type_key
        left join audits
            on cells.window_key = audits.window_key
            and cells.agent_type_key is not distinct from audits.agent_type_key
    ),

    flagged as (
        {{ flag_suppressed_cells(
            'measured',
            windows,
            part_of=['window_key'],
            size='total_messages',
            cell='agent_type_key',
            tenants='tenant_count'
        ) }}
    )

    select
        flagged.window_key,
        flagged.agent_type_key,
        agent_types.agent_type_id,
        agent_types.agent_type_name,
        {%- for column in [
                'total_messages',
                'audited_messages',
                'audit_coverage',
                'toxic_messages',
                'toxic_rate',
                'toxic_rate_of_audited',
                'messages_with_pii',
                'pii_rate',
                'pii_rate_of_audited',
                'pii_redactions',
                'pii_redactions_per_message',
                'active_tenants',
        ] %}
        {{ unless_suppressed(column) }},
        {%- endfor %}
        flagged.is_suppressed
    from flagged
    left join {{ ref('dim_agent_types') }} as agent_types
        on flagged.agent_type_key = agent_types.agent_type_key
{%- endmacro %}


{# One row per window and kind of personal data redacted in it. #}
{% macro pii_by_entity_sql(windows) -%}
    with redaction_rows as (
        {{ rows_in_windows(ref('fct_pii_redactions'), 'audited_at', windows) }}
    )

    select
        window_key,
        entity_type,
        {{ integer_sum('redaction_count') }} as redaction_count,
        count(distinct message_key) as messages_with_entity
    from redaction_rows
    group by window_key, entity_type
{%- endmacro %}
