"""What reaches a tenant or publisher holds nothing of any other.

tests/soak asks for every scope, and searches the copies for one scope, too; test_scope_copies searches
those of another deployment.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from orchestration.settings import Settings
from tests.support.isolation import (
    PUBLISHERS,
    TENANTS,
    USER_MARK,
    export_texts,
    leaks,
    mail_texts,
    page_texts,
    publish_marked,
    report_texts,
)

# The tenant with the fewest agents and the publisher with the most tenants have the most to miss.
_SEARCHED = (TENANTS[0].scope, f"publisher:{PUBLISHERS[0]}")


@pytest.fixture(scope="module")
def marked(tmp_path_factory: pytest.TempPathFactory) -> Settings:
    return publish_marked(tmp_path_factory.mktemp("marked"))


@pytest.mark.parametrize("scope", _SEARCHED)
def test_no_report_page_or_mail_shows_anything_of_another_scope(
    scope: str, marked: Settings, tmp_path: Path
) -> None:
    texts = {
        **report_texts(marked, scope, pdf=("weekly",)),
        **page_texts(marked, scope, folder=tmp_path),
        **mail_texts(marked, scope),
    }

    assert leaks(scope, texts) == []
    own = scope.partition(":")[2]
    assert all(own in text for text in texts.values())


@pytest.mark.parametrize("scope", _SEARCHED)
def test_no_export_shows_anything_of_another_scope(scope: str, marked: Settings) -> None:
    assert leaks(scope, export_texts(marked, scope)) == []


def test_the_search_finds_every_mark_where_it_may_be(marked: Settings) -> None:
    texts = report_texts(marked, "platform", pdf=("monthly",))

    found = " ".join(leaks(_SEARCHED[0], texts))

    for mark in (TENANTS[1].mark, TENANTS[2].mark, TENANTS[1].work_mark, PUBLISHERS[1]):
        assert mark in found
    assert USER_MARK not in found


def test_the_search_finds_the_amounts_of_another_tenant(marked: Settings) -> None:
    found = leaks(_SEARCHED[0], report_texts(marked, TENANTS[1].scope, pdf=("weekly",)))

    # Three calls in the week, at 8,623.4679 each.
    assert any(".pdf" in one and "25,870" in one for one in found)
    for ending in (".csv", ".json"):
        assert any(ending in one and "25870.40" in one for one in found)
