"""The settings that a state folder keeps in a file, and the names that settings have.

Belongs here: every key, what kind of value it takes, and reading ``config/agentmart.yml``. Does not belong
here: what a value means and whether it can be used (settings.py): that is the same wherever it stands.

A key of the file is the name of the environment's variable without its prefix, in small letters. The
environment wins. A secret stands in no file: files are copied, backed up and shown.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from difflib import get_close_matches
from enum import StrEnum
from pathlib import Path

import yaml

from orchestration.errors import UserError

PREFIX = "AGENTMART_"
NAME = "agentmart.yml"


class Kind(StrEnum):
    """What a key takes, in the words of a message."""

    TEXT = "a text"
    NUMBER = "a whole number"
    LIST = "a list of texts"
    SECRET = "a secret"


KEYS: Mapping[str, Kind] = {
    "environment": Kind.TEXT,
    "landing": Kind.TEXT,
    "lake": Kind.TEXT,
    "s3_endpoint_url": Kind.TEXT,
    "time_zone": Kind.TEXT,
    "user_id_salt": Kind.SECRET,
    "product_profile": Kind.TEXT,
    "threads": Kind.NUMBER,
    "memory_gb": Kind.NUMBER,
    "kept_publications": Kind.NUMBER,
    "dbt_target": Kind.TEXT,
    "ducklake_catalog": Kind.TEXT,
    "ducklake_schema": Kind.TEXT,
    "ducklake_data": Kind.TEXT,
    "dagster_postgres": Kind.TEXT,
    "smtp_host": Kind.TEXT,
    "smtp_port": Kind.NUMBER,
    "smtp_security": Kind.TEXT,
    "smtp_user": Kind.TEXT,
    "smtp_password": Kind.SECRET,
    "mail_from": Kind.TEXT,
    "alert_email_to": Kind.LIST,
    "slack_url": Kind.SECRET,
    "teams_url": Kind.SECRET,
    "pagerduty_key": Kind.SECRET,
    "pagerduty_url": Kind.TEXT,
    "webhook_url": Kind.SECRET,
    "webhook_secret": Kind.SECRET,
    "run_failure_channels": Kind.LIST,
    "daily_summary_channels": Kind.LIST,
    "daily_summary_scopes": Kind.LIST,
}
# A channel of the deployment's own is a URL that holds a password.
_CHANNEL = "channel_"
# The file lies in the first, and the second is told to dbt by the process that starts it.
_OF_PROCESSES = ("home", "warehouse")


@dataclass(frozen=True, kw_only=True)
class ConfigFile:
    """What a file says, as the environment would say it."""

    path: Path
    variables: Mapping[str, str] = field(default_factory=dict)

    def names(self, text: str, *, besides: Collection[str]) -> str:
        """A message with the file's keys in the place of the variables that came from it."""
        # The longest first: a name may be the beginning of another.
        for variable in sorted(self.variables, key=len, reverse=True):
            if variable not in besides:
                text = text.replace(variable, f"{key_of(variable)} in {self.path}")
        return text


def key_of(variable: str) -> str:
    return variable.removeprefix(PREFIX).lower()


def variable_of(key: str) -> str:
    return f"{PREFIX}{key.upper()}"


def read_config_file(path: Path) -> ConfigFile:
    """The settings of a file; none if there is no such file.

    Raises:
        UserError: it cannot be read, or holds a key or a kind of value that it must not.
    """
    if not path.exists():
        return ConfigFile(path=path)
    try:
        content = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        # The words around a mistake may be a secret that should not be there.
        mark = getattr(error, "problem_mark", None)
        where = f" at line {mark.line + 1}" if mark is not None else ""
        raise UserError(
            f"{path} is not a YAML file that can be read{where}; write one `key: value` a line"
        ) from error
    if content is None:
        return ConfigFile(path=path)
    if not isinstance(content, dict):
        raise UserError(
            f"{path} holds {_kind(content)} and no settings; write one `key: value` a line"
        )
    return ConfigFile(
        path=path,
        variables={
            variable_of(str(key)): _text(str(key), value, path=path)
            for key, value in content.items()
        },
    )


def check_variables(environ: Mapping[str, str]) -> None:
    """Name a variable of ours that nothing reads.

    Raises:
        UserError: there is one.
    """
    for variable in sorted(environ):
        if variable.startswith(PREFIX):
            key = key_of(variable)
            if key not in KEYS and key not in _OF_PROCESSES and not key.startswith(_CHANNEL):
                near = _nearest(key)
                hint = f"; did you mean {variable_of(near)}?" if near else ""
                raise UserError(f"{variable} is no setting{hint or '; take it away'}")


def _text(key: str, value: object, *, path: Path) -> str:
    if key in _OF_PROCESSES:
        raise UserError(
            f"{key} in {path} cannot be set there; set {variable_of(key)} in the environment"
        )
    if key.startswith(_CHANNEL) or KEYS.get(key) is Kind.SECRET:
        raise UserError(
            f"{key} in {path} is a secret; take it out of the file, change it where it is used, and set"
            f" {variable_of(key)} in the environment"
        )
    if key not in KEYS:
        near = _nearest(key)
        hint = f"did you mean {near}?" if near else f"use any of {', '.join(_allowed())}"
        raise UserError(f"{key} in {path} is no setting; {hint}")
    kind = KEYS[key]
    if not _is(kind, value):
        raise UserError(f"{key} in {path} is {_kind(value)} ({value!r}); write {kind.value}")
    return ",".join(value) if isinstance(value, list) else str(value)


def _is(kind: Kind, value: object) -> bool:
    if kind is Kind.LIST:
        return isinstance(value, list) and all(
            isinstance(one, str) and "," not in one for one in value
        )
    if kind is Kind.NUMBER:
        # To Python, true is a number.
        return isinstance(value, int) and not isinstance(value, bool)
    return isinstance(value, str)


def _kind(value: object) -> str:
    names = {bool: "true or false", int: "a number", float: "a number", str: "a text"}
    names |= {list: "a list", dict: "a group of keys", type(None): "empty"}
    return names.get(type(value), "a date or time")


def _nearest(key: str) -> str | None:
    near = get_close_matches(key.lower(), KEYS, n=1, cutoff=0.7)
    return near[0] if near else None


def _allowed() -> list[str]:
    return [key for key, kind in KEYS.items() if kind is not Kind.SECRET]
