"""Where a deployment's state lives and how it is configured: the only reader of the environment.

Belongs here: every path, secret and switch that comes from outside. Does not belong here: anything about
the content of extracts (contracts/) or business thresholds (seeds/reference/).
"""

from __future__ import annotations

import binascii
import os
import re
from base64 import b64decode
from collections.abc import Iterator, Mapping
from contextlib import chdir, contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from orchestration.config_file import NAME as CONFIG_NAME
from orchestration.config_file import PREFIX, check_variables, read_config_file
from orchestration.errors import UserError

PROJECT_ROOT = Path(__file__).resolve().parent.parent
DBT_PROJECT_DIR = PROJECT_ROOT / "dbt_project"

# Without a deployment's own salt the hashes of user ids are only as private as this public text; it keeps
# samples and tests reproducible.
DEVELOPMENT_SALT = "agentmart-development-salt"

DEVELOPMENT, PRODUCTION = "development", "production"
_ENVIRONMENTS = (DEVELOPMENT, PRODUCTION)

# The engines that the warehouse is built on, by dbt target.
DEFAULT_TARGET = "duckdb"
TARGETS = (DEFAULT_TARGET, "ducklake", "spark")

_MAIL_SECURITY = ("starttls", "tls", "none")

# An address, or a name and an address in angle brackets.
_SENDER = re.compile(r"(?:[^<>]*<)?[A-Za-z0-9.!#$%&'*+/=?^_`{|}~-]+@[A-Za-z0-9.-]+>?")

PAGERDUTY_URL = "https://events.pagerduty.com/v2/enqueue"
# AGENTMART_CHANNEL_SMS makes the channel sms; the rest is an Apprise URL.
CHANNEL_PREFIX = "AGENTMART_CHANNEL_"
_CHANNEL_NAME = re.compile(r"[A-Z0-9][A-Z0-9_]{0,39}")
# These have variables and senders of their own.
_SENT_BY_US = ("email", "slack", "teams", "pagerduty", "webhook")
# Named by rules of every deployment, whether it has configured them or not.
STANDARD_CHANNELS = (*_SENT_BY_US, "sms")
_NO_CHANNEL = "none"


@dataclass(frozen=True, kw_only=True)
class SmtpSettings:
    """How to reach the mail server. ``security`` is starttls, tls or none."""

    host: str
    port: int
    security: str
    sender: str
    user: str | None = None
    password: str | None = field(default=None, repr=False)


@dataclass(frozen=True, kw_only=True)
class ChannelSettings:
    """Where notifications go, by channel; what is None or empty is not configured.

    ``apprise_urls`` maps the channels that Apprise serves, sms among them, to one URL each. URLs of
    receivers hold secrets, as keys do.
    """

    email_to: tuple[str, ...] = field(default=(), repr=False)
    slack_url: str | None = field(default=None, repr=False)
    teams_url: str | None = field(default=None, repr=False)
    pagerduty_key: str | None = field(default=None, repr=False)
    pagerduty_url: str = PAGERDUTY_URL
    webhook_url: str | None = field(default=None, repr=False)
    # More than one while the receiver changes from an old key to a new one.
    webhook_keys: tuple[bytes, ...] = field(default=(), repr=False)
    apprise_urls: Mapping[str, str] = field(default_factory=dict, repr=False)
    # What tells of failed runs, and of the figures of a day for which scopes.
    run_failures: tuple[str, ...] = ("email",)
    daily_summary: tuple[str, ...] = ("webhook",)
    daily_summary_scopes: tuple[str, ...] = ()

    @property
    def known(self) -> tuple[str, ...]:
        """Every channel that may be named here: the standard ones and the deployment's own."""
        return tuple(dict.fromkeys((*STANDARD_CHANNELS, *sorted(self.apprise_urls))))


@dataclass(frozen=True, kw_only=True)
class DuckLakeSettings:
    """Where the target ducklake is.

    ``catalog`` is how PostgreSQL is reached, as its own programs take it, without the password: they and
    DuckDB read that from PGPASSWORD or ~/.pgpass, so it is in no text of ours. ``data_path`` is a folder or
    an s3:// URL; the keys are those of S3.
    """

    catalog: str
    schema: str
    data_path: str
    s3_key_id: str | None = field(default=None, repr=False)
    s3_secret: str | None = field(default=None, repr=False)
    s3_session_token: str | None = field(default=None, repr=False)
    s3_region: str | None = None

    @property
    def is_on_s3(self) -> bool:
        return self.data_path.startswith("s3://")


@dataclass(frozen=True, kw_only=True)
class Settings:
    """One deployment: its state folder and what the environment says about it."""

    home: Path
    # A production folder is touched by nothing that is not told that it is in production.
    environment: str = DEVELOPMENT
    # Which engine builds; whether there is such a one is asked when it is to build.
    target: str = DEFAULT_TARGET
    ducklake: DuckLakeSettings | None = None
    # The URL of a Spark Connect server; it may hold a token. The name is the one that Spark's clients read.
    spark_remote: str | None = field(default=None, repr=False)
    # A URL of PostgreSQL without the password, where Dagster keeps its record of runs; None is a file.
    dagster_postgres: str | None = None
    time_zone: str = "UTC"
    user_id_salt: str = field(default=DEVELOPMENT_SALT, repr=False)
    threads: int = 4
    # What DuckDB may hold of a build in memory; the rest goes to files. With Python and what DuckDB does not
    # count, a run of ten million events peaks at 4.1 GB.
    memory_gb: int = 3
    # For going back to, and for readers that opened an older file a moment ago (D-63).
    kept_publications: int = 5
    # A folder or a URL instead of the landing folder in home.
    landing_place: str | None = None
    s3_endpoint_url: str | None = None
    # A URL on S3 where several hosts have one lake, of which the folder in home is a mirror.
    lake_place: str | None = None
    smtp: SmtpSettings | None = None
    mail_from: str = "agentmart@localhost"
    # Which terms of retention apply; None takes the default profile.
    product_profile: str | None = None
    channels: ChannelSettings = field(default_factory=ChannelSettings)
    # May hold a password. The names are those that other programs read, too.
    https_proxy: str | None = field(default=None, repr=False)
    no_proxy: str = ""

    @classmethod
    def load(cls) -> Settings:
        """The settings of this process's own environment, and of the file in its state folder."""
        return cls.read(os.environ)

    @classmethod
    def read(cls, environ: Mapping[str, str]) -> Settings:
        """Settings from the environment, else from the file that the state folder keeps.

        Raises:
            UserError: a name is unknown, or a value cannot be used; the message names both and where.
        """
        given = {name: value for name, value in environ.items() if value}
        check_variables(given)
        file = read_config_file(_home(given) / "config" / CONFIG_NAME)
        try:
            return cls.from_environment({**file.variables, **given})
        except UserError as error:
            raise UserError(file.names(str(error), besides=given)) from error

    @classmethod
    def from_environment(cls, environ: Mapping[str, str]) -> Settings:
        """Read the settings from environment variables.

        Raises:
            UserError: a variable has a value that cannot be used; the message names it.
        """
        home = _home(environ)
        zone = environ.get("AGENTMART_TIME_ZONE") or "UTC"
        try:
            ZoneInfo(zone)
        except (ZoneInfoNotFoundError, ValueError) as error:
            raise UserError(
                f"AGENTMART_TIME_ZONE is {zone!r}, which is not an IANA zone; use a name such as "
                "Europe/Berlin"
            ) from error
        sender = _sender(environ)
        environment = environ.get("AGENTMART_ENVIRONMENT") or DEVELOPMENT
        if environment not in _ENVIRONMENTS:
            raise UserError(
                f"AGENTMART_ENVIRONMENT is {environment!r}; use {' or '.join(_ENVIRONMENTS)}"
            )
        return cls(
            home=home,
            environment=environment,
            target=environ.get("AGENTMART_DBT_TARGET") or DEFAULT_TARGET,
            ducklake=_ducklake(environ, home=home),
            spark_remote=environ.get("SPARK_REMOTE") or None,
            dagster_postgres=_dagster_postgres(environ),
            time_zone=zone,
            user_id_salt=environ.get("AGENTMART_USER_ID_SALT") or DEVELOPMENT_SALT,
            threads=_whole_number(environ, "AGENTMART_THREADS", default=4),
            memory_gb=_whole_number(environ, "AGENTMART_MEMORY_GB", default=3),
            kept_publications=_whole_number(environ, "AGENTMART_KEPT_PUBLICATIONS", default=5),
            landing_place=environ.get("AGENTMART_LANDING") or None,
            s3_endpoint_url=environ.get("AGENTMART_S3_ENDPOINT_URL") or None,
            lake_place=_lake(environ),
            smtp=_smtp(environ, sender=sender),
            mail_from=sender,
            product_profile=environ.get("AGENTMART_PRODUCT_PROFILE") or None,
            channels=_channels(environ),
            https_proxy=environ.get("HTTPS_PROXY") or environ.get("https_proxy") or None,
            no_proxy=environ.get("NO_PROXY") or environ.get("no_proxy") or "",
        )

    def export_to_children(self) -> None:
        """Let the processes that this one starts work on the same deployment."""
        os.environ["AGENTMART_HOME"] = str(self.home)
        os.environ["AGENTMART_DBT_TARGET"] = self.target
        os.environ["DAGSTER_HOME"] = str(self.dagster_home)

    @contextmanager
    def dbt_environment(self) -> Iterator[Mapping[str, str]]:
        """What dbt's profile and macros read, in this process and as a mapping for another.

        The profile's path is the same text for every deployment, relative to the warehouse folder, which is
        the working folder meanwhile: dbt parses the whole project again (10 s) when a value that its
        profile reads differs from that of its parse cache. For the same reason a target is an argument of
        the build alone, and of none on the default engine.
        """
        changed = {
            "AGENTMART_HOME": str(self.home),
            "AGENTMART_WAREHOUSE": self.warehouse_file.name,
            "AGENTMART_MEMORY_GB": str(self.memory_gb),
        }
        before = {name: os.environ.get(name) for name in (*changed, "AGENTMART_DBT_TARGET")}
        self.warehouse.mkdir(parents=True, exist_ok=True)
        os.environ.update(changed)
        os.environ.pop("AGENTMART_DBT_TARGET", None)
        try:
            with chdir(self.warehouse):
                yield dict(os.environ)
        finally:
            for name, value in before.items():
                if value is None:
                    os.environ.pop(name, None)
                else:
                    os.environ[name] = value

    @property
    def landing(self) -> Path:
        return self.home / "landing"

    @property
    def default_landing(self) -> str:
        """Where extracts are looked for when a command names no other place."""
        return self.landing_place or str(self.landing)

    @property
    def lake(self) -> Path:
        return self.home / "lake"

    @property
    def warehouse(self) -> Path:
        return self.home / "warehouse"

    @property
    def warehouse_file(self) -> Path:
        return self.warehouse / "agentmart.duckdb"

    @property
    def dbt_target(self) -> Path:
        """dbt's artifacts and parse cache: per deployment, so that two of them never share one."""
        return self.warehouse / "dbt"

    @property
    def lock_file(self) -> Path:
        return self.warehouse / "warehouse.lock"

    @property
    def runs_lock_file(self) -> Path:
        """Shared by all runs that are at work."""
        return self.warehouse / "runs.lock"

    @property
    def dagster_home(self) -> Path:
        return self.home / "dagster"

    @property
    def run_inputs(self) -> Path:
        return self.warehouse / "inputs"

    @property
    def published(self) -> Path:
        return self.home / "published"

    @property
    def published_file(self) -> Path:
        return self.published / "agentmart.duckdb"

    @property
    def reports(self) -> Path:
        return self.home / "reports"

    @property
    def outbox(self) -> Path:
        return self.home / "outbox"

    @property
    def state_file(self) -> Path:
        return self.home / "state" / "agentmart.sqlite"

    @property
    def config(self) -> Path:
        return self.home / "config"

    @property
    def written_folders(self) -> tuple[Path, ...]:
        """What is ours in the state folder; landing and config are the user's."""
        return (
            self.lake,
            self.warehouse,
            self.published,
            self.reports,
            self.outbox,
            self.dagster_home,
            self.state_file.parent,
        )


def _ducklake(environ: Mapping[str, str], *, home: Path) -> DuckLakeSettings | None:
    catalog = environ.get("AGENTMART_DUCKLAKE_CATALOG")
    if not catalog:
        return None
    _refuse_password("AGENTMART_DUCKLAKE_CATALOG", catalog)
    schema = environ.get("AGENTMART_DUCKLAKE_SCHEMA") or "agentmart"
    if not re.fullmatch(r"[a-z][a-z0-9_]{0,62}", schema):
        raise UserError(
            f"AGENTMART_DUCKLAKE_SCHEMA is {schema!r}; use up to 63 small letters, digits and underscores"
        )
    data = environ.get("AGENTMART_DUCKLAKE_DATA") or str(home / "warehouse" / "ducklake")
    if "://" in data and not re.fullmatch(r"s3://[^/]+(/.*)?", data):
        raise UserError(f"AGENTMART_DUCKLAKE_DATA is {data!r}; use a folder or s3://bucket/prefix")
    return DuckLakeSettings(
        catalog=catalog,
        schema=schema,
        data_path=f"{data if '://' in data else Path(data).resolve()}".rstrip("/") + "/",
        s3_key_id=environ.get("AWS_ACCESS_KEY_ID") or None,
        s3_secret=environ.get("AWS_SECRET_ACCESS_KEY") or None,
        s3_session_token=environ.get("AWS_SESSION_TOKEN") or None,
        s3_region=environ.get("AWS_REGION") or environ.get("AWS_DEFAULT_REGION") or None,
    )


def _lake(environ: Mapping[str, str]) -> str | None:
    place = environ.get("AGENTMART_LAKE")
    if not place:
        return None
    if not re.fullmatch(r"s3://[^/@:]+(/.*)?", place):
        raise UserError(
            "AGENTMART_LAKE is not of the form s3://bucket/prefix; keys are taken from the environment"
            " as the provider's own tools take them, and a folder needs no setting"
        )
    return place.rstrip("/")


def own_variables() -> Mapping[str, str]:
    """The variables of this process that are settings of ours."""
    return {name: value for name, value in os.environ.items() if name.startswith(PREFIX)}


def _home(environ: Mapping[str, str]) -> Path:
    return Path(environ.get("AGENTMART_HOME") or "data").resolve()


def _dagster_postgres(environ: Mapping[str, str]) -> str | None:
    url = environ.get("AGENTMART_DAGSTER_POSTGRES")
    if not url:
        return None
    _refuse_password("AGENTMART_DAGSTER_POSTGRES", url)
    if not re.fullmatch(r"postgresql://[^\s\"'\\]+", url):
        raise UserError(
            f"AGENTMART_DAGSTER_POSTGRES is {url!r}; use postgresql://user@host:port/database"
        )
    return url


def _refuse_password(name: str, place: str) -> None:
    if re.search(r"\bpassword\s*=|://[^/@]*:[^/@]*@", place):
        raise UserError(
            f"{name} holds a password, which would be shown in messages; leave it out and set PGPASSWORD, or"
            " use ~/.pgpass"
        )


def _sender(environ: Mapping[str, str]) -> str:
    sender = environ.get("AGENTMART_MAIL_FROM") or "agentmart@localhost"
    if not (_SENDER.fullmatch(sender) and sender.isprintable()):
        raise UserError(
            f"AGENTMART_MAIL_FROM is {sender!r}, which is not an address; use one such as"
            " Reports <reports@example.com>"
        )
    return sender


def _smtp(environ: Mapping[str, str], *, sender: str) -> SmtpSettings | None:
    host = environ.get("AGENTMART_SMTP_HOST")
    if not host:
        return None
    if not _is_host(host):
        raise UserError(
            f"AGENTMART_SMTP_HOST is {host!r}, which is not the name of a host; use one such as"
            " mail.example.com"
        )
    security = environ.get("AGENTMART_SMTP_SECURITY") or "starttls"
    if security not in _MAIL_SECURITY:
        raise UserError(
            f"AGENTMART_SMTP_SECURITY is {security!r}; use one of {', '.join(_MAIL_SECURITY)}"
        )
    return SmtpSettings(
        host=host,
        port=_whole_number(environ, "AGENTMART_SMTP_PORT", default=587),
        security=security,
        sender=sender,
        user=environ.get("AGENTMART_SMTP_USER") or None,
        password=environ.get("AGENTMART_SMTP_PASSWORD") or None,
    )


def _channels(environ: Mapping[str, str]) -> ChannelSettings:
    url, keys = _url(environ, "AGENTMART_WEBHOOK_URL"), _webhook_keys(environ)
    if url and not keys:
        raise UserError(
            "AGENTMART_WEBHOOK_URL is set without AGENTMART_WEBHOOK_SECRET; set the secret that"
            " its receiver checks signatures with"
        )
    channels = ChannelSettings(
        email_to=_listed(environ, "AGENTMART_ALERT_EMAIL_TO"),
        slack_url=_url(environ, "AGENTMART_SLACK_URL"),
        teams_url=_url(environ, "AGENTMART_TEAMS_URL"),
        pagerduty_key=environ.get("AGENTMART_PAGERDUTY_KEY") or None,
        pagerduty_url=_url(environ, "AGENTMART_PAGERDUTY_URL") or PAGERDUTY_URL,
        webhook_url=url,
        webhook_keys=keys,
        apprise_urls=_apprise_urls(environ),
        daily_summary_scopes=_listed(environ, "AGENTMART_DAILY_SUMMARY_SCOPES"),
    )
    return replace(
        channels,
        run_failures=_chosen(
            environ,
            "AGENTMART_RUN_FAILURE_CHANNELS",
            known=channels.known,
            default=channels.run_failures,
        ),
        daily_summary=_chosen(
            environ,
            "AGENTMART_DAILY_SUMMARY_CHANNELS",
            known=channels.known,
            default=channels.daily_summary,
        ),
    )


def _chosen(
    environ: Mapping[str, str], name: str, *, known: tuple[str, ...], default: tuple[str, ...]
) -> tuple[str, ...]:
    """Channels by name; ``none`` for telling nobody."""
    channels = _listed(environ, name) or default
    if channels == (_NO_CHANNEL,):
        return ()
    for channel in channels:
        if channel not in known:
            raise UserError(
                f"{name} names the channel {channel!r}, which is not known; use any of"
                f" {', '.join(known)}, or {_NO_CHANNEL}"
            )
    return channels


def _webhook_keys(environ: Mapping[str, str]) -> tuple[bytes, ...]:
    """The secrets in the form of Standard Webhooks: ``whsec_`` and the Base64 of the key."""
    keys = []
    for secret in _listed(environ, "AGENTMART_WEBHOOK_SECRET"):
        try:
            key = b64decode(secret.removeprefix("whsec_"), validate=True)
        except binascii.Error:
            key = b""
        if not secret.startswith("whsec_") or not 24 <= len(key) <= 64:
            raise UserError(
                "AGENTMART_WEBHOOK_SECRET is not a secret for signing; use whsec_ followed by the"
                " Base64 of 24 to 64 random bytes"
            )
        keys.append(key)
    return tuple(keys)


def _apprise_urls(environ: Mapping[str, str]) -> dict[str, str]:
    urls = {}
    for variable, url in sorted(environ.items()):
        if not variable.startswith(CHANNEL_PREFIX) or not url:
            continue
        name = variable.removeprefix(CHANNEL_PREFIX)
        if not _CHANNEL_NAME.fullmatch(name):
            raise UserError(
                f"{variable} does not name a channel; use up to 40 capital letters, digits and"
                f" underscores after {CHANNEL_PREFIX}"
            )
        if name.lower() in _SENT_BY_US:
            raise UserError(
                f"{variable} names the channel {name.lower()}, which has variables of its own;"
                " choose another name"
            )
        if "://" not in url:
            # The value may be a secret that was put into the wrong variable.
            raise UserError(f"{variable} is not a URL; use one of Apprise, such as twilio://…")
        urls[name.lower()] = url
    return urls


def _listed(environ: Mapping[str, str], name: str) -> tuple[str, ...]:
    """The words between commas, each once, without the spaces around them."""
    words = (word.strip() for word in (environ.get(name) or "").split(","))
    return tuple(dict.fromkeys(word for word in words if word))


def _url(environ: Mapping[str, str], name: str) -> str | None:
    """A URL to post to; a message about a bad one never shows it, for it holds a secret."""
    text = environ.get(name)
    if not text:
        return None
    try:
        parts = urlsplit(text)
        is_usable = (
            parts.scheme in ("http", "https")
            and _is_host(parts.hostname or "")
            and parts.username is None
            and parts.port != 0
            and text.isascii()
            and text.isprintable()
            and " " not in text
        )
    except ValueError:
        is_usable = False
    if not is_usable:
        raise UserError(
            f"{name} is not a URL that can be posted to; use https://host/path without a user name"
        )
    return text


def _is_host(name: str) -> bool:
    """Whether it can be looked up: no part between dots is empty or longer than DNS allows."""
    try:
        name.encode("idna")
    except UnicodeError:
        return False
    return bool(name) and name.isprintable() and " " not in name


def _whole_number(environ: Mapping[str, str], name: str, *, default: int) -> int:
    text = environ.get(name)
    if not text:
        return default
    if not text.isdecimal() or int(text) < 1:
        raise UserError(f"{name} is {text!r}; use a whole number of at least 1")
    return int(text)
