{{ config(
    materialized='incremental',
    incremental_strategy='append',
    on_schema_change='fail',
) }}

with landed as (
    select distinct
        source_name,
        agent_id,
        publisher_id,
        tenant_id
    from {{ source('raw', 'agent_events') }}
    where {{ is_newly_landed('agent_events') }}
    union
    select distinct
        source_name,
        agent_id,
        publisher_id,
        tenant_id
    from {{ source('raw', 'charges') }}
    where {{ is_newly_landed('charges') }}
    union
    select distinct
        source_name,
        agent_id,
        cast(null as {{ dbt.type_string() }}) as publisher_id,
        tenant_id
    from {{ source('raw', 'audit_events') }}
    where {{ is_newly_landed('audit_events') }}
    union
    select distinct
        source_name,
        agent_id,
        cast(null as {{ dbt.type_string() }}) as publisher_id,
        tenant_id
    from {{ source('raw', 'quality_scores') }}
    where {{ is_newly_landed('quality_scores') }}
    union
    select distinct
        source_name,
        agent_id,
        cast(null as {{ dbt.type_string() }}) as publisher_id,
        tenant_id
    from {{ source('raw', 'conversations') }}
    where {{ is_newly_landed('conversations') }}
    union
    select distinct
        source_name,
        agent_id,
        cast(null as {{ dbt.type_string() }}) as publisher_id,
        tenant_id
    from {{ source('raw', 'tasks') }}
    where {{ is_newly_landed('tasks') }}
    union
    select distinct
        source_name,
        agent_id,
        cast(null as {{ dbt.type_string() }}) as publisher_id,
        cast(null as {{ dbt.type_string() }}) as tenant_id
    from {{ source('raw', 'deployments') }}
    where {{ is_newly_landed('deployments') }}
    union
    select distinct
        source_name,
        agent_id,
        cast(null as {{ dbt.type_string() }}) as publisher_id,
        cast(null as {{ dbt.type_string() }}) as tenant_id
    from {{ source('raw', 'experiments') }}
    where {{ is_newly_landed('experiments') }}
    union
    select distinct
        source_name,
        cast(null as {{ dbt.type_string() }}) as agent_id,
        cast(null as {{ dbt.type_string() }}) as publisher_id,
        tenant_id
    from {{ source('raw', 'instance_samples') }}
    where {{ is_newly_landed('instance_samples') }}
)

{{ not_listed_yet(['source_name', 'agent_id', 'publisher_id', 'tenant_id']) }}
