{{ config(
    materialized='incremental',
    incremental_strategy='append',
    on_schema_change='fail',
) }}

with landed as (
    select distinct
        model,
        provider
    from {{ source('raw', 'agent_events') }}
    where {{ is_newly_landed('agent_events') }}
    union
    select distinct
        model,
        provider
    from {{ source('raw', 'llm_calls') }}
    where {{ is_newly_landed('llm_calls') }}
    union
    select distinct
        model,
        -- The contract calls the column so; some engine reserves the word.
        cast(null as {{ dbt.type_string() }}) as provider  -- noqa: RF04
    from {{ source('raw', 'tasks') }}
    where {{ is_newly_landed('tasks') }}
)

{{ not_listed_yet(['model', 'provider']) }}
