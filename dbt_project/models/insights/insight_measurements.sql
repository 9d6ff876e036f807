with windows as (
    select * from {{ ref('insight_windows') }}
    where steps_back is null
),

final as (
    {{ insight_measurements_sql('windows', from_marts=true) }}
)

select * from final
