{{ mart_over_windows(daily_anomalies_sql('windows'), where="window_kind = '30d' and not is_previous") }}
