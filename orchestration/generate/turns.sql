-- A chunk of local days: its sessions, their turns, and every row that follows from a turn, put
-- into the out_ tables with the day each row is delivered. Belongs here: streams that grow with
-- turns. Not here: what comes of a session as a whole (outcomes.sql), gauges and settings
-- (steady.sql).

create or replace temp table chunk_days as
select *
from days
where day between getvariable('chunk_from') and getvariable('chunk_to');

create or replace temp table chunk_placements as
select
    chunk_days.day,
    placements.*,
    (
        sum(placements.weight) over (partition by chunk_days.day order by placements.placement_no)
        - placements.weight
    ) / sum(placements.weight) over (partition by chunk_days.day) as share_from
from chunk_days
inner join placements
    on chunk_days.progress between placements.active_from and placements.active_until;

create or replace temp table chunk_sessions as
with drawn as (
    select
        chunk_days.day,
        chunk_days.day_no,
        chunk_days.progress,
        chunk_days.first_session + number as session_no,
        draw('placement', chunk_days.first_session + number) as placement_draw,
        draw('hour', chunk_days.first_session + number) as hour_draw,
        isodow(chunk_days.day) >= 6 as is_weekend
    from chunk_days
    cross join lateral unnest(range(chunk_days.sessions)) as numbers (number)
),

placed as (
    select
        drawn.*,
        chunk_placements.placement_no,
        chunk_placements.tenant_no,
        chunk_placements.agent_no
    from drawn
    asof inner join chunk_placements
        on
            drawn.day = chunk_placements.day
            and drawn.placement_draw >= chunk_placements.share_from
),

timed as (
    select
        placed.*,
        hours.local_hour
    from placed
    asof inner join hours
        on placed.is_weekend = hours.is_weekend and placed.hour_draw >= hours.share_from
)

select
    timed.session_no,
    timed.day,
    timed.day_no,
    timed.progress,
    timed.placement_no,
    tenants.tenant_no,
    tenants.tenant_id,
    tenants.tenant_no = 12 as is_brief,
    agents.agent_no,
    agents.agent_id,
    agents.type_no,
    agent_types.peak_instances,
    publishers.publisher_id,
    agents.usage_kind,
    agents.tokens_basis,
    agents.main_model,
    agents.second_model,
    agents.second_share,
    agents.input_median,
    agents.output_median,
    agents.latency_median_ms,
    agents.tool_rate,
    agents.error_rate,
    agents.rating_base,
    agents.tools,
    -- A few users write a lot: the square of the draw favours low numbers.
    case
        when agents.usage_kind = 'chat' and draw('anonymous', timed.session_no) >= 0.06
            then
                'user-' || tenants.tenant_no || '-'
                || cast(floor(tenants.user_pool * pow(draw('user', timed.session_no), 2)) as bigint)
    end as user_id,
    case
        when
            tenants.tenant_no = 12
            then case when draw('turns', timed.session_no) < 0.85 then 1 else 2 end
        else least(14, 1 + cast(floor(-2.1 * ln(1 - draw('turns', timed.session_no))) as bigint))
    end as turns,
    timezone(
        'UTC',
        timezone(
            tenants.time_zone,
            cast(timed.day as timestamp)
            + to_seconds(timed.local_hour * 3600)
            + to_milliseconds(cast(floor(draw('second', timed.session_no) * 3600000) as bigint))
        )
    ) as started_at
from timed
inner join tenants on timed.tenant_no = tenants.tenant_no
inner join agents on timed.agent_no = agents.agent_no
inner join agent_types on agents.type_no = agent_types.type_no
inner join publishers on agents.publisher_no = publishers.publisher_no;

create or replace temp table chunk_turns as
with numbered as (
    select
        chunk_sessions.*,
        turn_no,
        chunk_sessions.session_no * 64 + turn_no as turn_key
    from chunk_sessions
    cross join lateral unnest(range(chunk_sessions.turns)) as numbers (turn_no)
),

drawn as (
    select
        *,
        case
            when draw('tool', turn_key) >= tool_rate then 0
            when draw('second tool', turn_key) < 0.25 then 2
            else 1
        end as tool_count,
        -- The context grows with every turn.
        cast(
            skewed(input_median, 0.45, 'input', turn_key) * (1 + 0.18 * least(turn_no, 6)) as bigint
        )
            as input_tokens,
        cast(greatest(8, skewed(output_median, 0.5, 'output', turn_key)) as bigint)
            as output_tokens,
        cast(
            greatest(
                120,
                skewed(
                    latency_median_ms,
                    case agent_no when 8 then 0.55 else 0.42 end,
                    'latency',
                    turn_key
                )
            )
            as bigint
        ) as llm_latency_ms,
        case
            when draw('long pause', turn_key) < 0.012 then 1900 + 4000 * draw('pause', turn_key)
            when is_brief then skewed(9, 0.4, 'gap', turn_key)
            else least(1500, skewed(38, 0.9, 'gap', turn_key))
        end as pause_s
    from numbered
),

tooled as (
    select
        drawn.*,
        case
            when tool_count >= 1
                then
                    tools[
                        1
                        + cast(floor(pow(draw('tool one', turn_key), 1.6) * len(tools)) as integer)
                    ]
        end as first_tool,
        case
            when tool_count >= 2
                then tools[1 + cast(floor(draw('tool two', turn_key) * len(tools)) as integer)]
        end as next_tool
    from drawn
),

priced_tools as (
    select
        tooled.*,
        cast(skewed(first_tools.duration_median_ms, 0.5, 'tool one ms', turn_key) as bigint)
            as first_tool_ms,
        cast(skewed(next_tools.duration_median_ms, 0.5, 'tool two ms', turn_key) as bigint)
            as next_tool_ms,
        draw('tool one fails', turn_key) < first_tools.failure_rate as first_tool_failed,
        draw('tool two fails', turn_key) < next_tools.failure_rate as next_tool_failed
    from tooled
    left join tools as first_tools on tooled.first_tool = first_tools.tool_name
    left join tools as next_tools on tooled.next_tool = next_tools.tool_name
),

lasting as (
    select
        *,
        llm_latency_ms + coalesce(first_tool_ms, 0) + coalesce(next_tool_ms, 0)
        + 40 + cast(80 * draw('overhead', turn_key) as bigint) as duration_ms
    from priced_tools
),

timed as (
    select
        *,
        started_at
        + to_milliseconds(
            cast(
                coalesce(
                    sum(duration_ms + cast(pause_s * 1000 as bigint)) over (
                        partition by session_no
                        order by turn_no
                        rows between unbounded preceding and 1 preceding
                    ),
                    0
                ) as bigint
            )
        ) as sent_at
    from lasting
),

ended as (
    select
        *,
        sent_at + to_milliseconds(duration_ms) as responded_at,
        draw('error', turn_key)
        < error_rate
        + case
            when is_burst(sent_at) and agent_no = 7 then 0.75
            when is_burst(sent_at) then 0.08
            else 0
        end as is_errored,
        -- Three quarters of the way Aria moves its traffic to the second model, version by version.
        case
            when
                draw('model', turn_key)
                < second_share
                + case
                    when agent_no = 1 and progress > 0.75
                        then 0.45
                    else 0
                end
                then second_model
            else main_model
        end as model
    from timed
)

select
    ended.*,
    case
        when is_errored and is_burst(sent_at) then 'rate_limited'
        when is_errored then
            ['timeout', 'tool_error', 'rate_limited', 'content_filter', 'internal'][
                1 + cast(floor(5 * pow(draw('error type', turn_key), 1.4)) as integer)
            ]
    end as error_type,
    is_errored and draw('retry', turn_key) < 0.35 as is_retried,
    agent_id || '-' || (1 + mix('instance', turn_key) % 6) as instance_id,
    case
        -- Deal Desk runs an experiment: half of its users are on the second version from mid-set
        -- on.
        when agent_no = 5 and day_no * 2 >= (select max(day_no) from days)
            then
                case
                    when mix('arm', hash(coalesce(user_id, '')) // 2) % 2 = 0 then '2.0.0' else
                        '2.1.0'
                end
        else '1.' || (day_no // 20 + agent_no % 3) || '.0'
    end as agent_version,
    make_id('inv', turn_key) as invocation_id,
    case when usage_kind = 'chat' then make_id('conv', session_no) end as conversation_id,
    case when usage_kind <> 'chat' then make_id('task', session_no) end as task_id,
    case when usage_kind = 'chat' then make_id('ses', session_no) end as session_id,
    case
        when turn_no > 0 then cast(floor(input_tokens * 0.6 * draw('cache', turn_key)) as bigint)
    end as cache_read_tokens,
    case
        when turn_no = 0 and model like 'claude%' then cast(input_tokens // 3 as bigint)
    end as cache_write_tokens
from ended
where sent_at < getvariable('until');

-- Model calls of the agents that report them: one to three per turn, the first by the main model.
create or replace temp table chunk_calls as
with counted as (
    select
        *,
        1 + cast(floor(2.6 * draw('calls', turn_key)) as bigint) as call_count
    from chunk_turns
    where tokens_basis = 'calls'
),

numbered as (
    select
        counted.* exclude (model),
        call_no,
        counted.turn_key * 4 + call_no as call_key,
        case when call_no = 0 then counted.main_model else counted.model end as model
    from counted
    cross join lateral unnest(range(counted.call_count)) as numbers (call_no)
),

sized as (
    select
        numbered.*,
        models.* exclude (model),
        numbered.input_tokens // call_count as call_input,
        greatest(1, numbered.output_tokens // call_count) as call_output,
        greatest(1, numbered.llm_latency_ms // call_count) as call_latency_ms,
        numbered.cache_read_tokens // call_count as call_cache_read
    from numbered
    inner join models on numbered.model = models.model
)

select
    *,
    case
        when is_reasoning
            then cast(floor(call_output * (0.2 + 0.5 * draw('reasoning', call_key))) as bigint)
    end as call_reasoning,
    pico_to_usd(
        (call_input - coalesce(call_cache_read, 0)) * input_pico
        + coalesce(call_cache_read, 0) * cache_read_pico
        + call_output * output_pico
    ) as call_cost_usd,
    sent_at + to_milliseconds(call_latency_ms * (call_no + 1)) as called_at
from sized;

create or replace temp table chunk_tool_calls as
with stacked as (
    select
        turn_key * 2 as tool_key,
        first_tool as tool_name,
        first_tool_ms as duration_ms,
        first_tool_failed as is_failed,
        llm_latency_ms // 2 + first_tool_ms as after_ms,
        *
        exclude (duration_ms)
    from chunk_turns
    where first_tool is not null
    union all
    select
        turn_key * 2 + 1,
        next_tool,
        next_tool_ms,
        next_tool_failed,
        llm_latency_ms // 2 + first_tool_ms + next_tool_ms,
        *
        exclude (duration_ms)
    from chunk_turns
    where next_tool is not null
)

select
    *,
    sent_at + to_milliseconds(after_ms) as called_at
from stacked;

-- The event envelope of all kinds. The wire form of the properties is made per kind, so that a row
-- carries the fields of its kind only.
insert into out_agent_events
with terminal as (
    select
        chunk_turns.*,
        models.provider,
        models.is_reasoning,
        case
            when is_reasoning
                then
                    cast(floor(output_tokens * (0.2 + 0.5 * draw('reasoning', turn_key))) as bigint)
        end as reasoning_tokens,
        pico_to_usd(
            (input_tokens - coalesce(cache_read_tokens, 0) - coalesce(cache_write_tokens, 0))
            * input_pico
            + coalesce(cache_read_tokens, 0) * cache_read_pico
            + coalesce(cache_write_tokens, 0) * cache_write_pico
            + case when is_errored and not is_retried then 0 else output_tokens end * output_pico
        ) as event_cost_usd
    from chunk_turns
    inner join models on chunk_turns.model = models.model
    where usage_kind <> 'batch'
),

attempts as (
    select
        *,
        1 as attempt,
        is_errored as attempt_failed,
        responded_at as attempt_at
    from terminal
    union all
    -- A retry that worked: the same invocation ends a second time.
    select
        *,
        2 as attempt,
        false as attempt_failed,
        responded_at + to_milliseconds(duration_ms) as attempt_at
    from terminal
    where is_retried
),

called_calls as (
    select
        turn_key,
        count(*) as call_count
    from chunk_calls
    group by turn_key
),

events as (
    select
        make_id('evt-in', turn_key) as id,
        'agent_invoked' as event_type,
        turn_key as item,
        day,
        agent_id,
        publisher_id,
        tenant_id,
        sent_at as happened_at,
        json_object(
            'invocation_id',
            invocation_id,
            'conversation_id',
            conversation_id,
            'session_id',
            session_id,
            'task_id', task_id, 'user_id', user_id
        ) as properties
    from chunk_turns
    where usage_kind <> 'batch'
    union all
    select
        make_id('evt-out' || attempt, attempts.turn_key),
        case when attempt_failed then 'agent_errored' else 'agent_completed' end,
        attempts.turn_key,
        day,
        agent_id,
        publisher_id,
        tenant_id,
        attempt_at,
        json_object(
            'invocation_id',
            invocation_id,
            'conversation_id',
            conversation_id,
            'session_id',
            session_id,
            'task_id', task_id,
            -- A third of the terminal events leave the user to be taken from the invoked one.
            'user_id', case when attempts.turn_key % 3 > 0 then user_id end,
            'instance_id', instance_id, 'agent_version', agent_version,
            'model', model, 'provider', provider,
            'input_tokens', input_tokens,
            'output_tokens', case when attempt_failed then 0 else output_tokens end,
            'cache_read_tokens', cache_read_tokens, 'cache_write_tokens', cache_write_tokens,
            'reasoning_tokens', case when not attempt_failed then reasoning_tokens end,
            'llm_latency_ms', llm_latency_ms, 'duration_ms', duration_ms,
            'cost_usd', case when tokens_basis = 'recorded' then event_cost_usd end,
            'tool_calls', list_filter([first_tool, next_tool], lambda tool: tool is not null),
            'api_calls', coalesce(call_count, 1), 'attempt', attempt,
            'error_type', case when attempt_failed then error_type end
        )
    from attempts
    left join called_calls on attempts.turn_key = called_calls.turn_key
    union all
    select
        make_id('evt-tool', tool_key),
        'tool_called',
        tool_key,
        day,
        agent_id,
        publisher_id,
        tenant_id,
        called_at,
        json_object(
            'tool_name', tool_name, 'tool_call_id', make_id('tool', tool_key),
            'invocation_id', invocation_id, 'task_id', task_id, 'duration_ms', duration_ms
        )
    from chunk_tool_calls
    where usage_kind <> 'batch'
    union all
    select
        make_id('evt-fail', tool_key),
        'tool_failed',
        tool_key,
        day,
        agent_id,
        publisher_id,
        tenant_id,
        called_at + to_milliseconds(1),
        json_object(
            'tool_name', tool_name, 'tool_call_id', make_id('tool', tool_key),
            'invocation_id', invocation_id, 'task_id', task_id, 'duration_ms', duration_ms,
            'error_type',
            case when draw('tool error', tool_key) < 0.6 then 'timeout' else 'bad_response' end
        )
    from chunk_tool_calls
    where usage_kind <> 'batch' and is_failed
    union all
    select
        make_id('evt-rate', turn_key),
        'user_feedback',
        turn_key,
        day,
        agent_id,
        publisher_id,
        tenant_id,
        responded_at
        + to_milliseconds(cast(1000 * skewed(40, 0.8, 'rating pause', turn_key) as bigint)),
        json_object(
            'rating',
            greatest(1, least(5, cast(round(
                rating_base
                - case
                    when instances >= 6 then 1.1
                    when instances >= 3 then 0.3
                    else 0
                end
                - case when is_errored then 1.5 else 0 end
                + 0.9 * bell('rating', turn_key)
            ) as integer))),
            'comment',
            case
                when
                    draw('comment', turn_key) < 0.3
                    then 'Synthetic comment, not written by a person'
            end,
            'invocation_id', case when draw('linked', turn_key) < 0.9 then invocation_id end,
            'conversation_id', conversation_id, 'user_id', user_id
        )
    from (
        select
            *,
            case
                when
                    type_no = 1 and tenant_no in (1, 3)
                    then tenant_instances(tenant_no, responded_at)
                else running_instances(type_no, peak_instances, responded_at)
            end as instances
        from chunk_turns
        where usage_kind = 'chat' and draw('feedback', turn_key) < 0.09
    ) as rated
    union all
    select
        make_id('evt-install', placement_no),
        'install',
        placement_no,
        chunk_days.day,
        agents.agent_id,
        publishers.publisher_id,
        tenants.tenant_id,
        cast(chunk_days.day as timestamp)
        + to_seconds(cast(6 * 3600 * draw('install second', placement_no) as bigint)),
        json_object()
    from placements
    inner join agents on placements.agent_no = agents.agent_no
    inner join publishers on agents.publisher_no = publishers.publisher_no
    inner join tenants on placements.tenant_no = tenants.tenant_no
    inner join chunk_days
        on
            chunk_days.day = (
                select min(day) from days
                where days.progress >= placements.active_from
            )
    union all
    select
        make_id('evt-uninstall', placement_no),
        'uninstall',
        placement_no,
        chunk_days.day,
        agents.agent_id,
        publishers.publisher_id,
        tenants.tenant_id,
        cast(chunk_days.day as timestamp)
        + to_seconds(20 * 3600 + cast(3600 * draw('uninstall second', placement_no) as bigint)),
        json_object()
    from placements
    inner join agents on placements.agent_no = agents.agent_no
    inner join publishers on agents.publisher_no = publishers.publisher_no
    inner join tenants on placements.tenant_no = tenants.tenant_no
    inner join chunk_days
        on
            chunk_days.day = (
                select max(day) from days
                where days.progress <= placements.active_until
            )
    where placements.active_until < 1
)

select
    -- Six rows in a thousand come one to four days late.
    greatest(cast(happened_at as date), day)
    + case
        when
            draw('late ' || event_type, item) < 0.006
            then 1 + cast(mix('lateness', item) % 4 as integer)
        else 0
    end
        as delivered_on,
    happened_at,
    id,
    event_type,
    agent_id,
    publisher_id,
    tenant_id,
    stamp(happened_at) as timestamp,
    properties,
    true as synthetic,
    -- Two rows in a thousand are sent twice.
    case when draw('twice ' || event_type, item) < 0.002 then 2 else 1 end as copies
from events
where happened_at < getvariable('until');

insert into out_llm_calls
select
    greatest(cast(called_at as date), day)
    + case when draw('late call', call_key) < 0.01 then 1 else 0 end as delivered_on,
    called_at as happened_at,
    make_id('call', call_key) as llm_call_id,
    invocation_id,
    epoch_ms(called_at) as timestamp,
    model,
    provider,
    make_id('span', call_key) as span_id,
    make_id('turn', turn_key) as parent_span_id,
    call_input as input_tokens,
    case when is_errored and call_no = call_count - 1 then 0 else call_output end as output_tokens,
    call_cache_read as cache_read_tokens,
    case when is_errored and call_no = call_count - 1 then null else call_reasoning end
        as reasoning_tokens,
    call_latency_ms as latency_ms,
    case when agent_no = 9 then call_cost_usd end as cost_usd,
    case when is_errored and call_no = call_count - 1 then 'error' else 'ok' end as status,
    case when is_errored and call_no = call_count - 1 then error_type end as error_type,
    1 as copies
from chunk_calls
where called_at < getvariable('until') and usage_kind <> 'batch';

insert into out_audit_events
with audited as (
    select
        *,
        responded_at + to_milliseconds(1500) as audited_at,
        -- Sales agents meet rougher language.
        case
            when draw('toxic', turn_key) < case type_no when 2 then 0.018 else 0.003 end
                then 0.72 + 0.27 * draw('toxicity', turn_key)
            else 0.35 * pow(draw('toxicity', turn_key), 3)
        end as toxicity,
        draw('pii', turn_key) < 0.09 as has_pii
    from chunk_turns
    where usage_kind <> 'batch' and not is_errored and draw('audited', turn_key) < 0.5
)

select
    greatest(cast(audited_at as date), day) as delivered_on,
    audited_at as happened_at,
    make_id('audit', turn_key) as audit_id,
    tenant_id,
    agent_id,
    stamp(audited_at) as timestamp,
    case when draw('audit link', turn_key) < 0.95 then invocation_id end as invocation_id,
    cast(toxicity as decimal(6, 4)) as toxicity_score,
    -- Half of the rows leave the flag to be set by the score.
    case when turn_key % 2 = 0 then toxicity >= 0.7 end as is_toxic,
    case
        when has_pii and draw('pii kind', turn_key) < 0.5
            then json_object('EMAIL_ADDRESS', 1 + mix('pii n', turn_key) % 3)
        when has_pii and draw('pii kind', turn_key) < 0.8
            then json_object('PHONE_NUMBER', 1, 'PERSON', 1 + mix('pii n', turn_key) % 2)
        when has_pii then json_object('CREDIT_CARD', 1)
        else json_object()
    end as pii_redactions,
    case when draw('audit twice', turn_key) < 0.001 then 2 else 1 end as copies
from audited
where audited_at < getvariable('until');
