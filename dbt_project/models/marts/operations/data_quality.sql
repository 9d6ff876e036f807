with streams as (
    select * from {{ ref('fct_stream_counts') }}
),

-- Usage whose invocation is unknown is in no scope's figures (D-03).
unowned_usage as (
    select
        source_name,
        'llm_calls' as stream_name,
        count(*) as unowned_usage_count,
        cast(sum(cost_usd) as decimal(38, 12)) as unowned_cost_usd
    from {{ ref('fct_llm_calls') }}
    where not has_owner
    group by source_name
),

rows_named as (
    select
        source_name,
        'agent_events' as stream_name,
        agent_key,
        publisher_key,
        responded_at as happened_at
    from {{ ref('fct_invocations') }}
    union all
    select
        source_name,
        'agent_events' as stream_name,
        agent_key,
        publisher_key,
        happened_at
    from {{ ref('fct_install_events') }}
    union all
    select
        source_name,
        'charges' as stream_name,
        agent_key,
        publisher_key,
        charged_at as happened_at
    from {{ ref('fct_charges') }}
),

-- A row's own publisher wins over its agent's; that they differ is worth knowing (D-34).
publisher_mismatches as (
    select
        rows_named.source_name,
        rows_named.stream_name,
        count(*) as publisher_mismatch_count
    from rows_named
    inner join {{ ref('dim_agents_history') }} as agents
        on {{ agent_valid_at('agents', 'rows_named.agent_key', 'rows_named.happened_at') }}
    where rows_named.publisher_key <> agents.publisher_key
    group by rows_named.source_name, rows_named.stream_name
),

final as (
    select
        streams.stream_key,
        streams.source_name,
        streams.stream_name,
        streams.load_count,
        streams.repeated_file_count,
        streams.rows_read,
        streams.rows_ignored,
        streams.rows_landed,
        streams.rows_quarantined,
        {{ safe_divide(
            'streams.rows_quarantined', 'streams.rows_landed + streams.rows_quarantined'
        ) }} as quarantine_rate,
        streams.duplicate_rows,
        streams.superseded_rows,
        streams.conflicting_rows,
        streams.rows_landed - streams.duplicate_rows - streams.superseded_rows as counted_rows,
        coalesce(unowned_usage.unowned_usage_count, 0) as unowned_usage_count,
        unowned_usage.unowned_cost_usd,
        coalesce(publisher_mismatches.publisher_mismatch_count, 0) as publisher_mismatch_count,
        streams.first_event_at,
        streams.last_event_at,
        streams.last_loaded_at
    from streams
    left join unowned_usage
        on
            streams.source_name = unowned_usage.source_name
            and streams.stream_name = unowned_usage.stream_name
    left join publisher_mismatches
        on
            streams.source_name = publisher_mismatches.source_name
            and streams.stream_name = publisher_mismatches.stream_name
)

select * from final
