{{ mart_over_windows(usage_forecast_sql('windows'), where="window_kind in ('7d', 'weekly') and not is_previous") }}
