"""The long form of readers during publications: 20 readers without pause, 50 publications.

What is published is planted: what is tried is publishing, not dbt. Run by `make soak`; pytest does not
collect it by itself.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

from orchestration.settings import Settings
from tests.support.readers import (
    LOOKS,
    TABLES,
    assert_each_saw_one_publication,
    publications_seen,
    publish_more,
    reading,
)

READERS = 20
PUBLICATIONS = 50


def test_20_readers_of_50_publications_fail_no_query_and_see_no_mixed_state(
    tmp_path: Path, record_property: Callable[[str, object], None]
) -> None:
    settings = Settings(home=tmp_path / "home", threads=2)
    published = dict(publish_more(settings, range(1)))
    started = time.monotonic()
    with reading(settings, readers=READERS, folder=tmp_path / "seen"):
        published |= publish_more(settings, range(1, PUBLICATIONS))
    seen = assert_each_saw_one_publication(tmp_path / "seen", published=published)
    record_property("seconds", round(time.monotonic() - started))
    record_property("connections", len(seen))
    record_property("queries", len(seen) * LOOKS * len(TABLES))
    record_property("publications seen", len(publications_seen(seen)))
