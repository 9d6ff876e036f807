{#
    Every staged row is in a fact: the model holds counts of staged rows, and `destinations` lists,
    for every stream (of agent_events, for every event type), where its rows go:

    stream, event_type   which staged rows; event_type is left out where the stream has none
    facts                list of {to, where}: relations that together hold one row for each of them,
                         with source_name and event_date
    is_by_day            false where a fact's day is another than the row's; `reason` says which
    reason               alone, for rows that are in no fact: where they are read instead

    Fails for every source and day of which staged and fact rows differ in number, and for staged
    rows that no destination names.
#}
{% test rows_reach_their_facts(model, destinations) %}
with staged as (
    {%- for destination in destinations %}
        select
            '{{ destination.stream }}' as stream_name,
            '{{ destination.event_type or '' }}' as event_type,
            source_name,
            {{ 'event_date' if destination.is_by_day | default(true) else 'cast(null as date)' }}
                as event_date,
            staged_rows,
            {{ 'staged_rows' if destination.facts is not defined else '0' }} as fact_rows
        from {{ model }}
        where
            stream_name = '{{ destination.stream }}'
            {%- if destination.event_type is defined %}
                and event_type = '{{ destination.event_type }}'
            {%- endif %}
        union all
        {%- for fact in destination.facts | default([]) %}
            select
                '{{ destination.stream }}' as stream_name,
                '{{ destination.event_type or '' }}' as event_type,
                source_name,
                {{ 'event_date' if destination.is_by_day | default(true) else 'cast(null as date)' }}
                    as event_date,
                0 as staged_rows,
                count(*) as fact_rows
            from {{ fact.to }}
            where {{ fact.where | default('true') }}
            group by {{ 'event_date, ' if destination.is_by_day | default(true) }}source_name
            union all
        {%- endfor %}
    {%- endfor %}
    select
        stream_name,
        event_type,
        source_name,
        event_date,
        staged_rows,
        0 as fact_rows
    from {{ model }}
    where
        not (
            {%- for destination in destinations %}
                {{ 'or ' if not loop.first }}(
                    stream_name = '{{ destination.stream }}'
                    {%- if destination.event_type is defined %}
                        and coalesce(event_type, '') = '{{ destination.event_type }}'
                    {%- endif %}
                )
            {%- endfor %}
        )
)

select
    stream_name,
    event_type,
    source_name,
    event_date,
    sum(staged_rows) as staged_rows,
    sum(fact_rows) as fact_rows
from staged
group by stream_name, event_type, source_name, event_date
having sum(staged_rows) <> sum(fact_rows)
{% endtest %}
