{{ mart_over_windows(adoption_summary_sql('windows')) }}
