{{ mart_over_windows(mrr_movements_sql('windows'), where="window_kind = 'monthly'") }}
