{{ mart_over_windows(goals_sql('windows', from_marts=true)) }}
