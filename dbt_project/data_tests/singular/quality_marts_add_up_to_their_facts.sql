{{ marts_add_up_sql({
    'fct_tool_calls': {'tool_usage': ['attempt_count', 'failure_count', 'listed_count']},
    'fct_conversations': {
        'quality_summary': ['conversations', 'resolved_conversations', 'escalated_conversations'],
        'agent_quality': ['conversations', 'resolved_conversations'],
    },
    'fct_tasks': {
        'quality_summary': ['terminal_tasks', 'completed_tasks', 'failed_tasks'],
        'task_summary': ['terminal_tasks', 'completed_tasks', 'failed_tasks', 'task_steps'],
        'tasks_by_steps': ['terminal_tasks', 'completed_tasks', 'failed_tasks'],
    },
    'fct_feedback': {
        'quality_summary': ['feedback_count'],
        'agent_quality': ['feedback_count'],
    },
}) }}
