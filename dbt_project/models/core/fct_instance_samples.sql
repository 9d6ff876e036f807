{{ config(materialized='incremental', incremental_strategy='replace_dates') }}

with samples as (
    select *
    from {{ ref('stg_instance_samples') }}
    where {{ in_pending_dates('event_date') }}
),

final as (
    select
        samples.instance_sample_key,
        samples.source_name,
        samples.event_date,
        samples.sampled_at,
        samples.agent_type_key,
        samples.tenant_key,
        samples.running_instances
    from samples
)

select * from final
