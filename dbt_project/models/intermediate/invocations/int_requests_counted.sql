{#
    What answers and model calls take from a request, on whatever day it was made, is looked up here: made of the narrow
    copies, for the files of all days would have to be opened. A table, because each slice of a long history looks
    through all of it four times.
#}
{{ config(materialized='incremental', incremental_strategy='replace_dates') }}

with
{{ counted_copies(
    ref('stg_agent_events__copies'),
    ref('stg_agent_events__repeated_keys'),
    'row_key', 'event_id', 'event_at',
) }},

final as (
    select
        {{ entity_key('source_name', 'row_key') }} as event_key,
        source_name,
        event_date,
        event_at,
        {{ entity_key('source_name', 'agent_id') }} as agent_key,
        {{ entity_key('source_name', 'publisher_id') }} as publisher_key,
        {{ entity_key('source_name', 'tenant_id') }} as tenant_key,
        case when names_invocation then {{ entity_key('source_name', 'invocation_id') }} end
            as invocation_key,
        {{ entity_key('source_name', 'conversation_id') }} as conversation_key,
        session_id,
        {{ entity_key('source_name', 'task_id') }} as task_key,
        {{ user_key_of('source_name', 'tenant_id', 'user_id') }} as user_key
    from counted_copies
    where
        {{ in_pending_dates('event_date') }}
        and event_type = 'agent_invoked'
)

select * from final
