with final as (
    select
        load_id,
        source_name,
        stream_name,
        reason_code,
        row_count
    from {{ ref('stg_quarantine') }}
)

select * from final
