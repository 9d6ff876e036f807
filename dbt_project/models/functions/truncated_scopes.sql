with final as (
    select
        scope_kind,
        source_name,
        scope_id,
        coalesce(source_name || ':' || scope_id, '*') as scope_key,
        first_date,
        kept_from
    from {{ ref('stg_removed_ranges') }}
)

select * from final
