{{ mart_over_windows(usage_by_provider_sql('windows')) }}
