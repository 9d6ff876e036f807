"""Noise for the loader: lines, cells, columns and files that are broken in every way that came to mind.

Belongs here: making them from valid rows of the contract and from the samples of every adapter, and counting
what became of each row. Does not belong here: how much of it is loaded (the tests).
"""

from __future__ import annotations

import copy
import csv
import gzip
import io
import json
import random
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import duckdb
import yaml

from orchestration.contracts.streams import STREAMS
from orchestration.ingest.ledger import LedgerEntry, read_entries
from orchestration.ingest.load import FAILED, NEW, load_landing
from orchestration.settings import Settings
from tests.support.landing import VALID_ROWS
from tests.support.samples import SAMPLES

AS_OF = datetime(2026, 5, 1, tzinfo=UTC)
_DEEP = 2_000

VALUES: tuple[Any, ...] = (
    None, "", "x" * 5_000, "\x00\ud83d\ude00\u2028", "null", "NaN", -1, 0, 2**63, 10**40, -(10**40),
    1e308, 1e-320, 1.5, True, [], {}, [[[[]]]], {"a": {"b": {"c": [1, {"d": None}]}}},
    "2026-03-01T10:00:00Z", "0001-01-01T00:00:00Z", "9999-12-31T23:59:59Z",
    "294247-01-10T04:00:54Z", 1772366400, 99999999999999999999, -62135596800,
    "'; drop table checked; --", "{", "[", '["a"', "1_000", "0x1f", "١٢", "\ud800", "\udfff\ud800",
    float("nan"), float("inf"), -float("inf"), -0.0, 2**63 - 1, -(2**63), "\ufeff", "\u202e", " ",
    "Infinity", "1e999", "2026-02-30", "24:00:00", "2026-03-01T10:00:00+99:99", [None] * 50,
    {"": ""}, {"user_id": "someone", "comment": "a text"}, "\t", "\r\n", "a\nb", "\\u0000", '"',
)  # fmt: skip

# Tokens where a value belongs, which no library writes.
_TOKENS = (
    "NaN",
    "-Infinity",
    "01",
    "+1",
    ".5",
    "1.",
    "0x10",
    "'a'",
    "undefined",
    "tru",
    '"\\x"',
    "",
)


def fuzzed_line(chance: random.Random, row: dict[str, Any], names: Sequence[str]) -> bytes:
    """A row as a line of JSON, some of its members replaced, its text or its bytes broken."""
    row = copy.deepcopy(row)
    for _ in range(chance.choice([0, 0, 1, 1, 2, 3])):
        _replace_member(chance, row, [*names, "extra", "", "a/b~c", "user_id"])
    line = json.dumps(row, ensure_ascii=chance.random() < 0.8)
    kind = chance.random()
    if kind < 0.02:
        line = line.replace(":", f': {"[" * _DEEP}{"]" * _DEEP}, "deep":', 1)
    elif kind < 0.04:
        # A key twice, with other values.
        name = json.dumps(chance.choice(names))
        line = f"{line[:-1]}, {name}: {json.dumps(chance.choice(VALUES))}}}"
    elif kind < 0.06:
        name = json.dumps(chance.choice(names))
        line = f"{{{name}: {chance.choice(_TOKENS)}, {line[1:]}"
    elif kind < 0.07:
        line = chance.choice(["[1]", "null", "3", '"text"', "{}", "[]", f"[{line}]", line + line])
    encoded = line.encode("utf-8", "surrogatepass")
    damage = chance.random()
    if damage < 0.03:
        encoded = encoded[: chance.randrange(len(encoded) + 1)]
    elif damage < 0.06:
        at = chance.randrange(len(encoded))
        encoded = encoded[:at] + chance.randbytes(chance.choice([1, 1, 4])) + encoded[at + 1 :]
    elif damage < 0.065:
        encoded = line.encode(chance.choice(["utf-16", "latin-1"]), "replace")
    return encoded.replace(b"\n", b" ").replace(b"\r", b" ")


def _replace_member(chance: random.Random, row: dict[str, Any], names: Sequence[str]) -> None:
    place: Any = row
    # Down into nested objects and lists as long as chance has it.
    while True:
        inner = [
            one
            for one in (place.values() if isinstance(place, dict) else place)
            if isinstance(one, (dict, list)) and one
        ]
        if not inner or chance.random() < 0.3:
            break
        place = chance.choice(inner)
    value = copy.deepcopy(chance.choice(VALUES))
    if isinstance(place, list):
        place[chance.randrange(len(place))] = value
    else:
        place[chance.choice([*place, *names])] = value


def fuzzed_lines_file(chance: random.Random, lines: Sequence[bytes], path: Path) -> None:
    """Lines with mixed ends, a byte order mark, blank lines, in a whole or a cut-off compression."""
    ends = chance.choice([[b"\n"], [b"\n"], [b"\r\n"], [b"\n", b"\r\n", b"\n\n", b"\n \n"]])
    content = b"".join(line + chance.choice(ends) for line in lines)
    if chance.random() < 0.2:
        content = b"\xef\xbb\xbf" + content
    if chance.random() < 0.2:
        content = content.rstrip()
    if path.suffix == ".gz":
        content = gzip.compress(content, compresslevel=1, mtime=0)
        if chance.random() < 0.1:
            content = content[: chance.randrange(len(content))]
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)


def fuzzed_csv(chance: random.Random, rows: Sequence[dict[str, Any]], path: Path) -> None:
    """Cells of noise, rows of any width, quotes that never close, a delimiter of any kind."""
    columns = list(dict.fromkeys(name for row in rows for name in row))
    text = io.StringIO(newline="")
    delimiter = chance.choice([",", ",", ";", "\t", "|"])
    writer = csv.writer(text, delimiter=delimiter, lineterminator=chance.choice(["\n", "\r\n"]))
    writer.writerow(columns)
    for row in rows:
        cells = [
            _cell(chance.choice(VALUES) if chance.random() < 0.08 else row.get(name))
            for name in columns
        ]
        if chance.random() < 0.02:
            cells = cells[: chance.randrange(len(cells) + 1)] + ["more"] * chance.randrange(3)
        writer.writerow(cells)
        if chance.random() < 0.01:
            text.write(chance.choice(['"open,', 'a"b"c\n', "\n", "\x00\n", '"",""\n']))
    encoded = text.getvalue().encode("utf-8", "surrogatepass")
    if chance.random() < 0.3:
        spoilt = bytearray(encoded)
        for _ in range(5):
            spoilt[chance.randrange(len(spoilt))] = chance.randrange(256)
        encoded = bytes(spoilt)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(encoded)


def _cell(value: Any) -> str:
    if value is None:
        return ""
    return value if isinstance(value, str) else json.dumps(value)


_PARQUET_TYPES = (
    "varchar", "bigint", "double", "boolean", "date", "timestamp", "timestamptz", "blob", "uuid",
    "decimal(38, 10)", "hugeint", "varchar[]", "struct(a bigint, b varchar)", "map(varchar, bigint)",
    "time", "interval", "ubigint", "float", "timestamp_ns",
)  # fmt: skip


def fuzzed_parquet(chance: random.Random, names: Sequence[str], count: int, path: Path) -> None:
    """Columns of the contract in any type, with what that type can hold at its ends."""
    values = {
        "varchar": ["'2026-03-01'", "''", "'x'", "chr(0)", "repeat('y', 9999)", "'1e5'"],
        "bigint": ["1", "0", "-1", "9223372036854775807", "1772366400000"],
        "double": ["1.5", "'nan'", "'inf'", "'-inf'", "1e300", "-0.0"],
        "boolean": ["true", "false"],
        "date": ["'2026-03-01'", "'infinity'", "'0001-01-01'"],
        "timestamp": ["'2026-03-01 10:00'", "'infinity'", "'1677-09-22'", "'9999-12-31'"],
    }
    columns = []
    for name in names:
        kind = chance.choice(_PARQUET_TYPES)
        choices = [f"try_cast({text} as {kind})" for text in values.get(kind, values["varchar"])]
        listed = ", ".join([*choices, f"cast(null as {kind})"])
        columns.append(
            f"([{listed}])[cast(1 + hash(i, '{name}') % {len(choices) + 1} as bigint)] as \"{name}\""
        )
    path.parent.mkdir(parents=True, exist_ok=True)
    with duckdb.connect() as connection:
        connection.execute(
            f"copy (select {', '.join(columns)} from range({count}) as numbers (i)) "
            f"to '{path}' (format parquet)"
        )
    if chance.random() < 0.2:
        content = bytearray(path.read_bytes())
        content[chance.randrange(len(content))] ^= 0xFF
        path.write_bytes(bytes(content))


@dataclass(frozen=True)
class Fuzzed:
    """What one round of noise came to."""

    lines: int
    files: int
    refused_files: int
    rows_read: int
    rows_landed: int
    rows_quarantined: int
    rows_ignored: int

    def __add__(self, other: Fuzzed) -> Fuzzed:
        return Fuzzed(**{name: value + vars(other)[name] for name, value in vars(self).items()})


NOTHING = Fuzzed(0, 0, 0, 0, 0, 0, 0)


def load_noise(home: Path, *, seed: str, lines_per_file: int) -> Fuzzed:
    """Load noise of every stream and adapter in every format, and check that no row is lost."""
    chance = random.Random(seed)
    settings = Settings(home=home, threads=2)
    count = _write_native(settings, chance, lines_per_file) + _write_samples(
        settings, chance, lines_per_file
    )
    report = load_landing(settings=settings, landing=settings.landing, as_of=AS_OF)
    failed = report.with_status(FAILED)
    assert all(one.error and "\n" not in one.error for one in failed)
    assert {one.status for one in report.files} <= {NEW, FAILED}
    entries = {entry.path: entry for entry in read_entries(settings.lake)}
    assert set(entries) == {one.path for one in report.with_status(NEW)}
    for entry in entries.values():
        _assert_conserved(settings, entry)
    return Fuzzed(
        lines=count,
        files=len(report.files),
        refused_files=len(failed),
        rows_read=report.rows_read,
        rows_landed=report.rows_landed,
        rows_quarantined=report.rows_quarantined,
        rows_ignored=report.rows_ignored,
    )


def _write_native(settings: Settings, chance: random.Random, count: int) -> int:
    written = 0
    for stream, row in VALID_ROWS.items():
        names = [field.name for field in STREAMS[stream].all_fields]
        full = {**row, **({"properties": {}} if STREAMS[stream].properties_field else {})}
        for ending in ("ndjson", chance.choice(["jsonl.gz", "ndjson.gz"])):
            lines = [fuzzed_line(chance, full, names) for _ in range(count)]
            fuzzed_lines_file(chance, lines, settings.landing / stream / f"noise.{ending}")
        few = max(10, count // 10)
        fuzzed_csv(chance, [row] * few, settings.landing / stream / "noise.csv")
        fuzzed_parquet(chance, names, few, settings.landing / stream / "noise.parquet")
        written += 2 * count + 2 * few
    return written


def _write_samples(settings: Settings, chance: random.Random, count: int) -> int:
    """Noise made of the samples of every adapter, declared under names of their own."""
    written, declared = 0, []
    for sources in sorted(SAMPLES.glob("*/sources.yml")):
        declared += yaml.safe_load(sources.read_text())["sources"]
        for sample in sorted(sources.parent.rglob("*")):
            target = settings.landing / sample.relative_to(SAMPLES)
            rows = _sample_rows(sample)
            if not rows:
                continue
            names = sorted({name for row in rows for name in row})
            if sample.suffix == ".csv":
                fuzzed_csv(chance, [chance.choice(rows) for _ in range(count)], target)
            else:
                lines = [fuzzed_line(chance, chance.choice(rows), names) for _ in range(count)]
                fuzzed_lines_file(chance, lines, target)
            written += count
    settings.config.mkdir(parents=True, exist_ok=True)
    unique = list({(one["name"], one["adapter"]): one for one in declared}.values())
    (settings.config / "sources.yml").write_text(yaml.safe_dump({"sources": unique}))
    return written


def _sample_rows(sample: Path) -> list[dict[str, Any]]:
    if sample.suffix == ".csv":
        with sample.open(newline="") as file:
            return list(csv.DictReader(file))
    if sample.suffix in (".jsonl", ".ndjson"):
        return [json.loads(line) for line in sample.read_text().splitlines() if line.strip()]
    return []


def _assert_conserved(settings: Settings, entry: LedgerEntry) -> None:
    assert entry.rows_read + entry.rows_expanded == (
        entry.rows_ignored + entry.rows_landed + entry.rows_quarantined
    ), entry
    with duckdb.connect() as connection:
        for stream, landed in entry.streams.items():
            rows = 0
            if landed.files:
                paths = [str(settings.lake / file) for file in landed.files]
                ((rows,),) = connection.execute(
                    "select count(*) from read_parquet(?, hive_partitioning = false)", [paths]
                ).fetchall()
            assert rows == landed.rows_landed, (entry.path, stream)
        refused = 0
        if entry.quarantine_file is not None:
            ((refused,),) = connection.execute(
                "select count(*) from read_parquet(?)", [str(settings.lake / entry.quarantine_file)]
            ).fetchall()
        assert refused == entry.rows_quarantined, entry.path
