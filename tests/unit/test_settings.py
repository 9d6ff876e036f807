"""Settings come from the mapping they are given, and bad values are named."""

from pathlib import Path

import pytest

from orchestration.errors import UserError
from orchestration.settings import DEVELOPMENT_SALT, Settings


def test_an_empty_environment_gives_the_default_home_and_no_mail() -> None:
    settings = Settings.from_environment({})
    assert settings.home == Path("data").resolve()
    assert settings.time_zone == "UTC"
    assert settings.smtp is None
    assert settings.user_id_salt == DEVELOPMENT_SALT


def test_every_place_of_a_deployment_is_under_its_home() -> None:
    settings = Settings.from_environment({"AGENTMART_HOME": "/srv/mart"})
    places = [
        settings.landing,
        settings.lake,
        settings.warehouse_file,
        settings.run_inputs,
        settings.dbt_target,
        settings.lock_file,
        settings.published_file,
        settings.reports,
        settings.outbox,
        settings.state_file,
        settings.config,
        settings.dagster_home,
    ]
    assert all(place.is_relative_to("/srv/mart") for place in places)
    assert len(set(places)) == len(places)


@pytest.mark.parametrize(
    ("variable", "value"),
    [
        ("AGENTMART_TIME_ZONE", "Mars/Olympus"),
        ("AGENTMART_THREADS", "many"),
        ("AGENTMART_THREADS", "0"),
        ("AGENTMART_MEMORY_GB", "4GB"),
        ("AGENTMART_SMTP_PORT", "smtp"),
        ("AGENTMART_SMTP_SECURITY", "maybe"),
        ("AGENTMART_SMTP_HOST", "mail..example.com"),
        ("AGENTMART_SMTP_HOST", "mail example.com"),
        ("AGENTMART_MAIL_FROM", "reports"),
        ("AGENTMART_MAIL_FROM", "Reports <"),
        ("AGENTMART_MAIL_FROM", "berichte@müller.example"),
    ],
)
def test_a_value_that_cannot_be_used_is_named_with_its_variable(variable: str, value: str) -> None:
    environ = {"AGENTMART_SMTP_HOST": "mail.example.com", variable: value}
    with pytest.raises(UserError, match=f"{variable} is '{value}'"):
        Settings.from_environment(environ)


def test_a_line_end_in_the_sender_does_not_stop_deliveries_but_the_start() -> None:
    with pytest.raises(UserError, match=r"AGENTMART_MAIL_FROM is .*>\\n', which"):
        Settings.from_environment({"AGENTMART_MAIL_FROM": "Reports <r@example.org>\n"})


@pytest.mark.parametrize(
    "host", ["mail.example.com", "mail.example.com.", "localhost", "127.0.0.1", "::1", "mäil.de"]
)
def test_a_mail_server_is_named_in_any_way_that_can_be_looked_up(host: str) -> None:
    settings = Settings.from_environment(
        {"AGENTMART_SMTP_HOST": host, "AGENTMART_MAIL_FROM": "Zahlen für Sie <r.s+x@example.org>"}
    )
    assert settings.smtp is not None
    assert (settings.smtp.host, settings.mail_from) == (host, "Zahlen für Sie <r.s+x@example.org>")


def test_secrets_do_not_show_in_the_printed_settings() -> None:
    settings = Settings.from_environment(
        {
            "AGENTMART_SMTP_HOST": "mail.example.com",
            "AGENTMART_SMTP_PASSWORD": "canary-password",
            "AGENTMART_USER_ID_SALT": "canary-salt",
        }
    )
    assert "canary" not in repr(settings)
    assert settings.smtp is not None
    assert settings.smtp.password == "canary-password"


def test_channels_come_from_the_environment_and_hide_their_secrets() -> None:
    settings = Settings.from_environment(
        {
            "AGENTMART_ALERT_EMAIL_TO": "ann@example.org, bob@example.org ,ann@example.org",
            "AGENTMART_SLACK_URL": "https://hooks.example.org/canary-slack",
            "AGENTMART_TEAMS_URL": "https://teams.example.org/canary-teams",
            "AGENTMART_PAGERDUTY_KEY": "canary-pagerduty",
            "AGENTMART_WEBHOOK_URL": "https://hooks.example.org/canary-hook",
            "AGENTMART_WEBHOOK_SECRET": "whsec_Y2FuYXJ5LWNhbmFyeS1jYW5hcnktY2FuYXJ5,"
            "whsec_b2xkLWNhbmFyeS1vbGQtY2FuYXJ5LW9sZC1jYW5hcnk=",
            "AGENTMART_CHANNEL_SMS": "twilio://canary:token@15550001/15550002",
            "https_proxy": "http://me:canary@proxy.example.org:3128",
        }
    )
    channels = settings.channels
    assert settings.https_proxy == "http://me:canary@proxy.example.org:3128"
    assert channels.email_to == ("ann@example.org", "bob@example.org")
    assert channels.slack_url == "https://hooks.example.org/canary-slack"
    assert channels.pagerduty_url == "https://events.pagerduty.com/v2/enqueue"
    assert channels.webhook_keys == (
        b"canary-canary-canary-canary",
        b"old-canary-old-canary-old-canary",
    )
    assert dict(channels.apprise_urls) == {"sms": "twilio://canary:token@15550001/15550002"}
    assert "canary" not in repr(settings)


def test_what_tells_of_failed_runs_and_of_days_is_chosen_by_name() -> None:
    unset = Settings.from_environment({}).channels
    assert (unset.run_failures, unset.daily_summary, unset.daily_summary_scopes) == (
        ("email",),
        ("webhook",),
        (),
    )
    chosen = Settings.from_environment(
        {
            "AGENTMART_CHANNEL_OPS": "twilio://a:b@1/2",
            "AGENTMART_RUN_FAILURE_CHANNELS": "pagerduty, ops",
            "AGENTMART_DAILY_SUMMARY_CHANNELS": "none",
            "AGENTMART_DAILY_SUMMARY_SCOPES": "platform,tenant:acme",
        }
    ).channels
    assert (chosen.run_failures, chosen.daily_summary, chosen.daily_summary_scopes) == (
        ("pagerduty", "ops"),
        (),
        ("platform", "tenant:acme"),
    )


@pytest.mark.parametrize(
    "variable", ["AGENTMART_RUN_FAILURE_CHANNELS", "AGENTMART_DAILY_SUMMARY_CHANNELS"]
)
def test_an_unknown_channel_is_named_with_those_that_are_known(variable: str) -> None:
    with pytest.raises(UserError, match=f"{variable} names the channel 'fax'.*use any of email,"):
        Settings.from_environment({variable: "email,fax"})


@pytest.mark.parametrize(
    ("variable", "value"),
    [
        ("AGENTMART_SLACK_URL", "canary"),
        ("AGENTMART_SLACK_URL", "ftp://canary.example.org/"),
        ("AGENTMART_TEAMS_URL", "https:///canary"),
        ("AGENTMART_SLACK_URL", "https://hooks..slack.com/canary"),
        # A part of a name has at most 63 letters.
        ("AGENTMART_TEAMS_URL", f"https://{'a' * 64}.example.org/canary"),
        ("AGENTMART_TEAMS_URL", "https://canary.example.org:port/"),
        ("AGENTMART_PAGERDUTY_URL", "https://user:canary@example.org/"),
        ("AGENTMART_PAGERDUTY_URL", "https://example.org/canary with a space"),
        ("AGENTMART_WEBHOOK_URL", "https://example.org/canary-without-a-secret"),
        ("AGENTMART_WEBHOOK_SECRET", "canary-without-its-prefix"),
        ("AGENTMART_WEBHOOK_SECRET", "whsec_canary"),
        ("AGENTMART_WEBHOOK_SECRET", "whsec_dG9vIHNob3J0"),
        ("AGENTMART_CHANNEL_SMS", "canary"),
        ("AGENTMART_CHANNEL_SLACK", "slack://canary"),
        ("AGENTMART_CHANNEL_lower", "twilio://canary"),
    ],
)
def test_a_channel_that_cannot_be_used_is_named_without_its_value(
    variable: str, value: str
) -> None:
    with pytest.raises(UserError, match=variable) as raised:
        Settings.from_environment({variable: value})
    assert "canary" not in str(raised.value)


def test_extracts_lie_in_the_state_folder_unless_the_environment_names_another_place() -> None:
    assert Settings.from_environment({"AGENTMART_HOME": "/h"}).default_landing == "/h/landing"
    named = {"AGENTMART_LANDING": "s3://bucket/in", "AGENTMART_S3_ENDPOINT_URL": "http://store"}
    settings = Settings.from_environment(named)
    assert settings.default_landing == "s3://bucket/in"
    assert settings.s3_endpoint_url == "http://store"


@pytest.mark.parametrize(
    "place", ["/a/folder", "s3:///lake", "gs://bucket/lake", "s3://key:secret@bucket/lake"]
)
def test_a_place_of_a_shared_lake_that_cannot_be_used_is_refused_and_not_repeated(
    place: str,
) -> None:
    with pytest.raises(
        UserError, match="AGENTMART_LAKE is not of the form s3://bucket/prefix"
    ) as error:
        Settings.from_environment({"AGENTMART_LAKE": place})
    assert place not in str(error.value)


def test_the_place_of_a_shared_lake_is_taken_without_a_slash_at_its_end() -> None:
    settings = Settings.from_environment({"AGENTMART_LAKE": "s3://bucket/our/lake/"})
    assert settings.lake_place == "s3://bucket/our/lake"


@pytest.mark.parametrize(
    ("variable", "value", "fix"),
    [
        ("AGENTMART_DUCKLAKE_SCHEMA", "Not a name", "small letters"),
        ("AGENTMART_DUCKLAKE_DATA", "gs://bucket/lake", "s3://bucket/prefix"),
        ("AGENTMART_DAGSTER_POSTGRES", "host=db", "postgresql://user@host"),
    ],
)
def test_a_place_on_a_server_that_cannot_be_used_is_named_with_what_can(
    variable: str, value: str, fix: str
) -> None:
    environ = {"AGENTMART_DUCKLAKE_CATALOG": "host=db", variable: value}
    with pytest.raises(UserError, match=f"{variable} is '{value}'.*{fix}"):
        Settings.from_environment(environ)


@pytest.mark.parametrize(
    ("variable", "value"),
    [
        ("AGENTMART_DUCKLAKE_CATALOG", "host=db password=canary"),
        ("AGENTMART_DUCKLAKE_CATALOG", "postgresql://me:canary@db/lake"),
        ("AGENTMART_DAGSTER_POSTGRES", "postgresql://me:canary@db/runs"),
    ],
)
def test_a_password_in_a_place_is_refused_and_not_shown(variable: str, value: str) -> None:
    with pytest.raises(UserError, match=f"{variable} holds a password.*PGPASSWORD") as refused:
        Settings.from_environment({variable: value})
    assert "canary" not in str(refused.value)


def test_files_of_ducklake_are_in_the_state_folder_unless_the_environment_names_another_place() -> (
    None
):
    catalog = {"AGENTMART_HOME": "/srv/mart", "AGENTMART_DUCKLAKE_CATALOG": "host=db"}
    places = [
        Settings.from_environment({**catalog, **more}).ducklake
        for more in ({}, {"AGENTMART_DUCKLAKE_DATA": "s3://bucket/lake"})
    ]
    assert [place.data_path for place in places if place is not None] == [
        "/srv/mart/warehouse/ducklake/",
        "s3://bucket/lake/",
    ]
    assert [place.is_on_s3 for place in places if place is not None] == [False, True]
