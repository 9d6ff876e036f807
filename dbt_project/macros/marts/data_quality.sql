{#
    What a reader must know of the data behind the figures: what became of every row read, what was refused and why, and
    which findings stand.

    Belongs here: the tables of the state that are the same for every span, cut to what the scope of a window may read.
    Does not belong here: figures of a span.

    Files belong to a source, not to a tenant or a publisher: under their scope, a stream is that of their source (D-61
    does likewise with health).
#}

{# One row per window, source and stream of the window's scope. #}
{% macro data_quality_sql(windows) -%}
    select
        windows.window_key,
        streams.source_name as stream_source_name,
        streams.stream_name,
        streams.load_count,
        streams.repeated_file_count,
        streams.rows_read,
        streams.rows_ignored,
        streams.rows_landed,
        streams.rows_quarantined,
        streams.quarantine_rate,
        streams.duplicate_rows,
        streams.superseded_rows,
        streams.conflicting_rows,
        streams.counted_rows,
        streams.unowned_usage_count,
        streams.unowned_cost_usd,
        streams.publisher_mismatch_count,
        streams.first_event_at,
        streams.last_event_at,
        streams.last_loaded_at
    from {{ windows }} as windows
    inner join {{ ref('data_quality') }} as streams
        on windows.source_name is null
        or windows.source_name = streams.source_name
{%- endmacro %}

{# One row per window, source, stream and reason of a refusal. #}
{% macro quarantine_reasons_sql(windows) -%}
    select
        windows.window_key,
        refused.source_name as stream_source_name,
        refused.stream_name,
        refused.reason_code,
        {{ integer_sum('refused.row_count') }} as rows_quarantined
    from {{ windows }} as windows
    inner join {{ ref('quarantine') }} as refused
        on windows.source_name is null
        or windows.source_name = refused.source_name
    group by windows.window_key, refused.source_name, refused.stream_name, refused.reason_code
    having sum(refused.row_count) > 0
{%- endmacro %}

{# One row per window and finding of insights.insights whose evidence falls into it, whatever window it was found in. #}
{% macro insights_sql(windows) -%}
    select
        windows.window_key,
        findings.insight_id,
        findings.rule_id,
        findings.window_kind as found_in,
        findings.is_partial as is_found_in_partial,
        findings.subject_kind,
        findings.subject_id,
        findings.subject_name,
        findings.severity,
        findings.category,
        findings.title,
        findings.description,
        findings.recommendation,
        findings.metric,
        findings.basis,
        findings.value,
        findings.threshold,
        findings.baseline,
        findings.direction,
        findings.assessment,
        findings.sample_size,
        findings.evidence_start,
        findings.evidence_end,
        findings.first_seen,
        findings.last_seen,
        findings.state,
        findings.reason
    from {{ windows }} as windows
    inner join {{ ref('insights') }} as findings
        on windows.scope_kind = findings.scope_kind
        and windows.scope_id = findings.scope_id
        and windows.source_name is not distinct from findings.source_name
        and findings.evidence_start < windows.end_at
        and (findings.evidence_end > windows.start_at or findings.evidence_start >= windows.start_at)
    left join {{ ref('dim_agents') }} as agents
        on windows.agent_key = agents.agent_key
    where
        windows.agent_key is null
        or (findings.subject_kind = 'agent' and findings.subject_id = agents.agent_id)
{%- endmacro %}
