"""An answer says that retention removed a part of its window, and only then."""

from __future__ import annotations

import json
from pathlib import Path

import duckdb
import pytest

from orchestration.reporting.datasets.asking import is_truncated
from orchestration.reporting.query import read_published
from orchestration.reporting.schemas.schema import schema_of
from orchestration.settings import Settings
from tests.support.published import publish_by_hand
from tests.support.questions import question

# Something of 1 to 4 March is gone: of the tenant x1, of a publisher x1 of another source, of the platform.
_GONE = """
    insert into meta.truncated_scopes values
        ('tenant', 'native', 'x1', '2026-03-01', '2026-03-05'),
        ('publisher', 'other', 'x1', '2026-03-01', '2026-03-05'),
        ('platform', null, 'platform', '2026-03-01', '2026-03-05')
"""


@pytest.fixture
def published(tmp_path: Path) -> Settings:
    settings = publish_by_hand(tmp_path)
    with duckdb.connect(str(settings.published_file)) as connection:
        connection.execute(_GONE)
    return settings


@pytest.mark.parametrize(
    ("scope", "period", "expected"),
    [
        ("tenant", "2026-03-04..2026-03-10", True),
        ("tenant", "2026-03-05..2026-03-10", False),
        ("tenant", "2026-02-20..2026-02-28", False),
        ("tenant", "2026-02-20..2026-03-01", True),
        ("tenant", "30d", True),
        ("publisher", "30d", False),
    ],
)
def test_a_window_is_truncated_when_it_holds_a_day_of_which_something_is_gone(
    published: Settings, scope: str, period: str, expected: bool
) -> None:
    with read_published(published) as state:
        assert is_truncated(state, question(period, scope=scope)) is expected


def test_every_schema_allows_the_mark() -> None:
    extra = schema_of("usage-timeline")["properties"]["extra"]
    assert extra["properties"]["truncated_by_retention"]["const"] is True
    assert "truncated_by_retention" not in extra["required"]
    json.dumps(extra)
