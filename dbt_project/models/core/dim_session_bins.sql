with final as (
    select
        distribution || ':' || bin_label as session_bin_key,
        distribution,
        bin_order,
        bin_label,
        lower_bound,
        upper_bound
    from {{ ref('session_bins') }}
)

select * from final
