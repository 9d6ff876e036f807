{{ mart_over_windows(health_summary_sql('windows')) }}
