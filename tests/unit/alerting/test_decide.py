"""Who is told of which alert: transitions, the past, cool-down and mute, from run to run."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest

from orchestration.alerting.decide import Alert, Decisions, Held, Memory, Watch, decide

_KEY = "errors/platform:platform"


def _at(text: str) -> datetime:
    """A moment of 2 May 2026 (``10:00``), or of another day of that May (``1 10:00``)."""
    day, _, clock = text.rpartition(" ")
    hour, minute = clock.split(":")
    return datetime(2026, 5, int(day or 2), int(hour), int(minute), tzinfo=UTC)


def _alert(
    fired: str,
    ended: str | None = None,
    *,
    state: str | None = None,
    notify_on: tuple[str, ...] = ("firing", "resolved"),
    muted_until: str | None = None,
) -> Alert:
    return Alert(
        alert_id=f"alert of {fired}",
        subject_key=_KEY,
        rule_id="errors",
        scope="platform",
        source_name=None,
        subject_kind="scope",
        subject_id="platform",
        severity="critical",
        title="Errors",
        description="Many errors.",
        recommendation="Look.",
        metric="message_error_rate",
        comparison=">",
        threshold=Decimal("0.02"),
        value=Decimal("0.5"),
        sample_size=40,
        fired_at=_at(fired),
        ended_at=None if ended is None else _at(ended),
        state=state or ("firing" if ended is None else "resolved"),
        channels=("email", "sms"),
        cooldown=timedelta(minutes=60),
        notify_on=notify_on,
        muted_until=None if muted_until is None else _at(muted_until),
    )


class _Runs:
    """Runs one after another, each with what the published state says then."""

    def __init__(self) -> None:
        self._memories: Mapping[str, Memory] = {}
        self.last: Decisions | None = None

    def run(
        self,
        *alerts: Alert,
        known: str | None,
        as_of: str | None = None,
        muted_until: str | None = None,
    ) -> list[tuple[str, str]]:
        """What this run tells: the news and its moment. ``known`` is until when data reach."""
        watch = Watch(
            subject_key=_KEY,
            known_until=None if known is None else _at(known),
            muted_until=None if muted_until is None else _at(muted_until),
        )
        moment = as_of or known
        assert moment is not None
        self.last = decide(
            alerts,
            watches=[watch],
            memories=self._memories,
            as_of=_at(moment),
            lookback=timedelta(hours=24),
        )
        self._memories = {**self._memories, **self.last.memories}
        return [
            (message.news.value, f"{message.transition_at:%H:%M}") for message in self.last.messages
        ]

    @property
    def held(self) -> Sequence[Held]:
        assert self.last is not None
        return [reason for _, reason in self.last.held]


@pytest.fixture
def runs() -> _Runs:
    """Runs of a home that has looked at the rule before and knows data until nine."""
    runs = _Runs()
    assert runs.run(known="09:00") == []
    return runs


def test_an_alert_is_told_as_it_fires_and_as_it_ends_and_never_again(runs: _Runs) -> None:
    assert runs.run(_alert("09:30"), known="10:00") == [("firing", "09:30")]
    assert runs.run(_alert("09:30"), known="10:30") == []
    assert runs.run(_alert("09:30", "10:45"), known="11:00") == [("resolved", "10:45")]
    assert runs.run(_alert("09:30", "10:45"), known="12:00") == []


def test_an_alert_between_two_runs_is_told_with_its_end(runs: _Runs) -> None:
    told = [("firing", "09:30"), ("resolved", "09:40")]
    assert runs.run(_alert("09:30", "09:40"), known="10:00") == told


def test_the_first_run_of_a_home_tells_only_what_fires_now() -> None:
    past, unmeasured = _alert("1 09:30", "1 10:00"), _alert("08:00", state="no_data")
    assert _Runs().run(past, _alert("08:00"), known="09:00") == [("firing", "08:00")]
    assert _Runs().run(past, unmeasured, known="09:00") == []


def test_a_rule_that_no_run_has_looked_at_has_no_past_either() -> None:
    runs = _Runs()
    assert runs.run(known=None, as_of="09:00") == []
    # Its first data: what they say of before that run is the past, what they say of after is news.
    assert runs.run(_alert("08:00", "08:10"), _alert("09:30", "09:40"), known="10:00") == [
        ("firing", "09:30"),
        ("resolved", "09:40"),
    ]


def test_what_late_data_would_have_fired_is_not_told(runs: _Runs) -> None:
    assert runs.run(_alert("08:30", "08:50"), known="10:00") == []


def test_what_late_data_fired_and_goes_on_is_told_once_newer_data_confirm_it(runs: _Runs) -> None:
    assert runs.run(_alert("08:30"), known="09:00", as_of="09:10") == []
    assert runs.run(_alert("08:30"), known="09:20") == [("firing", "08:30")]
    assert runs.run(_alert("08:30"), known="09:40") == []


@pytest.mark.parametrize(("fired", "is_told"), [("10:00", True), ("09:59", False)])
def test_what_is_older_than_a_day_when_it_is_first_seen_is_not_told(
    runs: _Runs, fired: str, is_told: bool
) -> None:
    told = runs.run(_alert(fired, "10:05"), known="11:00", as_of="3 10:00")
    assert told == ([("firing", "10:00"), ("resolved", "10:05")] if is_told else [])


def test_within_the_cool_down_of_the_last_one_told_an_alert_waits(runs: _Runs) -> None:
    first, second, third = _alert("09:30", "09:35"), _alert("10:29", "10:31"), _alert("10:30")
    assert runs.run(first, known="09:50") == [("firing", "09:30"), ("resolved", "09:35")]
    # 59 minutes after the first, and 60.
    assert runs.run(first, second, known="10:35") == []
    assert runs.held == [Held.COOLING_DOWN]
    runs = _Runs()
    runs.run(known="09:00")
    runs.run(first, known="09:50")
    assert runs.run(first, third, known="10:30") == [("firing", "10:30")]


def test_an_alert_that_outlasts_the_cool_down_is_told_then(runs: _Runs) -> None:
    first, second = _alert("09:30", "09:35"), _alert("09:50")
    assert runs.run(first, second, known="10:00") == [("firing", "09:30"), ("resolved", "09:35")]
    assert runs.run(first, second, known="10:29") == []
    assert runs.held == [Held.COOLING_DOWN]
    assert runs.run(first, second, known="10:30") == [("firing", "09:50")]


def test_a_muted_rule_tells_nobody_until_the_mute_ends(runs: _Runs) -> None:
    standing = _alert("09:30")
    assert runs.run(standing, known="10:00", muted_until="11:00") == []
    assert runs.held == [Held.MUTED]
    assert runs.run(standing, known="11:00", muted_until="11:00") == [("firing", "09:30")]


def test_an_alert_that_came_and_went_while_muted_is_never_told(runs: _Runs) -> None:
    quiet = _alert("09:30", "09:40", muted_until="09:31")
    loud = _alert("09:31", "09:40", muted_until="09:31")
    assert runs.run(quiet, known="10:00") == []
    assert runs.held == [Held.MUTED]
    runs = _Runs()
    runs.run(known="09:00")
    assert runs.run(loud, known="10:00") == [("firing", "09:31"), ("resolved", "09:40")]


def test_the_end_of_what_was_told_waits_for_the_mute_to_end(runs: _Runs) -> None:
    runs.run(_alert("09:30"), known="10:00")
    over = _alert("09:30", "10:10")
    assert runs.run(over, known="10:30", muted_until="11:00") == []
    assert runs.run(over, known="11:00") == [("resolved", "10:10")]


def test_a_rule_that_tells_only_when_it_fires_tells_no_end(runs: _Runs) -> None:
    only = ("firing",)
    assert runs.run(_alert("09:30", notify_on=only), known="10:00") == [("firing", "09:30")]
    assert runs.run(_alert("09:30", "22:00", notify_on=only), known="23:00") == []
    assert runs.run(_alert("09:30", "22:00", notify_on=only), known="23:30") == []


def test_an_alert_that_can_no_longer_be_measured_is_told_as_that(runs: _Runs) -> None:
    runs.run(_alert("09:30"), known="10:00")
    faded = _alert("09:30", "3 10:00", state="unmeasured")
    assert runs.run(faded, known="10:00", as_of="3 11:00") == [("unmeasured", "10:00")]


def test_late_data_that_move_an_alert_make_no_second_one(runs: _Runs) -> None:
    runs.run(_alert("09:30"), known="10:00")
    assert runs.run(_alert("09:10"), known="12:00") == []
    assert runs.run(_alert("09:40"), known="13:00") == []
    assert runs.run(_alert("09:40", "13:10"), known="14:00") == [("resolved", "13:10")]


def test_late_data_that_take_an_alert_back_resolve_it(runs: _Runs) -> None:
    runs.run(_alert("09:30"), known="10:00")
    later = _alert("11:30")
    assert runs.run(later, known="12:00") == [("resolved", "09:30"), ("firing", "11:30")]


def test_an_older_state_that_was_taken_back_to_changes_nothing(runs: _Runs) -> None:
    runs.run(_alert("09:30"), known="10:00")
    assert runs.run(known="09:20", as_of="10:30") == []
    assert runs.run(_alert("09:30", "10:20"), known="10:40") == [("resolved", "10:20")]


def test_a_run_that_died_before_it_could_remember_decides_the_same_again() -> None:
    memories = {_KEY: Memory(known_until=_at("09:00"))}
    watch = Watch(subject_key=_KEY, known_until=_at("10:00"), muted_until=None)
    alerts = [_alert("09:30", "09:40"), _alert("10:00")]
    first, second = (
        decide(
            alerts,
            watches=[watch],
            memories=memories,
            as_of=_at("10:00"),
            lookback=timedelta(hours=24),
        )
        for _ in range(2)
    )
    assert first == second
    assert len(first.messages) == 2
