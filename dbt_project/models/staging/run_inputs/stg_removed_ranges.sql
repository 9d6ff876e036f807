with written as (
    select *
    from {{ source('raw', 'removed_ranges') }}
),

final as (
    select
        scope_kind,
        source_name,
        scope_id,
        first_date,
        kept_from
    from written
)

select *
from final
