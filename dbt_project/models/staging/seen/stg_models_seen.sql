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
    where {{ is_newly_landed() }}
    union
    select distinct
        model,
        provider
    from {{ source('raw', 'llm_calls') }}
    where {{ is_newly_landed() }}
    union
    select distinct
        model,
        cast(null as {{ dbt.type_string() }}) as provider
    from {{ source('raw', 'tasks') }}
    where {{ is_newly_landed() }}
)

{# A repeated build meets the loads it has seen; what is listed is not listed again. #}
select
    model,
    provider
from landed
{%- if is_incremental() %}
except
select
    model,
    provider
from {{ this }}
{%- endif %}
