{# Sessions. Belongs here: the one rule that cuts messages into sessions. #}

{#
    CTE `<name>`: the rows of `messages` with session_number, counted per tenant, user and agent. A silence strictly
    longer than the setting starts a session; exactly that long does not, and neither does midnight (X-22). Messages of
    one moment are in one session, whichever of them comes first: the range takes all of them in, so no key orders them,
    which would be a long text to sort.
#}
{% macro messages_in_sessions(name, messages) -%}
{{ name }}_gaps as (
    select
        messages.*,
        lag(messages.message_at) over (
            partition by messages.user_key, messages.agent_key
            order by messages.message_at
        ) as previous_message_at
    from {{ messages }} as messages
),

{{ name }} as (
    select
        gaps.*,
        sum(
            case
                when {{ seconds_between('gaps.previous_message_at', 'gaps.message_at') }} <= {{ setting('session_gap_seconds') }}
                    then 0
                else 1
            end
        ) over (
            partition by gaps.user_key, gaps.agent_key
            order by gaps.message_at
            range between unbounded preceding and current row
        ) as session_number
    from {{ name }}_gaps as gaps
)
{%- endmacro %}

{# The name under which int_pending_dates lists the days of whose messages the sessions to make again are cut. #}
{% macro messages_of_sessions() -%}
    {{ return('fct_sessions: messages') }}
{%- endmacro %}
