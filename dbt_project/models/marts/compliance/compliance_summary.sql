{{ mart_over_windows(compliance_summary_sql('windows')) }}
