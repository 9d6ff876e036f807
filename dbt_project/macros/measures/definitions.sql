{#
    What is counted, added up and divided, each once: the marts render these definitions as SQL (measures.sql), and
    `python -m orchestration.warehouse.semantic_layer` writes the semantic models and metrics from them.

    Belongs here: additive measures, counts of distinct values, means and quotients. Does not belong here: figures that
    need more than a fact's own rows (percentiles, sessions of days, installs before the window).
#}

{#
    By fact: its key, the time that puts a row into a window, the condition that all its measures share, the columns to
    cut it by beside the dimensions it has keys of, and its measures. A measure is one of

        count: a column, or '*'         distinct: a column         sum: an expression (zero without rows; NULL where
        `or_unknown`)                   average: an expression     ratio: [numerator, denominator] of the same fact

    with `where` for the rows it is of, and `type` for a sum that is not a whole number.
#}
{% macro facts_measured() -%}
    {%- set money = 'decimal(38, 12)' -%}
    {{ return({
        'fct_invocations': {
            'key': 'invocation_event_key',
            'time': 'responded_at',
            'model_key': 'primary_model_key',
            'cut_by': ['error_type', 'agent_version'],
            'measures': {
                'agent_messages': {'count': '*'},
                'completed_count': {'count': '*', 'where': 'is_completed'},
                'errored_count': {'count': '*', 'where': 'is_errored'},
                'anonymous_agent_messages': {'count': '*', 'where': 'user_key is null'},
                'unmodelled_count': {'count': '*', 'where': 'primary_model_key is null'},
                'active_agents': {'distinct': 'agent_key'},
                'active_tenants': {'distinct': 'tenant_key'},
                'active_publishers': {'distinct': 'publisher_key'},
                'llm_latency_count': {'count': 'llm_latency_ms'},
                'avg_llm_latency_ms': {'average': 'llm_latency_ms'},
                'response_time_count': {'count': 'duration_ms'},
                'avg_response_time_ms': {'average': 'duration_ms'},
                'completed_duration_count': {'count': 'duration_ms', 'where': 'is_completed'},
                'avg_completed_duration_ms': {'average': 'duration_ms', 'where': 'is_completed'},
                'timed_output_tokens': {'sum': 'response_output_tokens', 'where': 'llm_latency_ms is not null'},
                'timed_llm_latency_ms': {'sum': 'llm_latency_ms', 'where': 'response_output_tokens is not null'},
                'tokens_per_second': {'ratio': ['timed_output_tokens', 'timed_llm_latency_ms'], 'times': 1000},
                'avg_message_tokens_per_second': {'average': tokens_per_second_of_message()},
                'message_error_rate': {'ratio': ['errored_count', 'agent_messages']},
                'message_success_rate': {'ratio': ['completed_count', 'agent_messages']},
            },
        },
        'fct_user_messages': {
            'key': 'user_message_key',
            'time': 'sent_at',
            'measures': {
                'user_messages': {'count': '*'},
                'anonymous_user_messages': {'count': '*', 'where': 'user_key is null'},
                'active_users': {'distinct': 'user_key'},
                'agents_with_incoming_messages': {'distinct': 'agent_key'},
            },
        },
        'fct_llm_calls': {
            'key': 'usage_key',
            'time': 'used_at',
            'where': 'has_owner',
            'model_key': 'model_key',
            'cut_by': ['origin', 'cost_basis'],
            'measures': {
                'usage_count': {'count': '*'},
                'input_tokens': {'sum': 'input_tokens'},
                'output_tokens': {'sum': 'output_tokens'},
                'total_tokens': {'sum': 'total_tokens'},
                'cache_read_tokens': {'sum': 'cache_read_tokens'},
                'cache_write_tokens': {'sum': 'cache_write_tokens'},
                'reasoning_tokens': {'sum': 'reasoning_tokens'},
                'cost_usd': {'sum': 'cost_usd', 'type': money, 'or_unknown': true},
                'recorded_cost_usd': {'sum': 'recorded_cost_usd', 'type': money},
                'recorded_usage_count': {'count': '*', 'where': "cost_basis = 'recorded'"},
                'priced_usage_count': {'count': '*', 'where': "cost_basis = 'priced'"},
                'unpriced_usage_count': {'count': '*', 'where': "cost_basis = 'unpriced'"},
                'unpriced_tokens': {'sum': 'total_tokens', 'where': "cost_basis = 'unpriced'"},
                'model_count': {'distinct': 'model_key'},
            },
        },
        'fct_sessions': {
            'key': 'session_key',
            'time': 'started_at',
            'measures': {
                'sessions': {'count': '*'},
                'avg_session_duration_s': {'average': 'duration_s'},
                'single_message_session_count': {'count': '*', 'where': 'message_count = 1'},
                'single_message_session_rate': {'ratio': ['single_message_session_count', 'sessions']},
                'session_message_count': {'sum': 'message_count'},
                'messages_per_session': {'ratio': ['session_message_count', 'sessions']},
            },
        },
        'fct_tool_calls': {
            'key': 'tool_call_key',
            'time': 'called_at',
            'cut_by': ['tool_name', 'error_type'],
            'measures': {
                'attempt_count': {'sum': 'attempt_count'},
                'failure_count': {'sum': 'failure_count'},
                'tool_failure_rate': {'ratio': ['failure_count', 'attempt_count']},
                'listed_completed_count': {'sum': 'listed_count', 'where': 'is_listed_completed'},
                'listed_count': {'sum': 'listed_count'},
                'total_duration_ms': {
                    'sum': 'duration_ms', 'where': 'attempt_count > 0', 'type': 'bigint', 'or_unknown': true
                },
            },
        },
        'fct_conversations': {
            'key': 'conversation_key',
            'time': 'created_at',
            'cut_by': ['status'],
            'measures': {
                'conversations': {'count': '*'},
                'completed_conversations': {'count': '*', 'where': 'is_completed'},
                'resolved_conversations': {'count': '*', 'where': 'is_resolved'},
                'escalated_conversations': {'count': '*', 'where': 'is_escalated'},
                'abandoned_conversations': {'count': '*', 'where': 'is_abandoned'},
                'agents_with_conversations': {'distinct': 'agent_key'},
                'resolution_rate': {'ratio': ['resolved_conversations', 'completed_conversations']},
                'escalation_rate': {'ratio': ['escalated_conversations', 'conversations']},
                'abandonment_rate': {'ratio': ['abandoned_conversations', 'conversations']},
                'satisfaction_count': {'count': 'satisfaction_score', 'where': 'is_completed'},
                'avg_satisfaction_score': {'average': 'satisfaction_score', 'where': 'is_completed'},
                'satisfaction_response_rate': {'ratio': ['satisfaction_count', 'completed_conversations']},
                'gross_savings_usd': {'sum': 'human_cost_usd', 'where': 'is_resolved', 'type': money},
            },
        },
        'fct_quality_scores': {
            'key': 'quality_score_key',
            'time': 'judged_at',
            'cut_by': ['dimension', 'judge_model'],
            'measures': judge_measure_definitions(),
        },
        'fct_tasks': {
            'key': 'task_key',
            'time': 'terminal_at',
            'where': 'is_completed or is_failed',
            'model_key': 'primary_model_key',
            'cut_by': ['status', 'team_id', 'project_id'],
            'measures': {
                'terminal_tasks': {'count': '*'},
                'completed_tasks': {'count': '*', 'where': 'is_completed'},
                'failed_tasks': {'count': '*', 'where': 'is_failed'},
                'retried_tasks': {'count': '*', 'where': 'is_retried'},
                'task_success_rate': {'ratio': ['completed_tasks', 'terminal_tasks']},
                'task_error_rate': {'ratio': ['failed_tasks', 'terminal_tasks']},
                'retry_rate': {'ratio': ['retried_tasks', 'terminal_tasks']},
                'task_steps': {'sum': 'steps'},
                'timed_tasks': {'count': 'duration_s'},
                'total_task_duration_s': {'sum': 'duration_s', 'type': 'decimal(38, 6)', 'or_unknown': true},
                'avg_task_duration_s': {'average': 'duration_s'},
                'avg_completed_task_duration_s': {'average': 'duration_s', 'where': 'is_completed'},
            },
        },
        'fct_charges': {
            'key': 'charge_key',
            'time': 'charged_at',
            'cut_by': ['currency', 'kind'],
            'measures': {
                'charge_count': {'count': '*', 'where': 'not is_refund'},
                'refund_count': {'count': '*', 'where': 'is_refund'},
                'converted_count': {'count': 'amount_usd'},
                'unconverted_count': {'count': '*', 'where': 'amount_usd is null'},
                'gross_usd': {'sum': 'gross_usd', 'type': money},
                'refund_usd': {'sum': 'refund_usd', 'type': money},
                'net_usd': {'sum': 'net_usd', 'type': money},
                'fee_usd': {'sum': 'fee_usd', 'type': money},
                'paying_tenants': {'distinct': 'tenant_key', 'where': 'not is_refund and amount > 0'},
            },
        },
        'fct_audits': {
            'key': 'audit_key',
            'time': 'audited_at',
            'measures': {
                'audited_messages': {'distinct': 'message_key'},
                'toxic_messages': {'distinct': 'message_key', 'where': 'is_toxic'},
                'messages_with_pii': {'distinct': 'message_key', 'where': 'has_pii'},
                'pii_redactions': {'sum': 'pii_redaction_count'},
            },
        },
        'fct_feedback': {
            'key': 'feedback_key',
            'time': 'rated_at',
            'cut_by': ['load_band', 'rating'],
            'measures': {
                'feedback_count': {'count': '*'},
                'avg_rating': {'average': 'rating'},
                'comment_count': {'count': '*', 'where': 'has_comment'},
            },
        },
        'fct_health_samples': {
            'key': 'health_sample_key',
            'time': 'sampled_at',
            'cut_by': ['service'],
            'measures': {
                'requests': {'sum': 'requests'},
                'failed_requests': {'sum': 'failed_requests', 'where': 'requests is not null'},
                'succeeded_requests': {'sum': 'requests - coalesce(failed_requests, 0)'},
                'request_success_rate': {'ratio': ['succeeded_requests', 'requests']},
                'request_error_rate': {'ratio': ['failed_requests', 'requests']},
                'queue_sample_count': {'count': 'queue_depth'},
                'zero_queue_sample_count': {'count': '*', 'where': 'queue_depth = 0'},
                'zero_queue_share': {'ratio': ['zero_queue_sample_count', 'queue_sample_count']},
                'avg_queue_depth': {'average': 'queue_depth'},
            },
        },
    }) }}
{%- endmacro %}

{# Decimal, so that the order of rows cannot change the digits of a sum of them. #}
{% macro tokens_per_second_of_message() -%}
    {{ return(
        'cast(' ~ safe_divide('response_output_tokens * 1000', 'llm_latency_ms') ~ ' as decimal(18, 6))'
    ) }}
{%- endmacro %}

{% macro judge_measure_definitions() -%}
    {%- set measures = {} -%}
    {%- for dimension in judge_dimensions() -%}
        {%- do measures.update({
            'avg_' ~ dimension ~ '_score': {'average': 'score', 'where': "dimension = '" ~ dimension ~ "'"}
        }) -%}
    {%- endfor -%}
    {{ return(measures) }}
{%- endmacro %}

{# Quotients of measures of two facts, or of what was added up; `money` keeps its places. #}
{% macro quotients() -%}
    {{ return({
        'avg_tokens_per_message': {'of': 'total_tokens', 'by': 'agent_messages'},
        'avg_output_tokens_per_message': {'of': 'output_tokens', 'by': 'agent_messages'},
        'cost_per_message_usd': {'of': 'cost_usd', 'by': 'agent_messages', 'money': true},
        'cost_per_session_usd': {'of': 'cost_usd', 'by': 'sessions', 'money': true},
        'cost_per_user_usd': {'of': 'cost_usd', 'by': 'active_users', 'money': true},
        'cost_per_resolution_usd': {'of': 'cost_usd', 'by': 'resolved_conversations', 'money': true},
        'take_rate': {'of': 'fee_usd', 'by': 'net_usd'},
        'revenue_per_active_tenant_usd': {'of': 'net_usd', 'by': 'active_tenants', 'money': true},
        'revenue_per_paying_tenant_usd': {'of': 'net_usd', 'by': 'paying_tenants', 'money': true},
        'audit_coverage': {'of': 'audited_messages', 'by': 'agent_messages'},
        'toxic_rate': {'of': 'toxic_messages', 'by': 'agent_messages'},
        'pii_rate': {'of': 'messages_with_pii', 'by': 'agent_messages'},
        'toxic_rate_of_audited': {'of': 'toxic_messages', 'by': 'audited_messages'},
        'pii_rate_of_audited': {'of': 'messages_with_pii', 'by': 'audited_messages'},
        'pii_redactions_per_message': {'of': 'pii_redactions', 'by': 'agent_messages'},
        'feedback_response_rate': {'of': 'feedback_count', 'by': 'agent_messages'},
    }) }}
{%- endmacro %}

{# What is added up of measures, and what is taken off. #}
{% macro totals() -%}
    {{ return({
        'messages': {'plus': ['agent_messages', 'user_messages'], 'minus': []},
        'anonymous_messages': {'plus': ['anonymous_agent_messages', 'anonymous_user_messages'], 'minus': []},
        'payout_usd': {'plus': ['net_usd'], 'minus': ['fee_usd']},
        'margin_usd': {'plus': ['net_usd'], 'minus': ['fee_usd', 'cost_usd']},
        'net_savings_usd': {'plus': ['gross_savings_usd'], 'minus': ['cost_usd']},
    }) }}
{%- endmacro %}
