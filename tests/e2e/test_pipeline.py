"""The whole path on generated extracts: landing to outbox, twice, and with things going wrong."""

from __future__ import annotations

import email
import email.policy
import json
import re
from pathlib import Path

import duckdb

from orchestration.settings import Settings
from tests.e2e.conftest import AS_OF, DeploymentUnderTest
from tests.support.command_line import Finished


def _line(output: str, name: str) -> str:
    [line] = [one for one in output.splitlines() if one.strip().startswith(f"{name} ")]
    return line


def _published(deployment: DeploymentUnderTest) -> duckdb.DuckDBPyConnection:
    return duckdb.connect(str(deployment.home / "published" / "agentmart.duckdb"), read_only=True)


def _files(folder: Path) -> dict[str, int]:
    return {
        str(path.relative_to(folder)): path.stat().st_mtime_ns
        for path in folder.rglob("*")
        if path.is_file()
    }


def test_a_first_run_says_what_it_made(first_run: tuple[DeploymentUnderTest, Finished]) -> None:
    deployment, finished = first_run
    assert "succeeded" in finished.stdout.splitlines()[0]
    assert _line(finished.stdout, "tests").endswith("0 failed")
    assert re.search(r"reports +[1-9]\d* made, 0 failed", finished.stdout)
    assert str(deployment.home / "published" / "agentmart.duckdb") in finished.stdout


def test_rows_read_are_rows_landed_quarantined_or_ignored(
    first_run: tuple[DeploymentUnderTest, Finished],
) -> None:
    figures = [
        int(text.replace(",", ""))
        for text in re.findall(r"([\d,]+) (?:read|landed|quarantined|ignored)", first_run[1].stdout)
    ]
    read, landed, quarantined, ignored = figures
    assert read == landed + quarantined + ignored
    assert landed > 5_000
    assert quarantined > 0


def test_nobody_but_the_owner_reads_what_a_whole_run_wrote(deployment: DeploymentUnderTest) -> None:
    readable = [
        path.relative_to(deployment.home).as_posix()
        for folder in Settings(home=deployment.home).written_folders
        for path in (folder, *folder.rglob("*"))
        if not path.is_symlink() and path.stat().st_mode & 0o077
    ]
    assert readable == []


def test_a_second_run_on_the_same_landing_and_time_changes_nothing(
    own_deployment: DeploymentUnderTest,
) -> None:
    places = [own_deployment.home / name for name in ("lake", "published", "reports", "outbox")]
    before = [_files(place) for place in places]
    finished = own_deployment("run", "--as-of", AS_OF)
    assert finished.exit_code == 0, finished.stderr
    assert "nothing new" in finished.stdout.splitlines()[0]
    assert _line(finished.stdout, "files").split()[1] == "0"
    assert "0 built" in _line(finished.stdout, "models")
    assert " 0 made" in _line(finished.stdout, "reports")
    assert " 0 sent, 0 written" in _line(finished.stdout, "messages")
    assert [_files(place) for place in places] == before


def test_published_figures_equal_the_extracts(deployment: DeploymentUnderTest) -> None:
    """Invocations counted straight from the landing files, without the project's SQL."""
    seen: dict[str, str] = {}
    with duckdb.connect() as raw:
        landing = deployment.home / "landing" / "agent_events"
        files = [str(path) for path in landing.rglob("*") if ".ndjson" in path.name]
        rows = raw.execute(
            "select id, event_type from read_json(?, columns = {id: 'varchar', event_type: 'varchar'},"
            " format = 'newline_delimited', ignore_errors = true)",
            [files],
        ).fetchall()
    for event_id, event_type in rows:
        if event_type in ("agent_completed", "agent_errored"):
            seen[event_id] = event_type
    with _published(deployment) as mart:
        published = {
            row[0] for row in mart.execute("select event_id from core.fct_invocations").fetchall()
        }
    # Other formats of the landing hold further rows; every line of JSON that is an invocation and was
    # not rejected must be there.
    missing = set(seen) - published
    with _published(deployment) as mart:
        rejected = mart.execute(
            "select coalesce(sum(row_count), 0) from meta.quarantine"
            " where stream_name = 'agent_events'"
        ).fetchone()
    assert rejected is not None
    assert len(missing) <= rejected[0]


def test_readers_get_parquet_with_the_same_rows(deployment: DeploymentUnderTest) -> None:
    parquet = deployment.home / "published" / "parquet"
    with _published(deployment) as mart:
        tables = mart.execute("select schema_name, table_name from duckdb_tables()").fetchall()
        assert len(tables) > 40
        for schema, table in tables:
            count = f"select count(*) from {schema}.{table}"
            copy = f"select count(*) from {_parquet_of(parquet, schema, table)}"
            assert mart.execute(count).fetchone() == mart.execute(copy).fetchone(), table


def _parquet_of(parquet: Path, schema: str, table: str) -> str:
    """SQL: the files of a table; those of a fact by days are in a folder of its name."""
    folder = parquet / schema / table
    return f"read_parquet('{folder}{'/*' if folder.is_dir() else ''}.parquet')"


def test_every_table_column_and_function_of_the_published_database_is_described(
    deployment: DeploymentUnderTest,
) -> None:
    with _published(deployment) as mart:
        undescribed = mart.execute(
            "select schema_name || '.' || table_name from duckdb_tables()"
            " where nullif(trim(comment), '') is null"
            " union all"
            " select schema_name || '.' || view_name from duckdb_views()"
            " where nullif(trim(comment), '') is null and not internal"
            " union all"
            " select schema_name || '.' || table_name || '.' || column_name from duckdb_columns()"
            " where nullif(trim(comment), '') is null and not internal"
            " union all"
            " select function_name || '()' from duckdb_functions()"
            " where nullif(trim(comment), '') is null and not internal"
        ).fetchall()
        functions = mart.execute(
            "select count(*) from duckdb_functions() where comment like '%scope, start_local%'"
        ).fetchone()
    assert undescribed == []
    assert functions is not None
    assert functions[0] > 20


def test_no_published_column_holds_an_address_a_comment_or_a_message(
    deployment: DeploymentUnderTest,
) -> None:
    with _published(deployment) as mart:
        texts = mart.execute(
            "select schema_name, table_name, column_name from duckdb_columns()"
            " where data_type = 'VARCHAR' and not internal"
        ).fetchall()
        for schema, table, column in texts:
            found = mart.execute(
                f'select count(*) from {schema}.{table} where "{column}" like ?', ["%@example.%"]
            ).fetchone()
            assert found == (0,), (schema, table, column)


def test_each_scope_has_its_weekly_and_monthly_report(deployment: DeploymentUnderTest) -> None:
    with _published(deployment) as mart:
        counts = mart.execute(
            "select 1 + (select count(*) from core.dim_tenants where not is_inferred)"
            " + (select count(*) from core.dim_publishers where not is_inferred)"
        ).fetchone()
    assert counts is not None
    for frequency in ("weekly", "monthly"):
        made = list((deployment.home / "reports" / frequency).rglob("*.pdf"))
        assert len(made) >= counts[0]
        assert all(path.with_suffix(".csv").exists() for path in made)
        assert all(path.read_bytes().startswith(b"%PDF-") for path in made)


def test_each_message_of_the_outbox_is_complete(deployment: DeploymentUnderTest) -> None:
    messages = sorted((deployment.home / "outbox").glob("*.eml"))
    assert messages
    for path in messages:
        message = email.message_from_bytes(path.read_bytes(), policy=email.policy.default)
        kinds = {part.get_content_type() for part in message.walk()}
        assert {"text/plain", "text/html"} <= kinds
        assert message["To"]
        assert "Analytics Report" in message["Subject"]
        assert kinds & {"application/pdf", "text/csv"}


def test_exports_answer_for_every_scope(deployment: DeploymentUnderTest) -> None:
    for arguments in (
        ("usage-summary", "--scope", "platform"),
        ("usage-by-agent", "--scope", "tenant:t-001"),
        ("company", "--scope", "platform", "--period", "7d"),
    ):
        finished = deployment("export", *arguments, "--as-of", AS_OF)
        assert finished.exit_code in (0, 2), finished.stderr
        if finished.exit_code == 0:
            json.loads(finished.stdout)


def test_an_unknown_scope_is_named(deployment: DeploymentUnderTest) -> None:
    finished = deployment("export", "usage-summary", "--scope", "tenant:nobody")
    assert finished.exit_code == 2
    assert "nobody" in finished.stderr
    assert "ten-" in finished.stderr
    assert "Traceback" not in finished.stderr


def test_sql_reads_and_never_writes(deployment: DeploymentUnderTest) -> None:
    read = deployment("sql", "select count(*) as n from core.fct_invocations", "--format", "json")
    assert json.loads(read.stdout)[0]["n"] > 0
    written = deployment("sql", "create table core.mine as select 1 as x")
    assert written.exit_code == 2
    assert "read-only" in written.stderr


def test_a_late_file_changes_the_past_and_only_adds_to_it(
    own_deployment: DeploymentUnderTest,
) -> None:
    with _published(own_deployment) as mart:
        before = mart.execute(
            "select event_date, count(*) from core.fct_invocations group by all"
        ).fetchall()
        some = mart.execute(
            "select split_part(agent_key, ':', 2), split_part(publisher_key, ':', 2),"
            " split_part(tenant_key, ':', 2) from core.fct_invocations order by event_id limit 1"
        ).fetchone()
    assert some is not None
    late = {
        "id": "late-event-1",
        "event_type": "agent_completed",
        "agent_id": some[0],
        "publisher_id": some[1],
        "tenant_id": some[2],
        "timestamp": "2026-02-10T12:00:00Z",
        "properties": {"input_tokens": 10, "output_tokens": 5, "cost_usd": "0.25"},
    }
    folder = own_deployment.home / "landing" / "agent_events" / "late"
    folder.mkdir()
    (folder / "late.ndjson").write_text(json.dumps(late) + "\n")
    finished = own_deployment("run", "--as-of", AS_OF)
    assert finished.exit_code == 0, finished.stderr
    assert _line(finished.stdout, "files").split()[1] == "1"
    with _published(own_deployment) as mart:
        after = dict(
            mart.execute(
                "select event_date, count(*) from core.fct_invocations group by all"
            ).fetchall()
        )
    changed = {day for day, count in before if after[day] != count}
    assert {str(day) for day in changed} == {"2026-02-10"}
    assert sum(after.values()) == sum(count for _, count in before) + 1
    _assert_readers_see_the_candidate(own_deployment)
    _assert_only_what_changed_was_written(own_deployment)


def _assert_readers_see_the_candidate(deployment: DeploymentUnderTest) -> None:
    """However little of it was written anew: every row of every table, in the database and in Parquet."""
    settings = Settings(home=deployment.home)
    parquet = settings.published / "parquet"
    with duckdb.connect() as connection:
        connection.execute(f"attach '{settings.published_file.resolve()}' as mart (read_only)")
        connection.execute(f"attach '{settings.warehouse_file}' as candidate (read_only)")
        tables = connection.execute(
            "select schema_name, table_name, (schema_name, table_name) in"
            " (select (schema_name, table_name) from duckdb_tables() where database_name = 'candidate')"
            " from duckdb_tables() where database_name = 'mart' order by all"
        ).fetchall()
        assert len(tables) > 100
        for schema, table, is_built in tables:
            mart = f"from mart.{schema}.{table}"
            copies = [f"from {_parquet_of(parquet, schema, table)}"]
            copies += [f"from candidate.{schema}.{table}"] if is_built else []
            for copy in copies:
                for one, other in ((mart, copy), (copy, mart)):
                    found = connection.execute(f"({one}) except all ({other}) limit 1").fetchall()
                    assert found == [], (table, copy)


def _assert_only_what_changed_was_written(deployment: DeploymentUnderTest) -> None:
    """What changed on one day of February is a file of February; prices did not change."""
    before, after = (
        deployment.home / "published" / "versions" / f"{number:06d}" / "parquet"
        for number in (1, 2)
    )
    same = {
        str(path.relative_to(after))
        for path in after.rglob("*.parquet")
        if (before / path.relative_to(after)).exists()
        and path.samefile(before / path.relative_to(after))
    }
    assert "reference/model_prices.parquet" in same
    assert "core/fct_invocations/2026-01.parquet" in same
    assert "core/fct_audits/2026-02.parquet" in same
    assert not {"core/fct_invocations/2026-02.parquet", "usage/usage_summary.parquet"} & same


def test_a_failed_audit_keeps_the_last_published_state_and_status_says_so(
    own_deployment: DeploymentUnderTest,
) -> None:
    """A lake file damaged behind the contract's back: a rating of 9 where 1 to 5 is allowed."""
    lake = own_deployment.home / "lake" / "raw" / "agent_events"
    with duckdb.connect() as connection:
        for path in sorted(lake.rglob("*.parquet")):
            quoted = str(path).replace("'", "''")
            found = connection.execute(
                f"select count(*) from read_parquet('{quoted}', hive_partitioning = false)"
                " where event_type = 'user_feedback'"
            ).fetchone()
            if found and found[0]:
                damaged = path.with_suffix(".damaged")
                connection.execute(
                    f"copy (select * replace (case when rating is not null then 9::bigint end as rating)"
                    f" from read_parquet('{quoted}', hive_partitioning = false))"
                    f" to '{damaged}' (format parquet)"
                )
                damaged.replace(path)
                break
    # New data, so that the run has something to build; a code change would do as well.
    (own_deployment.home / "warehouse" / "agentmart.duckdb").unlink()
    status = own_deployment.run_that_is_refused(says="failed")
    assert re.search(r"(fail|error): .*rating", status.stdout), status.stdout
    outbox = own_deployment.home / "outbox"
    (told,) = (json.loads(file.read_bytes()) for file in outbox.glob("run_failure-email-*.json"))
    assert told["type"] == "run_failure.firing"
    assert told["data"]["title"].endswith("failed at warehouse_models")
    assert re.search(r"Failed: .* on fct_feedback: .*rating is at most 5", told["data"]["body"])
    assert told["data"]["details"]["rerun"] == (
        f"AGENTMART_HOME={own_deployment.home} agentmart run --as-of {AS_OF}"
    )
    assert "instead of email, AGENTMART_ALERT_EMAIL_TO is not set" in status.stdout


def test_bad_files_are_named_and_everything_else_is_done(
    own_deployment: DeploymentUnderTest,
) -> None:
    """One that is no gzip stream, one that is empty, and one of another stream."""
    charges = own_deployment.home / "landing" / "charges"
    bad = [charges / name for name in ("broken.ndjson.gz", "empty.ndjson", "calls.ndjson")]
    bad[0].write_bytes(b"\x1f\x8b\x08this is no gzip stream")
    bad[1].touch()
    bad[2].write_text('{"llm_call_id": "c-1", "invocation_id": "i-1", "model": "m"}\n')
    finished = own_deployment("run", "--as-of", AS_OF)
    assert finished.exit_code == 2
    for path in bad:
        assert path.name in finished.stdout + finished.stderr
    assert "Traceback" not in finished.stderr
