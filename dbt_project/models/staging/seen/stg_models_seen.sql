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
    where {{ is_newly_landed(source('raw', 'loads')) }}
    union
    select distinct
        model,
        provider
    from {{ source('raw', 'llm_calls') }}
    where {{ is_newly_landed(source('raw', 'loads')) }}
    union
    select distinct
        model,
        -- The contract calls the column so; some engine reserves the word.
        cast(null as {{ dbt.type_string() }}) as provider  -- noqa: RF04
    from {{ source('raw', 'tasks') }}
    where {{ is_newly_landed(source('raw', 'loads')) }}
)

{{ not_listed_yet(['model', 'provider']) }}
