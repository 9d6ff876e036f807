{{ alert_evaluations_sql() }}
