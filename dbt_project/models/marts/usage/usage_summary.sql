{# To look back on users for thirty days takes more than all else, and usage_daily has done it. #}
{{ mart_over_windows(usage_summary_sql('windows', active_users=ref('usage_daily'))) }}
