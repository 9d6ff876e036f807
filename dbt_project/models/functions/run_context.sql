with final as (
    select
        run_id,
        as_of,
        platform_time_zone,
        cast(null as {{ dbt.type_string() }}) as held_scope
    from {{ ref('stg_run_context') }}
)

select * from final
