"""The rules of the dbt side, read from the files as they stand: no parse, no connection.

Belongs here: rules about models, macros and their YAML. Does not belong here: what sqlfluff checks
(.sqlfluff), and what dbt itself refuses.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import yaml

from tests.conventions.rule import Rule, files_of

# The C loader reads the project's YAML in a tenth of the time, where PyYAML was built with it.
_YamlLoader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)

_MODELS = "dbt_project/models/"
_MACROS = "dbt_project/macros/"
_CROSS_DB = "dbt_project/macros/cross_db/"
# dbt's own hooks and the raw views need the engine's words: they run before any model.
_PROJECT_MACROS = "dbt_project/macros/project/"

_BELOW_CORE = ("staging", "intermediate")
_ABOVE_CORE = ("marts", "insights", "alerts", "reports")
# What a run says of itself (when it is, what it loads) is no stream: it has no core table.
_READS = {
    "run_inputs": {"run_inputs"},
    "staging": {"run_inputs", "staging"},
    "intermediate": {"run_inputs", "staging", "intermediate"},
    # A fact that is its stream, de-duplicated, needs no model in between.
    "core": {"run_inputs", "staging", "intermediate", "core"},
    "functions": {"run_inputs", "core", "marts", "insights", "functions"},
    **{layer: {"core", *_ABOVE_CORE} for layer in _ABOVE_CORE},
}

_PREFIXES = {
    "run_inputs": re.compile(r"stg_[a-z0-9_]+"),
    "staging": re.compile(r"stg_[a-z0-9_]+"),
    "intermediate": re.compile(r"int_[a-z0-9]+_[a-z0-9_]+"),
    "core": re.compile(r"(dim|fct)_[a-z0-9_]+"),
    # Analysts read these names: the schema says the domain, so they carry no prefix.
    **{
        layer: re.compile(r"(?!stg_|int_|dim_|fct_)[a-z][a-z0-9_]+")
        for layer in ("marts", "functions", *_ABOVE_CORE)
    },
}

# Words that one engine has and another has not, or has with another meaning.
_ENGINE_FUNCTIONS = (
    "any_value|approx_count_distinct|approx_quantile|arg_max|arg_min|array_agg|array_length|"
    "date_add|date_diff|date_part|date_sub|date_trunc|datediff|dateadd|dayofweek|"
    "epoch|epoch_ms|epoch_ns|epoch_us|error|from_json|generate_series|hash|isodow|"
    "json_array_length|json_extract|json_extract_string|json_object|last_day|len|"
    "list|list_[a-z_]+|make_date|make_timestamp|map_[a-z_]+|max_by|md5_number|median|min_by|mode|"
    "percentile_cont|quantile|quantile_cont|quantile_disc|range|read_csv|read_json|read_parquet|"
    "regexp_extract|regexp_matches|regexp_replace|split_part|starts_with|str_split|strftime|"
    "string_agg|string_split|strptime|struct_pack|time_bucket|timezone|to_days|to_hours|"
    "to_json|to_milliseconds|to_seconds|to_timestamp|try_cast|unnest|unpivot|uuid|"
    "add_months|array_contains|array_size|array_sort|collect_list|convert_timezone|date_format|element_at|"
    "explode|format_number|from_utc_timestamp|inline|listagg|named_struct|percentile|pmod|posexplode|"
    "raise_error|sequence|stack|substring_index|timestamp_micros|to_utc_timestamp|transform|"
    "unix_micros|weekday|weekofyear"
)
_ENGINE_WORDS = (
    (re.compile(rf"(?<![\w.\"'])({_ENGINE_FUNCTIONS})\s*\(", re.IGNORECASE), "calls {}()"),
    (re.compile(r"::\s*[a-z]", re.IGNORECASE), "casts with ::"),
    (re.compile(r"\b(asof)\s+(?:left |inner )?join\b", re.IGNORECASE), "uses {} join"),
    (re.compile(r"\b(qualify)\b", re.IGNORECASE), "uses {}"),
    (re.compile(r"\b(at time zone)\b", re.IGNORECASE), "uses {}"),
    (re.compile(r"\*\s+(exclude|replace|except)\b", re.IGNORECASE), "uses * {}"),
    (re.compile(r"\b(interval)\s+['\d(]", re.IGNORECASE), "writes an {} literal"),
    (re.compile(r"\b(group|order) by all\b", re.IGNORECASE), "uses {} by all"),
)

_SECOND_RELATION = re.compile(r"\bjoin\b|\bfrom\s+[\w.]+(\s+as\s+\w+)?\s*,", re.IGNORECASE)

# A table of one row has no "per".
_GRAIN = ("One row per ", "One row: ")

_CLOCKS = re.compile(
    r"\b(current_timestamp|current_date|current_time|now\s*\(|today\s*\(|getdate\s*\(|sysdate)\b",
    re.IGNORECASE,
)


@dataclass(frozen=True, kw_only=True)
class Model:
    """One model: where it is, its text, and what its YAML says of it (empty without one)."""

    name: str
    path: str
    layer: str
    text: str
    properties: Mapping[str, Any]
    has_yaml_beside: bool

    @property
    def columns(self) -> list[Mapping[str, Any]]:
        return list(self.properties.get("columns") or [])

    @property
    def sql(self) -> str:
        return without_jinja(self.text)


def without_comments(text: str) -> str:
    return re.sub(r"--[^\n]*", "", re.sub(r"\{#.*?#\}|/\*.*?\*/", "", text, flags=re.DOTALL))


def without_jinja(text: str) -> str:
    """The SQL that is written out: an expression in braces stands for one word."""
    bare = re.sub(r"\{%.*?%\}", "", without_comments(text), flags=re.DOTALL)
    return re.sub(r"\{\{.*?\}\}", "jinja", bare, flags=re.DOTALL)


def _without_strings(sql: str) -> str:
    return re.sub(r"'(?:[^']|'')*'", "''", sql)


@cache
def _models(root: Path) -> tuple[Model, ...]:
    properties = {
        model["name"]: (path, model)
        for path, document in _documents(root)
        if path.startswith(_MODELS)
        for model in document.get("models") or []
    }
    return tuple(
        _model(path, file.read_text(encoding="utf-8"), *properties.get(file.stem, ("", {})))
        for path, file in files_of(root, "*.sql")
        if path.startswith(_MODELS)
    )


def _model(path: str, text: str, described_in: str, described: Mapping[str, Any]) -> Model:
    return Model(
        name=Path(path).stem,
        path=path,
        layer=_layer(path),
        text=text,
        properties=described,
        has_yaml_beside=Path(described_in).parent == Path(path).parent
        and Path(described_in).stem.lstrip("_") == Path(path).stem,
    )


def _layer(path: str) -> str:
    folders = path.removeprefix(_MODELS).split("/")
    return "run_inputs" if folders[:2] == ["staging", "run_inputs"] else folders[0]


@cache
def _documents(root: Path) -> tuple[tuple[str, Mapping[str, Any]], ...]:
    found = []
    for pattern in ("*.yml", "*.yaml"):
        for path, file in files_of(root, pattern):
            if path.startswith(("dbt_project/", "seeds/")):
                document = yaml.load(file.read_text(encoding="utf-8"), Loader=_YamlLoader)
                if isinstance(document, dict):
                    found.append((path, document))
    return tuple(found)


def _macro_files(root: Path) -> Iterator[tuple[str, str]]:
    for path, file in files_of(root, "*.sql"):
        if path.startswith((_MACROS, "dbt_project/data_tests/")):
            yield path, file.read_text(encoding="utf-8")


def _references(text: str) -> list[str]:
    return re.findall(r"\bref\(\s*['\"]([^'\"]+)['\"]", without_comments(text))


def _find_sources_above_staging(root: Path) -> list[str]:
    texts = [
        (model.path, model.text)
        for model in _models(root)
        if model.layer not in {"staging", "run_inputs"}
    ]
    texts += [(path, text) for path, text in _macro_files(root) if "/macros/" in path]
    return [
        f"{path} calls source()"
        for path, text in texts
        if re.search(r"(?<![\w.])source\(\s*['\"]", without_comments(text))
    ]


def _find_reads_across_layers(root: Path) -> list[str]:
    models = list(_models(root))
    layers = {model.name: model.layer for model in models}
    found = [
        f"{model.path} ({model.layer}) reads {reference} ({layers[reference]})"
        for model in models
        for reference in _references(model.text)
        if reference in layers
        and layers[reference] not in _READS.get(model.layer, set(layers.values()))
    ]
    # The formulas of marts are macros, so what those read counts as read by marts.
    found += [
        f"{path} reads {reference} ({layers[reference]})"
        for path, text in _macro_files(root)
        if path.startswith((_MACROS + "windows/", _MACROS + "marts/"))
        for reference in _references(text)
        if layers.get(reference) in _BELOW_CORE
    ]
    return found


def _find_misnamed_models(root: Path) -> list[str]:
    return [
        f"{model.path}: {model.name} is no name for {model.layer}/"
        for model in _models(root)
        if model.layer not in _PREFIXES or not _PREFIXES[model.layer].fullmatch(model.name)
    ]


def _find_models_without_yaml(root: Path) -> list[str]:
    return [
        f"{model.path} has no YAML of its own name beside it"
        for model in _models(root)
        if not model.has_yaml_beside
    ]


def _find_descriptions_without_grain(root: Path) -> list[str]:
    return [
        f"{model.path}: {str(model.properties.get('description', ''))[:60]!r}"
        for model in _models(root)
        if not str(model.properties.get("description", "")).strip().startswith(_GRAIN)
    ]


def _find_undescribed_columns(root: Path) -> list[str]:
    return [
        f"{model.path}: {column.get('name')}"
        for model in _models(root)
        for column in model.columns
        if not str(column.get("description", "")).strip()
    ]


def _is_contracted(model: Model) -> bool:
    return model.layer in {"core", "functions", *_ABOVE_CORE}


def _find_contracts_not_enforced(root: Path) -> list[str]:
    found = []
    project = root / "dbt_project" / "dbt_project.yml"
    settings = yaml.safe_load(project.read_text(encoding="utf-8")) if project.exists() else {}
    by_layer = {}
    for layers in (settings.get("models") or {}).values():
        by_layer.update(layers)
    for model in _models(root):
        if not _is_contracted(model):
            continue
        contract = (by_layer.get(model.layer) or {}).get("+contract") or {}
        own = (model.properties.get("config") or {}).get("contract", contract)
        if own.get("enforced") is not True:
            found.append(f"{model.path} has no enforced contract")
        found += [
            f"{model.path}: {column.get('name')} has no data_type"
            for column in model.columns
            if not column.get("data_type")
        ]
    return found


_ENTITY_KEYS = {
    "agent_key",
    "agent_type_key",
    "model_key",
    "primary_model_key",
    "publisher_key",
    "tenant_key",
    "window_key",
}
# dbt's own tests and those of packages: each would be a node, and a scan of the table, of its own.
_SINGLE_RULES = {"unique", "not_null", "accepted_values", "relationships"}


def _tests_of(item: Mapping[str, Any]) -> Iterator[tuple[str, Mapping[str, Any]]]:
    for test in item.get("data_tests") or []:
        yield (test, {}) if isinstance(test, str) else next(iter(test.items()))


def _rules_of(model: Model) -> Mapping[str, Any]:
    """The arguments of the model's keeps_rules test; nothing without one."""
    rules: Mapping[str, Any] = dict(_tests_of(model.properties)).get("keeps_rules", {})
    return dict(rules.get("arguments", {}))


def _tested(root: Path) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """Models and seeds that YAML describes, as (name, its properties)."""
    for path, document in _documents(root):
        if path.startswith((_MODELS, "seeds/")):
            for item in (*(document.get("models") or ()), *(document.get("seeds") or ())):
                yield item["name"], item


def _find_models_without_key(root: Path) -> list[str]:
    return [
        f"{model.path} has no test that its key is unique"
        for model in _models(root)
        if _is_contracted(model) and not _rules_of(model).get("key")
    ]


def _find_keys_without_reference(root: Path) -> list[str]:
    return [
        f"{model.path}: {column['name']}"
        for model in _models(root)
        if _is_contracted(model)
        for column in model.columns
        if column.get("name") in _ENTITY_KEYS
        and column["name"] not in _rules_of(model).get("references", {})
        # The dimension itself, and its history, are where the key comes from.
        and not model.name.startswith(f"dim_{column['name'].removesuffix('_key')}s")
    ]


def _find_scattered_rules(root: Path) -> list[str]:
    found = []
    for name, item in _tested(root):
        found += [
            f"{name}: {test} stands by itself"
            for described in (item, *(item.get("columns") or []))
            for test, _ in _tests_of(described)
            if test in _SINGLE_RULES or (test == "keeps_rules" and described is not item)
        ]
        found += [
            f"{name}: its rules are called {options.get('name')}"
            for test, options in _tests_of(item)
            if test == "keeps_rules" and options.get("name") != f"{name}_keeps_its_rules"
        ]
    return found


def _find_tests_without_first_step(root: Path) -> list[str]:
    return [
        f"{name}: {test}"
        for name, item in _tested(root)
        for described in (item, *(item.get("columns") or []))
        for test, options in _tests_of(described)
        if "First step" not in str(options.get("description", ""))
    ]


def _find_money_that_is_not_decimal(root: Path) -> list[str]:
    return [
        f"{model.path}: {column['name']} is {column['data_type']}"
        for model in _models(root)
        for column in model.columns
        if str(column.get("name", "")).endswith("_usd")
        and column.get("data_type")
        and not str(column["data_type"]).lower().startswith(("decimal", "numeric", "{{"))
    ]


def _find_types_that_belie_their_name(root: Path) -> list[str]:
    found = []
    for model in _models(root):
        for column in model.columns:
            name, kind = str(column.get("name", "")), str(column.get("data_type", "")).lower()
            if not kind:
                continue
            if kind == "boolean" and not re.search(r"(^|_)(is|has)_", name):
                found.append(f"{model.path}: {name} is boolean")
            if name.endswith("_at") and not kind.startswith("timestamp"):
                found.append(f"{model.path}: {name} is {kind}")
            if name.endswith("_date") and kind != "date":
                found.append(f"{model.path}: {name} is {kind}")
            if name.endswith("_count") and kind not in {"bigint", "integer"}:
                found.append(f"{model.path}: {name} is {kind}")
    return found


def _find_old_test_syntax(root: Path) -> list[str]:
    found = []

    def look(path: str, node: object) -> None:
        if isinstance(node, dict):
            if "tests" in node and isinstance(node["tests"], list):
                found.append(f"{path}: tests: on {node.get('name', '?')}")
            for value in node.values():
                look(path, value)
        elif isinstance(node, list):
            for value in node:
                look(path, value)

    for path, document in _documents(root):
        look(path, document)
    return found


def _find_select_star(root: Path) -> list[str]:
    """A bare star is of one relation: up to the end of its select no join follows it."""
    found = []
    for model in _models(root):
        sql = model.sql
        for star in re.finditer(r"\bselect\s+(?:distinct\s+)?\*", sql, re.IGNORECASE):
            select = _rest_of_select(sql, star.end())
            if _SECOND_RELATION.search(select):
                around = " ".join(sql[star.start() : star.start() + 70].split())
                found.append(f"{model.path}: {around}")
    return found


def _rest_of_select(sql: str, start: int) -> str:
    """From ``start`` to the end of the select; what brackets hold is left out."""
    depth = 0
    kept = []
    for character in sql[start:]:
        if character == "(":
            depth += 1
        elif character == ")":
            depth -= 1
            if depth < 0:
                break
        elif depth == 0:
            kept.append(character)
    return re.split(r"\bunion\b", "".join(kept), maxsplit=1, flags=re.IGNORECASE)[0]


def _find_engine_words(root: Path) -> list[str]:
    texts = [(model.path, model.text) for model in _models(root)]
    texts += [
        (path, text)
        for path, text in _macro_files(root)
        if not path.startswith((_CROSS_DB, _PROJECT_MACROS))
    ]
    found = []
    for path, text in texts:
        sql = _without_strings(without_jinja(text))
        for pattern, what in _ENGINE_WORDS:
            for match in pattern.finditer(sql):
                word = match.group(1).lower() if match.groups() else ""
                found.append(f"{path}: {what.format(word)}")
    return sorted(set(found))


def _find_clocks(root: Path) -> list[str]:
    texts = [(model.path, model.text) for model in _models(root)] + list(_macro_files(root))
    return sorted(
        {
            f"{path}: {match.group(1)}"
            for path, text in texts
            for match in _CLOCKS.finditer(_without_strings(without_jinja(text)))
        }
    )


def _find_sql_beside_a_mart_call(root: Path) -> list[str]:
    return [
        f"{model.path} is more than one call of a macro"
        for model in _models(root)
        if "mart_over_windows(" in model.text and model.sql.replace("jinja", "").strip() != ""
    ]


def _rule(
    name: str,
    *,
    reason: str,
    remedy: str,
    find: Callable[[Path], list[str]],
    bad: dict[str, str],
) -> Rule:
    return Rule(name=name, reason=reason, remedy=remedy, find_violations=find, bad=bad)


_CORE = "dbt_project/models/core/"
_ONE_COLUMN = (
    "models:\n  - name: fct_calls\n    description: One row per call.\n    columns:\n"
    "      - name: {name}\n        description: It.\n        data_type: {kind}\n"
)

RULES = (
    _rule(
        "only staging calls source()",
        reason="raw names and types change in one place",
        remedy="read the staging model of the stream; add one if it is missing",
        find=_find_sources_above_staging,
        bad={_CORE + "fct_calls.sql": "select id from {{ source('raw', 'llm_calls') }}\n"},
    ),
    _rule(
        "a layer reads its own or the one below, and nothing above core reads below it",
        reason="core is the boundary: what is above must not depend on how rows came in",
        remedy="bring the column into core, and read it there",
        find=_find_reads_across_layers,
        bad={
            "dbt_project/models/staging/native/stg_calls.sql": "select 1 as one\n",
            "dbt_project/models/marts/usage/usage_daily.sql": (
                "select one from {{ ref('stg_calls') }}"
            ),
        },
    ),
    _rule(
        "a model's name says its layer",
        reason="a reader must see from a name what kind of table it is",
        remedy="stg_ in staging, int_<entity>s_<verb> in intermediate, dim_ or fct_ in core; none "
        "above",
        find=_find_misnamed_models,
        bad={_CORE + "calls.sql": "select 1 as one\n"},
    ),
    _rule(
        "every model has its own YAML beside it",
        reason="a model without a description and tests is not finished",
        remedy="write _<model>.yml in the same folder, with this model alone",
        find=_find_models_without_yaml,
        bad={_CORE + "fct_calls.sql": "select 1 as one\n"},
    ),
    _rule(
        "a description begins with the grain",
        reason="the first thing to know about a table is what one row is",
        remedy="begin the description with: One row per ...",
        find=_find_descriptions_without_grain,
        bad={
            _CORE + "fct_calls.sql": "select 1 as one\n",
            _CORE + "_fct_calls.yml": (
                "models:\n  - name: fct_calls\n    description: The calls.\n"
            ),
        },
    ),
    _rule(
        "every listed column is described",
        reason="descriptions are published as comments, and are all that an analyst sees",
        remedy="write what the column means, with its unit; use a doc block if it recurs",
        find=_find_undescribed_columns,
        bad={
            _CORE + "fct_calls.sql": "select 1 as one\n",
            _CORE
            + "_fct_calls.yml": "models:\n  - name: fct_calls\n    columns:\n      - name: one\n",
        },
    ),
    _rule(
        "contracts are enforced from core up",
        reason="tables with outside readers must not change their types unnoticed",
        remedy="set contract.enforced on the folder, and give every column its data_type",
        find=_find_contracts_not_enforced,
        bad={
            _CORE + "fct_calls.sql": "select 1 as one\n",
            _CORE + "_fct_calls.yml": _ONE_COLUMN.format(name="one", kind="bigint"),
        },
    ),
    _rule(
        "every table from core up has a tested key",
        reason="a row that is there twice is counted twice",
        remedy="name its key in the data test keeps_rules of its YAML",
        find=_find_models_without_key,
        bad={
            _CORE + "fct_calls.sql": "select 1 as one\n",
            _CORE + "_fct_calls.yml": _ONE_COLUMN.format(name="one", kind="bigint"),
        },
    ),
    _rule(
        "a key of a dimension is tested against it",
        reason="a key that finds no dimension row disappears from every joined figure",
        remedy="add the column to the references of the data test keeps_rules",
        find=_find_keys_without_reference,
        bad={
            _CORE + "fct_calls.sql": "select 1 as agent_key\n",
            _CORE + "_fct_calls.yml": _ONE_COLUMN.format(name="agent_key", kind="varchar"),
        },
    ),
    _rule(
        "the rules of a table are one test",
        reason="a node costs dbt more time than the engine needs for all rules of the table, and a test "
        "is found by the name of its table",
        remedy="write the rule into the data test keeps_rules named <table>_keeps_its_rules",
        find=_find_scattered_rules,
        bad={
            _CORE + "_fct_calls.yml": (
                "models:\n  - name: fct_calls\n    columns:\n      - name: call_key\n"
                "        data_tests: [unique]\n"
            )
        },
    ),
    _rule(
        "a data test says the first step",
        reason="whoever is called at night must not have to guess where to look",
        remedy="end its description with: First step: ... (by rule, where it has several)",
        find=_find_tests_without_first_step,
        bad={
            _CORE + "_fct_calls.yml": (
                "models:\n  - name: fct_calls\n    data_tests:\n"
                "      - equal_sum: {description: Sums agree.}\n"
            )
        },
    ),
    _rule(
        "money is decimal",
        reason="sums of binary floats differ from run to run",
        remedy="cast to decimal(38, 12) and say so in the contract",
        find=_find_money_that_is_not_decimal,
        bad={
            _CORE + "fct_calls.sql": "select 1 as cost_usd\n",
            _CORE + "_fct_calls.yml": _ONE_COLUMN.format(name="cost_usd", kind="double"),
        },
    ),
    _rule(
        "a column's name says its type",
        reason="is_, has_, _at, _date and _count are promises that readers rely on",
        remedy="rename the column, or correct its type",
        find=_find_types_that_belie_their_name,
        bad={
            _CORE + "fct_calls.sql": "select true as ok\n",
            _CORE + "_fct_calls.yml": _ONE_COLUMN.format(name="ok", kind="boolean"),
        },
    ),
    _rule(
        "tests stand under data_tests",
        reason="dbt 2 refuses the old key",
        remedy="write data_tests: instead of tests:",
        find=_find_old_test_syntax,
        bad={_CORE + "_fct_calls.yml": "models:\n  - name: fct_calls\n    tests: [unique]\n"},
    ),
    _rule(
        "a bare star is of one relation",
        reason="with a star over a join nobody can say which columns come from where",
        remedy="list the columns, or qualify the star with the relation it is of",
        find=_find_select_star,
        bad={
            _CORE + "fct_calls.sql": "select *\nfrom calls\ninner join agents on calls.a = agents.a"
        },
    ),
    _rule(
        "the words of one engine stand in macros/cross_db alone",
        reason="the same models must run on a distributed engine",
        remedy="call the macro of macros/cross_db for it, or dispatch a new one there",
        find=_find_engine_words,
        bad={_CORE + "fct_calls.sql": "select epoch_ms(called_at) as called_ms from calls\n"},
    ),
    _rule(
        "no model reads the clock",
        reason="the same extracts and as-of time must give the same tables",
        remedy="take as_of from the run context",
        find=_find_clocks,
        bad={_CORE + "fct_calls.sql": "select current_timestamp as made_at\n"},
    ),
    _rule(
        "a mart over windows is one call of a macro",
        reason="the table function renders the same macro, and would miss SQL beside the call; the "
        "lint leaves such models out",
        remedy="put the SQL into the macro",
        find=_find_sql_beside_a_mart_call,
        bad={
            "dbt_project/models/marts/usage/usage_daily.sql": (
                "select one from ({{ mart_over_windows(usage_daily_sql('windows')) }}) as usage\n"
            ),
        },
    ),
)
