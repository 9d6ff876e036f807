with prices as (
    select
        *,
        lead(valid_from) over (partition by model order by valid_from) as next_valid_from
    from {{ ref('model_prices') }}
),

final as (
    select
        models.model_key,
        models.model,
        models.provider,
        prices.model as price_model,
        prices.input_usd_per_token,
        prices.output_usd_per_token,
        prices.cache_read_usd_per_token,
        prices.cache_write_usd_per_token,
        prices.reasoning_usd_per_token,
        prices.source as price_source,
        prices.valid_from,
        coalesce(prices.next_valid_from, date '9999-12-31') as valid_to
    from {{ ref('dim_models') }} as models
    inner join prices
        on models.price_model = prices.model
)

select *
from final
