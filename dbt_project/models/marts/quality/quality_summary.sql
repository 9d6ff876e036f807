{{ mart_over_windows(quality_summary_sql('windows')) }}
