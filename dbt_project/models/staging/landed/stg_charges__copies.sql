{{ config(
    materialized='incremental',
    incremental_strategy='append',
    on_schema_change='fail',
) }}

with landed as (
    select *
    from {{ source('raw', 'charges') }}
    where {{ is_newly_landed('charges', once=true) }}
),

final as (
    select
        charge_id as row_key,
        source_name,
        charge_id,
        tenant_id,
        publisher_id,
        agent_id,
        kind,
        currency,
        amount,
        platform_fee,
        service_start,
        service_end,
        charged_at,
        event_date,
        load_id,
        row_number,
        row_hash
    from landed
)

select *
from final
