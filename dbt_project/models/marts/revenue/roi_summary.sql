{{ mart_over_windows(
    roi_summary_sql('windows'),
    where="scope_kind = 'tenant' and window_kind in ('30d', 'monthly')"
) }}
