{{ mart_over_windows(feedback_by_load_sql('windows')) }}
