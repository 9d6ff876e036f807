with incidents as (
    select * from {{ ref('stg_incidents') }}
),

final as (
    select
        incidents.incident_key,
        incidents.source_name,
        cast(incidents.started_at as date) as event_date,
        incidents.incident_id,
        incidents.service,
        incidents.started_at,
        incidents.ended_at,
        incidents.ended_at is null as is_open,
        coalesce(incidents.is_maintenance, false) as is_maintenance,
        incidents.updated_at
    from incidents
)

select * from final
