{{ mart_over_windows(usage_summary_sql('windows')) }}
