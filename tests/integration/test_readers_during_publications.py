"""Readers of the published database while runs build and publish: nobody fails, nobody sees two states.

Belongs here: the short form. Does not belong here: many readers for long (tests/soak/readers.py).
"""

from __future__ import annotations

from pathlib import Path

from orchestration.settings import Settings
from tests.support.readers import assert_each_saw_one_publication, publish_more, reading

READERS = 2
PUBLICATIONS = 3


def test_each_connection_sees_one_publication_whole_however_many_follow(tmp_path: Path) -> None:
    settings = Settings(home=tmp_path / "home", threads=2)
    published = dict(publish_more(settings, range(1)))
    with reading(settings, readers=READERS, folder=tmp_path / "seen"):
        published |= publish_more(settings, range(1, PUBLICATIONS))
    assert len({str(look) for look in published.values()}) == PUBLICATIONS
    assert_each_saw_one_publication(tmp_path / "seen", published=published)
