{{ mart_over_windows(session_distribution_sql('windows')) }}
