{{ marts_add_up_sql({
    'fct_feedback': {
        'feedback_summary': ['feedback_count', 'comment_count'],
        'feedback_by_agent_type': ['feedback_count'],
        'feedback_by_load': ['feedback_count'],
    },
    'fct_invocations': {'feedback_summary': ['agent_messages']},
}) }}
