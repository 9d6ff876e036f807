with run_context as (
    select * from {{ ref('stg_run_context') }}
),

defaults as (
    select * from {{ ref('alert_rules') }}
),

overrides as (
    select * from {{ ref('dim_alert_overrides') }}
    where valid_from < valid_to
),

-- Every scope has this window, and the window the scope's zone.
scopes as (
    select * from {{ ref('dim_windows') }}
    where
        window_kind = '7d'
        and not is_previous
),

-- The default holds until a scope first says otherwise.
default_spans as (
    select
        defaults.rule_id,
        scopes.scope_kind,
        scopes.scope_key,
        'default' as set_by,
        cast(null as decimal(38, 12)) as threshold,
        cast(null as bigint) as window_minutes,
        cast(null as bigint) as min_samples,
        cast(null as {{ dbt.type_string() }}) as channels,
        true as is_active,
        cast(null as timestamp) as muted_until,
        timestamp '1900-01-01 00:00:00' as valid_from,
        coalesce(min(overrides.valid_from), timestamp '9999-12-31 00:00:00') as valid_to
    from defaults
    inner join scopes
        on {{ listed_in('defaults.scope_kinds', 'scopes.scope_kind') }}
    left join overrides
        on
            defaults.rule_id = overrides.rule_id
            and scopes.scope_kind = overrides.scope_kind
            and scopes.scope_key = overrides.scope_key
    group by defaults.rule_id, scopes.scope_kind, scopes.scope_key
),

spans as (
    select * from default_spans
    union all
    select
        rule_id,
        scope_kind,
        scope_key,
        'override' as set_by,
        threshold,
        window_minutes,
        min_samples,
        channels,
        coalesce(is_active, true) as is_active,
        muted_until,
        valid_from,
        valid_to
    from overrides
),

final as (
    select
        {{ hash_key([
            'defaults.rule_id',
            'scopes.scope_kind',
            'scopes.scope_key',
            'spans.valid_from',
        ]) }} as alert_rule_key,
        defaults.rule_id,
        scopes.scope_kind,
        scopes.scope_id,
        scopes.source_name,
        scopes.scope_key,
        scopes.time_zone,
        spans.set_by,
        defaults.metric,
        defaults.unit,
        defaults.evaluation,
        defaults.comparison,
        cast(coalesce(spans.threshold, defaults.threshold) as decimal(38, 12)) as threshold,
        coalesce(spans.window_minutes, defaults.window_minutes) as window_minutes,
        coalesce(spans.min_samples, defaults.min_samples) as min_samples,
        defaults.severity,
        defaults.subject_kind,
        coalesce(spans.channels, defaults.channels) as channels,
        defaults.cooldown_minutes,
        defaults.notify_on,
        spans.is_active,
        spans.muted_until,
        spans.valid_from,
        spans.valid_to,
        run_context.as_of as known_until
    from spans
    inner join defaults
        on spans.rule_id = defaults.rule_id
    inner join scopes
        on
            spans.scope_kind = scopes.scope_kind
            and spans.scope_key = scopes.scope_key
    cross join run_context
    where
        spans.valid_from < spans.valid_to
        and spans.valid_from < run_context.as_of
)

select * from final
