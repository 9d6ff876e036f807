"""`agentmart config`: which settings are in force and where each comes from, and whether they can be used.

Belongs here: the table a person reads. Does not belong here: what is checked (settings.py, config_file.py,
state/home.py).
"""

from __future__ import annotations

import click

from orchestration.settings import Settings, own_variables


@click.group()
def config() -> None:
    """Check the settings of the environment and of config/agentmart.yml.

    Example: agentmart config check
    """


@config.command()
@click.pass_obj
def check(settings: Settings) -> None:
    """Show each setting and where it comes from, secrets never; exit 2 if any cannot be used.

    Example: agentmart config check
    """
    from orchestration.config_file import KEYS, NAME, Kind, read_config_file, variable_of
    from orchestration.state.home import check_home

    file = read_config_file(settings.config / NAME)
    environ, shown = own_variables(), _shown(settings)
    click.echo(f"{'home':<24} {settings.home}")
    for key, kind in KEYS.items():
        variable = variable_of(key)
        given = environ.get(variable)
        origin = "environment" if given else "file" if variable in file.variables else "default"
        if kind is Kind.SECRET:
            value = "set" if given else ""
        else:
            value = shown.get(key, given or file.variables.get(variable, ""))
        click.echo(f"{key:<24} {value:<40} {origin}".rstrip())
    for name in sorted(settings.channels.apprise_urls):
        click.echo(f"{f'channel_{name}':<24} {'set':<40} environment")
    check_home(settings, is_hashing=True)
    click.echo("the settings can be used with this state folder")


def _shown(settings: Settings) -> dict[str, str]:
    """By key what is in force where that is not what was given; addresses are masked."""
    from orchestration.delivery.addresses import mask_address

    smtp, channels = settings.smtp, settings.channels
    values: dict[str, object] = {
        "environment": settings.environment,
        "landing": settings.default_landing,
        "lake": settings.lake_place,
        "s3_endpoint_url": settings.s3_endpoint_url,
        "time_zone": settings.time_zone,
        "product_profile": settings.product_profile,
        "threads": settings.threads,
        "memory_gb": settings.memory_gb,
        "kept_publications": settings.kept_publications,
        "dbt_target": settings.target,
        "smtp_host": smtp and smtp.host,
        "smtp_port": smtp and smtp.port,
        "smtp_security": smtp and smtp.security,
        "smtp_user": smtp and smtp.user,
        "mail_from": settings.mail_from,
        "alert_email_to": ", ".join(map(mask_address, channels.email_to)),
        "pagerduty_url": channels.pagerduty_url,
        "run_failure_channels": ", ".join(channels.run_failures) or "none",
        "daily_summary_channels": ", ".join(channels.daily_summary) or "none",
        "daily_summary_scopes": ", ".join(channels.daily_summary_scopes),
    }
    return {key: "" if value is None else str(value) for key, value in values.items()}
