"""Which scores of an export are ratings, which are qualities, and which are neither."""

from __future__ import annotations

import json
from datetime import datetime
from decimal import Decimal
from pathlib import Path

import pytest

from orchestration.settings import Settings
from tests.support.landing import landed, ndjson, put, quarantined
from tests.support.samples import (
    SAMPLES,
    deliver,
    deployment,
    given,
    lake_bytes,
    load_samples,
    rows_by_key,
)

SAMPLE = "langfuse/scores/scores.jsonl"


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return deployment(tmp_path, sample="langfuse")


def test_a_persons_rating_is_feedback_on_the_message_of_its_trace(settings: Settings) -> None:
    deliver(settings, SAMPLE)
    load_samples(settings)
    feedback = rows_by_key(settings, "agent_events", key="id")
    assert given(feedback["s-1"]) == {
        "id": "s-1",
        "event_type": "user_feedback",
        "agent_id": "support-agent",
        "publisher_id": "acme",
        "tenant_id": "acme",
        "timestamp": datetime.fromisoformat("2026-03-01 15:00:01"),
        "invocation_id": "t-1",
        "rating": 4,
        "has_comment": True,
    }
    assert not feedback["s-2"]["has_comment"]
    # s-4 is a 1 under "feedback" beside a 5; s-5 and s-6 are thumbs; 4.5 stars are no rating.
    assert {name: row["rating"] for name, row in feedback.items()} == {
        "s-1": 4,
        "s-2": 1,
        "s-3": 5,
        "s-4": 1,
    }


def test_a_judges_score_of_a_dimension_is_a_quality_score_of_the_session_or_the_trace(
    settings: Settings,
) -> None:
    deliver(settings, SAMPLE)
    load_samples(settings)
    scores = rows_by_key(settings, "quality_scores", key="score_id")
    assert given(scores["s-9"]) == {
        "score_id": "s-9",
        "conversation_id": "t-1",
        "tenant_id": "acme",
        "agent_id": "support-agent",
        "dimension": "helpfulness",
        "score": Decimal("4.5"),
        "judged_at": datetime.fromisoformat("2026-03-01 15:00:09"),
        "source_metadata": '{"score_source":"EVAL"}',
    }
    assert (scores["s-10"]["conversation_id"], scores["s-10"]["dimension"]) == ("chat-1", "tone")
    assert set(scores) == {"s-9", "s-10"}


def test_a_dimension_on_another_scale_is_refused_and_all_other_scores_are_ignored(
    settings: Settings,
) -> None:
    deliver(settings, SAMPLE)
    (outcome,) = load_samples(settings).files
    (refused,) = quarantined(settings)
    assert (refused["stream_name"], refused["reason_code"]) == ("quality_scores", "out_of_range")
    assert (outcome.rows_read, outcome.rows_landed, outcome.rows_ignored) == (14, 6, 7)


def test_a_lone_one_under_the_name_of_feedback_is_not_taken_for_the_worst_rating(
    settings: Settings,
) -> None:
    first = json.loads((SAMPLES / SAMPLE).read_text().splitlines()[0])
    put(settings, "langfuse/scores/one.jsonl", ndjson([{**first, "name": "feedback", "value": 1}]))
    (outcome,) = load_samples(settings).files
    assert (outcome.rows_landed, outcome.rows_ignored) == (0, 1)


@pytest.mark.parametrize("suffix", ["csv", "parquet"])
def test_every_format_of_the_export_lands_the_same_scores(
    settings: Settings, tmp_path: Path, suffix: str
) -> None:
    deliver(settings, SAMPLE)
    load_samples(settings)
    other = deployment(tmp_path / "other", sample="langfuse")
    deliver(other, SAMPLE, target=f"langfuse/scores/scores.{suffix}")
    load_samples(other)
    for stream in ("agent_events", "quality_scores"):
        hashes = [row["row_hash"] for row in landed(settings, stream)]
        assert [row["row_hash"] for row in landed(other, stream)] == hashes != []


def test_no_comment_reaches_the_lake(settings: Settings) -> None:
    deliver(settings, SAMPLE)
    load_samples(settings)
    assert "SECRET" not in lake_bytes(settings)
