"""The readings of raw values that adapters share."""

from __future__ import annotations

from typing import Any

import duckdb
import pytest

from orchestration.ingest.adapter_macros import ADAPTER_MACROS


def value_of(expression: str) -> Any:
    with duckdb.connect() as connection:
        connection.execute("set TimeZone = 'UTC'")
        for macro in ADAPTER_MACROS:
            connection.execute(macro)
        return connection.execute(f"select {expression}").fetchall()[0][0]


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("'{\"a\": 1}'", '{"a": 1}'),
        ("map {'a': 1}", '{"a":1}'),
        ("{'a': 1.5}", '{"a":1.5}'),
        ("['a']", '["a"]'),
        ("''", None),
        ("'null'", None),
        ("null", None),
    ],
)
def test_an_object_has_the_same_text_from_a_text_and_from_a_nested_column(
    value: str, text: str | None
) -> None:
    assert value_of(f"nested_text({value})") == text


@pytest.mark.parametrize("document", ["'no json'", "''", "null", "'[1]'", "'{\"b\": 1}'"])
def test_a_member_that_is_not_there_is_null(document: str) -> None:
    assert value_of(f"member({document}, '$.a')") is None


@pytest.mark.parametrize(
    ("key", "kind"),
    [
        ("input", "input"),
        ("prompt_tokens", "input"),
        ("promptTokens", "input"),
        ("output_tokens", "output"),
        ("completion", "output"),
        ("total_tokens", "total"),
        ("input_cached_tokens", "cache_read"),
        ("cache_read_input_tokens", "cache_read"),
        ("prompt_details.cache_read", "cache_read"),
        ("cache_creation_input_tokens", "cache_write"),
        ("input_cache_write", "cache_write"),
        ("output_reasoning_tokens", "reasoning"),
        ("thoughts_token_count", "reasoning"),
        ("input_audio", "input_part"),
        ("completion_details.audio", "output_part"),
        ("search_units", None),
    ],
)
def test_the_words_of_a_usage_key_say_what_it_counts(key: str, kind: str | None) -> None:
    assert value_of(f"usage_class('{key}')") == kind


@pytest.mark.parametrize(
    ("latency", "passed_ms", "is_in_ms"),
    [(1.5, 1500, False), (1500, 1500, True), (1.4, 1500, False), (0, 1500, None), (2, 0, None)],
)
def test_a_latency_is_in_the_unit_that_comes_nearer_to_the_time_that_passed(
    latency: float, passed_ms: float, is_in_ms: bool | None
) -> None:
    assert value_of(f"is_in_ms({latency}, {passed_ms})") is is_in_ms


@pytest.mark.parametrize(
    ("message", "name"),
    [
        ("'Rate limit reached'", "rate_limit"),
        ("'Request timed out'", "timeout"),
        ("'maximum context length is 8192 tokens'", "context_length"),
        ("'blocked by the content filter'", "content_filter"),
        ("'Incorrect API key provided'", "authentication"),
        ("'Connection refused'", "connection"),
        ("'something with a secret'", "error"),
        ("null", "error"),
    ],
)
def test_an_error_keeps_a_class_and_none_of_its_words(message: str, name: str) -> None:
    assert value_of(f"error_class({message})") == name


@pytest.mark.parametrize(
    ("name", "is_rating", "is_feedback"),
    [
        ("rating", True, False),
        ("User-Rating", True, False),
        ("star_rating", True, False),
        ("feedback", False, True),
        ("user-feedback", False, True),
        ("operating", False, False),
        ("rating_of_retrieval", False, False),
    ],
)
def test_only_whole_names_of_ratings_are_ratings(
    name: str, is_rating: bool, is_feedback: bool
) -> None:
    assert value_of(f"is_rating_name('{name}')") is is_rating
    assert value_of(f"is_feedback_name('{name}')") is is_feedback


@pytest.mark.parametrize(
    ("total", "parts", "cost"),
    [
        ("'0.5'", "{}", "0.5"),
        ("'0'", "{}", None),
        ("null", "{}", None),
        ("'0'", '{"total": 0}', "0"),
        ("null", '{"input": 0.25, "output": 0.5}', "0.750000000000"),
        ("null", '{"input": 0.25, "output": 0.5, "total": 0.75}', "0.75"),
    ],
)
def test_a_cost_of_zero_counts_only_where_its_parts_are_known(
    total: str, parts: str, cost: str | None
) -> None:
    expression = f"known_cost(total_cost := {total}, costs := plain_members('{parts}'))"
    assert value_of(expression) == cost
