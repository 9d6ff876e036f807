with evaluations as (
    select * from {{ ref('alert_evaluations') }}
    where is_change
),

rules as (
    select * from {{ ref('dim_alert_rules') }}
),

final as (
    select
        {{ hash_key([
            'rules.rule_id',
            'rules.scope_kind',
            'rules.scope_key',
            'evaluations.evaluated_at',
        ]) }} as alert_transition_key,
        rules.alert_rule_key,
        rules.rule_id,
        rules.scope_kind,
        rules.scope_id,
        rules.source_name,
        rules.scope_key,
        evaluations.evaluated_at as transition_at,
        evaluations.window_start_at as observed_from,
        evaluations.state_before,
        evaluations.state,
        evaluations.value,
        cast(rules.threshold as double) as threshold,
        evaluations.sample_size
    from evaluations
    inner join rules
        on evaluations.alert_rule_key = rules.alert_rule_key
)

select * from final
