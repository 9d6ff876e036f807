{{ mart_over_windows(usage_hourly_sql('windows')) }}
