"""The datasets that ``agentmart export`` offers, by name.

Belongs here: which datasets there are. Does not belong here: anything about one of them.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from orchestration.errors import UserError
from orchestration.reporting.datasets.agent_types import AGENT_TYPE_COMPARISON
from orchestration.reporting.datasets.alerts import ALERTS
from orchestration.reporting.datasets.bill_reconciliation import BILL_RECONCILIATION
from orchestration.reporting.datasets.company import COMPANY
from orchestration.reporting.datasets.compliance import (
    COMPLIANCE_BY_AGENT_TYPE,
    COMPLIANCE_SUMMARY,
)
from orchestration.reporting.datasets.daily_summary import DAILY_SUMMARY
from orchestration.reporting.datasets.data_quality import DATA_QUALITY
from orchestration.reporting.datasets.dataset import Dataset
from orchestration.reporting.datasets.deployments import DEPLOYMENTS
from orchestration.reporting.datasets.experiments import EXPERIMENTS
from orchestration.reporting.datasets.feedback import (
    FEEDBACK_BY_AGENT_TYPE,
    FEEDBACK_SUMMARY,
)
from orchestration.reporting.datasets.forecast import FORECAST
from orchestration.reporting.datasets.goals import GOALS
from orchestration.reporting.datasets.insights import INSIGHTS
from orchestration.reporting.datasets.marketplace_overview import MARKETPLACE_OVERVIEW
from orchestration.reporting.datasets.publisher_dashboard import PUBLISHER_DASHBOARD
from orchestration.reporting.datasets.series import SERIES
from orchestration.reporting.datasets.tasks import TASK_COSTS, TASK_PERFORMANCE, TASK_USAGE
from orchestration.reporting.datasets.tenant_dashboard import TENANT_DASHBOARD
from orchestration.reporting.datasets.usage import (
    USAGE_BY_AGENT,
    USAGE_BY_MODEL,
    USAGE_SUMMARY,
    USAGE_TIMELINE,
)

DATASETS: Mapping[str, Dataset] = MappingProxyType(
    {
        dataset.name: dataset
        for dataset in (
            PUBLISHER_DASHBOARD,
            MARKETPLACE_OVERVIEW,
            TENANT_DASHBOARD,
            USAGE_SUMMARY,
            USAGE_BY_AGENT,
            USAGE_BY_MODEL,
            USAGE_TIMELINE,
            COMPLIANCE_SUMMARY,
            COMPLIANCE_BY_AGENT_TYPE,
            FEEDBACK_SUMMARY,
            FEEDBACK_BY_AGENT_TYPE,
            AGENT_TYPE_COMPARISON,
            TASK_USAGE,
            TASK_PERFORMANCE,
            TASK_COSTS,
            COMPANY,
            DAILY_SUMMARY,
            SERIES,
            INSIGHTS,
            ALERTS,
            FORECAST,
            GOALS,
            EXPERIMENTS,
            DEPLOYMENTS,
            BILL_RECONCILIATION,
            DATA_QUALITY,
        )
    }
)


def find_dataset(name: str) -> Dataset:
    """The dataset of this name.

    Raises:
        UserError: there is none; the message lists those that exist.
    """
    if name not in DATASETS:
        raise UserError(f"unknown dataset {name!r}: use one of {', '.join(DATASETS)}")
    return DATASETS[name]
