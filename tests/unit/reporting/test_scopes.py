"""A scope is one that exists, told apart by its source, or an error that says what exists."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from orchestration.errors import UserError
from orchestration.reporting.query import Published, read_published
from orchestration.reporting.scopes import ScopeKind, resolve_scope, split_scope
from tests.support.published import publish_by_hand


@pytest.fixture(scope="module")
def published(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Published]:
    settings = publish_by_hand(Path(tmp_path_factory.mktemp("scopes")))
    with read_published(settings) as opened:
        yield opened


@pytest.mark.parametrize(
    ("text", "kind", "identifier"),
    [
        ("platform", ScopeKind.PLATFORM, None),
        ("tenant:t1", ScopeKind.TENANT, "t1"),
        ("publisher:p1", ScopeKind.PUBLISHER, "p1"),
        ("tenant:eu:west", ScopeKind.TENANT, "eu:west"),
    ],
)
def test_a_scope_is_a_kind_and_an_id(text: str, kind: ScopeKind, identifier: str | None) -> None:
    assert split_scope(text) == (kind, identifier)


@pytest.mark.parametrize("text", ["", "tenant", "tenant:", "platform:x", "team:t1", "Tenant:t1"])
def test_other_forms_are_refused_with_the_allowed_ones(text: str) -> None:
    with pytest.raises(UserError) as raised:
        split_scope(text)
    assert repr(text) in str(raised.value)
    assert "platform, tenant:ID or publisher:ID" in str(raised.value)


def test_a_tenant_comes_with_its_name_source_and_zone(published: Published) -> None:
    scope = resolve_scope(published, "tenant:t1")
    assert (scope.text, scope.name, scope.source_name, scope.time_zone) == (
        "tenant:t1",
        "Acme",
        "native",
        "Asia/Kolkata",
    )


def test_the_platform_spans_every_source(published: Published) -> None:
    scope = resolve_scope(published, "platform")
    assert (scope.text, scope.id, scope.source_name, scope.time_zone) == (
        "platform",
        None,
        None,
        None,
    )


def test_an_id_may_hold_a_colon(published: Published) -> None:
    assert resolve_scope(published, "tenant:eu:west").text == "tenant:eu:west"


def test_an_unknown_tenant_is_named_with_the_closest_that_exist(published: Published) -> None:
    with pytest.raises(UserError, match=r"unknown tenant 't3'.*closest that exist: t1, t2"):
        resolve_scope(published, "tenant:t3")


def test_an_id_that_looks_like_sql_is_only_an_unknown_id(published: Published) -> None:
    with pytest.raises(UserError, match="unknown publisher"):
        resolve_scope(published, "publisher:x' or '1'='1")


def test_an_id_of_two_sources_needs_the_source(published: Published) -> None:
    with pytest.raises(UserError, match=r"'shared' exists in several sources \(native, other\)"):
        resolve_scope(published, "tenant:shared")
    assert resolve_scope(published, "tenant:shared", source="other").name == "Two"


def test_an_unknown_source_is_named_with_those_published(published: Published) -> None:
    with pytest.raises(UserError, match=r"unknown source 'nowhere'.*: native, other"):
        resolve_scope(published, "platform", source="nowhere")


def test_a_tenant_of_another_source_is_unknown_in_this_one(published: Published) -> None:
    with pytest.raises(UserError, match="unknown tenant 't1' in source 'other'"):
        resolve_scope(published, "tenant:t1", source="other")


def test_an_agent_narrows_the_scope_and_brings_its_source(published: Published) -> None:
    scope = resolve_scope(published, "platform", agent="a2")
    assert (scope.agent_id, scope.agent_name, scope.source_name) == ("a2", "Seller", "native")


def test_an_agent_of_two_sources_is_that_of_the_scopes_source(published: Published) -> None:
    assert resolve_scope(published, "tenant:t1", agent="a1").agent_name == "Helper"
    with pytest.raises(UserError, match="agent 'a1' exists in several sources"):
        resolve_scope(published, "platform", agent="a1")


def test_a_publisher_does_not_see_the_agents_of_another(published: Published) -> None:
    with pytest.raises(UserError, match=r"unknown agent 'a2'.*of publisher 'p1'") as raised:
        resolve_scope(published, "publisher:p1", agent="a2")
    assert str(raised.value).endswith("the closest that exist: a1")
