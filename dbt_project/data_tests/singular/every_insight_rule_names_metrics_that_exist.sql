-- A rule with a metric that nothing measures would find nothing and nobody would know.
with named as (
    {%- for column in ['metric', 'second_metric', 'third_metric', 'sample_metric'] %}
    select
        rules.rule_id,
        rules.subject_kind,
        '{{ column }}' as named_as,
        rules.{{ column }} as metric
    from {{ ref('insight_rules') }} as rules
    where rules.{{ column }} is not null
    {{ "union all" if not loop.last }}
    {%- endfor %}
),

known as (
    select
        'scope' as subject_kind,
        catalogue.metric_key as metric
    from {{ ref('metric_catalogue') }} as catalogue
    where catalogue.summary in ('{{ insight_summaries() | join("', '") }}')
    {%- for subject_kind, metrics in {
        'scope': insight_only_metrics(),
        'agent': insight_agent_metrics(),
        'tool': insight_tool_metrics(),
    }.items() %}
    {%- for metric in metrics %}
    union all
    select '{{ subject_kind }}', '{{ metric }}'
    {%- endfor %}
    {%- endfor %}
    {%- for rule_metric in insight_own_metrics() %}
    union all
    select rules.subject_kind, '{{ rule_metric }}'
    from {{ ref('insight_rules') }} as rules
    where rules.rule_id in ('{{ insight_own_rules() | join("', '") }}')
    {%- endfor %}
)

select
    named.rule_id,
    named.named_as,
    named.metric
from named
left join known
    on named.subject_kind = known.subject_kind
    and named.metric = known.metric
where known.metric is null
