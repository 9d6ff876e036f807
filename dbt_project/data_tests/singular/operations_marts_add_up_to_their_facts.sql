{{ marts_add_up_sql({
    'fct_health_samples': {'health_summary': ['requests']},
}) }}
