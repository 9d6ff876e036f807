"""Ingestion of noise: no crash, and every row is landed, quarantined or part of a refused file.

Belongs here: a few thousand lines of it. Does not belong here: the long form (tests/soak/fuzz.py).
"""

from __future__ import annotations

import json
import random
from pathlib import Path

import pytest

from orchestration.contracts.streams import STREAMS
from orchestration.ingest import files
from orchestration.ingest.load import FAILED
from orchestration.settings import Settings
from tests.support.fuzz import load_noise
from tests.support.landing import VALID_ROWS, landed, load, ndjson, put_bytes, quarantined, row_of

LINES = 3_000
VALUES: list[object] = [
    None,
    "",
    "x" * 5_000,
    "\x00\ud83d\ude00\u2028",
    "null",
    "NaN",
    -1,
    0,
    2**63,
    10**40,
    -(10**40),
    1e308,
    1e-320,
    1.5,
    True,
    [],
    {},
    [[[[]]]],
    {"a": {"b": {"c": [1, {"d": None}]}}},
    "2026-03-01T10:00:00Z",
    "0001-01-01T00:00:00Z",
    "9999-12-31T23:59:59Z",
    "294247-01-10T04:00:54Z",
    1772366400,
    99999999999999999999,
    -62135596800,
    "'; drop table checked; --",
    "{",
    "[",
    '["a"',
    "1_000",
    "0x1f",
    "١٢",
]


def fuzzed_line(chance: random.Random, stream: str) -> bytes:
    """A valid row with some members replaced, or with bytes broken."""
    row = dict(VALID_ROWS[stream])
    names = [field.name for field in STREAMS[stream].all_fields]
    if stream == "agent_events" and chance.random() < 0.5:
        row["properties"] = {
            chance.choice(names): chance.choice(VALUES) for _ in range(chance.randrange(4))
        }
        row["event_type"] = chance.choice(["agent_completed", "user_feedback", "tool_called"])
    for _ in range(chance.randrange(3)):
        name = chance.choice([*names, "properties", "extra", "", "a/b~c", "user_id"])
        row[name] = chance.choice(VALUES)
    # A lone surrogate cannot be written as UTF-8, so such a line carries it escaped.
    line = json.dumps(row, ensure_ascii=chance.random() < 0.9).encode("utf-8", "surrogatepass")
    damage = chance.random()
    if damage < 0.05:
        line = line[: chance.randrange(len(line) + 1)]
    elif damage < 0.10:
        at = chance.randrange(len(line))
        line = line[:at] + bytes([chance.randrange(256)]) + line[at + 1 :]
    return line.replace(b"\n", b" ").replace(b"\r", b" ")


@pytest.mark.parametrize("stream", ["agent_events", "tasks", "audit_events", "provider_bills"])
def test_fuzzed_lines_are_landed_or_quarantined_every_one(tmp_path: Path, stream: str) -> None:
    settings = Settings(home=tmp_path, threads=2)
    chance = random.Random(f"fuzz {stream}")
    lines = [fuzzed_line(chance, stream) for _ in range(LINES)]
    put_bytes(settings, f"{stream}/fuzz.ndjson", b"\n".join(lines))
    (outcome,) = load(settings).files
    assert outcome.error is None
    filled = {number for number, line in enumerate(lines, start=1) if line.strip()}
    kept = [row["row_number"] for row in landed(settings, stream)]
    refused = [row["row_number"] for row in quarantined(settings)]
    assert sorted(kept + refused) == sorted(filled)
    assert outcome.rows_read == len(filled)
    assert len(kept) > LINES / 4
    assert len(refused) > LINES / 10


def test_fuzzed_cells_of_csv_are_landed_or_quarantined_every_one(tmp_path: Path) -> None:
    settings = Settings(home=tmp_path, threads=1)
    chance = random.Random("fuzz csv")
    pieces = ["p-1", "Acme", "2026-03-01", "", '"', ",", '"a,b"', '""', "\xff", "é", "\x00", "1"]
    body = b"publisher_id,publisher_name,updated_at\np-1,Acme,2026-03-01\n"
    body += "\n".join(
        ",".join(chance.choice(pieces) for _ in range(chance.choice([2, 3, 3, 3, 4])))
        for _ in range(500)
    ).encode("latin-1")
    put_bytes(settings, "publishers/fuzz.csv", body)
    (outcome,) = load(settings).files
    assert outcome.error is None
    assert outcome.rows_read == outcome.rows_landed + outcome.rows_quarantined
    assert outcome.rows_read > 300


def test_files_of_noise_are_refused_and_the_good_one_loads(tmp_path: Path) -> None:
    settings = Settings(home=tmp_path, threads=2)
    chance = random.Random("fuzz files")
    put_bytes(settings, "publishers/good.ndjson", ndjson([row_of("publishers")]))
    endings = [
        f"{name}{packing}"
        for name in files.FORMATS
        for packing in ("", ".gz", ".zst")
        if (name, packing) != ("csv", "")
    ]
    for ending in endings:
        put_bytes(settings, f"publishers/noise.{ending}", chance.randbytes(5_000))
    outcomes = {outcome.path: outcome for outcome in load(settings).files}
    assert outcomes.pop("publishers/good.ndjson").rows_landed == 1
    assert {outcome.status for outcome in outcomes.values()} == {FAILED}
    assert all(outcome.error and "\n" not in outcome.error for outcome in outcomes.values())


def test_noise_of_every_stream_and_adapter_in_every_format_is_conserved(tmp_path: Path) -> None:
    fuzzed = load_noise(tmp_path, seed="short", lines_per_file=60)
    assert fuzzed.lines > 3_000
    assert fuzzed.rows_landed > fuzzed.lines / 4
    assert fuzzed.rows_quarantined > fuzzed.lines / 10
    assert fuzzed.refused_files < fuzzed.files / 5
