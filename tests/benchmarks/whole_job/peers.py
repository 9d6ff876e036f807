"""The same figures from the same agent events, by other tools, each in a process of its own.

Belongs here: how each tool does it. Does not belong here: timing (measure.py), the extracts (landings.py).

``python peers.py <tool> <landing> <model_prices.csv> <file>`` writes the answer as JSON. Asked of all is:

1. Of agent events those that keep the contract, each once (equal copies).
2. Sessions of a tenant's user with an agent: a silence of more than thirty minutes begins a new one.
3. The cost of each answer: as recorded, else its tokens at the list price of its day, in picodollars.
4. ``daily``: answers, errors, tokens, cost and 95th percentile of time by day, agent and model.
5. ``percentiles``: 50th, 95th and 99th of each agent's times in the last thirty days.
6. ``activity``: users of 1, 7 and 30 days on each of the last thirty days.
7. ``publishers``: what a dashboard of every publisher shows of the last thirty days.

That is a part of what the product makes of these events, and of seven other streams that none of these reads.
All use four threads. Nothing is imported but the tool that is asked for.
"""

from __future__ import annotations

import csv
import json
import sys
from bisect import bisect_right
from collections import defaultdict
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from importlib import import_module
from pathlib import Path
from typing import Any

THREADS = 4
AS_OF = datetime(2026, 3, 2, 6, tzinfo=UTC)
LAST_DAY = AS_OF.date() - timedelta(days=1)
FIRST_DAY = LAST_DAY - timedelta(days=29)
LATEST = AS_OF + timedelta(minutes=5)
GAP_US = 1_800_000_000
PICO = 10**12
ANSWERS = ("agent_completed", "agent_errored")
KINDS = (
    *("agent_invoked", *ANSWERS, "tool_called", "tool_failed"),
    *("user_feedback", "install", "uninstall"),
)
HEAD = ("id", "event_type", "agent_id", "publisher_id", "tenant_id", "timestamp")
SUBSETS = ("cache_read_tokens", "cache_write_tokens", "reasoning_tokens")
TOKENS = ("input_tokens", "output_tokens", *SUBSETS)
MEMBERS = ("user_id", "model", *TOKENS, "duration_ms", "cost_usd", "rating")
RATES = ("input", "output", "cache_read", "cache_write", "reasoning")

Answer = dict[str, list[list[Any]]]


def read_prices(path: str) -> list[tuple[str, date, date, tuple[int | None, ...]]]:
    """Model, first day, day after the last, and picodollars a token (in the order of RATES)."""
    rows = defaultdict(list)
    with Path(path).open(encoding="utf-8", newline="") as file:
        for row in csv.DictReader(file):
            listed = {name: _picodollars(row[f"{name}_usd_per_token"]) for name in RATES}
            # A part of the tokens without a rate of its own costs that of the whole.
            whole = {"cache_read": "input", "cache_write": "input", "reasoning": "output"}
            filled = [
                listed[whole.get(name, name)] if rate is None else rate
                for name, rate in listed.items()
            ]
            rows[row["model"]].append((date.fromisoformat(row["valid_from"]), tuple(filled)))
    prices = []
    for model, dated in rows.items():
        dated.sort()
        ends = [first for first, _ in dated[1:]] + [date(9999, 12, 31)]
        prices += [
            (model, first, end, rates) for (first, rates), end in zip(dated, ends, strict=True)
        ]
    return prices


def _picodollars(text: str) -> int | None:
    return round(Decimal(text) * PICO) if text else None


def event_lists(landing: str, prices_file: str) -> Answer:
    """A service that holds all events and groups them in memory per publisher, in plain Python."""
    parquet = import_module("pyarrow.parquet")
    events: list[dict[str, Any]] = []
    seen = set()
    for path in sorted(Path(landing, "agent_events").rglob("*.parquet")):
        for batch in parquet.ParquetFile(path).iter_batches():
            for event in batch.to_pylist():
                if _keeps_contract(event) and event["id"] not in seen:
                    seen.add(event["id"])
                    events.append(event)
    prices = defaultdict(list)
    for model, first, _, rates in sorted(read_prices(prices_file), key=lambda row: row[:2]):
        prices[model].append((first, rates))
    for event in events:
        event["day"] = event["timestamp"].date()
        if event["event_type"] in ANSWERS:
            event["cost"] = _cost(event["properties"], prices, event["day"])
    sessions = _sessions_of(events)
    per_session: dict[str, list[int]] = defaultdict(lambda: [0, 0, 0])
    for agent, _, start, end, count in sessions:
        totals = per_session[agent]
        totals[0] += 1
        totals[1] += count
        totals[2] += _microseconds(end - start)
    return {
        "sessions": sorted([agent, *totals] for agent, totals in per_session.items()),
        "daily": _daily(events),
        "percentiles": _percentiles(events),
        "activity": _activity(events),
        "publishers": _publishers(events, sessions),
    }


def _keeps_contract(event: dict[str, Any]) -> bool:
    given = event["properties"]
    return bool(
        event["id"]
        and event["tenant_id"]
        and event["event_type"] in KINDS
        and event["timestamp"] <= LATEST
        and all(given[name] is None or given[name] >= 0 for name in (*TOKENS, "duration_ms"))
        and (event["event_type"] != "user_feedback" or 1 <= (given["rating"] or 0) <= 5)
    )


def _cost(given: dict[str, Any], prices: dict[str, list[Any]], day: date) -> int | None:
    if given["cost_usd"] is not None:
        return int(given["cost_usd"] * PICO)
    if given["input_tokens"] is None and given["output_tokens"] is None:
        return None
    dated = prices.get(given["model"], [])
    place = bisect_right([first for first, _ in dated], day) - 1
    if place < 0:
        return None
    rates = dated[place][1]
    tokens_in, tokens_out, read, write, reasoning = (given[name] or 0 for name in TOKENS)
    parts = (
        max(tokens_in - read - write, 0),
        max(tokens_out - reasoning, 0),
        read,
        write,
        reasoning,
    )
    if any(part and rate is None for part, rate in zip(parts, rates, strict=True)):
        return None
    return sum(part * (rate or 0) for part, rate in zip(parts, rates, strict=True))


def _microseconds(span: timedelta) -> int:
    return span // timedelta(microseconds=1)


def _sessions_of(events: list[dict[str, Any]]) -> list[tuple[str, str, datetime, datetime, int]]:
    messages = defaultdict(list)
    for event in events:
        user = event["properties"]["user_id"]
        if user and event["event_type"] in ("agent_invoked", *ANSWERS):
            key = (event["tenant_id"], user, event["agent_id"])
            messages[key].append((event["timestamp"], event["publisher_id"]))
    sessions = []
    for (_, _, agent), times in messages.items():
        times.sort()
        start, publisher, before, count = times[0][0], times[0][1], times[0][0], 0
        for moment, its_publisher in times:
            if _microseconds(moment - before) > GAP_US:
                sessions.append((agent, publisher, start, before, count))
                start, publisher, count = moment, its_publisher, 0
            before = moment
            count += 1
        sessions.append((agent, publisher, start, before, count))
    return sessions


def _daily(events: list[dict[str, Any]]) -> list[list[Any]]:
    groups = defaultdict(list)
    for event in events:
        if event["event_type"] in ANSWERS:
            model = event["properties"]["model"] or "unknown"
            groups[(event["day"].isoformat(), event["agent_id"], model)].append(event)
    return sorted([*key, *_usage(group)] for key, group in groups.items())


def _usage(answers: list[dict[str, Any]]) -> list[Any]:
    times = [event["properties"]["duration_ms"] for event in answers]
    return [
        len(answers),
        sum(event["event_type"] == "agent_errored" for event in answers),
        sum(event["properties"]["input_tokens"] or 0 for event in answers),
        sum(event["properties"]["output_tokens"] or 0 for event in answers),
        sum(event["cost"] or 0 for event in answers),
        _quantile([time for time in times if time is not None], 95),
    ]


def _quantile(values: list[int], percent: int) -> float | None:
    if not values:
        return None
    values.sort()
    whole, part = divmod((len(values) - 1) * percent, 100)
    above = values[min(whole + 1, len(values) - 1)]
    return round(values[whole] + (above - values[whole]) * part / 100, 6)


def _is_recent(day: date) -> bool:
    return FIRST_DAY <= day <= LAST_DAY


def _percentiles(events: list[dict[str, Any]]) -> list[list[Any]]:
    times = defaultdict(list)
    for event in events:
        time = event["properties"]["duration_ms"]
        if event["event_type"] in ANSWERS and time is not None and _is_recent(event["day"]):
            times[event["agent_id"]].append(time)
    return sorted(
        [agent, *(_quantile(values, percent) for percent in (50, 95, 99))]
        for agent, values in times.items()
    )


def _activity(events: list[dict[str, Any]]) -> list[list[Any]]:
    users = defaultdict(set)
    for event in events:
        if event["event_type"] == "agent_invoked" and event["properties"]["user_id"]:
            users[event["day"]].add((event["tenant_id"], event["properties"]["user_id"]))
    rows = []
    for place in range(30):
        day = FIRST_DAY + timedelta(days=place)
        spans = (
            set().union(*(users.get(day - timedelta(days=back), set()) for back in range(days)))
            for days in (1, 7, 30)
        )
        rows.append([day.isoformat(), *(len(span) for span in spans)])
    return rows


def _publishers(
    events: list[dict[str, Any]], sessions: list[tuple[str, str, datetime, datetime, int]]
) -> list[list[Any]]:
    groups = defaultdict(list)
    for event in events:
        if _is_recent(event["day"]):
            groups[event["publisher_id"]].append(event)
    begun: dict[str, int] = defaultdict(int)
    for _, publisher, start, _, _ in sessions:
        begun[publisher] += _is_recent(start.date())
    rows = []
    for publisher, group in groups.items():
        answers = [event for event in group if event["event_type"] in ANSWERS]
        requests = [event for event in group if event["event_type"] == "agent_invoked"]
        rated = [e["properties"]["rating"] for e in group if e["event_type"] == "user_feedback"]
        users = {
            (event["tenant_id"], event["properties"]["user_id"])
            for event in requests
            if event["properties"]["user_id"]
        }
        rows.append(
            [
                publisher,
                *_usage(answers),
                len(requests),
                len(users),
                begun[publisher],
                len({event["agent_id"] for event in answers}),
                len({event["tenant_id"] for event in answers}),
                len(rated),
                sum(rated),
                sum(event["event_type"] == "install" for event in group),
                sum(event["event_type"] == "uninstall" for event in group),
            ]
        )
    return sorted(rows)


def pandas(landing: str, prices_file: str) -> Answer:
    pd, pyarrow = import_module("pandas"), import_module("pyarrow")
    dataset, compute = import_module("pyarrow.dataset"), import_module("pyarrow.compute")
    columns = {name: compute.field(name) for name in HEAD}
    columns |= {name: compute.field("properties", name) for name in MEMBERS}
    pico = pyarrow.scalar(Decimal(PICO), pyarrow.decimal128(13, 0))
    columns["cost_usd"] = compute.multiply(columns["cost_usd"], pico).cast("int64")
    source = dataset.dataset(f"{landing}/agent_events", format="parquet")
    events = source.to_table(columns=columns).to_pandas(types_mapper=pd.ArrowDtype)
    is_count = [(events[name].isna() | (events[name] >= 0)) for name in (*TOKENS, "duration_ms")]
    kept = (
        (events["id"] != "")
        & events["tenant_id"].notna()
        & events["event_type"].isin(KINDS)
        & (events["timestamp"] <= LATEST)
        & ((events["event_type"] != "user_feedback") | events["rating"].between(1, 5))
    )
    for check in is_count:
        kept &= check
    events = events[kept.fillna(False)].drop_duplicates("id")
    events["day"] = events["timestamp"].astype("datetime64[us, UTC]").dt.floor("D")
    events["is_recent"] = events["day"].between(
        pd.Timestamp(FIRST_DAY, tz="UTC"), pd.Timestamp(LAST_DAY, tz="UTC")
    )
    return _of_frame(pd, events, read_prices(prices_file))


def _of_frame(pd: Any, events: Any, prices: list[Any]) -> Answer:
    list_ = pd.DataFrame(
        [(model, first, *rates) for model, first, _, rates in prices],
        columns=["model", "valid_from", *RATES],
    )
    list_["valid_from"] = pd.to_datetime(list_["valid_from"], utc=True).astype(
        "datetime64[us, UTC]"
    )
    list_ = list_.astype({"model": "str", **dict.fromkeys(RATES, "Float64")}).sort_values(
        "valid_from"
    )
    answers = events[events["event_type"].isin(ANSWERS)].copy()
    answers["is_errored"] = answers["event_type"] == "agent_errored"
    answers = answers.sort_values("day")
    answers["model"] = answers["model"].astype("str")
    answers = pd.merge_asof(answers, list_, left_on="day", right_on="valid_from", by="model")
    tokens = {name: answers[name].fillna(0).astype("int64") for name in TOKENS}
    read, write, reasoning = (tokens[name] for name in SUBSETS)
    parts = {
        "input": (tokens["input_tokens"] - read - write).clip(lower=0),
        "output": (tokens["output_tokens"] - reasoning).clip(lower=0),
        "cache_read": read,
        "cache_write": write,
        "reasoning": reasoning,
    }
    priced = pd.Series(0, index=answers.index, dtype="int64")
    is_priced = answers["input_tokens"].notna() | answers["output_tokens"].notna()
    for name, part in parts.items():
        is_priced &= (part == 0) | answers[name].notna()
        priced += part * answers[name].fillna(0).astype("int64")
    recorded = answers["cost_usd"].astype("Int64")
    answers["cost"] = recorded.fillna(priced.where(is_priced, 0)).astype("int64")
    for name in ("input_tokens", "output_tokens"):
        answers[name] = tokens[name]
    answers["duration_ms"] = answers["duration_ms"].astype("Float64")
    answers["model"] = answers["model"].fillna("unknown")
    messages = events[
        events["event_type"].isin(("agent_invoked", *ANSWERS)) & events["user_id"].notna()
    ]
    messages = messages.sort_values(["tenant_id", "user_id", "agent_id", "timestamp"])
    key = messages[["tenant_id", "user_id", "agent_id"]]
    moments = messages["timestamp"].astype("int64")
    begins = (key != key.shift()).any(axis=1) | (moments.diff() > GAP_US)
    sessions = (
        pd.DataFrame(
            {
                "session": begins.astype("int64").cumsum(),
                "agent_id": messages["agent_id"],
                "publisher_id": messages["publisher_id"],
                "moment": moments,
                "day": messages["is_recent"],
            }
        )
        .groupby("session")
        .agg(
            agent_id=("agent_id", "first"),
            publisher_id=("publisher_id", "first"),
            start=("moment", "min"),
            end=("moment", "max"),
            count=("moment", "size"),
            is_recent=("day", "first"),
        )
    )
    sessions["length"] = sessions["end"] - sessions["start"]
    per_agent = sessions.groupby("agent_id").agg(
        sessions=("count", "size"), messages=("count", "sum"), length=("length", "sum")
    )
    usage = {
        "messages": ("is_errored", "size"),
        "errors": ("is_errored", "sum"),
        "input_tokens": ("input_tokens", "sum"),
        "output_tokens": ("output_tokens", "sum"),
        "cost": ("cost", "sum"),
    }
    by_day = answers.groupby(["day", "agent_id", "model"])
    daily = by_day.agg(**usage)
    daily["p95"] = by_day["duration_ms"].quantile(0.95)
    daily = daily.reset_index()
    daily["day"] = daily["day"].dt.strftime("%Y-%m-%d")
    recent, recent_events = answers[answers["is_recent"]], events[events["is_recent"]]
    points = recent.groupby("agent_id")["duration_ms"].quantile([0.5, 0.95, 0.99]).unstack()
    requests = events[(events["event_type"] == "agent_invoked")]
    known = requests[requests["user_id"].notna()]
    user_days = known[["day", "tenant_id", "user_id"]].drop_duplicates()
    activity = []
    for place in range(30):
        day = pd.Timestamp(FIRST_DAY + timedelta(days=place), tz="UTC")
        counts = []
        for days in (1, 7, 30):
            since = user_days[
                (user_days["day"] > day - timedelta(days=days)) & (user_days["day"] <= day)
            ]
            counts.append(len(since[["tenant_id", "user_id"]].drop_duplicates()))
        activity.append([day.strftime("%Y-%m-%d"), *counts])
    of_publisher = recent.groupby("publisher_id")
    board = of_publisher.agg(**usage)
    board["p95"] = of_publisher["duration_ms"].quantile(0.95)
    recent_known = known[known["is_recent"]][["publisher_id", "tenant_id", "user_id"]]
    rated = recent_events[recent_events["event_type"] == "user_feedback"].groupby("publisher_id")
    kinds = recent_events.groupby(["publisher_id", "event_type"]).size().unstack(fill_value=0)
    for name in ("agent_invoked", "install", "uninstall"):
        if name not in kinds:
            kinds[name] = 0
    board = pd.DataFrame(index=kinds.index).join(board)
    extra = {
        "requests": kinds["agent_invoked"],
        "users": recent_known.drop_duplicates().groupby("publisher_id").size(),
        "sessions": sessions[sessions["is_recent"]].groupby("publisher_id").size(),
        "agents": of_publisher["agent_id"].nunique(),
        "tenants": of_publisher["tenant_id"].nunique(),
        "ratings": rated["rating"].size(),
        "rated": rated["rating"].sum(),
        "installs": kinds["install"],
        "uninstalls": kinds["uninstall"],
    }
    for name, values in extra.items():
        board[name] = values
    board = board.astype({name: "Int64" for name in board if name != "p95"})
    board = board.fillna({name: 0 for name in board if name != "p95"})
    return {
        "sessions": _plain(per_agent.reset_index()),
        "daily": _plain(daily),
        "percentiles": _plain(points.reset_index()),
        "activity": activity,
        "publishers": _plain(board.reset_index()),
    }


def _plain(frame: Any) -> list[list[Any]]:
    """A frame of pandas as sorted rows of what JSON knows."""
    rows = frame.astype("object").where(frame.notna(), None).to_numpy().tolist()
    return sorted(
        [round(float(value), 6) if isinstance(value, float) else _as_is(value) for value in row]
        for row in rows
    )


def _as_is(value: Any) -> Any:
    return value if value is None or isinstance(value, str) else int(value)


def polars(landing: str, prices_file: str) -> Answer:
    pl = import_module("polars")
    col = pl.col
    events = (
        pl.scan_parquet(f"{landing}/agent_events/*/*.parquet", hive_partitioning=False)
        .select(*HEAD, *(col("properties").struct.field(name) for name in MEMBERS))
        .filter(
            col("id") != "",
            col("tenant_id").is_not_null(),
            col("event_type").is_in(KINDS),
            col("timestamp") <= LATEST,
            *(col(name).is_null() | (col(name) >= 0) for name in (*TOKENS, "duration_ms")),
            (col("event_type") != "user_feedback")
            | col("rating").is_between(1, 5).fill_null(False),
        )
        .unique("id")
        .with_columns(
            day=col("timestamp").dt.date(),
            cost_usd=(col("cost_usd") * PICO).cast(pl.Int64),
        )
        .with_columns(is_recent=col("day").is_between(FIRST_DAY, LAST_DAY))
        .collect(engine="streaming")
        .lazy()
    )
    prices = pl.LazyFrame(
        [(model, first, *rates) for model, first, _, rates in read_prices(prices_file)],
        schema={"model": pl.String, "valid_from": pl.Date, **dict.fromkeys(RATES, pl.Int64)},
        orient="row",
    )
    parts = {
        "input": (col("in") - col("read") - col("write")).clip(0),
        "output": (col("out") - col("thought")).clip(0),
        "cache_read": col("read"),
        "cache_write": col("write"),
        "reasoning": col("thought"),
    }
    counts = dict(zip(("in", "out", "read", "write", "thought"), TOKENS, strict=True))
    answers = (
        events.filter(col("event_type").is_in(ANSWERS))
        .with_columns(**{name: col(column).fill_null(0) for name, column in counts.items()})
        .sort("day")
        .join_asof(prices.sort("valid_from"), left_on="day", right_on="valid_from", by="model")
        .with_columns(
            priced=pl.when(
                col("input_tokens").is_not_null() | col("output_tokens").is_not_null(),
                *((part == 0) | col(name).is_not_null() for name, part in parts.items()),
            ).then(pl.sum_horizontal(part * col(name).fill_null(0) for name, part in parts.items()))
        )
        .with_columns(
            cost=pl.coalesce("cost_usd", "priced", 0),
            is_errored=col("event_type") == "agent_errored",
            model=col("model").fill_null("unknown"),
        )
        .collect()
        .lazy()
    )
    person = ("tenant_id", "user_id", "agent_id")
    sessions = (
        events.filter(
            col("event_type").is_in(("agent_invoked", *ANSWERS)), col("user_id").is_not_null()
        )
        .select(*person, "publisher_id", "timestamp", "is_recent")
        .sort(*person, "timestamp", "publisher_id")
        .with_columns(
            session=(
                pl.any_horizontal(col(name) != col(name).shift() for name in person).fill_null(True)
                | (col("timestamp").diff() > timedelta(minutes=30))
            ).cum_sum()
        )
        .group_by("session")
        .agg(
            col("agent_id", "publisher_id", "is_recent").first(),
            length=(col("timestamp").max() - col("timestamp").min()).dt.total_microseconds(),
            count=pl.len(),
        )
        .collect()
        .lazy()
    )
    usage = (
        pl.len().alias("messages"),
        col("is_errored").sum().alias("errors"),
        col("in").sum(),
        col("out").sum(),
        col("cost").sum(),
        col("duration_ms").quantile(0.95, "linear").round(6).alias("p95"),
    )
    recent, recent_events = answers.filter("is_recent"), events.filter("is_recent")
    requests = events.filter(event_type="agent_invoked")
    known = requests.filter(col("user_id").is_not_null())
    user_days = known.select("day", "tenant_id", "user_id").unique().collect()
    activity = []
    for place in range(30):
        day = FIRST_DAY + timedelta(days=place)
        spans = (
            user_days.filter(col("day").is_between(day - timedelta(days=days - 1), day))
            for days in (1, 7, 30)
        )
        activity.append(
            [day.isoformat(), *(span.n_unique(("tenant_id", "user_id")) for span in spans)]
        )
    by_publisher = (
        recent.group_by("publisher_id").agg(*usage),
        recent_events.group_by("publisher_id").agg(
            (col("event_type") == "agent_invoked").sum().alias("requests")
        ),
        known.filter("is_recent")
        .group_by("publisher_id")
        .agg(pl.struct("tenant_id", "user_id").n_unique().alias("users")),
        sessions.filter("is_recent").group_by("publisher_id").agg(pl.len().alias("sessions")),
        recent.group_by("publisher_id").agg(
            col("agent_id").n_unique().alias("agents"), col("tenant_id").n_unique().alias("tenants")
        ),
        recent_events.filter(event_type="user_feedback")
        .group_by("publisher_id")
        .agg(pl.len().alias("ratings"), col("rating").sum().alias("rated")),
        recent_events.group_by("publisher_id").agg(
            (col("event_type") == "install").sum().alias("installs"),
            (col("event_type") == "uninstall").sum().alias("uninstalls"),
        ),
    )
    board = recent_events.select("publisher_id").unique()
    for figures in by_publisher:
        board = board.join(figures, on="publisher_id", how="left")
    board = board.with_columns(pl.exclude("publisher_id", "p95").fill_null(0))
    tables = {
        "sessions": sessions.group_by("agent_id").agg(
            pl.len(), col("count").sum(), col("length").sum()
        ),
        "daily": answers.group_by(col("day").dt.to_string("%Y-%m-%d"), "agent_id", "model").agg(
            *usage
        ),
        "percentiles": recent.filter(col("duration_ms").is_not_null())
        .group_by("agent_id")
        .agg(
            col("duration_ms").quantile(point, "linear").round(6).alias(f"p{point}")
            for point in (0.5, 0.95, 0.99)
        ),
        "publishers": board,
    }
    answer = {name: sorted(map(list, table.collect().rows())) for name, table in tables.items()}
    return answer | {"activity": activity}


_EVENTS_SQL = """
    select {head}, {members}
    from {reader}
    where
        id <> '' and isNotNull(tenant_id) and tenant_id <> '' and event_type in {kinds}
        and timestamp <= toDateTime64('{latest}', 6, 'UTC')
        and ifNull(properties.input_tokens, 0) >= 0 and ifNull(properties.output_tokens, 0) >= 0
        and ifNull(properties.cache_read_tokens, 0) >= 0 and ifNull(properties.cache_write_tokens, 0) >= 0
        and ifNull(properties.reasoning_tokens, 0) >= 0 and ifNull(properties.duration_ms, 0) >= 0
        and (event_type <> 'user_feedback' or (ifNull(properties.rating, 0) between 1 and 5))
    limit 1 by id
"""
_ANSWERS_SQL = """
    select
        day, is_recent, agent_id, tenant_id, publisher_id, ifNull(model, 'unknown') as model_name,
        event_type = 'agent_errored' as is_errored, ifNull(input_tokens, 0) as tokens_in,
        ifNull(output_tokens, 0) as tokens_out, duration_ms,
        ifNull(cache_read_tokens, 0) as read, ifNull(cache_write_tokens, 0) as write,
        ifNull(reasoning_tokens, 0) as thought,
        greatest(tokens_in - read - write, 0) as plain_in, greatest(tokens_out - thought, 0) as plain_out,
        multiIf(
            isNotNull(cost_usd), toInt64(assumeNotNull(cost_usd) * 1000000000000),
            isNull(input_tokens) and isNull(output_tokens), 0,
            (plain_in > 0 and isNull(prices.input)) or (plain_out > 0 and isNull(prices.output))
            or (read > 0 and isNull(prices.cache_read)) or (write > 0 and isNull(prices.cache_write))
            or (thought > 0 and isNull(prices.reasoning)), 0,
            plain_in * ifNull(prices.input, 0) + plain_out * ifNull(prices.output, 0)
            + read * ifNull(prices.cache_read, 0) + write * ifNull(prices.cache_write, 0)
            + thought * ifNull(prices.reasoning, 0)
        ) as cost
    from events
    left join prices
        on ifNull(events.model, '') = prices.model
        and events.day >= prices.valid_from and events.day < prices.valid_to
    where event_type in ('agent_completed', 'agent_errored')
"""
_SESSIONS_SQL = """
    select
        agent, argMin(publisher_id, timestamp) as publisher, argMin(is_recent, timestamp) as begins_recently,
        toUnixTimestamp64Micro(max(timestamp)) - toUnixTimestamp64Micro(min(timestamp)) as length,
        count() as messages
    from (
        select *, sum(begins) over (
            partition by tenant_id, user_id, agent order by timestamp rows unbounded preceding
        ) as session
        from (
            select
                tenant_id, user_id, agent_id as agent, publisher_id, timestamp, is_recent,
                toUnixTimestamp64Micro(timestamp) - lagInFrame(toUnixTimestamp64Micro(timestamp)) over (
                    partition by tenant_id, user_id, agent_id order by timestamp
                    rows between unbounded preceding and unbounded following
                ) > 1800000000 as begins
            from events
            where event_type in ('agent_invoked', 'agent_completed', 'agent_errored') and isNotNull(user_id)
        )
    )
    group by tenant_id, user_id, agent, session
"""
_USAGE_SQL = """
    count() as messages, sum(is_errored) as errors, sum(tokens_in) as input, sum(tokens_out) as output,
    sum(cost) as total_cost, round(quantileExactInclusiveOrNull(0.95)(duration_ms), 6) as p95
"""
_TABLES_SQL = {
    "sessions": "select agent, count(), sum(messages), sum(length) from sessions group by agent",
    "daily": f"""
        select toString(day), agent_id, model_name, {_USAGE_SQL}
        from answers
        group by day, agent_id, model_name""",
    "percentiles": """
        select agent_id, round(quantileExactInclusive(0.5)(duration_ms), 6),
            round(quantileExactInclusive(0.95)(duration_ms), 6),
            round(quantileExactInclusive(0.99)(duration_ms), 6)
        from answers
        where is_recent and isNotNull(duration_ms)
        group by agent_id""",
    "activity": """
        select
            toString(day), uniqExactIf((tenant_id, user_id), back = 0),
            uniqExactIf((tenant_id, user_id), back < 7), uniqExactIf((tenant_id, user_id), back < 30)
        from (
            select distinct day as active_day, tenant_id, user_id
            from events where event_type = 'agent_invoked' and isNotNull(user_id)
        )
        array join range(30) as back, arrayMap(step -> active_day + step, range(30)) as day
        where day between '{first}' and '{last}'
        group by day""",
    "publishers": f"""
        select
            board.publisher_id, ifNull(messages, 0), ifNull(errors, 0), ifNull(input, 0), ifNull(output, 0),
            ifNull(total_cost, 0), p95, requests, users, ifNull(sessions, 0), ifNull(agents, 0),
            ifNull(tenants, 0), ratings, rated, installs, uninstalls
        from (
            select
                publisher_id, countIf(event_type = 'agent_invoked') as requests,
                uniqExactIf(
                    (tenant_id, user_id), event_type = 'agent_invoked' and isNotNull(user_id)
                ) as users,
                countIf(event_type = 'user_feedback') as ratings,
                ifNull(sumIf(rating, event_type = 'user_feedback'), 0) as rated,
                countIf(event_type = 'install') as installs, countIf(event_type = 'uninstall') as uninstalls
            from events where is_recent group by publisher_id
        ) as board
        left join (
            select publisher_id, {_USAGE_SQL}, uniqExact(agent_id) as agents, uniqExact(tenant_id) as tenants
            from answers where is_recent group by publisher_id
        ) as used on used.publisher_id = board.publisher_id
        left join (
            select publisher, count() as sessions from sessions where begins_recently group by publisher
        ) as begun on begun.publisher = board.publisher_id""",
}


def chdb(landing: str, prices_file: str) -> Answer:
    session = import_module("chdb.session").Session()
    query = session.query
    query("create database work engine = Atomic")
    query("use work")
    query(f"set max_threads = {THREADS}")
    query("set join_use_nulls = 1")
    members = [
        "user_id Nullable(String)",
        "model Nullable(String)",
        "cost_usd Nullable(Decimal(24, 12))",
    ]
    members += [f"{name} Nullable(Int64)" for name in (*TOKENS, "duration_ms", "rating")]
    columns = ["id String", "event_type String", "agent_id String", "publisher_id String"]
    columns += ["tenant_id Nullable(String)", "timestamp DateTime64(6, 'UTC')"]
    columns.append(f"properties Tuple({', '.join(members)})")
    structure = ", ".join(columns).replace("'", "\\'")
    events = _EVENTS_SQL.format(
        head=", ".join(HEAD),
        members=", ".join(f"properties.{name} as {name}" for name in MEMBERS),
        reader=f"file('{landing}/agent_events/*/*.parquet', 'Parquet', '{structure}')",
        kinds=KINDS,
        latest=LATEST.strftime("%Y-%m-%d %H:%M:%S"),
    )
    query(
        "create table events engine = Memory as select *, toDate(timestamp) as day, "
        f"toDate(timestamp) between '{FIRST_DAY}' and '{LAST_DAY}' as is_recent from ({events})"
    )
    rates = ", ".join(f"{name} Nullable(Int64)" for name in RATES)
    query(
        f"create table prices (model String, valid_from Date, valid_to Date, {rates}) engine = Memory"
    )
    values = ", ".join(
        "("
        + ", ".join(
            [f"'{model}'", f"'{first}'", f"'{min(end, date(2149, 1, 1))}'"]
            + ["null" if rate is None else str(rate) for rate in rates_of_model]
        )
        + ")"
        for model, first, end, rates_of_model in read_prices(prices_file)
    )
    query(f"insert into prices values {values}")
    query(f"create table answers engine = Memory as {_ANSWERS_SQL}")
    query(f"create table sessions engine = Memory as {_SESSIONS_SQL}")
    answer = {}
    for name, sql in _TABLES_SQL.items():
        text = sql.replace("{first}", str(FIRST_DAY)).replace("{last}", str(LAST_DAY))
        lines = str(query(text, "JSONCompactEachRow")).splitlines()
        answer[name] = sorted([_number(value) for value in json.loads(line)] for line in lines)
    return answer


def _number(value: Any) -> Any:
    """64-bit integers may come as text; ids are no digits."""
    return int(value) if isinstance(value, str) and value.lstrip("-").isdigit() else value


TOOLS = {tool.__name__: tool for tool in (event_lists, pandas, polars, chdb)}

if __name__ == "__main__":
    _tables = TOOLS[sys.argv[1]](sys.argv[2], sys.argv[3])
    Path(sys.argv[4]).write_text(json.dumps(_tables, sort_keys=True), encoding="utf-8")
