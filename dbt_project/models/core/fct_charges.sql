{{ config(materialized='incremental', incremental_strategy='replace_dates') }}

with charges as (
    select *
    from {{ ref('stg_charges') }}
    where {{ in_pending_dates('event_date') }}
),

charged_currencies as (
    select distinct
        charges.currency,
        charges.event_date
    from charges
),

-- The rate of the day or the last one before it; a later rate is never used (D-55).
ranked_rates as (
    select
        charged_currencies.currency,
        charged_currencies.event_date,
        rates.usd_per_unit,
        row_number() over (
            partition by charged_currencies.currency, charged_currencies.event_date
            order by rates.valid_from desc
        ) as rate_rank
    from charged_currencies
    inner join {{ ref('fx_rates') }} as rates
        on
            charged_currencies.currency = rates.currency
            and charged_currencies.event_date >= rates.valid_from
),

converted as (
    select
        charges.*,
        charges.kind = 'refund' as is_refund,
        case when charges.kind = 'refund' then 0 else 1 end as charge_factor,
        case when charges.kind = 'refund' then 1 else 0 end as refund_factor,
        {{ in_usd('charges.amount', 'rates.usd_per_unit') }} as amount_usd,
        {{ in_usd('charges.platform_fee', 'rates.usd_per_unit') }} as platform_fee_usd,
        rates.usd_per_unit is not null as is_converted
    from charges
    left join ranked_rates as rates
        on
            charges.currency = rates.currency
            and charges.event_date = rates.event_date
            and rates.rate_rank = 1
),

final as (
    select
        converted.charge_key,
        converted.source_name,
        converted.event_date,
        converted.charged_at,
        converted.agent_key,
        agents.agent_type_key,
        converted.tenant_key,
        converted.publisher_key,
        converted.charge_id,
        converted.kind,
        converted.is_refund,
        converted.currency,
        converted.amount,
        converted.platform_fee,
        converted.amount_usd,
        converted.platform_fee_usd,
        converted.charge_factor * converted.amount_usd as gross_usd,
        converted.refund_factor * converted.amount_usd as refund_usd,
        (converted.charge_factor - converted.refund_factor) * converted.amount_usd as net_usd,
        -- A fee on a refund is given back (D-21).
        (converted.charge_factor - converted.refund_factor) * converted.platform_fee_usd as fee_usd,
        converted.is_converted,
        converted.service_start,
        converted.service_end
    from converted
    left join {{ ref('dim_agents_history') }} as agents
        on {{ agent_valid_at('agents', 'converted.agent_key', 'converted.charged_at') }}
)

select * from final
