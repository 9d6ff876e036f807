{{ mart_over_windows(usage_by_weekday_hour_sql('windows'), where='not is_previous') }}
