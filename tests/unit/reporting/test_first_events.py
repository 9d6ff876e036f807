"""When the data of each scope begin, as reports ask the published database."""

from datetime import UTC, datetime
from pathlib import Path

import duckdb

from orchestration.reporting.gather import first_events
from orchestration.reporting.query import Published


def test_the_data_of_a_scope_begin_with_its_first_answer_or_use_of_a_model(tmp_path: Path) -> None:
    with duckdb.connect(str(tmp_path / "published.duckdb")) as connection:
        connection.execute(
            """
            create schema core;
            create table core.dim_tenants as
            select 'n:' || tenant_id as tenant_key, tenant_id, 'n' as source_name
            from (values ('old'), ('new'), ('quiet')) as tenants (tenant_id);
            create table core.dim_publishers as
            select 'n:maker' as publisher_key, 'maker' as publisher_id, 'n' as source_name;
            create table core.fct_invocations as
            select * from (values
                ('n:old', 'n:maker', timestamp '2026-01-05 10:00'),
                ('n:old', 'n:maker', timestamp '2026-01-04 10:00'),
                ('n:new', 'n:maker', timestamp '2026-02-20 10:00')
            ) as answers (tenant_key, publisher_key, responded_at);
            create table core.fct_llm_calls as
            select * from (values
                ('n:new', null, timestamp '2026-02-18 10:00'),
                (null, null, timestamp '2026-01-03 10:00')
            ) as calls (tenant_key, publisher_key, used_at);
            """
        )

        found = first_events(Published(connection))

    assert found == {
        ("platform", "", None): datetime(2026, 1, 3, 10, tzinfo=UTC),
        ("tenant", "old", "n"): datetime(2026, 1, 4, 10, tzinfo=UTC),
        ("tenant", "new", "n"): datetime(2026, 2, 18, 10, tzinfo=UTC),
        ("publisher", "maker", "n"): datetime(2026, 1, 4, 10, tzinfo=UTC),
    }
