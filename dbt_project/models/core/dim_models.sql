with seen as (
    select distinct
        model,
        provider
    from {{ ref('stg_models_seen') }}
    where model is not null
),

canonical as (
    select
        seen.model,
        seen.provider,
        coalesce(aliases.canonical_provider, seen.provider) as canonical_provider
    from seen
    left join {{ ref('provider_aliases') }} as aliases
        on seen.provider = aliases.provider
),

-- One model of the list can change hands in it; who bills for it is what the latest row says.
ranked_list as (
    select
        prices.model,
        coalesce(aliases.canonical_provider, prices.provider) as canonical_provider,
        row_number() over (partition by prices.model order by prices.valid_from desc) as price_rank
    from {{ ref('model_prices') }} as prices
    left join {{ ref('provider_aliases') }} as aliases
        on prices.provider = aliases.provider
),

listed as (
    select
        model,
        canonical_provider
    from ranked_list
    where price_rank = 1
),

-- Where the list may have the model, best first. A price of another provider is never taken: one
-- model costs differently from house to house.
candidates as (
    select
        canonical.model,
        canonical.provider,
        1 as match_rank,
        'alias' as price_match,
        aliases.price_model
    from canonical
    inner join {{ ref('model_aliases') }} as aliases
        on
            canonical.model = aliases.model
            and (aliases.provider is null or canonical.provider = aliases.provider)
    union all
    select
        canonical.model,
        canonical.provider,
        2 as match_rank,
        'name' as price_match,
        listed.model as price_model
    from canonical
    inner join listed
        on
            canonical.model = listed.model
            and (
                canonical.canonical_provider is null
                or listed.canonical_provider is null
                or canonical.canonical_provider = listed.canonical_provider
            )
    union all
    select
        canonical.model,
        canonical.provider,
        3 as match_rank,
        'provider and name' as price_match,
        listed.model as price_model
    from canonical
    inner join listed
        on
            canonical.canonical_provider || '/' || canonical.model = listed.model
            and canonical.canonical_provider = listed.canonical_provider
    union all
    -- 'openai/gpt-4o' is listed as 'gpt-4o' of openai.
    select
        canonical.model,
        canonical.provider,
        4 as match_rank,
        'name without provider' as price_match,
        listed.model as price_model
    from canonical
    inner join listed
        on
            canonical.model = listed.canonical_provider || '/' || listed.model
            and (
                canonical.canonical_provider is null
                or canonical.canonical_provider = listed.canonical_provider
            )
),

ranked_candidates as (
    select
        *,
        row_number() over (
            partition by model, provider
            order by match_rank, price_model
        ) as candidate_rank
    from candidates
),

ranked_vendors as (
    select
        seen.model,
        vendors.vendor,
        row_number() over (partition by seen.model order by vendors.match_order) as vendor_rank
    from (select distinct model from seen) as seen
    inner join {{ ref('model_vendors') }} as vendors
        on lower(seen.model) like vendors.name_pattern
),

final as (
    select
        {{ model_key_of('canonical.model', 'canonical.provider') }} as model_key,
        canonical.model,
        canonical.provider,
        ranked_vendors.vendor,
        ranked_candidates.price_model,
        ranked_candidates.price_match,
        ranked_candidates.price_model is not null as is_listed
    from canonical
    left join ranked_candidates
        on
            canonical.model = ranked_candidates.model
            and canonical.provider is not distinct from ranked_candidates.provider
            and ranked_candidates.candidate_rank = 1
    left join ranked_vendors
        on
            canonical.model = ranked_vendors.model
            and ranked_vendors.vendor_rank = 1
    union all
    -- What usage without a model name counts under in the marts.
    select
        'unknown' as model_key,
        'unknown',  -- noqa: AL03
        null,  -- noqa: AL03
        null as vendor,
        null as price_model,
        null as price_match,
        false as is_listed
)

select *
from final
