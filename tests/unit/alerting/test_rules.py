"""Alert rules as people write them: the shipped ones hold, and a wrong row is named with what is allowed."""

from __future__ import annotations

import csv
import re
import shutil
from pathlib import Path

import pytest

from orchestration.alerting.rules import Override, Rule, check_overrides, find_rule, read_rules
from orchestration.errors import UserError
from orchestration.settings import DBT_PROJECT_DIR, PROJECT_ROOT

_SEEDS = PROJECT_ROOT / "seeds" / "reference"
_CHANNELS = ("email", "slack", "teams", "pagerduty", "sms", "webhook")


@pytest.fixture
def rules() -> tuple[Rule, ...]:
    return read_rules(_CHANNELS)


def test_the_default_rules_are_those_that_were_asked_for(rules: tuple[Rule, ...]) -> None:
    """FL-110..113 and AG-105: strict comparisons, their windows, and who is told."""
    assert {
        rule.rule_id: (
            rule.metric,
            rule.evaluation,
            f"{rule.comparison} {rule.threshold}",
            rule.window_minutes,
            rule.channels,
        )
        for rule in rules
    } == {
        "daily_cost": ("cost_usd", "day_to_date", "> 50", 1440, ("email", "slack")),
        "slow_responses": (
            "p95_response_time_ms",
            "trailing",
            "> 5000",
            10,
            ("email", "pagerduty"),
        ),
        "high_error_rate": ("message_error_rate", "trailing", "> 0.02", 5, ("email", "sms")),
        "low_daily_users": ("active_users", "closed_day", "< 500", 1440, ("email",)),
        "high_toxicity_rate": ("toxic_rate", "closed_day", "> 0.01", 43200, ("email",)),
    }


def test_every_metric_that_a_rule_may_name_is_one_that_can_be_followed() -> None:
    text = (DBT_PROJECT_DIR / "macros" / "marts" / "alerts_metrics.sql").read_text("utf-8")
    registry = text.partition("macro alert_metrics()")[2].partition("endmacro")[0]
    followed = set(re.findall(r"^        '(\w+)': \{", registry, re.MULTILINE))
    with (_SEEDS / "alert_metrics.csv").open(encoding="utf-8", newline="") as file:
        assert {row["metric_key"] for row in csv.DictReader(file)} == followed


@pytest.mark.parametrize(
    ("field", "value", "said"),
    [
        ("metric", "costs", "metric is 'costs': use one of agent_messages, "),
        ("comparison", "=>", "comparison is '=>': use one of >, >=, <, <="),
        ("scope_kinds", "platform|team", "scope_kinds names 'team': use any of platform, tenant"),
        ("channels", "email|pigeon", "channels names 'pigeon': use any of email, slack, teams"),
        ("evaluation", "closed_day", None),
        ("evaluation", "hourly", "evaluation is 'hourly': use one of trailing, closed_day"),
        ("severity", "high", "severity is 'high': use one of critical, warning, info"),
        ("subject_kind", "agent", "subject_kind is 'agent': use one of scope"),
        ("notify_on", "always", "notify_on names 'always': use any of firing, resolved"),
        ("unit", "euro", "unit is 'euro': use one of fraction"),
        ("threshold", "fifty", "threshold is 'fifty': use a number"),
        ("threshold", "nan", "threshold is 'nan': use a number"),
        ("min_samples", "-1", "min_samples is '-1': use a whole number of at least 0"),
        ("cooldown_minutes", "1.5", "cooldown_minutes is '1.5': use a whole number"),
        ("window_minutes", "0", "window_minutes is '0': use a whole number of at least 1"),
        ("window_minutes", "90", "window_minutes is 90: a rule on the day so far has 1440"),
        ("title", "", "title is empty: fill it in"),
    ],
)
def test_a_wrong_row_is_named_with_its_value_and_what_is_allowed(
    tmp_path: Path, field: str, value: str, said: str | None
) -> None:
    for name in ("alert_rules.csv", "alert_metrics.csv"):
        shutil.copy2(_SEEDS / name, tmp_path / name)
    with (tmp_path / "alert_rules.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    assert rows[0]["rule_id"] == "daily_cost"
    rows[0][field] = value
    with (tmp_path / "alert_rules.csv").open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)
    if said is None:
        assert read_rules(_CHANNELS, folder=tmp_path)
        return
    with pytest.raises(UserError) as caught:
        read_rules(_CHANNELS, folder=tmp_path)
    assert str(caught.value).startswith(f"rule 'daily_cost' of alert_rules.csv: {said}")


def test_a_rule_that_is_there_twice_is_named(tmp_path: Path) -> None:
    shutil.copy2(_SEEDS / "alert_metrics.csv", tmp_path)
    lines = (_SEEDS / "alert_rules.csv").read_text("utf-8").splitlines()
    (tmp_path / "alert_rules.csv").write_text("\n".join([*lines, lines[1]]), "utf-8")
    with pytest.raises(UserError, match=r"'daily_cost' of alert_rules\.csv is there 2 times"):
        read_rules(_CHANNELS, folder=tmp_path)


def test_an_unknown_rule_is_answered_with_those_that_exist(rules: tuple[Rule, ...]) -> None:
    assert find_rule(rules, "daily_cost").metric == "cost_usd"
    with pytest.raises(UserError, match=r"unknown alert rule 'cost': use one of daily_cost, slow"):
        find_rule(rules, "cost")


def _override(**changes: object) -> Override:
    values: dict[str, object] = {
        "rule_id": "high_error_rate",
        "source_name": "native",
        "scope_kind": "tenant",
        "scope_id": "t1",
        "window_minutes": None,
        "channels": None,
        "is_known_scope": True,
    }
    return Override(**{**values, **changes})  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("override", "said"),
    [
        (
            _override(scope_kind="team", is_known_scope=False),
            "alert_rules, high_error_rate for team:t1 of native: scope_kind is 'team': use one of"
            " platform, tenant, publisher",
        ),
        (
            _override(is_known_scope=False),
            "alert_rules, high_error_rate for tenant:t1 of native: scope_id is 't1': use the id of a"
            " tenant of that source (core.dim_tenants)",
        ),
        (
            _override(channels=("email", "pigeon")),
            "alert_rules, high_error_rate for tenant:t1 of native: channels names 'pigeon': use any"
            " of email, slack, teams, pagerduty, sms, webhook, separated by |",
        ),
        (
            _override(window_minutes=0),
            "alert_rules, high_error_rate for tenant:t1 of native: window_minutes is 0: use at"
            " least 1",
        ),
        (
            _override(rule_id="low_daily_users", window_minutes=60),
            "alert_rules, low_daily_users for tenant:t1 of native: window_minutes is 60: a rule on"
            " whole days has a multiple of 1440",
        ),
    ],
)
def test_a_wrong_override_is_named_with_its_value_and_what_is_allowed(
    rules: tuple[Rule, ...], override: Override, said: str
) -> None:
    with pytest.raises(UserError) as caught:
        check_overrides([_override(), override], rules=rules, channels=_CHANNELS)
    assert str(caught.value) == said


def test_an_override_of_a_rule_that_is_not_there_is_warned_of_and_changes_nothing(
    rules: tuple[Rule, ...],
) -> None:
    lost = _override(rule_id="error_rate", is_known_scope=False, channels=("pigeon",))
    silent = _override(channels=(), window_minutes=1)
    (warning,) = check_overrides([lost, silent], rules=rules, channels=_CHANNELS)
    assert warning.startswith(
        "alert_rules names the rule 'error_rate' (error_rate for tenant:t1 of native), which does"
        " not exist and changes nothing: use one of daily_cost, "
    )
