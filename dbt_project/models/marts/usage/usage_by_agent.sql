{{ mart_over_windows(usage_by_agent_sql('windows')) }}
