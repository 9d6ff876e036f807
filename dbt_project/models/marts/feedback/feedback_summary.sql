{{ mart_over_windows(feedback_summary_sql('windows')) }}
