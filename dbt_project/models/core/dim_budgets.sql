with budgets as (
    select *
    from {{ ref('stg_budgets') }}
),

final as (
    select
        budget_key,
        source_name,
        scope_kind,
        scope_id,
        case
            when scope_kind = 'platform' then '*'
            else {{ entity_key('source_name', 'scope_id') }}
        end as scope_key,
        cast(budget_month || '-01' as date) as month_start,
        amount_usd
    from budgets
)

select * from final
