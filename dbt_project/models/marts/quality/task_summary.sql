{{ mart_over_windows(task_summary_sql('windows')) }}
