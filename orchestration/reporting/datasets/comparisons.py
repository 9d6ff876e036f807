"""What ``experiments`` and ``deployments`` share: comparisons, each with its metrics below it.

Belongs here: the shape of two arms beside each other. Does not belong here: the fields of an
experiment or a deployment, and any statistics.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from orchestration.reporting.datasets.dataset import Answer, Figures, Question, about
from orchestration.reporting.documents import Json
from orchestration.reporting.query import Row
from orchestration.reporting.rounding import half_up
from orchestration.reporting.tables import Cell, Table

_PLACES = 6
_VALUE = f"DECIMAL(38,{_PLACES})"


@dataclass(frozen=True, kw_only=True)
class Comparisons:
    """One kind of comparison: its tables, the names of its two arms and the fields of its own.

    ``kind`` is the singular noun that names the tables and the key (``experiment`` gives
    ``experiments``, ``experiment_metrics`` and ``experiment_id``); ``at`` is the time that orders
    them; ``types`` are the types of the fields that ``fields`` takes from a row.
    """

    kind: str
    at: str
    arms: tuple[str, str]
    types: Mapping[str, str]
    fields: Callable[[Row], dict[str, Cell]]

    def answer(self, question: Question, figures: Figures) -> Answer:
        """The comparisons of the window in the order of their start, as a document and tables."""
        key, named = f"{self.kind}_key", f"{self.kind}_id"
        below: dict[str, list[Row]] = defaultdict(list)
        for row in figures[f"{self.kind}_metrics"]:
            below[row[key]].append(row)
        comparisons: list[Json] = []
        plain: list[dict[str, Cell]] = []
        flat: list[dict[str, Cell]] = []
        for row in sorted(figures[f"{self.kind}s"], key=lambda row: (row[self.at], row[key])):
            fields, metrics = self.fields(row), self._metrics(below[row[key]])
            comparisons.append({**fields, "metrics": list[Json](metrics)})
            plain.append(fields)
            flat += [{named: row[named], **metric} for metric in metrics]
        return Answer(
            document={f"{self.kind}s": comparisons, "extra": about(question)},
            tables=(
                Table.of(f"{self.kind}s", self.types, plain),
                Table.of(f"{self.kind}_metrics", {named: "VARCHAR", **self._metric_types}, flat),
            ),
        )

    @property
    def _metric_types(self) -> dict[str, str]:
        return {
            "metric": "VARCHAR",
            **{f"observations_{arm}": "BIGINT" for arm in self.arms},
            **{f"value_{arm}": _VALUE for arm in self.arms},
            "difference": _VALUE,
            "difference_low": _VALUE,
            "difference_high": _VALUE,
            "finding": "VARCHAR",
        }

    def _metrics(self, rows: Sequence[Row]) -> list[dict[str, Cell]]:
        return [
            {
                name: half_up(row[name], _PLACES) if kind == _VALUE else row[name]
                for name, kind in self._metric_types.items()
            }
            for row in sorted(rows, key=lambda row: row["metric_order"])
        ]
