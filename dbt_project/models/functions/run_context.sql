with final as (
    select
        run_id,
        as_of,
        platform_time_zone
    from {{ ref('stg_run_context') }}
)

select * from final
