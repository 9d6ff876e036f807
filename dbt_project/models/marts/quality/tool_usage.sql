{{ mart_over_windows(tool_usage_sql('windows')) }}
