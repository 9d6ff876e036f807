"""`agentmart metrics`: the metric catalogue, whole or one metric.

Belongs here: how the catalogue is shown. Does not belong here: the metrics themselves, which are
rows of seeds/reference/metric_catalogue.csv.
"""

from __future__ import annotations

import csv
import textwrap
from collections.abc import Mapping, Sequence
from difflib import get_close_matches
from pathlib import Path

import click

from orchestration.errors import RunFailure, UserError
from orchestration.settings import PROJECT_ROOT

_CATALOGUE = PROJECT_ROOT / "seeds" / "reference" / "metric_catalogue.csv"
_KEY = "metric_key"
_FORMATS = ("table", "csv", "json")

# What one line of the table has room for; the rest is shown for one metric at a time.
_LISTED = ("metric_key", "label", "category", "unit", "aggregation")

Metric = Mapping[str, str]


@click.command()
@click.argument("key", required=False)
@click.option(
    "--format",
    "file_format",
    type=click.Choice(_FORMATS),
    default="table",
    show_default=True,
    help="Format of the output.",
)
def metrics(key: str | None, file_format: str) -> None:
    """Show the metric catalogue, or all that it says about the metric KEY.

    \b
    Example:
      agentmart metrics
      agentmart metrics cost_per_message_usd
    """
    catalogue = _read(_CATALOGUE)
    chosen = catalogue if key is None else [_find(catalogue, key)]
    if file_format == "json":
        from orchestration.reporting.documents import to_json

        text = to_json(chosen if key is None else chosen[0])
    elif file_format == "csv":
        from orchestration.reporting.tables import Table, to_csv

        types = dict.fromkeys(catalogue[0], "VARCHAR")
        text = to_csv(Table.of("metrics", types, chosen))
    else:
        text = _listing(chosen) if key is None else _details(chosen[0])
    click.echo(text.encode(), nl=False)


def _read(path: Path) -> Sequence[Metric]:
    if not path.is_file():
        raise RunFailure(f"the metric catalogue {path} is missing; install the project again")
    with path.open(encoding="utf-8", newline="") as lines:
        return list(csv.DictReader(lines))


def _find(catalogue: Sequence[Metric], key: str) -> Metric:
    by_key = {metric[_KEY]: metric for metric in catalogue}
    if key not in by_key:
        close = get_close_matches(key, by_key, n=5, cutoff=0.4)
        hint = f"; the closest are {', '.join(close)}" if close else ""
        raise UserError(f"unknown metric {key!r}{hint}; `agentmart metrics` lists all of them")
    return by_key[key]


def _listing(catalogue: Sequence[Metric]) -> str:
    rows = [_LISTED, *(tuple(metric[column] for column in _LISTED) for metric in catalogue)]
    widths = [max(len(row[position]) for row in rows) for position in range(len(_LISTED))]
    lines = [
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
        for row in rows
    ]
    return "\n".join(lines) + "\n"


def _details(metric: Metric) -> str:
    width = max(len(name) for name in metric) + 2
    return "".join(
        textwrap.fill(
            value or "-",
            width=100,
            initial_indent=name.ljust(width),
            subsequent_indent=" " * width,
        )
        + "\n"
        for name, value in metric.items()
    )
