with goals as (
    select *
    from {{ ref('stg_goals') }}
),

final as (
    select
        goal_key,
        source_name,
        scope_kind,
        scope_id,
        case
            when scope_kind = 'platform' then '*'
            else {{ entity_key('source_name', 'scope_id') }}
        end as scope_key,
        metric,
        target,
        updated_at
    from goals
)

select * from final
