{{ mart_over_windows(usage_by_model_sql('windows')) }}
