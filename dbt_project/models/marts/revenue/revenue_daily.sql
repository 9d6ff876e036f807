{{ mart_over_windows(revenue_daily_sql('windows')) }}
