"""Adapter files: what they may say, what is said of those that cannot be used, and what they land."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path

import pytest

from orchestration.errors import UserError
from orchestration.ingest.adapter import RawField, find_adapter, parse_adapter
from orchestration.ingest.ledger import read_entries
from orchestration.ingest.load import FAILED, NEW, REPEATED
from orchestration.settings import Settings
from tests.support.landing import csv_bytes, landed, load, ndjson, put, put_with_duckdb, quarantined

BILLING = """
-- adapter: billing
-- version: 1
-- fields: no, when, what, sum.value as amount decimal, sum.unit as currency, who.name as secret
-- private: secret
-- stream: charges
select
    row_number,
    'ch-' || no as charge_id,
    "when" as charged_at,
    amount,
    currency,
    'usage' as kind,
    what
from raw_rows
where what <> 'note'
-- stream: agent_events
select row_number, 'ev-' || no as id, 'install' as event_type, "when" as "timestamp"
from raw_rows
where what = 'first'
"""
SOURCES = """
sources:
  - name: shop
    path: shop/*
    adapter: billing
    defaults: {publisher_id: acme, tenant_id: globex, agent_id: 7}
"""
ROWS = [
    {
        "no": 1,
        "when": 1772366400,
        "what": "first",
        "sum": {"value": 12345.5, "unit": "EUR"},
    },
    {"no": 2, "when": 1772366460, "what": "note"},
    {"no": 3, "when": 1772366520, "what": "more", "sum": {"value": -1, "unit": "EUR"}},
]


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    settings = Settings(home=tmp_path, threads=1)
    (settings.config / "adapters").mkdir(parents=True)
    (settings.config / "adapters" / "billing.sql").write_text(BILLING)
    (settings.config / "sources.yml").write_text(SOURCES)
    return settings


def test_an_adapter_lands_rows_in_the_streams_it_feeds(settings: Settings) -> None:
    put(settings, "shop/rows.ndjson", ndjson(ROWS))
    (outcome,) = load(settings).files
    assert (outcome.status, outcome.source_name) == (NEW, "shop")
    (charge,) = landed(settings, "charges")
    assert charge["charge_id"] == "ch-1"
    assert charge["amount"] == Decimal("12345.5")
    assert (charge["publisher_id"], charge["tenant_id"], charge["agent_id"]) == (
        "acme",
        "globex",
        "7",
    )
    assert charge["source_name"] == "shop"
    # A column that the contract does not know is kept.
    assert charge["source_metadata"] == '{"what":"first"}'
    assert landed(settings, "agent_events")[0]["id"] == "ev-1"
    (refused,) = quarantined(settings)
    assert (refused["row_number"], refused["rule"]) == (
        3,
        "charges.amount must be 0 or more; got -1",
    )


def test_every_raw_row_of_an_adapter_is_landed_quarantined_or_ignored(settings: Settings) -> None:
    put(settings, "shop/rows.ndjson", ndjson(ROWS) + b"not json\n")
    load(settings)
    (entry,) = read_entries(settings.lake)
    assert (entry.rows_read, entry.rows_ignored, entry.rows_expanded) == (4, 1, 1)
    assert (entry.rows_landed, entry.rows_quarantined) == (2, 2)
    assert entry.rows_read + entry.rows_expanded == (
        entry.rows_landed + entry.rows_quarantined + entry.rows_ignored
    )


@pytest.mark.parametrize("name", ["rows.csv", "rows.parquet"])
def test_an_adapter_reads_objects_from_text_columns(settings: Settings, name: str) -> None:
    if name.endswith(".csv"):
        put(settings, f"shop/{name}", csv_bytes(ROWS))
    else:
        put_with_duckdb(settings, f"shop/{name}", ROWS)
    load(settings)
    (charge,) = landed(settings, "charges")
    assert (charge["charge_id"], charge["currency"]) == ("ch-1", "EUR")


def test_private_members_are_removed_from_quarantined_text(settings: Settings) -> None:
    row = {**ROWS[2], "secret": "canary"}
    put(settings, "shop/rows.ndjson", ndjson([ROWS[0], row]))
    load(settings)
    (refused,) = quarantined(settings)
    assert "canary" not in refused["raw_text"]
    assert '"what": "more"' in refused["raw_text"]


def test_an_adapter_may_keep_the_text_of_refused_rows_out_of_the_quarantine(
    settings: Settings,
) -> None:
    path = settings.config / "adapters" / "billing.sql"
    path.write_text(BILLING.replace("-- private: secret", "-- private: *"))
    put(settings, "shop/rows.ndjson", ndjson(ROWS) + b"not json\n")
    load(settings)
    refused = quarantined(settings)
    assert [(row["row_number"], row["raw_text"]) for row in refused] == [
        (3, "[removed]"),
        (4, "[removed]"),
    ]


def test_a_table_of_an_adapter_is_made_once_for_all_its_sections(settings: Settings) -> None:
    source = BILLING.replace(
        "-- stream: charges",
        "-- table: names\nselect 'ch-' as charge, 'ev-' as event\n-- stream: charges",
    )
    source = source.replace("'ch-' || no", "(select charge from names) || no")
    source = source.replace("'ev-' || no", "(select event from names) || no")
    (settings.config / "adapters" / "billing.sql").write_text(source)
    put(settings, "shop/rows.ndjson", ndjson(ROWS))
    load(settings)
    assert landed(settings, "charges")[0]["charge_id"] == "ch-1"
    assert landed(settings, "agent_events")[0]["id"] == "ev-1"


def test_a_new_version_of_an_adapter_replaces_what_the_old_one_landed(settings: Settings) -> None:
    put(settings, "shop/rows.ndjson", ndjson(ROWS))
    load(settings)
    (old,) = read_entries(settings.lake)
    path = settings.config / "adapters" / "billing.sql"
    path.write_text(BILLING.replace("version: 1", "version: 2").replace("'ch-'", "'charge-'"))
    assert [outcome.status for outcome in load(settings).files] == [NEW]
    (new,) = read_entries(settings.lake)
    assert (old.adapter_version, new.adapter_version) == ("1", "2")
    assert old.load_id != new.load_id
    assert [outcome.status for outcome in load(settings).files] == [REPEATED]


def test_an_adapter_whose_sql_fails_fails_its_files_alone(settings: Settings) -> None:
    path = settings.config / "adapters" / "billing.sql"
    path.write_text(BILLING.replace("'ch-' || no", "no_such_column"))
    put(settings, "shop/rows.ndjson", ndjson(ROWS))
    put(settings, "publishers/a.csv", b"publisher_id,publisher_name,updated_at\n1,A,2026-01-01\n")
    outcomes = {outcome.source_name: outcome for outcome in load(settings).files}
    assert outcomes["native"].status == NEW
    assert outcomes["shop"].status == FAILED
    assert "no_such_column" in (outcomes["shop"].error or "")


def test_raw_fields_may_reach_into_objects_and_be_renamed() -> None:
    adapter = parse_adapter(BILLING, path=Path("billing.sql"))
    assert adapter.raw_fields[2:5] == (
        RawField(path=("what",), column="what"),
        RawField(path=("sum", "value"), column="amount", is_decimal=True),
        RawField(path=("sum", "unit"), column="currency"),
    )
    assert [section.stream.name for section in adapter.sections] == ["charges", "agent_events"]


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("-- adapter: billing", "", "0 lines '-- adapter: ...'"),
        ("adapter: billing", "adapter: bills", "it must be the file's name, 'billing'"),
        ("-- version: 1", "", "0 lines '-- version: ...'"),
        ("version: 1", "version: one", "version is 'one'"),
        ("-- fields:", "-- columns:", "no line '-- fields: ...'"),
        ("fields: no, when", "fields: no, when at noon", "field 'when at noon' cannot be read"),
        ("fields: no, when", "fields: no, no", "column 'no' is taken"),
        ("fields: no, when", "fields: no, sum", "lies inside 'sum'"),
        ("fields: no, when", "fields: no, row_number", "column 'row_number' is taken"),
        ("stream: charges", "stream: invoices", "stream 'invoices' is none of the contract"),
        ("stream: agent_events", "stream: charges", "stream 'charges' has two sections"),
        ("-- stream: agent_events", "-- table: All\n-- stream: agent_events", "table 'All'; use"),
        ("-- stream: agent_events", "-- table: raw_rows\n-- stream: agent_events", "is taken"),
        ("-- stream: agent_events", "-- table: a\n-- stream: agent_events", "table 'a' is empty"),
    ],
)
def test_an_adapter_that_cannot_be_used_says_why(old: str, new: str, message: str) -> None:
    with pytest.raises(UserError) as error:
        parse_adapter(BILLING.replace(old, new), path=Path("config/billing.sql"))
    assert str(error.value).startswith("config/billing.sql: ")
    assert message in str(error.value)


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ("-- adapter: billing\n-- version: 1\n-- fields: a\n", "no section"),
        ("-- adapter: billing\n-- version: 1\n-- fields: a\n-- stream: charges\n", "is empty"),
    ],
)
def test_an_adapter_without_a_select_says_so(source: str, message: str) -> None:
    with pytest.raises(UserError, match=message):
        parse_adapter(source, path=Path("billing.sql"))


def test_an_unknown_adapter_names_those_there_are(settings: Settings) -> None:
    with pytest.raises(UserError, match=r"use one of native, .*aider, .*billing"):
        find_adapter("bills", config=settings.config)
