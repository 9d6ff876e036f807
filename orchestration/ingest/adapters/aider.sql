-- The public usage events of the Aider coding agent, as an example of an adapter of one's own.
--
-- adapter: aider
-- version: 1
-- fields: event, time, user_id
-- fields: properties.main_model as main_model
-- fields: properties.prompt_tokens as prompt_tokens
-- fields: properties.completion_tokens as completion_tokens
-- fields: properties.cost as cost decimal
-- fields: properties.exception as exception
-- fields: properties.edit_format as edit_format
-- fields: properties.aider_version as aider_version
-- private: exception
--
-- An event has no id of its own, so its content is its id; a number tells rows of equal content apart,
-- which are separate events within one second. What is no message (launches, commands, exits) is ignored.
-- Texts of exceptions hold parts of prompts, so only their class is kept.
--
-- stream: agent_events
select
    messages.row_number,
    md5(messages.content) || '-' || row_number() over (
        partition by messages.content
        order by messages.row_number asc
    ) as id,
    case messages.event
        when 'message_send_starting' then 'agent_invoked'
        when 'message_send' then 'agent_completed'
        when 'message_send_exception' then 'agent_errored'
    end as event_type,
    messages.time as "timestamp",
    messages.user_id,
    messages.aider_version as agent_version,
    messages.main_model as model,
    messages.prompt_tokens as input_tokens,
    messages.completion_tokens as output_tokens,
    messages.cost as cost_usd,
    case
        when messages.exception ilike '%certificate%' then 'certificate'
        when messages.exception ilike '%connection%' then 'connection'
        when messages.exception ilike '%not found%' then 'not_found'
        when messages.exception ilike '%alternate user/assistant%' then 'message_order'
        when messages.exception is not null then 'internal'
    end as error_type,
    messages.edit_format
from (
    select
        *,
        concat_ws(
            chr(31),
            event,
            time,
            hashed_user('aider', user_id),
            coalesce(main_model, ''),
            coalesce(prompt_tokens, ''),
            coalesce(completion_tokens, ''),
            coalesce(cost, ''),
            coalesce(exception, '')
        ) as content
    from raw_rows
    where event in ('message_send_starting', 'message_send', 'message_send_exception')
) as messages
