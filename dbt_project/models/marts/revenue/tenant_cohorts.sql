{{ mart_over_windows(
    tenant_cohorts_sql('windows'),
    where="scope_kind <> 'tenant' and window_kind = 'monthly'"
) }}
