with windows as (
    select * from {{ ref('insight_windows') }}
),

measurements as (
    select * from {{ ref('insight_measurements') }}
    union all
    select * from {{ ref('insight_past_measurements') }}
),

rules as (
    {{ insight_rules_sql() }}
),

judged as (
    {{ judged_measurements('measurements', 'rules') }}
),

{{ findings_over_time('windows', 'judged') }},

{{ joined_to_windows(worded_findings('told')) }}

select * from final
