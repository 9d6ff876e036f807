{{ mart_over_windows(pii_by_entity_sql('windows')) }}
