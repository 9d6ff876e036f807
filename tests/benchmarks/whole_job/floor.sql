-- The floor: the core facts and the daily marts, straight from the extracts, in one connection.
--
-- Belongs here: the same rows as the published tables of the same names, in plain SQL. Does not belong here: anything
-- for another landing than that of landings.py; it is Parquet of known columns, copies of a row are equal, and there is
-- one source. No data test, contract, quarantine, history, increment or publication.
--
-- Variables: landing and reference (folders), as_of, and user_salt.

set TimeZone = 'UTC';
set preserve_insertion_order = false;

create schema core;
create schema usage;
create schema revenue;

-- Reference data.

create temp table price_list as
select *, coalesce(lead(valid_from) over (partition by model order by valid_from), date '9999-12-31') as valid_to
from read_csv(
    getvariable('reference') || '/model_prices.csv',
    types = {
        'input_usd_per_token': 'decimal(20, 18)',
        'output_usd_per_token': 'decimal(20, 18)',
        'cache_read_usd_per_token': 'decimal(20, 18)',
        'cache_write_usd_per_token': 'decimal(20, 18)',
        'reasoning_usd_per_token': 'decimal(20, 18)'
    }
);

create temp table model_aliases as from read_csv(getvariable('reference') || '/model_aliases.csv', all_varchar = true);
create temp table provider_aliases as from read_csv(getvariable('reference') || '/provider_aliases.csv');
create temp table load_bands as from read_csv(getvariable('reference') || '/load_bands.csv');
create temp table human_costs as
from read_csv(getvariable('reference') || '/human_cost_benchmarks.csv', types = {'default_usd': 'decimal(38, 12)'});
create temp table fx_rates as
from read_csv(getvariable('reference') || '/fx_rates.csv', types = {'usd_per_unit': 'decimal(18, 9)'});

-- States: the newest counts, and of agents and tenants each holds until the next.

create temp table agents_history as
select
    'native:' || agent_id as agent_key,
    'native:' || agent_type_id as agent_type_key,
    'native:' || publisher_id as publisher_key,
    case
        when row_number() over agent_states = 1 then timestamp '1900-01-01'
        else updated_at::timestamptz::timestamp
    end as valid_from,
    coalesce(lead(updated_at::timestamptz::timestamp) over agent_states, timestamp '9999-12-31') as valid_to
from read_json(getvariable('landing') || '/agents/*/*.json*')
window agent_states as (partition by agent_id order by updated_at::timestamptz);

create temp table tenants_history as
select
    'native:' || tenant_id as tenant_key,
    tenant_id,
    timezone as time_zone,
    use_case,
    cost_per_human_interaction_usd::decimal(38, 12) as cost_per_human_interaction_usd,
    updated_at::timestamptz::timestamp as valid_from,
    coalesce(lead(updated_at::timestamptz::timestamp) over tenant_states, timestamp '9999-12-31') as valid_to
from read_csv(getvariable('landing') || '/tenants/*/*.csv*', all_varchar = true)
window tenant_states as (partition by tenant_id order by updated_at::timestamptz);

create temp table instance_samples as
select distinct on (agent_type_id, tenant_id, sampled_at)
    'native:' || agent_type_id as agent_type_key,
    'native:' || tenant_id as tenant_key,
    timestamp::timestamptz::timestamp as sampled_at,
    running_instances
from read_parquet(getvariable('landing') || '/instance_samples/*/*.parquet');

-- Agent events: rows that keep the contract, each once, users hashed.

create temp view landed_events as
select
    id,
    event_type,
    agent_id,
    publisher_id,
    tenant_id,
    timestamp::timestamp as event_at,
    properties.*
from read_parquet(getvariable('landing') || '/agent_events/*/*.parquet', hive_partitioning = false)
where
    id <> ''
    and agent_id <> ''
    and publisher_id <> ''
    and tenant_id <> ''
    and event_type in (
        'agent_invoked', 'agent_completed', 'agent_errored', 'tool_called', 'tool_failed',
        'user_feedback', 'install', 'uninstall'
    )
    and timestamp <= getvariable('as_of')::timestamptz + interval 5 minutes
    and coalesce(properties.input_tokens, 0) >= 0
    and coalesce(properties.output_tokens, 0) >= 0
    and coalesce(properties.cache_read_tokens, 0) >= 0
    and coalesce(properties.cache_write_tokens, 0) >= 0
    and coalesce(properties.reasoning_tokens, 0) >= 0
    and coalesce(properties.llm_latency_ms, 0) >= 0
    and coalesce(properties.duration_ms, 0) >= 0
    and coalesce(properties.api_calls, 0) >= 0
    and coalesce(properties.attempt, 0) >= 0
    and (event_type not in ('tool_called', 'tool_failed') or properties.tool_name <> '')
    and (event_type <> 'user_feedback' or properties.rating between 1 and 5);

create temp table repeated_events as
select id from landed_events group by id having count(*) > 1;

create temp table events as
with counted as (
    from landed_events where id not in (from repeated_events)
    union all
    from landed_events
    where id in (from repeated_events)
    qualify row_number() over (partition by id order by event_at) = 1
)

select
    'native:' || id as event_key,
    id as event_id,
    event_type,
    event_at,
    event_at::date as event_date,
    'native:' || agent_id as agent_key,
    'native:' || publisher_id as publisher_key,
    'native:' || tenant_id as tenant_key,
    case
        when event_type in ('agent_completed', 'agent_errored') then coalesce(invocation_id, id)
        else invocation_id
    end as invocation_id,
    'native:' || case
        when event_type in ('agent_completed', 'agent_errored') then coalesce(invocation_id, id)
        else invocation_id
    end as invocation_key,
    'native:' || conversation_id as conversation_key,
    session_id,
    'native:' || task_id as task_key,
    'native:' || tenant_id || ':' || sha256(getvariable('user_salt') || '|native|' || user_id)[1:32] as user_key,
    instance_id,
    agent_version,
    model,
    provider,
    input_tokens,
    output_tokens,
    cache_read_tokens,
    cache_write_tokens,
    reasoning_tokens,
    llm_latency_ms,
    duration_ms,
    cost_usd,
    tool_calls,
    api_calls,
    attempt,
    error_type,
    tool_name,
    tool_call_id,
    rating,
    comment is not null as has_comment
from counted;

create temp view landed_llm_calls as
select
    llm_call_id, invocation_id, timestamp::timestamp as called_at,
    model, provider, span_id, parent_span_id,
    input_tokens, output_tokens, cache_read_tokens, reasoning_tokens, latency_ms, cost_usd, status, error_type
from read_parquet(getvariable('landing') || '/llm_calls/*/*.parquet', hive_partitioning = false)
where
    llm_call_id <> '' and invocation_id <> '' and model <> ''
    and timestamp <= getvariable('as_of')::timestamptz + interval 5 minutes
    and coalesce(input_tokens, 0) >= 0 and coalesce(output_tokens, 0) >= 0
    and coalesce(cache_read_tokens, 0) >= 0 and coalesce(reasoning_tokens, 0) >= 0
    and coalesce(latency_ms, 0) >= 0;

create temp table repeated_llm_calls as
select llm_call_id from landed_llm_calls group by llm_call_id having count(*) > 1;

create temp table llm_calls as
select
    * exclude (llm_call_id, invocation_id),
    llm_call_id,
    'native:' || llm_call_id as llm_call_key,
    'native:' || invocation_id as invocation_key,
    called_at::date as event_date
from (
    from landed_llm_calls where llm_call_id not in (from repeated_llm_calls)
    union all
    from landed_llm_calls
    where llm_call_id in (from repeated_llm_calls)
    qualify row_number() over (partition by llm_call_id order by called_at) = 1
);

-- Spans that only repeat the usage of the spans below them.
create temp table wrapping_calls as
with recursive spans as (
    select
        llm_call_key, invocation_key, span_id, parent_span_id,
        coalesce(input_tokens, 0) + coalesce(output_tokens, 0) > 0 or coalesce(cost_usd, 0) > 0 as has_usage,
        count(*) over (partition by span_id) as span_count
    from llm_calls
    where span_id is not null or parent_span_id is not null
),

links as (
    select children.llm_call_key, children.has_usage, parents.llm_call_key as parent_key
    from spans as children
    inner join spans as parents on children.parent_span_id = parents.span_id
    where
        children.llm_call_key <> parents.llm_call_key
        and (children.invocation_key = parents.invocation_key or parents.span_count = 1)
),

wrappers as (
    select parent_key as llm_call_key from links where has_usage
    union
    select links.parent_key from wrappers inner join links using (llm_call_key)
)

from wrappers;

-- Conversations and tasks: the newest state.

create temp table conversations as
from read_parquet(getvariable('landing') || '/conversations/*/*.parquet', hive_partitioning = false)
where
    conversation_id <> '' and tenant_id <> '' and agent_id <> '' and created_at is not null
    and status in ('open', 'completed', 'abandoned')
    and updated_at <= getvariable('as_of')::timestamptz + interval 5 minutes
    and (satisfaction_score is null or satisfaction_score between 1 and 5)
qualify row_number() over (partition by conversation_id order by updated_at desc) = 1;

create temp table tasks as
with newest as (
    from read_parquet(getvariable('landing') || '/tasks/*/*.parquet', hive_partitioning = false)
    where
        task_id <> '' and tenant_id <> '' and agent_id <> '' and created_at is not null
        and status in ('queued', 'running', 'completed', 'failed', 'cancelled')
        and updated_at <= getvariable('as_of')::timestamptz + interval 5 minutes
    qualify row_number() over (partition by task_id order by updated_at desc) = 1
)

select
    * replace (
        created_at::timestamp as created_at,
        started_at::timestamp as started_at,
        ended_at::timestamp as ended_at,
        updated_at::timestamp as updated_at
    ),
    'native:' || task_id as task_key,
    'native:' || tenant_id as tenant_key,
    'native:' || agent_id as agent_key,
    'native:' || tenant_id || ':' || sha256(getvariable('user_salt') || '|native|' || user_id)[1:32] as user_key,
    status in ('completed', 'failed', 'cancelled') as is_terminal,
    case
        when status in ('completed', 'failed', 'cancelled') then coalesce(ended_at, updated_at)::timestamp
    end as terminal_at,
    coalesce(terminal_at, updated_at::timestamp) as used_at
from newest;

-- Facts.

create table core.fct_user_messages as
select
    event_key as user_message_key, 'native' as source_name, event_date, event_at as sent_at, events.agent_key,
    agents.agent_type_key, tenant_key, events.publisher_key, event_id, invocation_key, conversation_key, session_id,
    task_key, user_key
from events
left join agents_history as agents
    on events.agent_key = agents.agent_key
    and events.event_at >= agents.valid_from
    and events.event_at < agents.valid_to
where event_type = 'agent_invoked';

create table core.fct_install_events as
select
    event_key as install_event_key, 'native' as source_name, event_date, event_at as happened_at, events.agent_key,
    agents.agent_type_key, tenant_key, events.publisher_key, event_id, event_type as event_kind
from events
left join agents_history as agents
    on events.agent_key = agents.agent_key
    and events.event_at >= agents.valid_from
    and events.event_at < agents.valid_to
where event_type in ('install', 'uninstall');

create temp table answers as
select
    events.* replace (
        coalesce(events.conversation_key, requests.conversation_key) as conversation_key,
        coalesce(events.session_id, requests.session_id) as session_id,
        coalesce(events.task_key, requests.task_key) as task_key,
        coalesce(events.user_key, requests.user_key) as user_key
    )
from events
left join (
    select
        invocation_key, tenant_key, min(user_key) as user_key, min(conversation_key) as conversation_key,
        min(session_id) as session_id, min(task_key) as task_key
    from events
    where event_type = 'agent_invoked' and invocation_key is not null
    group by invocation_key, tenant_key
) as requests
    on events.invocation_key = requests.invocation_key and events.tenant_key = requests.tenant_key
where events.event_type in ('agent_completed', 'agent_errored');

-- Which list price is whose: by alias, by name, by provider and name, by name without the provider.
create temp table model_prices as
with seen as (
    select distinct model, provider from answers where model is not null
    union
    select distinct model, provider from llm_calls
    union
    select distinct model, null from tasks where model is not null
),

canonical as (
    select seen.*, coalesce(provider_aliases.canonical_provider, seen.provider) as house
    from seen left join provider_aliases using (provider)
),

listed as (
    select distinct on (model) model, coalesce(canonical_provider, provider) as house
    from price_list left join provider_aliases using (provider)
    order by model, valid_from desc
),

candidates as (
    select canonical.model, canonical.provider, 1 as match_rank, model_aliases.price_model
    from canonical
    inner join model_aliases
        on canonical.model = model_aliases.model
        and (model_aliases.provider is null or model_aliases.provider = canonical.provider)
    union all
    select canonical.model, canonical.provider, 2, listed.model
    from canonical
    inner join listed
        on canonical.model = listed.model
        and (canonical.house is null or listed.house is null or canonical.house = listed.house)
    union all
    select canonical.model, canonical.provider, 3, listed.model
    from canonical
    inner join listed on canonical.house || '/' || canonical.model = listed.model and canonical.house = listed.house
    union all
    select canonical.model, canonical.provider, 4, listed.model
    from canonical
    inner join listed
        on canonical.model = listed.house || '/' || listed.model
        and (canonical.house is null or canonical.house = listed.house)
),

chosen as (
    from candidates
    qualify row_number() over (partition by model, provider order by match_rank, price_model) = 1
)

select coalesce(chosen.provider, '') || '/' || chosen.model as model_key, price_list.* exclude (model, provider)
from chosen
inner join price_list on chosen.price_model = price_list.model;

-- The answer or request that a model call belongs to: the first answer at or after it, else the last before it, else
-- the request alone.
create temp table call_owners as
with owners as (
    select invocation_key, event_key as invocation_event_key, event_key, event_at, agent_key, tenant_key,
        publisher_key, user_key, task_key
    from answers
    where invocation_key in (select invocation_key from llm_calls)
    union all
    select invocation_key, null, event_key, event_at, agent_key, tenant_key, publisher_key, user_key, task_key
    from events
    where event_type = 'agent_invoked' and invocation_key in (select invocation_key from llm_calls)
)

select llm_calls.llm_call_key, owners.* exclude (invocation_key)
from llm_calls
inner join owners using (invocation_key)
qualify row_number() over (
    partition by llm_calls.llm_call_key
    order by
        case
            when owners.invocation_event_key is null then 3
            when owners.event_at < llm_calls.called_at then 2
            else 1
        end,
        case
            when owners.invocation_event_key is not null and owners.event_at >= llm_calls.called_at
                then owners.event_at
        end,
        owners.event_at desc,
        owners.event_key
) = 1;

create table core.fct_llm_calls as
with usage as (
    select
        'call:' || llm_call_key as usage_key, 'call' as origin, event_date, called_at as used_at, agent_key,
        tenant_key, publisher_key, llm_call_id, invocation_key, invocation_event_key, task_key, user_key, model,
        provider, input_tokens, output_tokens, cache_read_tokens, null::bigint as cache_write_tokens,
        reasoning_tokens, latency_ms, status, error_type, cost_usd as recorded_cost_usd,
        event_key is not null as has_owner
    from llm_calls
    left join call_owners using (llm_call_key)
    where llm_call_key not in (from wrapping_calls)
    union all
    select
        'invocation:' || event_key, 'invocation', event_date, event_at, agent_key, tenant_key, publisher_key, null,
        invocation_key, event_key, task_key, user_key, model, provider, input_tokens, output_tokens,
        cache_read_tokens, cache_write_tokens, reasoning_tokens, llm_latency_ms, null, error_type, cost_usd, true
    from answers
    where
        (model is not null or input_tokens is not null or output_tokens is not null or cost_usd is not null)
        and invocation_key not in (select invocation_key from llm_calls)
    union all
    select
        'task:' || task_key, 'task', used_at::date, used_at, agent_key, tenant_key, null, null, null, null, task_key,
        user_key, model, null, input_tokens, output_tokens, null, null, null, null, null, null, cost_usd, true
    from tasks
    where
        (input_tokens is not null or output_tokens is not null or cost_usd is not null)
        and task_key not in (select task_key from answers where task_key is not null)
        and task_key not in (
            select task_key
            from events
            where
                event_type = 'agent_invoked' and task_key is not null
                and invocation_key in (select invocation_key from llm_calls)
        )
),

counted as (
    select
        usage.*,
        coalesce(provider, '') || '/' || model as model_key,
        coalesce(input_tokens, 0) as input,
        coalesce(output_tokens, 0) as output,
        coalesce(cache_read_tokens, 0) as cache_read,
        coalesce(cache_write_tokens, 0) as cache_write,
        coalesce(reasoning_tokens, 0) as reasoning
    from usage
),

-- Tokens without a rate have no known cost, no tokens cost nothing.
priced as (
    select
        counted.*,
        case
            when input_tokens is not null or output_tokens is not null then cast(
                case when greatest(input - cache_read - cache_write, 0) = 0 then 0::decimal(38, 18)
                    else greatest(input - cache_read - cache_write, 0)::decimal(18, 0) * prices.input_usd_per_token end
                + case when cache_read = 0 then 0::decimal(38, 18)
                    else cache_read::decimal(18, 0)
                        * coalesce(prices.cache_read_usd_per_token, prices.input_usd_per_token) end
                + case when cache_write = 0 then 0::decimal(38, 18)
                    else cache_write::decimal(18, 0)
                        * coalesce(prices.cache_write_usd_per_token, prices.input_usd_per_token) end
                + case when greatest(output - reasoning, 0) = 0 then 0::decimal(38, 18)
                    else greatest(output - reasoning, 0)::decimal(18, 0) * prices.output_usd_per_token end
                + case when reasoning = 0 then 0::decimal(38, 18)
                    else reasoning::decimal(18, 0)
                        * coalesce(prices.reasoning_usd_per_token, prices.output_usd_per_token) end
                as decimal(38, 12)
            )
        end as priced_cost_usd
    from counted
    left join model_prices as prices
        on counted.model_key = prices.model_key
        and counted.event_date >= prices.valid_from
        and counted.event_date < prices.valid_to
)

select
    usage_key, origin, 'native' as source_name, event_date, used_at, priced.agent_key, agents.agent_type_key,
    tenant_key, coalesce(priced.publisher_key, agents.publisher_key) as publisher_key, llm_call_id, invocation_key,
    invocation_event_key, task_key, user_key, model_key, model, provider, input_tokens, output_tokens,
    case
        when input_tokens is not null or output_tokens is not null then input + output
    end as total_tokens,
    cache_read_tokens, cache_write_tokens, reasoning_tokens, latency_ms, status, error_type,
    coalesce(recorded_cost_usd, priced_cost_usd) as cost_usd, recorded_cost_usd, priced_cost_usd,
    case
        when recorded_cost_usd is not null then 'recorded'
        when priced_cost_usd is not null then 'priced'
        else 'unpriced'
    end as cost_basis,
    has_owner
from priced
left join agents_history as agents
    on priced.agent_key = agents.agent_key
    and priced.used_at >= agents.valid_from
    and priced.used_at < agents.valid_to;

create table core.fct_invocations as
with usage_by_answer as (
    select invocation_event_key, sum(latency_ms) as latency_ms, sum(output_tokens) as output_tokens
    from core.fct_llm_calls
    where invocation_event_key is not null
    group by invocation_event_key
),

tokens_by_model as (
    select
        invocation_event_key, model_key, model, provider, sum(coalesce(total_tokens, 0)) as total_tokens
    from core.fct_llm_calls
    where invocation_event_key is not null and model is not null
    group by all
),

primary_models as (
    from tokens_by_model
    qualify row_number() over (
        partition by invocation_event_key order by total_tokens desc, model, model_key
    ) = 1
),

modelled as (
    select
        answers.*,
        usage_by_answer.latency_ms as calls_latency_ms,
        usage_by_answer.output_tokens as response_output_tokens,
        answers.invocation_key in (
            select invocation_key from core.fct_llm_calls where origin = 'call'
        ) as has_llm_calls,
        coalesce(primary_models.model, answers.model) as primary_model,
        case
            when primary_models.model is not null then primary_models.provider
            else answers.provider
        end as primary_provider
    from answers
    left join usage_by_answer on answers.event_key = usage_by_answer.invocation_event_key
    left join primary_models on answers.event_key = primary_models.invocation_event_key
)

select
    event_key as invocation_event_key, 'native' as source_name, event_date, event_at as responded_at,
    modelled.agent_key, agents.agent_type_key, tenant_key, modelled.publisher_key, event_id, invocation_id,
    invocation_key, conversation_key, session_id, task_key, user_key, instance_id, agent_version,
    event_type = 'agent_completed' as is_completed, event_type = 'agent_errored' as is_errored, error_type, attempt,
    duration_ms, coalesce(llm_latency_ms, calls_latency_ms)::bigint as llm_latency_ms,
    response_output_tokens::bigint as response_output_tokens, api_calls, len(tool_calls) as tool_call_count,
    coalesce(primary_provider, '') || '/' || primary_model as primary_model_key, primary_model, primary_provider,
    has_llm_calls
from modelled
left join agents_history as agents
    on modelled.agent_key = agents.agent_key
    and modelled.event_at >= agents.valid_from
    and modelled.event_at < agents.valid_to;

create table core.fct_tool_calls as
with records as (
    select
        event_key as tool_call_key, if(event_type = 'tool_called', 'called', 'failed') as record_kind, event_date,
        event_at as called_at, agent_key, tenant_key, publisher_key, tool_name, tool_call_id, invocation_key,
        task_key, duration_ms, error_type, false as is_listed_completed
    from events
    where event_type in ('tool_called', 'tool_failed')
    union all
    select
        event_key || ':' || tool_position, 'listed', event_date, event_at, agent_key, tenant_key, publisher_key,
        tools.tool_name, null, invocation_key, task_key, null, null, event_type = 'agent_completed'
    from events
    cross join lateral (
        select unnest(events.tool_calls) as tool_name, generate_subscripts(events.tool_calls, 1) as tool_position
    ) as tools
    where event_type in ('agent_completed', 'agent_errored') and tools.tool_name is not null
),

tool_days as (
    select
        agent_key, tool_name, event_date,
        count(*) filter (where record_kind = 'called') as called_count,
        count(*) filter (where record_kind = 'failed') as failed_count,
        count(*) filter (where record_kind = 'listed') as listed_count
    from records
    group by agent_key, tool_name, event_date
),

based as (
    select
        records.*,
        case
            when called_count = 0 and listed_count >= failed_count then 'listed'
            when failed_count > called_count then 'called and failed'
            else 'called'
        end as attempt_basis
    from records
    inner join tool_days using (agent_key, tool_name, event_date)
)

select
    tool_call_key, record_kind, 'native' as source_name, event_date, called_at, based.agent_key,
    agents.agent_type_key, tenant_key, based.publisher_key, tool_name, tool_call_id, invocation_key, task_key,
    duration_ms, error_type,
    case
        when record_kind = 'called' and attempt_basis <> 'listed' then 1
        when record_kind = 'failed' and attempt_basis = 'called and failed' then 1
        when record_kind = 'listed' and attempt_basis = 'listed' then 1
        else 0
    end as attempt_count,
    if(record_kind = 'failed', 1, 0) as failure_count,
    if(record_kind = 'listed', 1, 0) as listed_count,
    is_listed_completed
from based
left join agents_history as agents
    on based.agent_key = agents.agent_key
    and based.called_at >= agents.valid_from
    and based.called_at < agents.valid_to;

-- Ratings, with the load of the agent type when the answer was given.
create temp table ratings as
with rated as (
    select events.*, agents.agent_type_key
    from events
    left join agents_history as agents
        on events.agent_key = agents.agent_key
        and events.event_at >= agents.valid_from
        and events.event_at < agents.valid_to
    where event_type = 'user_feedback'
),

rated_answers as (
    select rated.event_key, answers.responded_at
    from rated
    inner join core.fct_invocations as answers using (invocation_key)
    qualify row_number() over (
        partition by rated.event_key
        order by
            if(answers.responded_at <= rated.event_at, 1, 2),
            if(answers.responded_at <= rated.event_at, answers.responded_at, null) desc,
            answers.responded_at,
            answers.invocation_event_key
    ) = 1
)

select
    rated.*,
    coalesce(rated_answers.responded_at, rated.event_at) as load_at,
    rated_answers.responded_at is not null as is_linked
from rated
left join rated_answers using (event_key);

create table core.fct_feedback as
with moments as (
    select distinct agent_type_key, tenant_key, load_at from ratings
),

-- The tenant's own sample of the last five minutes, else the last one of all tenants.
buckets as (
    select *, time_bucket(interval 5 minutes, load_at) as bucket from moments
    union all
    select *, time_bucket(interval 5 minutes, load_at - interval 5 minutes) from moments
),

gauges as (
    select
        buckets.agent_type_key, buckets.tenant_key, buckets.load_at, samples.running_instances,
        if(samples.tenant_key is null, 'shared', 'tenant') as load_basis
    from buckets
    inner join instance_samples as samples
        on buckets.agent_type_key = samples.agent_type_key
        and buckets.bucket = time_bucket(interval 5 minutes, samples.sampled_at)
        and (samples.tenant_key is null or samples.tenant_key = buckets.tenant_key)
    where
        samples.sampled_at <= buckets.load_at
        and samples.sampled_at >= buckets.load_at - interval 5 minutes
    qualify row_number() over (
        partition by buckets.agent_type_key, buckets.tenant_key, buckets.load_at
        order by samples.tenant_key is null, samples.sampled_at desc
    ) = 1
),

ticks as (
    select distinct agent_type_key, load_at as tick_at, 2 as tick_order, 0 as change
    from moments
    where agent_type_key is not null
    union all
    select agent_type_key, responded_at - to_milliseconds(duration_ms), 1, 1
    from core.fct_invocations
    where duration_ms is not null and agent_type_key is not null
    union all
    select agent_type_key, responded_at, 3, -1
    from core.fct_invocations
    where duration_ms is not null and agent_type_key is not null
),

running as (
    select
        agent_type_key, tick_at as load_at, tick_order,
        sum(change) over (
            partition by agent_type_key order by tick_at, tick_order
            rows between unbounded preceding and current row
        ) as in_flight_count
    from ticks
)

select
    ratings.event_key as feedback_key, 'native' as source_name, ratings.event_date, ratings.event_at as rated_at,
    ratings.agent_key, ratings.agent_type_key, ratings.tenant_key, ratings.publisher_key, ratings.event_id,
    ratings.invocation_key, ratings.conversation_key, ratings.user_key, ratings.rating, ratings.has_comment,
    ratings.load_at, gauges.running_instances, coalesce(load_bands.load_band, 'unknown') as load_band,
    coalesce(gauges.load_basis, 'none') as load_basis,
    if(ratings.is_linked, nullif(running.in_flight_count, 0), running.in_flight_count)::bigint as in_flight_count
from ratings
left join gauges
    on ratings.agent_type_key = gauges.agent_type_key
    and ratings.tenant_key = gauges.tenant_key
    and ratings.load_at = gauges.load_at
left join load_bands
    on gauges.running_instances >= load_bands.min_instances
    and (load_bands.max_instances is null or gauges.running_instances <= load_bands.max_instances)
left join running
    on ratings.agent_type_key = running.agent_type_key
    and ratings.load_at = running.load_at
    and running.tick_order = 2;

create table core.fct_sessions as
with messages as (
    select user_message_key as message_key, user_key, agent_key, tenant_key, publisher_key, sent_at as message_at,
        1 as by_user
    from core.fct_user_messages
    where user_key is not null
    union all
    select invocation_event_key, user_key, agent_key, tenant_key, publisher_key, responded_at, 0
    from core.fct_invocations
    where user_key is not null
),

gaps as (
    select
        *, message_at - lag(message_at) over (
            partition by user_key, agent_key order by message_at, message_key
        ) as silence
    from messages
),

numbered as (
    select
        *, count(*) filter (where silence is null or silence > interval 30 minutes) over (
            partition by user_key, agent_key order by message_at, message_key
            rows between unbounded preceding and current row
        ) as session_number
    from gaps
),

sessions as (
    select
        user_key, agent_key, tenant_key, session_number, min(publisher_key) as publisher_key,
        min(message_at) as started_at, max(message_at) as ended_at, sum(by_user)::bigint as user_message_count,
        count(*) as message_count
    from numbered
    group by user_key, agent_key, tenant_key, session_number
)

select
    md5(concat(
        length(user_key), ':', user_key, length(sessions.agent_key), ':', sessions.agent_key,
        length(started_at::varchar), ':', started_at::varchar
    )) as session_key,
    'native' as source_name, started_at::date as event_date, started_at, ended_at, sessions.agent_key,
    agents.agent_type_key, tenant_key, sessions.publisher_key, user_key,
    ((epoch_us(ended_at) - epoch_us(started_at)) * 0.000001::decimal(7, 6))::decimal(18, 6) as duration_s,
    user_message_count, message_count - user_message_count as agent_message_count, message_count
from sessions
left join agents_history as agents
    on sessions.agent_key = agents.agent_key
    and sessions.started_at >= agents.valid_from
    and sessions.started_at < agents.valid_to;

create table core.fct_conversations as
with typed as (
    select
        * replace (created_at::timestamp as created_at, ended_at::timestamp as ended_at),
        'native:' || tenant_id as tenant_key,
        'native:' || agent_id as agent_key
    from conversations
)

select
    'native:' || conversation_id as conversation_key, 'native' as source_name, created_at::date as event_date,
    created_at, ended_at, typed.agent_key, agents.agent_type_key, typed.tenant_key, agents.publisher_key,
    conversation_id, status, status = 'completed' as is_completed,
    status = 'completed' and coalesce(not escalated, false) as is_resolved,
    coalesce(escalated, false) as is_escalated, status = 'abandoned' as is_abandoned, satisfaction_score,
    typed.tenant_key || ':' || sha256(getvariable('user_salt') || '|native|' || user_id)[1:32] as user_key,
    coalesce(tenants.cost_per_human_interaction_usd, human_costs.default_usd) as human_cost_usd
from typed
left join tenants_history as tenants
    on typed.tenant_key = tenants.tenant_key
    and typed.created_at >= tenants.valid_from
    and typed.created_at < tenants.valid_to
left join human_costs on coalesce(tenants.use_case, 'unset') = human_costs.use_case
left join agents_history as agents
    on typed.agent_key = agents.agent_key
    and typed.created_at >= agents.valid_from
    and typed.created_at < agents.valid_to;

create table core.fct_tasks as
with api_calls_of_answers as (
    select task_key, sum(api_calls) as api_calls
    from core.fct_invocations
    where task_key is not null
    group by task_key
),

tokens_by_model as (
    select task_key, model_key, model, provider, sum(coalesce(total_tokens, 0)) as total_tokens
    from core.fct_llm_calls
    where task_key is not null and model is not null
    group by all
),

primary_models as (
    from tokens_by_model
    qualify row_number() over (partition by task_key order by total_tokens desc, model, model_key) = 1
),

modelled as (
    select
        tasks.*,
        coalesce(terminal_at, created_at) as counted_at,
        coalesce(api_calls_of_answers.api_calls, tasks.api_calls) as counted_api_calls,
        coalesce(primary_models.model, tasks.model) as primary_model,
        primary_models.provider as primary_provider
    from tasks
    left join api_calls_of_answers using (task_key)
    left join primary_models using (task_key)
)

select
    task_key, 'native' as source_name, counted_at::date as event_date, modelled.agent_key, agents.agent_type_key,
    tenant_key, agents.publisher_key, task_id, status, is_terminal, status = 'completed' as is_completed,
    status = 'failed' as is_failed, attempts, coalesce(attempts > 1, false) as is_retried, steps,
    counted_api_calls::bigint as api_calls, user_key, team_id, project_id, created_at, started_at, ended_at,
    terminal_at, used_at,
    ((epoch_us(terminal_at) - epoch_us(started_at)) * 0.000001::decimal(7, 6))::decimal(18, 6) as duration_s,
    coalesce(primary_provider, '') || '/' || primary_model as primary_model_key, primary_model, primary_provider
from modelled
left join agents_history as agents
    on modelled.agent_key = agents.agent_key
    and modelled.counted_at >= agents.valid_from
    and modelled.counted_at < agents.valid_to;

create temp table audits as
select distinct on (audit_id)
    'native:' || audit_id as audit_key, audit_id, timestamp::timestamp as audited_at,
    timestamp::timestamp::date as event_date, 'native:' || agent_id as agent_key,
    'native:' || tenant_id as tenant_key, 'native:' || invocation_id as invocation_key, toxicity_score, is_toxic,
    pii_redactions
from read_parquet(getvariable('landing') || '/audit_events/*/*.parquet', hive_partitioning = false)
where
    audit_id <> '' and tenant_id <> '' and agent_id <> ''
    and timestamp <= getvariable('as_of')::timestamptz + interval 5 minutes
    and (toxicity_score is null or toxicity_score between 0 and 1);

create table core.fct_pii_redactions as
with redactions as (
    select audits.*, unnest(map_entries(pii_redactions)) as entity
    from audits
)

select
    audit_key || ':' || entity.key as pii_redaction_key, 'native' as source_name, event_date, audited_at,
    redactions.agent_key, agents.agent_type_key, tenant_key, agents.publisher_key, audit_key,
    coalesce(invocation_key, audit_key) as message_key, entity.key as entity_type, entity.value as redaction_count
from redactions
left join agents_history as agents
    on redactions.agent_key = agents.agent_key
    and redactions.audited_at >= agents.valid_from
    and redactions.audited_at < agents.valid_to
where entity.value > 0;

create table core.fct_audits as
with counts as (
    select audit_key, sum(redaction_count)::bigint as redaction_count
    from core.fct_pii_redactions
    group by audit_key
)

select
    audits.audit_key, 'native' as source_name, event_date, audited_at, audits.agent_key, agents.agent_type_key,
    tenant_key, agents.publisher_key, audit_id, invocation_key, coalesce(invocation_key, audits.audit_key) as message_key,
    toxicity_score, coalesce(is_toxic, toxicity_score >= 0.5) as is_toxic,
    coalesce(counts.redaction_count, 0) as pii_redaction_count, counts.redaction_count is not null as has_pii
from audits
left join counts using (audit_key)
left join agents_history as agents
    on audits.agent_key = agents.agent_key
    and audits.audited_at >= agents.valid_from
    and audits.audited_at < agents.valid_to;

create table core.fct_quality_scores as
with scores as (
    select distinct on (score_id)
        * replace (judged_at::timestamp as judged_at),
        'native:' || agent_id as agent_key
    from read_parquet(getvariable('landing') || '/quality_scores/*/*.parquet', hive_partitioning = false)
    where
        score_id <> '' and conversation_id <> '' and tenant_id <> '' and agent_id <> ''
        and dimension in ('accuracy', 'helpfulness', 'tone', 'completeness') and score between 1 and 5
        and judged_at <= getvariable('as_of')::timestamptz + interval 5 minutes
)

select
    'native:' || score_id as quality_score_key, 'native' as source_name, judged_at::date as event_date, judged_at,
    scores.agent_key, agents.agent_type_key, 'native:' || tenant_id as tenant_key, agents.publisher_key, score_id,
    'native:' || conversation_id as conversation_key, dimension, score, judge_model
from scores
left join agents_history as agents
    on scores.agent_key = agents.agent_key
    and scores.judged_at >= agents.valid_from
    and scores.judged_at < agents.valid_to;

create table core.fct_charges as
with charges as (
    select distinct on (charge_id)
        * replace (charged_at::timestamp as charged_at),
        charged_at::timestamp::date as event_date,
        'native:' || agent_id as agent_key
    from read_parquet(getvariable('landing') || '/charges/*/*.parquet', hive_partitioning = false)
    where
        charge_id <> '' and tenant_id <> '' and publisher_id <> '' and agent_id <> '' and amount >= 0
        and currency <> '' and kind in ('usage', 'subscription', 'one_off', 'refund')
        and charged_at <= getvariable('as_of')::timestamptz + interval 5 minutes
),

converted as (
    select
        charges.*,
        if(kind = 'refund', 0, 1) as charge_factor,
        if(kind = 'refund', 1, 0) as refund_factor,
        (amount * rates.usd_per_unit)::decimal(38, 12) as amount_usd,
        (platform_fee * rates.usd_per_unit)::decimal(38, 12) as platform_fee_usd,
        rates.usd_per_unit is not null as is_converted
    from charges
    asof left join fx_rates as rates
        on charges.currency = rates.currency and charges.event_date >= rates.valid_from
)

select
    'native:' || charge_id as charge_key, 'native' as source_name, event_date, charged_at, converted.agent_key,
    agents.agent_type_key, 'native:' || tenant_id as tenant_key, 'native:' || publisher_id as publisher_key,
    charge_id, kind, kind = 'refund' as is_refund, currency, amount, platform_fee, amount_usd, platform_fee_usd,
    charge_factor * amount_usd as gross_usd, refund_factor * amount_usd as refund_usd,
    (charge_factor - refund_factor) * amount_usd as net_usd,
    (charge_factor - refund_factor) * platform_fee_usd as fee_usd, is_converted, service_start, service_end
from converted
left join agents_history as agents
    on converted.agent_key = agents.agent_key
    and converted.charged_at >= agents.valid_from
    and converted.charged_at < agents.valid_to;

-- Windows: four kinds, now and the one before, of the platform, of each tenant in its zone, and of each publisher.

create temp table scopes as
select 'platform' as scope_kind, 'platform' as scope_id, null as source_name, '*' as scope_key,
    'platform' as scope_text, 'UTC' as time_zone
union all
select 'tenant', tenant_id, 'native', tenant_key, 'tenant:' || tenant_key, coalesce(max(time_zone), 'UTC')
from (
    select tenant_id, tenant_key, time_zone from tenants_history where valid_to = timestamp '9999-12-31'
    union all
    select distinct tenant_key[8:], tenant_key, null from events
)
group by tenant_id, tenant_key
union all
select distinct 'publisher', publisher_key[8:], 'native', publisher_key, 'publisher:' || publisher_key, 'UTC'
from (
    select publisher_key from events
    union
    select publisher_key from agents_history
    union
    select 'native:' || publisher_id from read_json(getvariable('landing') || '/publishers/*/*.ndjson*')
)
where publisher_key is not null;

create temp table windows as
with spans as (
    select
        scopes.*,
        timezone(time_zone, getvariable('as_of')::timestamptz)::date as today,
        unnest(['7d', '30d', 'weekly', 'monthly']) as window_kind
    from scopes
),

dated as (
    select
        * exclude (today),
        steps_back = 1 as is_previous,
        case window_kind
            when '7d' then today - 7 * (steps_back + 1)
            when '30d' then today - 30 * (steps_back + 1)
            when 'weekly' then date_trunc('week', today)::date - 7 * (steps_back + 1)
            else (date_trunc('month', today) - to_months(steps_back + 1))::date
        end::date as start_local,
        case window_kind
            when '7d' then today - 7 * steps_back
            when '30d' then today - 30 * steps_back
            when 'weekly' then date_trunc('week', today)::date - 7 * steps_back
            else (date_trunc('month', today) - to_months(steps_back))::date
        end::date as end_local
    from spans
    cross join (values (0), (1)) as steps (steps_back)
)

select
    * exclude (steps_back, scope_text),
    scope_text || '/' || window_kind || '/' || strftime(start_local, '%Y-%m-%d') as window_key,
    timezone('UTC', timezone(time_zone, start_local::timestamp)) as start_at,
    timezone('UTC', timezone(time_zone, end_local::timestamp)) as end_at,
    false as is_partial
from dated;

-- Measures of a scope's local day are made once, whatever number of windows it lies in.

create temp table local_quarters as
select time_zone, quarter_at, timezone(time_zone, timezone('UTC', quarter_at))::date as local_date
from (select distinct time_zone from scopes)
cross join (
    select unnest(generate_series(
        (select min(start_at) - interval 31 days from windows), (select max(end_at) from windows), interval 15 minutes
    )) as quarter_at
);

create temp table answers_of_days as
with scoped as (
    select '*' as scope_key, 'UTC' as time_zone, responded_at as moment, is_completed, is_errored, duration_ms, llm_latency_ms from core.fct_invocations
    union all
    select tenant_key, scopes.time_zone, responded_at, is_completed, is_errored, duration_ms, llm_latency_ms
    from core.fct_invocations inner join scopes on tenant_key = scopes.scope_key
    union all
    select publisher_key, 'UTC', responded_at, is_completed, is_errored, duration_ms, llm_latency_ms from core.fct_invocations where publisher_key is not null
)

select
    scope_key, local_date, count(*) as agent_messages, count(*) filter (where is_completed) as completed_count,
    count(*) filter (where is_errored) as errored_count, count(duration_ms) as response_time_count,
    sum(duration_ms)::double / nullif(count(duration_ms), 0)::double as avg_response_time_ms,
    round(quantile_cont(duration_ms::double, 0.95), 9) as p95_response_time_ms,
    sum(llm_latency_ms)::double / nullif(count(llm_latency_ms), 0)::double as avg_llm_latency_ms,
    count(*) filter (where is_errored)::double / count(*)::double as message_error_rate
from scoped
inner join local_quarters
    on local_quarters.time_zone = scoped.time_zone
    and local_quarters.quarter_at = time_bucket(interval 15 minutes, moment)
group by scope_key, local_date;

create temp table requests_of_days as
with scoped as (
    select '*' as scope_key, 'UTC' as time_zone, sent_at as moment, user_key from core.fct_user_messages
    union all
    select tenant_key, scopes.time_zone, sent_at, user_key
    from core.fct_user_messages inner join scopes on tenant_key = scopes.scope_key
    union all
    select publisher_key, 'UTC', sent_at, user_key from core.fct_user_messages where publisher_key is not null
)

select scope_key, local_date, count(*) as user_messages
from scoped
inner join local_quarters
    on local_quarters.time_zone = scoped.time_zone
    and local_quarters.quarter_at = time_bucket(interval 15 minutes, moment)
group by scope_key, local_date;

create temp table usage_of_days as
with scoped as (
    select '*' as scope_key, 'UTC' as time_zone, used_at as moment, input_tokens, output_tokens, total_tokens, cache_read_tokens,
        cache_write_tokens, reasoning_tokens, cost_usd, cost_basis, has_owner from core.fct_llm_calls
    union all
    select tenant_key, scopes.time_zone, used_at, input_tokens, output_tokens, total_tokens, cache_read_tokens,
        cache_write_tokens, reasoning_tokens, cost_usd, cost_basis, has_owner
    from core.fct_llm_calls inner join scopes on tenant_key = scopes.scope_key
    union all
    select publisher_key, 'UTC', used_at, input_tokens, output_tokens, total_tokens, cache_read_tokens,
        cache_write_tokens, reasoning_tokens, cost_usd, cost_basis, has_owner from core.fct_llm_calls where publisher_key is not null
)

select
    scope_key, local_date, coalesce(sum(input_tokens), 0) as input_tokens,
    coalesce(sum(output_tokens), 0) as output_tokens, coalesce(sum(total_tokens), 0) as total_tokens,
    coalesce(sum(cache_read_tokens), 0) as cache_read_tokens,
    coalesce(sum(cache_write_tokens), 0) as cache_write_tokens,
    coalesce(sum(reasoning_tokens), 0) as reasoning_tokens, sum(cost_usd) as cost_usd,
    count(*) filter (where cost_basis = 'unpriced') as unpriced_usage_count
from scoped
inner join local_quarters
    on local_quarters.time_zone = scoped.time_zone
    and local_quarters.quarter_at = time_bucket(interval 15 minutes, moment)
where has_owner
group by scope_key, local_date;

create temp table sessions_of_days as
with scoped as (
    select '*' as scope_key, 'UTC' as time_zone, started_at as moment, duration_s from core.fct_sessions
    union all
    select tenant_key, scopes.time_zone, started_at, duration_s
    from core.fct_sessions inner join scopes on tenant_key = scopes.scope_key
    union all
    select publisher_key, 'UTC', started_at, duration_s from core.fct_sessions where publisher_key is not null
)

select scope_key, local_date, count(*) as sessions
from scoped
inner join local_quarters
    on local_quarters.time_zone = scoped.time_zone
    and local_quarters.quarter_at = time_bucket(interval 15 minutes, moment)
group by scope_key, local_date;

create temp table charges_of_days as
with scoped as (
    select '*' as scope_key, 'UTC' as time_zone, charged_at as moment, is_refund, amount_usd, gross_usd, refund_usd, net_usd, fee_usd from core.fct_charges
    union all
    select tenant_key, scopes.time_zone, charged_at, is_refund, amount_usd, gross_usd, refund_usd, net_usd, fee_usd
    from core.fct_charges inner join scopes on tenant_key = scopes.scope_key
    union all
    select publisher_key, 'UTC', charged_at, is_refund, amount_usd, gross_usd, refund_usd, net_usd, fee_usd from core.fct_charges where publisher_key is not null
)

select
    scope_key, local_date, count(*) filter (where not is_refund) as charge_count,
    count(*) filter (where is_refund) as refund_count, count(amount_usd) as converted_count,
    count(*) filter (where amount_usd is null) as unconverted_count, coalesce(sum(gross_usd), 0) as gross_usd,
    coalesce(sum(refund_usd), 0) as refund_usd, coalesce(sum(net_usd), 0) as net_usd,
    coalesce(sum(fee_usd), 0) as fee_usd
from scoped
inner join local_quarters
    on local_quarters.time_zone = scoped.time_zone
    and local_quarters.quarter_at = time_bucket(interval 15 minutes, moment)
group by scope_key, local_date;

-- A user counts until 1, 7 or 30 days later, or until the user's next day.
create temp table users_of_days as
with scoped as (
    select '*' as scope_key, 'UTC' as time_zone, sent_at as moment, user_key from core.fct_user_messages
    union all
    select tenant_key, scopes.time_zone, sent_at, user_key
    from core.fct_user_messages inner join scopes on tenant_key = scopes.scope_key
    union all
    select publisher_key, 'UTC', sent_at, user_key from core.fct_user_messages where publisher_key is not null
),

user_days as (
    select distinct scope_key, user_key, local_date
    from scoped
    inner join local_quarters
        on local_quarters.time_zone = scoped.time_zone
        and local_quarters.quarter_at = time_bucket(interval 15 minutes, moment)
    where user_key is not null
),

spans as (
    select
        scope_key, local_date,
        lead(local_date) over (partition by scope_key, user_key order by local_date) as next_date
    from user_days
),

changes as (
    select scope_key, local_date, 1 as dau, 1 as week_change, 1 as month_change from spans
    union all
    select scope_key, least(local_date + 7, coalesce(next_date, local_date + 7)), 0, -1, 0 from spans
    union all
    select scope_key, least(local_date + 30, coalesce(next_date, local_date + 30)), 0, 0, -1 from spans
),

days as (
    select scopes.scope_key, dates.local_date
    from scopes
    inner join (select distinct time_zone, local_date from local_quarters) as dates using (time_zone)
),

changes_of_days as (
    select scope_key, local_date, sum(dau) as dau, sum(week_change) as week_change, sum(month_change) as month_change
    from changes
    group by scope_key, local_date
)

select
    scope_key, local_date, coalesce(dau, 0)::bigint as dau, sum(coalesce(week_change, 0)) over so_far as wau,
    sum(coalesce(month_change, 0)) over so_far as mau
from days
left join changes_of_days using (scope_key, local_date)
window so_far as (
    partition by scope_key order by local_date rows between unbounded preceding and current row
);

create temp table window_days as
select windows.*, unnest(range(start_local, end_local, interval 1 day))::date as date_day
from windows;

create table usage.usage_daily as
select
    window_days.*, dau, wau::bigint as wau, mau::bigint as mau, coalesce(sessions, 0) as sessions,
    coalesce(user_messages, 0) as user_messages, coalesce(agent_messages, 0) as agent_messages,
    coalesce(agent_messages, 0) + coalesce(user_messages, 0) as messages,
    coalesce(completed_count, 0) as completed_count, coalesce(errored_count, 0) as errored_count,
    coalesce(input_tokens, 0)::bigint as input_tokens, coalesce(output_tokens, 0)::bigint as output_tokens,
    coalesce(total_tokens, 0)::bigint as total_tokens, coalesce(cache_read_tokens, 0)::bigint as cache_read_tokens,
    coalesce(cache_write_tokens, 0)::bigint as cache_write_tokens,
    coalesce(reasoning_tokens, 0)::bigint as reasoning_tokens,
    coalesce(unpriced_usage_count, 0) as unpriced_usage_count,
    case when usage.scope_key is null then 0 else cost_usd end::decimal(38, 12) as cost_usd,
    (
        case when usage.scope_key is null then 0 else cost_usd end::double / nullif(agent_messages, 0)::double
    )::decimal(38, 12) as cost_per_message_usd,
    coalesce(response_time_count, 0) as response_time_count, avg_response_time_ms, p95_response_time_ms,
    avg_llm_latency_ms, message_error_rate,
    answers.scope_key is not null or requests.scope_key is not null or usage.scope_key is not null as has_data
from window_days
left join users_of_days as users
    on window_days.scope_key = users.scope_key and window_days.date_day = users.local_date
left join sessions_of_days as sessions
    on window_days.scope_key = sessions.scope_key and window_days.date_day = sessions.local_date
left join requests_of_days as requests
    on window_days.scope_key = requests.scope_key and window_days.date_day = requests.local_date
left join answers_of_days as answers
    on window_days.scope_key = answers.scope_key and window_days.date_day = answers.local_date
left join usage_of_days as usage
    on window_days.scope_key = usage.scope_key and window_days.date_day = usage.local_date;

create table revenue.revenue_daily as
select
    window_days.*, coalesce(charge_count, 0) as charge_count, coalesce(refund_count, 0) as refund_count,
    coalesce(unconverted_count, 0) as unconverted_count,
    case when charges.scope_key is null then 0 when converted_count > 0 then gross_usd end as gross_usd,
    case when charges.scope_key is null then 0 when converted_count > 0 then refund_usd end as refund_usd,
    case when charges.scope_key is null then 0 when converted_count > 0 then net_usd end as net_usd,
    case when charges.scope_key is null then 0 when converted_count > 0 then fee_usd end as fee_usd,
    case when charges.scope_key is null then 0 when converted_count > 0 then net_usd - fee_usd end as payout_usd
from window_days
left join charges_of_days as charges
    on window_days.scope_key = charges.scope_key and window_days.date_day = charges.local_date;

create table usage.tenant_days as
with invocations as (
    select tenant_key, event_date, count(*) as agent_messages, count(*) filter (where is_completed) as completed_count,
        count(*) filter (where is_errored) as errored_count
    from core.fct_invocations
    group by tenant_key, event_date
),

requests as (
    select tenant_key, event_date, count(*) as user_messages, count(distinct user_key) as active_users
    from core.fct_user_messages
    group by tenant_key, event_date
),

usage as (
    select tenant_key, event_date, sum(input_tokens) as input_tokens, sum(output_tokens) as output_tokens,
        sum(total_tokens) as total_tokens, sum(cost_usd) as cost_usd,
        count(*) filter (where cost_basis = 'unpriced') as unpriced_usage_count
    from core.fct_llm_calls
    where has_owner
    group by tenant_key, event_date
),

resolved as (
    select tenant_key, event_date, count(*) filter (where is_resolved) as resolved_conversations,
        count(*) filter (where is_escalated) as escalated_conversations
    from core.fct_conversations
    group by tenant_key, event_date
),

ended as (
    select tenant_key, event_date, count(*) filter (where is_completed) as completed_tasks,
        count(*) filter (where is_failed) as failed_tasks
    from core.fct_tasks
    where is_terminal
    group by tenant_key, event_date
),

charged as (
    select tenant_key, event_date, count(*) filter (where not is_refund) as charge_count,
        count(*) filter (where is_refund) as refund_count, sum(gross_usd) as gross_usd, sum(refund_usd) as refund_usd,
        sum(net_usd) as net_usd, sum(fee_usd) as fee_usd
    from core.fct_charges
    group by tenant_key, event_date
)

select
    tenant_key || '/' || strftime(event_date, '%Y-%m-%d') as tenant_day_key, 'native' as source_name, tenant_key,
    event_date, coalesce(agent_messages, 0) as agent_messages, coalesce(completed_count, 0) as completed_count,
    coalesce(errored_count, 0) as errored_count, coalesce(user_messages, 0) as user_messages,
    coalesce(active_users, 0) as active_users, coalesce(input_tokens, 0)::bigint as input_tokens,
    coalesce(output_tokens, 0)::bigint as output_tokens, coalesce(total_tokens, 0)::bigint as total_tokens, cost_usd,
    coalesce(unpriced_usage_count, 0) as unpriced_usage_count,
    coalesce(resolved_conversations, 0) as resolved_conversations,
    coalesce(escalated_conversations, 0) as escalated_conversations, coalesce(completed_tasks, 0) as completed_tasks,
    coalesce(failed_tasks, 0) as failed_tasks, coalesce(charge_count, 0) as charge_count,
    coalesce(refund_count, 0) as refund_count, coalesce(gross_usd, 0) as gross_usd,
    coalesce(refund_usd, 0) as refund_usd, coalesce(net_usd, 0) as net_usd, coalesce(fee_usd, 0) as fee_usd
from invocations
full join requests using (tenant_key, event_date)
full join usage using (tenant_key, event_date)
full join resolved using (tenant_key, event_date)
full join ended using (tenant_key, event_date)
full join charged using (tenant_key, event_date)
where tenant_key is not null;

create table usage.platform_days as
select
    event_date, false as has_frozen_part, count(*) filter (where agent_messages > 0) as active_tenants,
    sum(columns(* exclude (tenant_day_key, source_name, tenant_key, event_date)))
from usage.tenant_days
group by event_date;
