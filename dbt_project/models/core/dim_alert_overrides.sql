with states as (
    select *
    from {{ ref('stg_alert_rules__history') }}
),

listed_channels as (
    select
        states.alert_override_key,
        {{ string_agg_ordered('channels.channel', '|', 'channels.place') }} as channels
    from states
    {{ join_list('states.channels', 'channels', 'channel', 'place') }}
    group by states.alert_override_key
),

keyed as (
    select
        states.alert_override_key,
        states.source_name,
        states.rule_id,
        states.scope_kind,
        states.scope_id,
        case
            when states.scope_kind = 'platform' then '*'
            else {{ entity_key('states.source_name', 'states.scope_id') }}
        end as scope_key,
        states.threshold,
        states.window_minutes,
        states.min_samples,
        -- A list without a member means nobody is told; no list means the rule's own.
        case
            when states.channels is not null then coalesce(listed_channels.channels, '')
        end as channels,
        states.is_active,
        states.muted_until,
        states.updated_at
    from states
    left join listed_channels
        on states.alert_override_key = listed_channels.alert_override_key
),

-- Several sources may speak for the platform: the latest word holds.
final as (
    select
        alert_override_key,
        source_name,
        rule_id,
        scope_kind,
        scope_id,
        scope_key,
        threshold,
        window_minutes,
        min_samples,
        channels,
        is_active,
        muted_until,
        updated_at as valid_from,
        coalesce(
            lead(updated_at) over (
                partition by rule_id, scope_kind, scope_key
                order by updated_at, source_name, scope_id
            ),
            timestamp '9999-12-31 00:00:00'
        ) as valid_to
    from keyed
)

select * from final
