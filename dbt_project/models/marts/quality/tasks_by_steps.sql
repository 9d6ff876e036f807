{{ mart_over_windows(tasks_by_steps_sql('windows')) }}
