"""Alerting: what the published state says of rules becomes notifications that wait to be sent.

Belongs here: the asset. Does not belong here: evaluating rules (dbt_project/models/alerts), deciding what is
told (alerting/) and sending it (notifying).
"""

from typing import Any

import dagster as dg

from orchestration.defs.deployment import Deployment
from orchestration.defs.ingestion import OWNERS
from orchestration.defs.publishing import published_database
from orchestration.run_steps import queue_alerts


@dg.asset(
    key=["alerting", "notifications"],
    group_name="alerting",
    kinds={"python"},
    owners=OWNERS,
    deps=[published_database],
)
def alert_notifications(
    context: dg.AssetExecutionContext, deployment: Deployment
) -> dg.MaterializeResult[Any]:
    """What is to be told of alerts that fired and ended: each change once, the past never."""
    current = deployment.current_run(context.run_id)
    outcome = queue_alerts(current)
    for warning in outcome.warnings:
        context.log.warning(warning)
    return dg.MaterializeResult(
        metadata={
            "standing": outcome.standing,
            "told": len(outcome.decisions.messages),
            "held": len(outcome.decisions.held),
            "queued": outcome.queued,
        }
    )
