{{ mart_over_windows(value_summary_sql('windows')) }}
