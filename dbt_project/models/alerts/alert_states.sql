with evaluations as (
    select * from {{ ref('alert_evaluations') }}
    where is_last
),

rules as (
    select * from {{ ref('dim_alert_rules') }}
),

transitions as (
    select
        rule_id,
        scope_kind,
        scope_key,
        max(transition_at) as state_since
    from {{ ref('alert_transitions') }}
    group by rule_id, scope_kind, scope_key
),

final as (
    select
        rules.alert_rule_key,
        rules.rule_id,
        rules.scope_kind,
        rules.scope_id,
        rules.source_name,
        rules.scope_key,
        rules.set_by,
        rules.metric,
        rules.comparison,
        cast(rules.threshold as double) as threshold,
        rules.window_minutes,
        rules.min_samples,
        rules.channels,
        rules.is_active,
        rules.muted_until,
        evaluations.state,
        transitions.state_since,
        evaluations.evaluated_at,
        evaluations.sample_until,
        evaluations.value,
        evaluations.sample_size
    from evaluations
    inner join rules
        on evaluations.alert_rule_key = rules.alert_rule_key
    inner join transitions
        on
            rules.rule_id = transitions.rule_id
            and rules.scope_kind = transitions.scope_kind
            and rules.scope_key = transitions.scope_key
)

select * from final
