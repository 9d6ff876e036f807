with experiments as (
    select *
    from {{ ref('stg_experiments') }}
),

agents as (
    select *
    from {{ ref('dim_agents') }}
),

final as (
    select
        experiments.experiment_key,
        experiments.source_name,
        experiments.experiment_id,
        experiments.agent_key,
        agents.publisher_key,
        experiments.version_a,
        experiments.version_b,
        cast(experiments.split_a as double) as split_a,
        experiments.started_at,
        experiments.ended_at
    from experiments
    left join agents
        on experiments.agent_key = agents.agent_key
)

select * from final
