{#
    Calls of all days are looked up here, among the narrow copies: of the lake the files of all days would have
    to be opened.
#}
with
{{ counted_copies(
    ref('stg_llm_calls__copies'),
    ref('stg_llm_calls__repeated_keys'),
    'row_key', 'llm_call_id', 'event_at',
) }},

final as (
    select
        {{ entity_key('source_name', 'row_key') }} as llm_call_key,
        source_name,
        {{ entity_key('source_name', 'invocation_id') }} as invocation_key,
        span_id,
        parent_span_id,
        has_usage,
        event_date
    from counted_copies
)

select * from final
