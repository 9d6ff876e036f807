{{ marts_add_up_sql({
    'fct_audits': {
        'compliance_summary': ['pii_redactions', 'audited_messages', 'toxic_messages'],
        'compliance_by_agent_type': ['pii_redactions'],
    },
}) }}
