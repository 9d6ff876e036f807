from orchestration.clock import now as now
