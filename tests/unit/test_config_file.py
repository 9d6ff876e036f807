"""Settings of a file mean what those of the environment do, which wins; mistakes are named with a fix."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from orchestration.config_file import KEYS, Kind, variable_of
from orchestration.errors import UserError
from orchestration.settings import PROJECT_ROOT, Settings


def _file(home: Path, text: str) -> Path:
    path = home / "config" / "agentmart.yml"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
    return path


def _read(home: Path, **environ: str) -> Settings:
    return Settings.read({"AGENTMART_HOME": str(home), **environ})


def test_a_file_says_what_the_environment_may_say(tmp_path: Path) -> None:
    _file(
        tmp_path,
        "environment: production\n"
        "time_zone: Europe/Berlin\n"
        "threads: 8\n"
        "smtp_host: mail.example.org\n"
        "smtp_port: 2525\n"
        "alert_email_to: [ann@example.org, bob@example.org]\n"
        "run_failure_channels: [email, slack]\n",
    )
    settings = _read(tmp_path)
    assert settings == Settings.from_environment(
        {
            "AGENTMART_HOME": str(tmp_path),
            "AGENTMART_ENVIRONMENT": "production",
            "AGENTMART_TIME_ZONE": "Europe/Berlin",
            "AGENTMART_THREADS": "8",
            "AGENTMART_SMTP_HOST": "mail.example.org",
            "AGENTMART_SMTP_PORT": "2525",
            "AGENTMART_ALERT_EMAIL_TO": "ann@example.org,bob@example.org",
            "AGENTMART_RUN_FAILURE_CHANNELS": "email,slack",
        }
    )


def test_the_environment_wins_unless_it_says_nothing(tmp_path: Path) -> None:
    _file(tmp_path, "threads: 8\nkept_publications: 9\n")
    settings = _read(tmp_path, AGENTMART_THREADS="2", AGENTMART_KEPT_PUBLICATIONS="")
    assert (settings.threads, settings.kept_publications) == (2, 9)


def test_an_empty_file_changes_nothing(tmp_path: Path) -> None:
    without = _read(tmp_path)
    _file(tmp_path, "# nothing yet\n")
    assert _read(tmp_path) == without


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("timezone: UTC", "timezone in FILE is no setting; did you mean time_zone?"),
        ("colour: red", "colour in FILE is no setting; use any of environment, landing, "),
        ("threads: many", "threads in FILE is a text ('many'); write a whole number"),
        ("threads: true", "threads in FILE is true or false (True); write a whole number"),
        ("time_zone: 7", "time_zone in FILE is a number (7); write a text"),
        ("alert_email_to: a@b.c", "alert_email_to in FILE is a text ('a@b.c'); write a list of te"),
        ("landing:", "landing in FILE is empty (None); write a text"),
        ("home: /srv", "home in FILE cannot be set there; set AGENTMART_HOME in the environment"),
        # What settings.py refuses is said of the key, for its variable is not set.
        ("threads: 0", "threads in FILE is '0'; use a whole number of at least 1"),
        ("time_zone: Mars", "time_zone in FILE is 'Mars', which is not an IANA zone"),
        ("environment: test", "environment in FILE is 'test'; use development or production"),
        ("run_failure_channels: [fax]", "run_failure_channels in FILE names the channel 'fax'"),
        ("- threads", "FILE holds a list and no settings; write one `key: value` a line"),
        ("a: b: c", "FILE is not a YAML file that can be read at line 1"),
    ],
)
def test_a_mistake_in_the_file_is_named_with_key_value_and_fix(
    text: str, message: str, tmp_path: Path
) -> None:
    path = _file(tmp_path, f"{text}\n")
    with pytest.raises(UserError, match=f"^{re.escape(message.replace('FILE', str(path)))}"):
        _read(tmp_path)


@pytest.mark.parametrize(
    "key", [*(key for key, kind in KEYS.items() if kind is Kind.SECRET), "channel_sms"]
)
def test_a_secret_in_the_file_is_refused_and_not_repeated(key: str, tmp_path: Path) -> None:
    path = _file(tmp_path, f"{key}: canary-in-file\n")
    with pytest.raises(UserError) as refused:
        _read(tmp_path)
    message = str(refused.value)
    assert message.startswith(f"{key} in {path} is a secret; take it out of the file")
    assert variable_of(key) in message
    assert "canary" not in message


def test_a_file_that_cannot_be_parsed_does_not_repeat_its_text(tmp_path: Path) -> None:
    _file(tmp_path, "threads: 8\nsmtp_password: canary: secret\n")
    with pytest.raises(UserError, match="at line 2") as refused:
        _read(tmp_path)
    assert "canary" not in str(refused.value)


@pytest.mark.parametrize(
    ("variable", "message"),
    [
        ("AGENTMART_TIMEZONE", "AGENTMART_TIMEZONE is no setting; did you mean AGENTMART_TIME_ZON"),
        ("AGENTMART_SMTP_PASSWRD", "did you mean AGENTMART_SMTP_PASSWORD?"),
        ("AGENTMART_COLOUR", "AGENTMART_COLOUR is no setting; take it away"),
    ],
)
def test_a_variable_that_nothing_reads_is_named_with_the_nearest(
    variable: str, message: str, tmp_path: Path
) -> None:
    with pytest.raises(UserError, match=re.escape(message)) as refused:
        _read(tmp_path, **{variable: "canary"})
    assert "canary" not in str(refused.value)


def test_a_value_of_the_environment_is_named_by_its_variable(tmp_path: Path) -> None:
    _file(tmp_path, "threads: 8\n")
    with pytest.raises(UserError, match=r"^AGENTMART_THREADS is 'x'; use a whole number"):
        _read(tmp_path, AGENTMART_THREADS="x")


def _read_by_settings() -> set[str]:
    text = (PROJECT_ROOT / "orchestration" / "settings.py").read_text(encoding="utf-8")
    return set(re.findall(r'"AGENTMART_([A-Z0-9_]+[A-Z0-9])"', text)) - {"HOME", "WAREHOUSE"}


def test_every_variable_that_settings_read_is_a_known_key() -> None:
    assert _read_by_settings() - {key.upper() for key in KEYS} == set()


def test_every_setting_is_in_the_readme() -> None:
    readme = (PROJECT_ROOT / "README.md").read_text(encoding="utf-8")
    named = set(re.findall(r"`AGENTMART_([A-Z0-9_]+)`", readme))
    for first, endings in re.findall(r"`AGENTMART_([A-Z0-9_]+)`((?:, `_[A-Z0-9_]+`)+)", readme):
        stem = first.rpartition("_")[0]
        named |= {f"{stem}{ending}" for ending in re.findall(r"`(_[A-Z0-9_]+)`", endings)}
    assert _read_by_settings() - named == set()
