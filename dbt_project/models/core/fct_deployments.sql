{{ config(materialized='incremental', incremental_strategy='replace_dates') }}

with deployments as (
    select *
    from {{ ref('stg_deployments') }}
    where {{ in_pending_dates('event_date') }}
),

final as (
    select
        deployments.deployment_key,
        deployments.source_name,
        deployments.event_date,
        deployments.deployed_at,
        deployments.agent_key,
        agents.agent_type_key,
        agents.publisher_key,
        deployments.deployment_id,
        deployments.agent_version,
        deployments.note
    from deployments
    left join {{ ref('dim_agents_history') }} as agents
        on {{ agent_valid_at('agents', 'deployments.agent_key', 'deployments.deployed_at') }}
)

select * from final
