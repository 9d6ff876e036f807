"""The rows of many reports from one pass over each mart, however many reports there are.

Belongs here: reading all marts side by side in the order of the reports, so that the rows of one
report at a time are in memory. Does not belong here: which marts a report reads (gather) and which
reports are due (due, run).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from orchestration.errors import RunFailure
from orchestration.reporting.gather import (
    INSIGHTS,
    RESTATEMENTS,
    SUMMARIES,
    MartRow,
    Publication,
    ReportRows,
    ReportWindow,
    first_events,
    function_of,
    marts_of,
    restatements,
    scope_of,
)
from orchestration.reporting.periods import Window
from orchestration.reporting.query import Published, Row
from orchestration.reporting.reference import Reference

# Each report has two places in the order of rows: its window, and the one it is compared with.
_PLACES = 2


@dataclass(frozen=True, kw_only=True)
class AskedReport:
    """A report over a window that the marts do not hold: what it shows, and the spans to ask for."""

    window: ReportWindow
    span: Window
    previous: Window


def gather_standard(
    published: Published,
    windows: Sequence[ReportWindow],
    *,
    publication: Publication,
    reference: Reference,
) -> Iterator[ReportRows]:
    """The rows of each report over a standard window, in the order of the windows."""
    if not windows:
        return
    places = {
        row["table_name"]: f'"{row["schema_name"]}"."{row["table_name"]}"'
        for row in published.rows("select schema_name, table_name from duckdb_tables()")
    }
    marts = _marts(windows)
    missing = [mart for mart in marts if mart not in places]
    if missing:
        raise RunFailure(
            f"the published database has no table {missing[0]}; it was made by another version: run"
            " `agentmart run` again"
        )
    keys = [(window.window_key, window.previous_window_key) for window in windows]
    passes = {
        mart: _Pass(
            _rows_of_mart(
                published,
                places[mart],
                keys,
                is_compared=mart in SUMMARIES,
                # What was resolved or could not be evaluated is no finding of this window.
                condition="mart.state = 'open'" if mart == INSIGHTS else "true",
            )
        )
        for mart in marts
    }
    yield from _reports(published, windows, passes, publication=publication, reference=reference)


def gather_asked(
    published: Published,
    asked: Sequence[AskedReport],
    *,
    publication: Publication,
    reference: Reference,
) -> Iterator[ReportRows]:
    """The rows of each report over a window of its own, in that order.

    Every table function is called once, for all windows together: five calls in one take about as
    long as one alone.
    """
    if not asked:
        return
    windows = [one.window for one in asked]
    passes = {mart: _Pass(_rows_of_function(published, mart, asked)) for mart in _marts(windows)}
    yield from _reports(published, windows, passes, publication=publication, reference=reference)


def _marts(windows: Iterable[ReportWindow]) -> list[str]:
    return list(
        dict.fromkeys(
            mart
            for frequency in sorted({window.frequency for window in windows}, reverse=True)
            for mart in marts_of(frequency)
        )
    )


class _Pass:
    """One walk through rows that come in the order of their places."""

    def __init__(self, rows: Iterator[Row]) -> None:
        self._rows = rows
        self._ahead = next(self._rows, None)

    def take(self, place: int) -> tuple[MartRow, ...]:
        """The rows of this place; places are asked for in order."""
        found: list[MartRow] = []
        while self._ahead is not None and self._ahead["place"] == place:
            found.append(MartRow(self._ahead))
            self._ahead = next(self._rows, None)
        return tuple(found)


def _reports(
    published: Published,
    windows: Sequence[ReportWindow],
    passes: Mapping[str, _Pass],
    *,
    publication: Publication,
    reference: Reference,
) -> Iterator[ReportRows]:
    restated = restatements(published, since=min(window.start_at for window in windows))
    began = first_events(published)
    for number, window in enumerate(windows):
        current = {mart: one.take(number * _PLACES) for mart, one in passes.items()}
        since = window.start_at.replace(tzinfo=None)
        current[RESTATEMENTS] = tuple(
            row
            for row in restated.get(scope_of(window), ())
            if row.values["restated_as_of"] >= since
        )
        previous = {
            mart: one.take(number * _PLACES + 1)
            for mart, one in passes.items()
            if mart in SUMMARIES
        }
        yield ReportRows(
            window=window,
            publication=publication,
            reference=reference,
            current=current,
            previous=previous,
            first_event_at=began.get(scope_of(window)),
        )


def _rows_of_mart(
    published: Published,
    table: str,
    keys: Sequence[tuple[str, str]],
    *,
    is_compared: bool,
    condition: str,
) -> Iterator[Row]:
    places = [
        (number * _PLACES + offset, key)
        for number, both in enumerate(keys)
        for offset, key in enumerate(both if is_compared else both[:1])
        if key
    ]
    # Rows of a table stand as threads came to write them, and a report sorts not all of its rows itself.
    return published.stream(
        f"""
        with wanted as (
            select unnest($places) as place, unnest($keys::varchar[]) as window_key
        )

        select wanted.place, mart.*
        from wanted inner join {table} as mart on wanted.window_key = mart.window_key
        where {condition}
        order by all
        """,
        {"places": [place for place, _ in places], "keys": [key for _, key in places]},
    )


def _rows_of_function(
    published: Published, mart: str, asked: Sequence[AskedReport]
) -> Iterator[Row]:
    is_compared = mart in SUMMARIES
    spans = [
        (number * _PLACES + offset, one.window, span)
        for number, one in enumerate(asked)
        if mart in marts_of(one.window.frequency)
        for offset, span in enumerate((one.span, one.previous) if is_compared else (one.span,))
    ]
    return published.stream(
        f"""
        with wanted as (
            select
                unnest($places) as place,
                unnest($scopes::varchar[]) as scope_text,
                unnest($sources::varchar[]) as source_name,
                unnest($starts::timestamp[]) as starts,
                unnest($ends::timestamp[]) as ends,
                unnest($zones::varchar[]) as zone,
                unnest($moments::timestamp[]) as moment
        )

        select wanted.place, answer.*
        from wanted, lateral (
            from {function_of(mart)}(
                wanted.scope_text, wanted.starts, wanted.ends,
                time_zone := wanted.zone, source := wanted.source_name, as_of := wanted.moment
            )
        ) as answer
        order by all
        """,
        {
            "places": [place for place, _, _ in spans],
            "scopes": [window.scope.text for _, window, _ in spans],
            "sources": [window.scope.source_name for _, window, _ in spans],
            "starts": [span.start_local for _, _, span in spans],
            "ends": [span.end_local for _, _, span in spans],
            "zones": [span.time_zone for _, _, span in spans],
            "moments": [span.as_of.replace(tzinfo=None) for _, _, span in spans],
        },
    )
