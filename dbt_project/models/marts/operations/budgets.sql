{{ mart_over_windows(budgets_sql('windows')) }}
