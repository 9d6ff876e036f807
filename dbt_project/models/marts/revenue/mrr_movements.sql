{{ mart_over_windows(mrr_movements_sql('windows'), "window_kind = 'monthly'") }}
