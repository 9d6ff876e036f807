-- What comes of a chunk's sessions: conversations, tasks, judged quality and charges. Belongs here:
-- rows about a session or a day as a whole. Not here: the turns themselves (turns.sql).

create or replace temp table chunk_ends as
with summed as (
    select
        session_no,
        min(sent_at) as first_at,
        max(responded_at) as last_at,
        count(*) as turn_count,
        count(*) filter (where is_errored) as error_count,
        cast(sum(input_tokens) as bigint) as input_tokens,
        cast(sum(output_tokens) as bigint) as output_tokens
    from chunk_turns
    group by session_no
)

select
    chunk_sessions.* exclude (turns),
    summed.* exclude (session_no),
    draw('outcome', chunk_sessions.session_no) as outcome,
    make_id('conv', chunk_sessions.session_no) as conversation_id,
    make_id('task', chunk_sessions.session_no) as task_id
from chunk_sessions
inner join summed on chunk_sessions.session_no = summed.session_no;

insert into out_conversations
with ended as (
    select
        *,
        case
            when outcome < 0.79 - 0.1 * least(error_count, 3) then 'completed'
            when outcome < 0.95 then 'abandoned'
        end as final_status,
        error_count > 0 and draw('escalated', session_no) < 0.35
        or draw('escalated', session_no) < 0.06 as is_escalated
    from chunk_ends
    where usage_kind = 'chat'
),

states as (
    select
        first_at as updated_at,
        'open' as status,
        cast(null as timestamp) as ended_at,
        cast(null as boolean) as escalated,
        cast(null as integer) as satisfaction_score,
        *
        exclude (final_status, is_escalated)
    from ended
    union all
    select
        case final_status
            when 'completed' then last_at + to_milliseconds(5000)
            else last_at + to_seconds(1800)
        end,
        final_status,
        last_at,
        is_escalated,
        case
            when final_status = 'completed' and draw('survey', session_no) < 0.25
                then
                    greatest(
                        1,
                        least(
                            5,
                            cast(round(rating_base + 0.8 * bell('survey', session_no)) as integer)
                        )
                    )
        end,
        * exclude (final_status, is_escalated)
    from ended
    where final_status is not null
)

select
    greatest(cast(updated_at as date), day) as delivered_on,
    updated_at as happened_at,
    conversation_id,
    tenant_id,
    agent_id,
    stamp(first_at) as created_at,
    status,
    stamp(updated_at) as updated_at,
    user_id,
    stamp(ended_at) as ended_at,
    escalated,
    satisfaction_score,
    1 as copies
from states
where updated_at < getvariable('until');

insert into out_tasks
with timed as (
    select
        *,
        first_at
        - to_milliseconds(cast(1000 * skewed(6, 0.8, 'queue', session_no) as bigint)) as created_at,
        case
            when outcome < 0.03 then 'cancelled'
            when outcome < 0.03 + case agent_no when 11 then 0.14 else 0.05 end then 'failed'
            else 'completed'
        end as final_status,
        1
        + case
            when
                draw('attempts', session_no) < 0.12
                then 1 + cast(mix('attempts', session_no) % 2 as integer)
            else 0
        end
            as attempts
    from chunk_ends
    where usage_kind <> 'chat'
),

states as (
    select
        created_at as updated_at,
        'queued' as status,
        * exclude (final_status, attempts),
        cast(null as timestamp) as task_started_at,
        cast(null as timestamp) as task_ended_at,
        cast(null as integer) as attempts
    from timed
    union all
    select
        first_at,
        'running',
        * exclude (final_status, attempts),
        first_at,
        null,
        1
    from timed
    where final_status <> 'cancelled'
    union all
    select
        last_at + to_milliseconds(200),
        final_status,
        * exclude (final_status, attempts),
        case when final_status <> 'cancelled' then first_at end,
        last_at,
        attempts
    from timed
),

priced as (
    select
        states.*,
        pico_to_usd(
            states.input_tokens * models.input_pico + states.output_tokens * models.output_pico
        )
            as task_cost_usd
    from states
    inner join models on states.main_model = models.model
)

select
    greatest(cast(updated_at as date), day) as delivered_on,
    updated_at as happened_at,
    task_id,
    tenant_id,
    agent_id,
    status,
    stamp(created_at) as created_at,
    stamp(updated_at) as updated_at,
    stamp(task_started_at) as started_at,
    stamp(task_ended_at) as ended_at,
    attempts,
    case when task_ended_at is not null then turn_count + 2 end as steps,
    case when task_ended_at is not null then turn_count end as api_calls,
    case when task_ended_at is not null then main_model end as model,
    -- Ledger's turns carry the task_id too: its tokens are said twice and must count once.
    case when task_ended_at is not null and agent_no <> 10 then input_tokens end as input_tokens,
    case when task_ended_at is not null and agent_no <> 10 then output_tokens end as output_tokens,
    case when task_ended_at is not null and agent_no <> 10 then task_cost_usd end as cost_usd,
    cast(null as varchar) as user_id,
    'team-' || (1 + mix('team', session_no) % 3) as team_id,
    'project-' || (1 + mix('project', session_no) % 5) as project_id,
    1 as copies
from priced
where updated_at < getvariable('until');

insert into out_quality_scores
with judged as (
    select
        *,
        cast(cast(last_at as date) + 1 as timestamp)
        + to_seconds(3 * 3600 + cast(mix('judge', session_no) % 1800 as bigint))
            as judged_at
    from chunk_ends
    where usage_kind = 'chat' and draw('judged', session_no) < 0.06
)

select
    greatest(cast(judged_at as date), day) as delivered_on,
    judged_at as happened_at,
    make_id('score', session_no * 4 + dimension_no) as score_id,
    conversation_id,
    tenant_id,
    agent_id,
    ['accuracy', 'helpfulness', 'tone', 'completeness'][1 + dimension_no] as dimension,
    cast(
        greatest(
            1,
            least(
                5,
                rating_base
                - 0.4 * least(error_count, 2)
                + 0.5 * bell('score', session_no * 4 + dimension_no)
            )
        )
        as decimal(3, 1)
    ) as score,
    judged_at,
    'o4-mini' as judge_model,
    1 as copies
from judged
cross join (values (0), (1), (2), (3)) as dimensions (dimension_no)
where judged_at < getvariable('until');

create or replace temp table chunk_charges as
with used as (
    select
        placement_no,
        day,
        any_value(day_no) as day_no,
        any_value(tenant_no) as tenant_no,
        any_value(agent_no) as agent_no,
        sum(turn_count) as turns
    from chunk_ends
    group by placement_no, day
),

-- A placement pays for a month when it begins, and again on the first of every month.
subscribed as (
    select
        chunk_placements.*,
        chunk_days.day_no,
        tenants.plan_tier
    from chunk_placements
    inner join chunk_days on chunk_placements.day = chunk_days.day
    inner join tenants on chunk_placements.tenant_no = tenants.tenant_no
    where
        day(chunk_days.day) = 1
        or chunk_days.day
        = (
            select min(days.day) from days
            where days.progress >= chunk_placements.active_from
        )
),

raised as (
    select
        'usage' as kind,
        placement_no * 100000 + day_no as charge_no,
        tenant_no,
        agent_no,
        cast(day as timestamp) + to_seconds(85800) as charged_at,
        cast(turns * case agent_no when 9 then 0.2400 else 0.0450 end as decimal(14, 2)) as amount,
        cast(null as date) as service_start,
        cast(null as date) as service_end
    from used
    union all
    select
        'subscription',
        placement_no * 100000 + 50000 + day_no,
        tenant_no,
        agent_no,
        cast(day as timestamp) + to_seconds(25200),
        cast(
            19 + 10 * (agent_no % 5)
            + case plan_tier when 'enterprise' then 180 when 'pro' then 40 else 0 end
            as decimal(14, 2)
        ),
        day,
        cast(date_trunc('month', day) + to_months(1) as date)
    from subscribed
    union all
    select
        'one_off',
        placement_no * 100000 + 90000,
        tenant_no,
        agent_no,
        cast(day as timestamp) + to_seconds(25260),
        cast(250 as decimal(14, 2)),
        null,
        null
    from subscribed
    where placement_no % 7 = 0 and active_from > 0 and day(day) <> 1
)

select *
from raised
where amount > 0;

insert into out_charges
with booked as (
    select * from chunk_charges
    union all
    -- A refund of a part, two days later.
    select
        'refund',
        charge_no + 1000000000,
        tenant_no,
        agent_no,
        charged_at + to_days(2),
        cast(amount * 0.5 as decimal(14, 2)),
        null,
        null
    from chunk_charges
    where draw('refund', charge_no) < case kind when 'usage' then 0.02 else 0.04 end
)

select
    cast(booked.charged_at as date) as delivered_on,
    booked.charged_at as happened_at,
    make_id('chg', booked.charge_no) as charge_id,
    tenants.tenant_id,
    publishers.publisher_id,
    agents.agent_id,
    stamp(booked.charged_at) as charged_at,
    booked.amount,
    tenants.currency,
    booked.kind,
    cast(booked.amount * 0.18 as decimal(14, 2)) as platform_fee,
    booked.service_start,
    booked.service_end,
    1 as copies
from booked
inner join tenants on booked.tenant_no = tenants.tenant_no
inner join agents on booked.agent_no = agents.agent_no
inner join publishers on agents.publisher_no = publishers.publisher_no
where booked.charged_at < getvariable('until') and booked.amount > 0;

-- What the providers will bill: the priced tokens of the day, summed until the bill is made.
insert into provider_spend
with used as (
    select
        day,
        model,
        input_tokens,
        output_tokens
    from chunk_turns
    where tokens_basis <> 'calls'
    union all
    select
        day,
        model,
        call_input,
        call_output
    from chunk_calls
)

select
    used.day,
    models.provider,
    sum(
        pico_to_usd(used.input_tokens * models.input_pico + used.output_tokens * models.output_pico)
    ) as spend_usd
from used
inner join models on used.model = models.model
where models.input_pico is not null
group by used.day, models.provider;
