with transitions as (
    select * from {{ ref('alert_transitions') }}
),

rules as (
    select * from {{ ref('dim_alert_rules') }}
),

defaults as (
    select * from {{ ref('alert_rules') }}
),

states as (
    select * from {{ ref('alert_states') }}
),

tenants as (
    select * from {{ ref('dim_tenants') }}
),

publishers as (
    select * from {{ ref('dim_publishers') }}
),

{{ alerts_from_transitions('transitions') }},

fired as (
    select
        decisions.*,
        rules.scope_id,
        rules.source_name,
        cast(rules.threshold as double) as threshold,
        rules.metric,
        rules.unit,
        rules.comparison,
        rules.severity,
        rules.subject_kind,
        rules.channels,
        rules.cooldown_minutes,
        rules.notify_on,
        rules.muted_until,
        states.state as current_state,
        defaults.title,
        defaults.description,
        defaults.recommendation,
        coalesce(tenants.tenant_name, publishers.publisher_name, 'Platform') as subject_name,
        coalesce(tenants.tenant_name, publishers.publisher_name, 'the Platform') as scope_text,
        {{ alert_period_text('decisions', 'rules') }} as period_text
    from decisions
    inner join rules
        on decisions.alert_rule_key = rules.alert_rule_key
    inner join defaults
        on decisions.rule_id = defaults.rule_id
    inner join states
        on
            decisions.rule_id = states.rule_id
            and decisions.scope_kind = states.scope_kind
            and decisions.scope_key = states.scope_key
    left join tenants
        on
            decisions.scope_kind = 'tenant'
            and decisions.scope_key = tenants.tenant_key
    left join publishers
        on
            decisions.scope_kind = 'publisher'
            and decisions.scope_key = publishers.publisher_key
    where decisions.decision = 'firing'
),

worded as (
    select
        fired.*,
        {{ measure_text('fired.value', 'fired.unit') }} as value_text,
        {{ threshold_text('fired.threshold', 'fired.unit') }} as threshold_text,
        {{ format_number('fired.sample_size', 0) }} as sample_size_text
    from fired
),

final as (
    select
        {{ hash_key(['rule_id', 'scope_kind', 'scope_key', 'decided_at']) }} as alert_id,
        rule_id,
        scope_kind,
        scope_id,
        source_name,
        scope_key,
        subject_kind,
        scope_id as subject_id,
        subject_name,
        severity,
        {{ filled_alert_text('title') }} as title,
        {{ filled_alert_text('description') }} as description,
        {{ filled_alert_text('recommendation') }} as recommendation,
        metric,
        comparison,
        threshold,
        value,
        sample_size,
        observed_from,
        decided_at as fired_at,
        ended_at,
        ended_value,
        case
            when ended_as = 'inactive' then 'switched_off'
            when ended_as = 'unmeasured' then 'unmeasured'
            when ended_at is not null then 'resolved'
            else current_state
        end as state,
        channels,
        cooldown_minutes,
        notify_on,
        muted_until
    from worded
)

select * from final
