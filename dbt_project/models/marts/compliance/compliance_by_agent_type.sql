{{ mart_over_windows(compliance_by_agent_type_sql('windows')) }}
