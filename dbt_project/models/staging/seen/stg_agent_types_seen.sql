{{ config(
    materialized='incremental',
    incremental_strategy='append',
    on_schema_change='fail',
) }}

with landed as (
    select distinct
        source_name,
        agent_type_id
    from {{ source('raw', 'agents') }}
    where {{ is_newly_landed('agents') }}
    union
    select distinct
        source_name,
        agent_type_id
    from {{ source('raw', 'instance_samples') }}
    where {{ is_newly_landed('instance_samples') }}
)

{{ not_listed_yet(['source_name', 'agent_type_id']) }}
