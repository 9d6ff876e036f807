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
        case when converted.is_refund then 0 * converted.amount_usd else converted.amount_usd end as gross_usd,
        case when converted.is_refund then converted.amount_usd else 0 * converted.amount_usd end as refund_usd,
        case when converted.is_refund then -converted.amount_usd else converted.amount_usd end as net_usd,
        case when converted.is_refund then -converted.platform_fee_usd else converted.platform_fee_usd end as fee_usd,
        converted.is_converted,
        converted.service_start,
        converted.service_end
    from converted
    left join {{ ref('dim_agents_history') }} as agents
        on {{ agent_valid_at('agents', 'converted.agent_key', 'converted.charged_at') }}
)

select * from final
