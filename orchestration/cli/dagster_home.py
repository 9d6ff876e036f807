"""The Dagster home of a deployment: made once, so that the terminal and the web page share runs."""

from __future__ import annotations

from orchestration.settings import Settings

# Dagster's own defaults except: no usage telemetry, and no log lines of other libraries in the terminal.
_CONFIGURATION = """\
telemetry:
  enabled: false
python_logs:
  python_log_level: WARNING
concurrency:
  pools:
    granularity: op
    default_limit: 1
"""


def prepare_dagster_home(settings: Settings) -> None:
    """Create the folder and its configuration unless someone has configured it already."""
    settings.dagster_home.mkdir(parents=True, exist_ok=True)
    configuration = settings.dagster_home / "dagster.yaml"
    if not configuration.exists():
        configuration.write_text(_CONFIGURATION, encoding="utf-8")
    settings.export_for_dbt()
