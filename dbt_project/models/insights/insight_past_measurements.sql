with windows as (
    select * from {{ ref('insight_windows') }}
    where steps_back is not null
),

final as (
    {{ insight_measurements_sql('windows') }}
)

select * from final
