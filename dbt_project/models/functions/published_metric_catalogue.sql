{{ config(alias='metric_catalogue') }}

with final as (
    select
        metric_key,
        label,
        category,
        definition,
        unit,
        aggregation,
        higher_is_better,
        aliases,
        summary,
        summary_column
    from {{ ref('metric_catalogue') }}
)

select * from final
