-- The relation of repeated keys grows only by the keys of new loads; a full build starts it again.
{{ config(
    materialized='incremental',
    incremental_strategy='append',
    on_schema_change='fail',
) }}

{{ repeated_keys(ref('stg_instance_samples__copies'), source('raw', 'loads'), 'row_key') }}
