{{ mart_over_windows(feedback_by_agent_type_sql('windows')) }}
