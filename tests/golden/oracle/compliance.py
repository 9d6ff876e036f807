"""Compliance: audited messages, toxic ones, redactions.

Belongs here: figures over audits. Does not belong here: the shape of any dataset.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

from tests.golden.oracle.facts import Audit, Facts
from tests.golden.oracle.usage import within
from tests.golden.oracle.windows import Scope, Window


@dataclass(frozen=True, kw_only=True)
class Findings:
    """What the audits of a window found; a message audited twice is one message."""

    rows: list[Audit]

    @property
    def audited(self) -> int:
        return len({(row.tenant, row.message) for row in self.rows})

    @property
    def toxic(self) -> int:
        return len({(row.tenant, row.message) for row in self.rows if row.is_toxic})

    @property
    def with_pii(self) -> int:
        found = {(row.tenant, row.message) for row in self.rows if any(row.redactions.values())}
        return len(found)

    @property
    def by_entity(self) -> dict[str, int]:
        total: Counter[str] = Counter()
        for row in self.rows:
            total.update(row.redactions)
        return {name: number for name, number in total.items() if number}

    @property
    def redactions(self) -> int:
        return sum(self.by_entity.values())


def findings(facts: Facts, scope: Scope, window: Window) -> Findings:
    return Findings(rows=within(facts.audits, scope, window))
