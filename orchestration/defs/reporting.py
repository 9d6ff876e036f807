"""Reports and their delivery: what is due is made from the published state, then sent.

Belongs here: the two assets. Does not belong here: making (reporting/) and sending (delivery/).
"""

from typing import Any

import dagster as dg

from orchestration.defs.alerting import alert_notifications
from orchestration.defs.deployment import Deployment
from orchestration.defs.ingestion import OWNERS
from orchestration.defs.publishing import published_database
from orchestration.defs.retries import tried_again
from orchestration.run_steps import make_reports, send_messages


@dg.asset(
    key=["reports", "documents"],
    group_name="reporting",
    kinds={"pdf", "csv"},
    owners=OWNERS,
    deps=[published_database],
)
def report_documents(
    context: dg.AssetExecutionContext, deployment: Deployment
) -> dg.MaterializeResult[Any]:
    """The weekly and monthly reports that are due, one of each per scope, and their e-mails."""
    current = deployment.current_run(context.run_id)
    made = make_reports(current)
    for failure in made.failed:
        context.log.error(str(failure))
    return dg.MaterializeResult(
        metadata={"made": len(made.made), "failed": len(made.failed), "queued": made.queued}
    )


@dg.asset(
    key=["delivery", "outbox"],
    group_name="delivery",
    kinds={"email"},
    owners=OWNERS,
    # A rule that makes no sense stops the run before anything is sent.
    deps=[report_documents, alert_notifications],
)
def delivered_messages(
    context: dg.AssetExecutionContext, deployment: Deployment
) -> dg.MaterializeResult[Any]:
    """The outbox after sending: each message to one recipient, once."""
    current = deployment.current_run(context.run_id)
    with tried_again(context, current):
        outcome = send_messages(current)
    return dg.MaterializeResult(
        metadata={
            "sent": outcome.sent,
            "written": outcome.written,
            "undelivered": outcome.undelivered,
        }
    )
