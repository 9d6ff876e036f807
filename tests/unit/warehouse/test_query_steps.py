"""A query in steps gives the rows of the query: the split that distributed engines need, tried on DuckDB."""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import cache, partial
from typing import Any

import duckdb
import pytest
from dbt_common.clients.jinja import get_environment
from dbt_common.exceptions.macros import MacroReturn

from orchestration.settings import DBT_PROJECT_DIR

_FILE = DBT_PROJECT_DIR / "macros" / "cross_db" / "steps.sql"


@cache
def _macros() -> Mapping[str, Any]:
    """The macros of the file, called as dbt calls them."""
    text = _FILE.read_text(encoding="utf-8")
    template = get_environment(None).from_string(text)
    context: dict[str, Any] = {"modules": {"re": re}}

    def returned(value: object) -> None:
        raise MacroReturn(value)

    def call(name: str, *arguments: object) -> object:
        module = template.make_module(vars=context, shared=False)
        try:
            return getattr(module, f"dbt_macro__{name}")(*arguments)
        except MacroReturn as answer:
            return answer.value

    context["return"] = returned
    for name in re.findall(r"{% macro (\w+)\(", text):
        context[name] = partial(call, name)
    return context


def _steps_of(query: str) -> tuple[list[tuple[str, str]], str]:
    found = _macros()["steps_of"](query, "step")
    return [(step["name"], step["query"]) for step in found["steps"]], found["query"]


def _rows_by_steps(query: str) -> list[tuple[Any, ...]]:
    steps, rest = _steps_of(query)
    with duckdb.connect() as connection:
        for name, step in steps:
            connection.execute(f"create table {name} as {step}")
        return connection.execute(rest).fetchall()


_TWICE = """
with numbers as (
    select unnest([1, 2, 3, 3]) as number
),

sums as (
    select number, count(*) as times from numbers group by number
),

final as (
    select one.number, one.times, other.times as others
    from sums as one
    join sums as other on other.number = one.number + 1
)

select * from final order by number
"""


def test_what_is_read_twice_and_has_work_to_do_is_one_step() -> None:
    steps, rest = _steps_of(_TWICE)
    assert [name for name, _ in steps] == ["step_1"]
    assert "group by" not in rest
    assert _rows_by_steps(_TWICE) == [(1, 1, 1), (2, 1, 2)]


def test_what_is_read_once_or_only_names_rows_is_no_step() -> None:
    query = """
        with rows as (select unnest([1, 2]) as number),
        counted as (select count(*) as counted from rows group by number % 2),
        joined as (select number from rows union all select counted from counted)
        select sum(number) from joined
    """
    assert _steps_of(query)[0] == []
    assert _rows_by_steps(query) == [(5,)]


@pytest.mark.parametrize("query", ["select 1 as one", "  select 'with x as (' as one"])
def test_a_query_without_ctes_stays_as_it_is(query: str) -> None:
    assert _steps_of(query) == ([], query)


def test_names_of_a_cte_within_hide_those_around_it() -> None:
    query = """
        with numbers as (select 1 as number),
        summary as (
            with numbers as (select 10 as number union all select 20),
            totals as (select sum(number) as total from numbers group by true)
            select one.total + other.total as doubled from totals as one join totals as other on true
        )
        select summary.doubled, numbers.number from summary join numbers on true
    """
    assert len(_steps_of(query)[0]) == 1
    assert _rows_by_steps(query) == [(60, 1)]


def test_a_step_within_reads_the_ctes_around_it() -> None:
    query = """
        with bounds as (select 3 as last),
        doubled as (select 2 * last as last from bounds group by last),
        summary as (
            with reached as (select distinct last + 1 as place from doubled)
            select a.place as one, b.place as other from reached as a join reached as b on true
        ),
        final as (select one, other, last from summary join doubled on true join bounds using (last))
        select count(*), (select max(place) from (select one as place from summary) as x) from final
    """
    assert [name for name, _ in _steps_of(query)[0]] == ["step_1", "step_2", "step_3"]
    assert _rows_by_steps(query) == [(0, 7)]


def test_a_recursion_is_made_whole() -> None:
    query = """
        with recursive counted (number) as (
            select 1
            union all
            select number + 1 from counted where number < 4
        ),
        sums as (select sum(number) as total from counted)
        select a.total, b.total, (select count(*) from counted) from sums as a join sums as b on true
    """
    steps, _ = _steps_of(query)
    assert [name for name, _ in steps] == ["step_1"]
    assert steps[0][1].startswith("with recursive counted (number)")
    assert _rows_by_steps(query) == [(10, 10, 4)]


def test_parentheses_and_dashes_in_texts_are_text_and_comments_are_left_out() -> None:
    query = """
        with texts as ( -- one ) too many
            select distinct 'it''s (-- no comment' as words
        )
        select a.words from texts as a join texts as b using (words)
    """
    assert _rows_by_steps(query) == [("it's (-- no comment",)]
