{%- set tokens = [
    'input_tokens', 'output_tokens', 'total_tokens', 'cache_read_tokens', 'cache_write_tokens',
    'reasoning_tokens', 'cost_usd', 'unpriced_usage_count',
] -%}
{%- set outcomes = ['agent_messages', 'completed_count', 'errored_count'] -%}
{%- set modelled = 'primary_model_key is not null' -%}
{{ marts_add_up_sql({
    'fct_invocations': {
        'usage_summary': outcomes + ['unmodelled_count'],
        'usage_daily': outcomes,
        'usage_hourly': ['agent_messages', 'errored_count'],
        'usage_by_agent': outcomes,
        'usage_by_model': ['agent_messages', 'errored_count'],
        'usage_by_provider': ['agent_messages', 'errored_count'],
    },
    'fct_user_messages': {
        'usage_summary': ['user_messages'],
        'usage_daily': ['user_messages'],
        'usage_by_agent': ['user_messages'],
    },
    'fct_llm_calls': {
        'usage_summary': tokens + ['recorded_cost_usd', 'usage_count'],
        'usage_daily': tokens,
        'usage_by_agent': tokens + ['usage_count'],
        'usage_by_model': tokens + ['usage_count'],
        'usage_by_provider': tokens + ['usage_count'],
    },
    'fct_sessions': {
        'usage_summary': ['sessions'],
        'usage_daily': ['sessions'],
        'usage_by_agent': ['sessions'],
    },
}, rows_of={'fct_invocations': {'usage_by_model': modelled, 'usage_by_provider': modelled}}) }}
