"""Every secret that a deployment can be given, each with a mark that is searched for.

Belongs here: the variables. Does not belong here: what is done with them (the tests).
"""

from __future__ import annotations

import base64

from tests.support.http_server import closed_port

CANARY = "canary"
SALT = "canary-salt of more than sixteen characters"
_KEY = base64.b64encode(b"canary-webhook-key-of-enough-bytes").decode()
# The key of the webhook stands nowhere as what it encodes either.
MARKS = (CANARY, _KEY)


def secrets_of_receivers() -> dict[str, str]:
    """Keys of receivers at which nobody listens, of object storage and of a proxy."""
    nobody = f"127.0.0.1:{closed_port()}"
    return {
        "AGENTMART_SLACK_URL": f"http://{nobody}/services/canary-slack",
        "AGENTMART_TEAMS_URL": f"http://{nobody}/workflows/canary-teams",
        "AGENTMART_PAGERDUTY_KEY": "canary-pagerduty",
        "AGENTMART_PAGERDUTY_URL": f"http://{nobody}/v2/enqueue",
        "AGENTMART_WEBHOOK_URL": f"http://{nobody}/hooks/canary-hook",
        "AGENTMART_WEBHOOK_SECRET": f"whsec_{_KEY}",
        "AGENTMART_CHANNEL_SMS": f"smseagle://canary-sms@{nobody}/15550001111",
        "AGENTMART_RUN_FAILURE_CHANNELS": "slack,teams,pagerduty,webhook,sms",
        "AGENTMART_S3_ENDPOINT_URL": f"http://{nobody}",
        "AWS_ACCESS_KEY_ID": "canary-s3-id",
        "AWS_SECRET_ACCESS_KEY": "canary-s3-key",
        "AWS_REGION": "eu-central-1",
        "HTTPS_PROXY": f"http://me:canary-proxy@{nobody}",
    }
