"""The long form of the search for leaks: every scope, every file, every export, every copy.

Run by `make soak`; pytest does not collect it by itself.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from tests.support.isolation import (
    SCOPES,
    copy_of,
    export_texts,
    leaks,
    mail_texts,
    page_texts,
    publish_marked,
    report_texts,
    row_texts,
)


def test_nothing_that_reaches_any_scope_shows_anything_of_another(
    tmp_path: Path, record_property: Callable[[str, object], None]
) -> None:
    settings = publish_marked(tmp_path / "home")
    searched = 0
    for scope in SCOPES:
        texts = {
            **report_texts(settings, scope, pdf=("weekly", "monthly")),
            **page_texts(settings, scope, folder=tmp_path / "pages"),
            **mail_texts(settings, scope),
            **export_texts(settings, scope),
        }
        if scope != "platform":
            with copy_of(settings, scope, folder=tmp_path) as copy:
                texts |= row_texts(copy)
        assert leaks(scope, texts) == [], scope
        searched += len(texts)
    record_property("texts_searched", searched)
