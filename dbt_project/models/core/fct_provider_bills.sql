{{ config(materialized='incremental', incremental_strategy='replace_dates') }}

with bills as (
    select *
    from {{ ref('stg_provider_bills') }}
    where {{ in_pending_dates('event_date') }}
),

final as (
    select
        bills.provider_bill_key,
        bills.source_name,
        bills.event_date,
        bills.bill_id,
        bills.provider,
        bills.period_start,
        bills.period_end,
        bills.amount,
        bills.currency
    from bills
)

select * from final
