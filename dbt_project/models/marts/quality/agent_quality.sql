{{ mart_over_windows(agent_quality_sql('windows')) }}
