{{ mart_over_windows(usage_daily_sql('windows')) }}
