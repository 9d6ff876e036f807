"""`agentmart export`: one dataset of the published state, or a copy of all that one scope may see.

Belongs here: the options, and where the bytes go. Does not belong here: what a dataset holds
(reporting/datasets/).
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from orchestration.cli.output_file import check_folder, write_whole
from orchestration.errors import UserError
from orchestration.settings import Settings

if TYPE_CHECKING:
    from orchestration.reporting.datasets.dataset import Answer
    from orchestration.reporting.tables import Table

_FORMATS = ("json", "csv", "parquet", "duckdb")


@click.command()
@click.argument("dataset", required=False)
@click.option(
    "--scope",
    default="platform",
    show_default=True,
    metavar="SCOPE",
    help="platform, tenant:ID or publisher:ID.",
)
@click.option("--agent", metavar="ID", help="Only this agent.")
@click.option(
    "--source", metavar="NAME", help="Only this source; needed when two sources share an id."
)
@click.option(
    "--period",
    metavar="PERIOD",
    help="7d, 30d, Nd; day, week, month, year; 2026-03, 2026-W12, 2026; "
    "2026-03-01..2026-03-31. Default: the dataset's own.",
)
@click.option(
    "--include-open-day",
    "includes_open_day",
    is_flag=True,
    help="Nd ends with the as-of day, up to the as-of time, instead of before it.",
)
@click.option(
    "--tz",
    "time_zone",
    metavar="ZONE",
    help="IANA time zone. Default: the scope's own, else the platform's.",
)
@click.option("--as-of", metavar="TIME", help="Date or timestamp at which to look. Default: now.")
@click.option(
    "--currency",
    default="USD",
    show_default=True,
    metavar="CODE",
    help="USD, EUR or GBP: every amount is converted at the rate of its own day.",
)
@click.option("--metric", metavar="KEY", help="The metric of series; one of task-performance.")
@click.option("--bucket", metavar="BUCKET", help="hour, day, week or month, for series.")
@click.option(
    "--format",
    "file_format",
    type=click.Choice(_FORMATS),
    default="json",
    show_default=True,
    help="Format of the output.",
)
@click.option(
    "--out",
    type=click.Path(path_type=Path),
    metavar="PATH",
    help="File or existing folder to write to, instead of stdout.",
)
@click.option(
    "--all",
    "is_all",
    is_flag=True,
    help="A database with the rows of one tenant or publisher alone, instead of a dataset.",
)
@click.option("--schema", "is_schema", is_flag=True, help="The JSON Schema of the dataset instead.")
@click.pass_obj
def export(
    settings: Settings,
    dataset: str | None,
    scope: str,
    agent: str | None,
    source: str | None,
    period: str | None,
    includes_open_day: bool,
    time_zone: str | None,
    as_of: str | None,
    currency: str,
    metric: str | None,
    bucket: str | None,
    file_format: str,
    out: Path | None,
    is_all: bool,
    is_schema: bool,
) -> None:
    """Write one DATASET of the published state.

    \b
    Datasets:
      publisher-dashboard, marketplace-overview, tenant-dashboard
      usage-summary, usage-by-agent, usage-by-model, usage-timeline, agent-type-comparison
      compliance-summary, compliance-by-agent-type
      feedback-summary, feedback-by-agent-type
      task-usage, task-performance, task-costs
      company, daily-summary
      series, insights, alerts, forecast, goals, experiments, deployments
      bill-reconciliation, data-quality

    A dataset that holds several lists has several tables: as CSV or Parquet, stdout gets the main
    one, and --out writes each to a file of its own beside it.

    \b
    Example:
      agentmart export usage-summary --scope tenant:t1 --period 2026-03 --tz Asia/Kolkata
      agentmart export company --period 30d --format csv --out company.csv
      agentmart export series --metric cost_usd --bucket week --period 2026
    """
    from orchestration.clock import now
    from orchestration.reporting.datasets.asking import Request, ask, beyond_data, pose
    from orchestration.reporting.datasets.registry import find_dataset
    from orchestration.reporting.documents import to_json
    from orchestration.reporting.query import read_published
    from orchestration.reporting.schemas.schema import schema_of

    if is_all:
        narrowing = {"DATASET": dataset, "--agent": agent, "--period": period, "--tz": time_zone}
        given = [name for name, value in narrowing.items() if value is not None]
        if given or file_format != "duckdb" or out is None:
            wrong = f"without {', '.join(given)}, " if given else ""
            raise UserError(f"--all is written {wrong}with --format duckdb and --out FILE")
        _copy_scope(settings, scope=scope, source=source, out=out)
        return
    if dataset is None or file_format == "duckdb":
        raise UserError(
            "name a dataset, or --all with --format duckdb; `agentmart export --help` lists them"
        )
    found = find_dataset(dataset)
    if is_schema:
        click.echo(to_json(schema_of(found.name)).encode(), nl=False)
        return
    if file_format == "parquet" and out is None:
        raise UserError("Parquet is not written to stdout; name a file with --out")
    request = Request(
        scope=scope,
        agent=agent,
        source=source,
        period=period,
        time_zone=time_zone,
        as_of=as_of,
        currency=currency,
        metric=metric,
        bucket=bucket,
        includes_open_day=includes_open_day,
    )
    with read_published(settings) as published:
        question = pose(
            request,
            dataset=found,
            published=published,
            platform_zone=settings.time_zone,
            now=now,
        )
        answer = ask(found, question=question, published=published)
    if out is None:
        _print(answer, file_format=file_format)
    else:
        for path in _write(answer, dataset=found.name, file_format=file_format, out=out):
            click.echo(f"wrote {path}", err=True)
    if hint := beyond_data(question):
        click.echo(hint, err=True)


def _copy_scope(settings: Settings, *, scope: str, source: str | None, out: Path) -> None:
    from orchestration.reporting.files import scope_slug
    from orchestration.reporting.query import read_published
    from orchestration.reporting.scopes import ScopeKind, resolve_scope
    from orchestration.warehouse.scope_copy import CopiedScope, copy_scope

    with read_published(settings) as published:
        found = resolve_scope(published, scope, source=source)
    if found.kind is ScopeKind.PLATFORM or found.id is None or found.source_name is None:
        raise UserError(
            f"--all copies one tenant or publisher; the whole is {settings.published_file}: use"
            " --scope tenant:ID or publisher:ID"
        )
    copied = CopiedScope(kind=found.kind.value, id=found.id, source_name=found.source_name)
    slug = scope_slug(found.kind, found.id, source_name=found.source_name)
    target = out / f"agentmart-{slug}.duckdb" if out.is_dir() else out
    check_folder(target)
    write_whole(target, lambda path: copy_scope(settings, copied, target=path))
    click.echo(f"wrote {target}", err=True)


def _print(answer: Answer, *, file_format: str) -> None:
    from orchestration.reporting.documents import to_json
    from orchestration.reporting.tables import to_csv

    if file_format == "json":
        text = to_json(answer.document)
    else:
        main, *others = answer.tables
        text = to_csv(main)
        if others:
            names = ", ".join(table.name for table in others)
            click.echo(f"this is {main.name}; --out also writes {names}", err=True)
    # Bytes, because a text stream would write the line ends of the platform.
    click.echo(text.encode(), nl=False)


def _write(answer: Answer, *, dataset: str, file_format: str, out: Path) -> list[Path]:
    """Write every file of the answer, each complete or not at all; the main one first."""
    from orchestration.reporting.documents import to_json

    main = out / f"{dataset}.{file_format}" if out.is_dir() else out
    check_folder(main)
    if file_format == "json":
        write_whole(main, lambda path: path.write_bytes(to_json(answer.document).encode()))
        return [main]
    paths = []
    for position, table in enumerate(answer.tables):
        path = main.with_name(f"{main.stem}-{table.name}{main.suffix}") if position else main
        _write_table(table, path, file_format=file_format)
        paths.append(path)
    return paths


def _write_table(table: Table, path: Path, *, file_format: str) -> None:
    from orchestration.reporting.tables import to_csv, write_parquet

    if file_format == "csv":
        write_whole(path, lambda partial: partial.write_bytes(to_csv(table).encode()))
    else:
        write_whole(path, lambda partial: write_parquet(table, partial))
