"""Large files are cut between rows: what they hold is read as if they were whole."""

from __future__ import annotations

import csv
import gzip
import io
import json
import random
from pathlib import Path
from typing import Any

import pytest
import zstandard

from orchestration.ingest import cutting, splitting
from orchestration.ingest.cutting import Range, csv_ranges, json_ranges
from orchestration.settings import Settings
from tests.support.landing import csv_bytes, landed, load, put_bytes, quarantined, row_of

# Quotes, brackets, line ends, backslashes and delimiters where they part nothing.
AWKWARD = ['"', '""', "a\nb", "a\r\nb", "\\", '\\"', "[{", "}],", ",", "", "ü", '","', "\\\\"]


def awkward_rows(count: int, *, seed: int) -> list[dict[str, Any]]:
    chance = random.Random(seed)
    return [
        row_of(
            "tasks",
            task_id=f"ta-{number}",
            agent_id="".join(chance.choices(AWKWARD, k=3)) + "a",
            name="".join(chance.choices(AWKWARD, k=chance.randrange(6))),
        )
        for number in range(count)
    ]


@pytest.fixture
def _tiny_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    # So that texts, escapes and line ends lie across blocks.
    monkeypatch.setattr(cutting, "_BLOCK", 7)


def piece(path: Path, part: Range) -> str:
    content = path.read_bytes()[part.start : part.end]
    return (part.head + content + part.tail).decode("utf-8-sig")


@pytest.mark.usefixtures("_tiny_blocks")
@pytest.mark.parametrize("mark", [b"", b"\xef\xbb\xbf"])
@pytest.mark.parametrize("seed", range(5))
def test_csv_is_cut_between_records(tmp_path: Path, seed: int, mark: bytes) -> None:
    rows = awkward_rows(40, seed=seed)
    path = tmp_path / "a.csv"
    # Empty lines are no rows.
    blank = b"\r\n" * (seed % 2)
    path.write_bytes(
        mark + csv_bytes(rows[:20]) + blank + csv_bytes(rows)[len(csv_bytes(rows[:20])) :]
    )
    ranges = csv_ranges(path, delimiter=",", piece_bytes=500)
    assert ranges is not None
    assert len(ranges) > 3
    found: list[dict[str, str]] = []
    for part in ranges:
        assert part.first_row == len(found) + 1
        found += csv.DictReader(io.StringIO(piece(path, part), newline=""))
    assert found == rows


@pytest.mark.usefixtures("_tiny_blocks")
@pytest.mark.parametrize("indent", [None, 2])
@pytest.mark.parametrize("seed", range(5))
def test_an_array_is_cut_between_elements(tmp_path: Path, seed: int, indent: int | None) -> None:
    rows = [{**row, "more": [{"a": [row["name"]]}]} for row in awkward_rows(40, seed=seed)]
    path = tmp_path / "a.json"
    path.write_text(json.dumps(rows, indent=indent))
    ranges = json_ranges(path, is_array=True, piece_bytes=500)
    assert ranges is not None
    assert len(ranges) > 3
    found: list[dict[str, Any]] = []
    for part in ranges:
        assert part.first_row == len(found) + 1
        found += json.loads(piece(path, part))
    assert found == rows


@pytest.mark.usefixtures("_tiny_blocks")
@pytest.mark.parametrize("seed", range(5))
def test_documents_are_cut_where_one_ends(tmp_path: Path, seed: int) -> None:
    rows = awkward_rows(40, seed=seed)
    path = tmp_path / "a.json"
    path.write_text("\n".join(json.dumps(row, indent=1) for row in rows))
    ranges = json_ranges(path, is_array=False, piece_bytes=500)
    assert ranges is not None
    assert len(ranges) > 3
    found: list[dict[str, Any]] = []
    for part in ranges:
        assert part.first_row == len(found) + 1
        text, decoder = piece(path, part).strip(), json.JSONDecoder()
        while text:
            row, end = decoder.raw_decode(text)
            found.append(row)
            text = text[end:].lstrip()
    assert found == rows


@pytest.mark.parametrize(
    "content",
    [
        b'a,b\n5" nail,1\n' * 9,
        b'a,b\n"never ended,1\n' + b"1,2\n" * 9,
        b"a,b\r1,2\r3,4\r" * 9,
        b'a,b\n"x"y,1\n' * 9,
    ],
)
def test_csv_with_quotes_or_line_ends_at_odd_places_is_not_cut(
    tmp_path: Path, content: bytes
) -> None:
    path = tmp_path / "a.csv"
    path.write_bytes(content)
    assert csv_ranges(path, delimiter=",", piece_bytes=8) is None


@pytest.mark.parametrize(
    "content", ["[1,2,3,4", "[1,2,3]]", "[1,2][3,4]", '[1,"2,3,4]', "[1,[2,3,4]"]
)
def test_json_with_unpaired_brackets_is_not_cut(tmp_path: Path, content: str) -> None:
    path = tmp_path / "a.json"
    path.write_text(content)
    assert json_ranges(path, is_array=True, piece_bytes=2) is None


def _packed(name: str, content: bytes) -> bytes:
    if name.endswith(".gz"):
        return gzip.compress(content, mtime=0)
    if name.endswith(".zst"):
        # Tools that compress in parallel write several frames.
        middle = len(content) // 2
        return b"".join(zstandard.compress(part) for part in (content[:middle], content[middle:]))
    return content


@pytest.mark.parametrize("packing", ["", ".gz", ".zst"])
@pytest.mark.parametrize("kind", ["rows.csv", "rows.json", "rows.ndjson"])
def test_a_cut_file_gives_the_rows_and_refusals_of_a_whole_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str, packing: str
) -> None:
    rows = awkward_rows(60, seed=1)
    rows[33]["status"] = "unheard of"
    content = {
        "rows.csv": csv_bytes(rows) + b"too,few\r\n",
        "rows.json": json.dumps([*rows, 5]).encode(),
        "rows.ndjson": "".join(json.dumps(row) + "\n" for row in [*rows, 5]).encode(),
    }[kind]
    found = []
    for whole_bytes in (10_000_000, 1_000):
        monkeypatch.setattr(splitting, "_WHOLE_BYTES", whole_bytes)
        monkeypatch.setattr(splitting, "_LARGEST_PIECE_BYTES", 2_000)
        monkeypatch.setattr(splitting, "_SMALLEST_PIECE_BYTES", 500)
        settings = Settings(home=tmp_path / str(whole_bytes), threads=2)
        name = f"tasks/{kind}{packing}"
        put_bytes(settings, name, _packed(name, content))
        (outcome,) = load(settings).files
        assert (outcome.error, outcome.rows_read, outcome.rows_quarantined) == (None, 61, 2)
        refused = quarantined(settings)
        for row in refused:
            # A csv row that is read beside a broken one is shown as it was read then.
            row["raw_text"] = None if kind == "rows.csv" else row["raw_text"]
        found.append((landed(settings, "tasks"), refused))
    assert found[0] == found[1]
    assert [row["row_number"] for row in found[1][1]] == [34, 61]
