"""The template engine of web pages and e-mails: what is escaped, and what templates can ask.

Belongs here: its set-up. Does not belong here: any template or any value given to one.
"""

from __future__ import annotations

from functools import cache
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from orchestration.reporting import charts
from orchestration.reporting.formats import shorten
from orchestration.reporting.model import (
    Chart,
    ChartRow,
    Empty,
    Figures,
    Insights,
    Notes,
    Sentences,
    Table,
)
from orchestration.reporting.palette import VARIABLES

_TEMPLATES = Path(__file__).with_name("templates")


@cache
def environment() -> Environment:
    """The engine: HTML templates escape every value, an unknown name in one is an error."""
    engine = Environment(
        loader=FileSystemLoader(_TEMPLATES),
        autoescape=lambda name: name is not None and name.endswith(".html.j2"),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    engine.filters["shorten"] = shorten
    engine.filters["svg"] = _svg
    for name, kind in (
        ("figures", Figures),
        ("charts", ChartRow),
        ("table", Table),
        ("insights", Insights),
        ("sentences", Sentences),
        ("empty", Empty),
        ("notes", Notes),
    ):
        engine.tests[name] = lambda block, kind=kind: isinstance(block, kind)
    return engine


def _svg(chart: Chart) -> Markup:
    # Every text inside was escaped when it was drawn.
    return Markup(charts.draw(chart, VARIABLES))
