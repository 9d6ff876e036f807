{{ mart_over_windows(revenue_summary_sql('windows')) }}
