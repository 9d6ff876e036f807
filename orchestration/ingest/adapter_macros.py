"""SQL macros for adapters: readings of raw values that several telemetry formats share.

Belongs here: what more than one adapter would otherwise write again: JSON text of a value whatever
its column type, token counts out of a map of usage, units of a latency, names of error classes.
Does not belong here: the names and rules of one format (adapters/*.sql), checks of the contract
(validation.py).
"""

from __future__ import annotations

ADAPTER_MACROS = (
    # The JSON text of an object or a list that is JSON text in one format and a nested column in
    # another; null for an empty text and for JSON's null.
    r"""create or replace temp macro nested_text(value) as
        nullif(nullif(
            case when json_type(to_json(value)) = 'VARCHAR' then to_json(value) ->> '$'
            else to_json(value)::varchar end,
        ''), 'null')""",
    # A member of a JSON text by its path; null where the text is no JSON.
    r"""create or replace temp macro member(document, path) as
        nullif(case when json_valid(document) then json_extract_string(document, path) end, '')""",
    # Name and value of each member of a JSON object of plain values.
    r"""create or replace temp macro plain_members(document) as
        case when json_valid(document) then
            case when json_type(document) = 'OBJECT' then
                list_filter(
                    map_entries(from_json(document, '"MAP(VARCHAR,VARCHAR)"')),
                    lambda m: m.value is not null
                )
            end
        end""",
    # What a key of a usage map counts. Providers name the same counts differently, so the words in
    # the name decide; a name that says nothing of tokens (search units, requests) counts nothing.
    r"""create or replace temp macro usage_class(key) as
        case
            when regexp_matches(lower(key), '^total(_?tokens)?$') then 'total'
            when regexp_matches(lower(key), '^(input|prompt)(_?tokens)?$') then 'input'
            when regexp_matches(lower(key), '^(output|completion)(_?tokens)?$') then 'output'
            when regexp_matches(lower(key), 'cach.*(creat|writ)|(creat|writ).*cach')
                then 'cache_write'
            when contains(lower(key), 'cach') then 'cache_read'
            when regexp_matches(lower(key), 'reason|thought|thinking') then 'reasoning'
            when regexp_matches(lower(key), '^(input|prompt)') then 'input_part'
            when regexp_matches(lower(key), '^(output|completion)') then 'output_part'
        end""",
    # The members of a usage map with what they count.
    r"""create or replace temp macro usage_members(document) as
        list_transform(plain_members(document), lambda m: {
            'kind': usage_class(m.key),
            'value': try_cast(try_cast(m.value as decimal(38, 9)) as bigint)
        })""",
    # The sum of the members of some classes; null when there is none.
    r"""create or replace temp macro usage_sum(members, kinds) as
        list_sum(list_transform(
            list_filter(members, lambda m: list_contains(kinds, m.kind)), lambda m: m.value
        ))::bigint""",
    # A usage map by class. `..._parts` are what may stand inside the plain count or beside it.
    r"""create or replace temp macro usage_counts(members) as {
            'input': usage_sum(members, ['input']),
            'input_parts': coalesce(
                usage_sum(members, ['cache_read', 'cache_write', 'input_part']), 0
            ),
            'output': usage_sum(members, ['output']),
            'output_parts': coalesce(usage_sum(members, ['reasoning', 'output_part']), 0),
            'cache_read': usage_sum(members, ['cache_read']),
            'cache_write': usage_sum(members, ['cache_write']),
            'reasoning': usage_sum(members, ['reasoning']),
            'total': usage_sum(members, ['total'])
        }""",
    # Input and output tokens with their parts. Whether the plain counts hold the parts already, the
    # total tells: it adds up only one way. Without a total that adds up, they stand beside.
    r"""create or replace temp macro usage_input(counts) as
        case when counts.input is not null or counts.input_parts > 0 then
            coalesce(counts.input, 0) + case coalesce(counts.total, -1)
                - coalesce(counts.input, 0) - coalesce(counts.output, 0)
                when counts.input_parts + counts.output_parts then counts.input_parts
                when 0 then 0
                when counts.input_parts then counts.input_parts
                when counts.output_parts then 0
                else counts.input_parts
            end
        end""",
    r"""create or replace temp macro usage_output(counts) as
        case when counts.output is not null or counts.output_parts > 0 then
            coalesce(counts.output, 0) + case coalesce(counts.total, -1)
                - coalesce(counts.input, 0) - coalesce(counts.output, 0)
                when counts.input_parts + counts.output_parts then counts.output_parts
                when 0 then 0
                when counts.input_parts then 0
                when counts.output_parts then counts.output_parts
                else counts.output_parts
            end
        end""",
    # A raw time as the contract reads it: without a zone it is UTC.
    r"""create or replace temp macro utc(raw_time) as
        try_cast(nullif(raw_time::varchar, '') as timestamptz)""",
    r"""create or replace temp macro ms_between(started_at, ended_at) as
        (epoch_us(ended_at) - epoch_us(started_at)) / 1000.0""",
    # Whether a latency is in milliseconds rather than seconds, by the time that passed: the unit
    # whose reading lies nearer to it, as a factor. Null when either is missing or zero.
    r"""create or replace temp macro is_in_ms(latency, passed_ms) as
        case when latency > 0 and passed_ms > 0 then latency * latency * 1000 > passed_ms * passed_ms
        end""",
    # The cost of a call by a total and by its parts. A total of 0 without parts means that the source
    # knows no price, not that the call was free.
    r"""create or replace temp macro known_cost(total_cost, costs) as
        case when len(costs) > 0 or try_cast(total_cost as double) <> 0 then
            coalesce(
                nullif(total_cost::varchar, ''),
                list_filter(costs, lambda c: c.key = 'total')[1].value,
                list_sum(list_transform(
                    costs, lambda c: try_cast(c.value as decimal(38, 12))
                ))::varchar
            )
        end""",
    # The provider as instrumentations name it in a span's metadata.
    r"""create or replace temp macro model_provider(metadata) as
        coalesce(
            member(metadata, '$.ls_provider'),
            member(metadata, '$.attributes."gen_ai.provider.name"'),
            member(metadata, '$.attributes."gen_ai.system"'),
            member(metadata, '$.attributes."llm.provider"'),
            member(metadata, '$.attributes."llm.system"')
        )""",
    # Whether a score by this name is a person's rating, and whether it may as well be a thumb, which
    # systems store as 0 or 1 under the same names.
    r"""create or replace temp macro is_rating_name(score_name) as
        regexp_full_match(
            lower(score_name), '((user|customer|star|csat)[-_ ]?)?(ratings?|stars|csat)'
        )""",
    r"""create or replace temp macro is_feedback_name(score_name) as
        regexp_full_match(lower(score_name), '((user|customer|human)[-_ ]?)?feedback')""",
    # The dimension that a judge's score of this name is of; null when it is none of the contract's.
    r"""create or replace temp macro quality_dimension(score_name) as
        case when lower(score_name) in ('accuracy', 'helpfulness', 'tone', 'completeness')
            then lower(score_name)
        end""",
    # A class for the text of an error: the text itself may quote a prompt, so it is never kept.
    r"""create or replace temp macro error_class(message) as
        case
            when message is null then 'error'
            when regexp_matches(lower(message), 'rate.?limit|too many requests|429') then 'rate_limit'
            when regexp_matches(lower(message), 'time.?out|timed out|deadline') then 'timeout'
            when regexp_matches(lower(message), 'context.?(length|window)|too many tokens')
                then 'context_length'
            when regexp_matches(lower(message), 'content.?(filter|policy)') then 'content_filter'
            when regexp_matches(lower(message), 'api.?key|unauthori|authenticat|401|403')
                then 'authentication'
            when regexp_matches(lower(message), 'connect|network|unreachable') then 'connection'
            else 'error'
        end""",
)
