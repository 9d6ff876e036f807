"""Load: the hours that instances ran.

Belongs here: figures over samples of running instances. Does not belong here: the load of a rating (facts).
"""

from __future__ import annotations

from collections import defaultdict
from datetime import timedelta
from fractions import Fraction

from tests.golden.oracle.facts import SAMPLE_AGE, Facts
from tests.golden.oracle.windows import Scope, Window

_MICROSECOND = timedelta(microseconds=1)
_HOUR = timedelta(hours=1)


def agent_hours(facts: Facts, scope: Scope, window: Window) -> dict[str, Fraction]:
    """By agent type: each sample holds until the next of its gauge, five minutes at most (AG-108)."""
    hours: dict[str, Fraction] = defaultdict(Fraction)
    if scope.kind == "publisher" or scope.agent is not None:
        return {}
    for (agent_type, tenant), (times, numbers) in facts.gauges.items():
        if scope.kind == "tenant" and tenant != scope.id:
            continue
        for place, (at, number) in enumerate(zip(times, numbers, strict=True)):
            following = times[place + 1] if place + 1 < len(times) else at + SAMPLE_AGE
            start = max(at, window.start)
            end = min(following, at + SAMPLE_AGE, window.end)
            if end > start:
                hours[agent_type] += number * Fraction(
                    (end - start) // _MICROSECOND, _HOUR // _MICROSECOND
                )
    return dict(hours)
