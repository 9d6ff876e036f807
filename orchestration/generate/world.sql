-- The synthetic world: who publishes which agent, who uses it, what models cost, how a week looks.
-- Belongs here: fixed facts and the macros that draw from them. Not here: anything that depends on
-- a day. The story the insights are meant to find is planted in these rows; README.txt lists it.

-- hash() alone combines its arguments by xor, which left two labels correlated by -0.6; hashing
-- once more brought every pair tried under 0.001.
create macro mix(label, item) as
hash(hash(getvariable('seed'), label, cast(item as bigint)));

-- Uniform on [0, 1).
create macro draw(label, item) as mix(label, item) / 18446744073709551616.0;

-- Standard normal, by Box and Muller; the floor keeps ln() finite.
create macro bell(label, item) as
sqrt(-2 * ln(greatest(draw(label || ' radius', item), 1e-12)))
* cos(2 * pi() * draw(label || ' angle', item));

create macro skewed(median, spread, label, item) as median * exp(spread * bell(label, item));

create macro make_id(prefix, item) as
prefix || '-' || lpad(lower(to_hex(mix(prefix, item))), 16, '0');

create macro stamp(moment) as strftime(moment, '%Y-%m-%dT%H:%M:%S.%gZ');

-- Whole picodollars to dollars at nanodollar precision, in decimal arithmetic throughout.
create macro pico_to_usd(pico) as
cast(cast(pico as bigint) // 1000 as decimal(18, 0)) * cast(0.000000001 as decimal(10, 9));

create table publishers as
select *
from (
    values
    (1, 'pub-kestrel', 'Kestrel Labs'),
    (2, 'pub-menard', 'Atelier Ménard'),
    (3, 'pub-sofia', 'Σοφία Συστήματα'),
    (4, 'pub-volna', 'Волна Софт'),
    (5, 'pub-harbor', 'Harbor & Pine')
) as rows (publisher_no, publisher_id, publisher_name);

create table agent_types as
select *
from (
    values
    (1, 'type-support', 'Customer support', 7.0),
    (2, 'type-sales', 'Sales assistant', 3.6),
    (3, 'type-it', 'IT helpdesk', 6.0),
    (4, 'type-research', 'Research and analysis', 3.0),
    (5, 'type-documents', 'Document processing', 2.5)
) as rows (type_no, agent_type_id, agent_type_name, peak_instances);

-- Prices per token in picodollars: the list prices of these models on 2025-08-31. A NULL price is a
-- model nobody lists, so its usage has no price.
create table models as
select *
from (
    values
    ('gpt-4.1-mini', 'openai', 400000, 1600000, 100000, 400000, false),
    ('gpt-5-mini', 'openai', 250000, 2000000, 25000, 250000, true),
    ('gpt-5', 'openai', 1250000, 10000000, 125000, 1250000, true),
    ('o4-mini', 'openai', 1100000, 4400000, 275000, 1100000, true),
    ('claude-3-5-haiku-20241022', 'anthropic', 800000, 4000000, 80000, 1000000, false),
    ('claude-sonnet-4-20250514', 'anthropic', 3000000, 15000000, 300000, 3750000, false),
    ('gemini/gemini-2.5-flash', 'gemini', 300000, 2500000, 75000, 300000, true),
    ('mistral/mistral-small-latest', 'mistral', 100000, 300000, 100000, 100000, false),
    ('deepseek/deepseek-chat', 'deepseek', 270000, 1100000, 70000, 270000, false),
    ('groq/llama-3.3-70b-versatile', 'groq', 590000, 790000, 590000, 590000, false),
    ('house-llama-70b', 'self_hosted', null, null, null, null, false)
)
    as rows (
        model, provider, input_pico, output_pico, cache_read_pico, cache_write_pico, is_reasoning
    );

-- usage_kind: chat has conversations and feedback, task has tasks whose turns carry the task_id,
-- batch has tasks alone. tokens_basis: recorded (cost on the event), priced (no cost on the event),
-- calls (llm_calls).
create table agents as
select *
from (
    values
    (
        1, 'agt-aria', 'Aria Support', 1, 1, 20, 'chat', 'recorded',
        'gpt-4.1-mini', 'gpt-5-mini', 0.15, 1500, 220, 1100, 0.45, 0.012, 4.5,
        ['search_help_centre', 'order_status', 'open_ticket']
    ),
    (
        2, 'agt-bastien', 'Bastien, service client', 1, 2, 12, 'chat', 'priced',
        'mistral/mistral-small-latest', 'gpt-4.1-mini', 0.20, 1300, 200, 800, 0.35, 0.015, 4.2,
        ['search_help_centre', 'order_status']
    ),
    (
        3, 'agt-iris', 'Ίρις Υποστήριξη', 1, 3, 7, 'chat', 'priced',
        'gemini/gemini-2.5-flash', 'house-llama-70b', 0.25, 1400, 240, 900, 0.40, 0.015, 4.3,
        ['search_help_centre', 'open_ticket']
    ),
    (
        4, 'agt-nadia', 'Надя, продажи', 2, 4, 8, 'chat', 'recorded',
        'gpt-4.1-mini', 'groq/llama-3.3-70b-versatile', 0.30, 1200, 210, 1000, 0.30, 0.020, 3.0,
        ['product_catalogue', 'price_quote']
    ),
    (
        5, 'agt-deal-desk', 'Deal Desk', 2, 5, 9, 'chat', 'recorded',
        'claude-3-5-haiku-20241022', 'gpt-4.1-mini', 0.10, 1800, 260, 1300, 0.60, 0.020, 4.2,
        ['crm_lookup', 'price_quote', 'calendar_booking']
    ),
    (
        6, 'agt-qualifier', 'Lead Qualifier', 2, 1, 9, 'chat', 'recorded',
        'gpt-5-mini', 'gpt-4.1-mini', 0.10, 900, 320, 1600, 0.35, 0.015, 4.1,
        ['crm_lookup', 'calendar_booking']
    ),
    (
        7, 'agt-root', 'Root Helpdesk', 3, 5, 11, 'chat', 'recorded',
        'gemini/gemini-2.5-flash', 'gpt-4.1-mini', 0.20, 1600, 260, 1200, 0.55, 0.018, 4.4,
        ['directory_lookup', 'reset_password', 'open_ticket']
    ),
    (
        8, 'agt-pascal', 'Pascal IT', 3, 2, 6, 'chat', 'recorded',
        'claude-sonnet-4-20250514',
        'claude-3-5-haiku-20241022',
        0.15,
        1500,
        300,
        5200,
        0.50,
        0.020,
        4.0,
        ['browser_render', 'directory_lookup']
    ),
    (
        9, 'agt-atlas', 'Atlas Research', 4, 1, 9, 'chat', 'calls',
        'gpt-5', 'claude-sonnet-4-20250514', 0.30, 12000, 900, 2600, 0.50, 0.020, 4.4,
        ['web_search', 'read_page', 'run_query']
    ),
    (
        10, 'agt-scribe', 'Scribe Documents', 5, 3, 6, 'task', 'calls',
        'gpt-4.1-mini', 'gpt-5-mini', 0.35, 2600, 500, 1800, 0.40, 0.015, 4.2,
        ['read_file', 'write_file']
    ),
    (
        11, 'agt-ledger', 'Ledger Reconciler', 5, 4, 4, 'task', 'recorded',
        'o4-mini', 'gpt-4.1-mini', 0.10, 2200, 450, 2300, 0.45, 0.030, 4.2,
        ['read_file', 'run_query']
    ),
    (
        12, 'agt-night-batch', 'Night Batch', 5, 5, 4, 'batch', 'recorded',
        'deepseek/deepseek-chat', 'deepseek/deepseek-chat', 0.00, 5200, 800, 2500, 0.00, 0.040, 4.2,
        ['read_file']
    )
) as rows (
    agent_no, agent_id, agent_name, type_no, publisher_no, weight, usage_kind, tokens_basis,
    main_model, second_model, second_share, input_median, output_median, latency_median_ms,
    tool_rate, error_rate, rating_base, tools
);

create table tools as
select *
from (
    values
    ('search_help_centre', 260, 0.010), ('order_status', 340, 0.015), ('open_ticket', 420, 0.012),
    ('product_catalogue', 230, 0.008), ('price_quote', 510, 0.020), ('crm_lookup', 880, 0.170),
    ('calendar_booking', 640, 0.030), ('directory_lookup', 300, 0.012),
    ('reset_password', 950, 0.025), ('browser_render', 4800, 0.060), ('web_search', 1500, 0.025),
    ('read_page', 1100, 0.030), ('run_query', 1900, 0.020), ('read_file', 120, 0.006),
    ('write_file', 180, 0.008)
) as rows (tool_name, duration_median_ms, failure_rate);

create table tenants as
select *
from (
    values
    (
        1,
        'ten-aurora',
        'Aurora Health',
        'enterprise',
        'America/New_York',
        'USD',
        'support',
        16,
        420,
        0.0,
        1.0
    ),
    (
        2,
        'ten-mueller',
        'Müller & Söhne GmbH',
        'enterprise',
        'Europe/Berlin',
        'EUR',
        'it_helpdesk',
        12,
        260,
        0.0,
        1.0
    ),
    (
        3,
        'ten-banyan',
        'Banyan Retail, Inc.',
        'pro',
        'Asia/Kolkata',
        'USD',
        'support',
        12,
        340,
        0.0,
        1.0
    ),
    (4, 'ten-orion', 'Ωρίων Ναυτιλιακή', 'pro', 'Europe/Berlin', 'EUR', 'sales', 8, 90, 0.0, 1.0),
    (5, 'ten-sibir', 'Сибирь Маркет', 'pro', 'UTC', 'USD', 'sales', 8, 110, 0.0, 1.0),
    (
        6,
        'ten-azur',
        'Côte d''Azur Logistique',
        'enterprise',
        'Europe/Berlin',
        'EUR',
        'support',
        9,
        150,
        0.0,
        1.0
    ),
    (
        7,
        'ten-senor',
        'Señor Burrito',
        'free',
        'America/Los_Angeles',
        'USD',
        'sales',
        4,
        60,
        0.0,
        1.0
    ),
    (
        8,
        'ten-pacific',
        'Pacific Crest Credit Union',
        'enterprise',
        'America/Los_Angeles',
        'USD',
        'it_helpdesk',
        10,
        210,
        0.0,
        1.0
    ),
    (
        9,
        'ten-dalton',
        'Dalton #1 Plumbing [HVAC]',
        'free',
        'America/New_York',
        'USD',
        'support',
        4,
        40,
        0.0,
        1.0
    ),
    (
        10,
        'ten-indus',
        'Indus Valley Foods',
        'pro',
        'Asia/Kolkata',
        'USD',
        'support',
        7,
        130,
        0.2,
        1.0
    ),
    (11, 'ten-thames', 'Thames & Tyne Lettings', 'pro', 'UTC', 'GBP', 'sales', 6, 80, 0.0, 1.0),
    (
        12,
        'ten-brightside',
        'Brightside Dental',
        'free',
        'America/New_York',
        'USD',
        'support',
        6,
        70,
        0.0,
        1.0
    ),
    (
        13,
        'ten-ostsee',
        'Ostsee Stadtwerke',
        'enterprise',
        'Europe/Berlin',
        'EUR',
        'it_helpdesk',
        6,
        100,
        0.35,
        1.0
    ),
    (14, 'ten-quiet', 'Quiet Harbour "Inns"', 'free', 'UTC', 'GBP', 'support', 4, 30, 0.0, 0.65)
) as rows (
    tenant_no, tenant_id, tenant_name, plan_tier, time_zone, currency, use_case, weight, user_pool,
    active_from, active_until
);

-- Which tenant has installed which agent. The pattern does not depend on the seed, so that the
-- story is the same in every set; the last two agents have two tenants each, which is fewer than a
-- publisher may see apart.
create table placements as
select
    cast(tenants.tenant_no * 100 + agents.agent_no as bigint) as placement_no,
    tenants.tenant_no,
    agents.agent_no,
    tenants.active_until,
    cast(tenants.weight * agents.weight as double) as weight,
    case
        when (tenants.tenant_no + agents.agent_no) % 9 = 0 then greatest(tenants.active_from, 0.3)
        else tenants.active_from
    end as active_from
from tenants
cross join agents
where
    case
        when agents.agent_no >= 11 then tenants.tenant_no in (2, 8)
        when tenants.tenant_no = 12 then agents.agent_no in (1, 6)
        when agents.agent_no = 9 then tenants.tenant_no in (1, 2, 3, 5, 6, 8, 11)
        when tenants.tenant_no <= 3 then (tenants.tenant_no + agents.agent_no) % 5 <> 0
        else (tenants.tenant_no * 7 + agents.agent_no * 5) % 9 < 5
    end;

-- Share of a local day's sessions by hour, as cumulative limits for a draw.
create table hours as
with profile as (
    select
        cast(is_weekend as boolean) as is_weekend,
        cast(local_hour as integer) as local_hour,
        case
            when is_weekend = 1 then 1.0 + 2.2 * greatest(0, sin(pi() * (local_hour - 8) / 14.0))
            when local_hour between 9 and 11 then 10.0
            when local_hour = 12 then 8.0
            when local_hour between 13 and 16 then 9.0
            when local_hour between 17 and 19 then 5.0
            when local_hour between 7 and 8 then 4.0
            when local_hour between 20 and 22 then 2.0
            else 0.5
        end as share
    from range(24) as hour_list (local_hour)
    cross join (values (0), (1)) as week_parts (is_weekend)
)

select
    is_weekend,
    local_hour,
    (sum(share) over (partition by is_weekend order by local_hour) - share)
    / sum(share) over (partition by is_weekend) as share_from
from profile;

-- Running instances of an agent type, from 05:00 to 21:00 UTC up to its peak, one at night; one
-- value per five minutes, so that the gauge and the ratings that fall with it agree.
create macro running_instances(type_no, peak_instances, moment) as
greatest(
    1,
    cast(
        round(
            1
            + peak_instances
            * greatest(0, sin(pi() * (hour(moment) + minute(moment) / 60.0 - 5) / 16))
            * case when isodow(moment) >= 6 then 0.45 else 1.0 end
            + 1.2 * bell('gauge', type_no * 100000000 + epoch(moment) // 300)
        ) as bigint
    )
);

-- The same for a tenant that runs instances of its own.
create macro tenant_instances(tenant_no, moment) as
greatest(
    1,
    cast(
        round(
            1
            + 4.5 * greatest(0, sin(pi() * (hour(moment) + minute(moment) / 60.0 - 5) / 16))
            + bell('tenant gauge', tenant_no * 100000000 + epoch(moment) // 300)
        ) as bigint
    )
);

-- The error burst: 12:00 to 14:00 UTC on the five weekdays before the last weekend day of the
-- period.
create macro is_burst(moment) as
hour(moment) in (12, 13)
and isodow(moment) <= 5
and cast(moment as date) between getvariable('last_day') - 7 and getvariable('last_day') - 2;
