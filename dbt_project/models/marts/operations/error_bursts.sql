{{ mart_over_windows(error_bursts_sql('windows'), where="window_kind = '30d' and not is_previous") }}
