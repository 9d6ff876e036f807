"""`agentmart metrics` shows the catalogue as it is written in the seed."""

import csv
import io
import json
from typing import Any

import pytest

from orchestration.cli.main import main
from orchestration.settings import PROJECT_ROOT

_CATALOGUE = PROJECT_ROOT / "seeds" / "reference" / "metric_catalogue.csv"


def _seed() -> list[dict[str, str]]:
    with _CATALOGUE.open(encoding="utf-8", newline="") as lines:
        return list(csv.DictReader(lines))


def _run(*arguments: str, capsys: pytest.CaptureFixture[str]) -> tuple[Any, str, str]:
    with pytest.raises(SystemExit) as leave:
        main(["metrics", *arguments])
    written = capsys.readouterr()
    return leave.value.code, written.out, written.err


def test_the_table_lists_every_metric_once(capsys: pytest.CaptureFixture[str]) -> None:
    code, out, _ = _run(capsys=capsys)
    header, *lines = out.splitlines()
    assert code == 0
    assert header.split() == ["metric_key", "label", "category", "unit", "aggregation"]
    assert [line.split()[0] for line in lines] == [metric["metric_key"] for metric in _seed()]


def test_one_metric_is_shown_with_its_definition(capsys: pytest.CaptureFixture[str]) -> None:
    metric = _seed()[0]
    code, out, _ = _run(metric["metric_key"], capsys=capsys)
    assert code == 0
    assert " ".join(metric["definition"].split()) in " ".join(out.split())


def test_json_and_csv_hold_the_same_catalogue(capsys: pytest.CaptureFixture[str]) -> None:
    _, as_json, _ = _run("--format", "json", capsys=capsys)
    _, as_csv, _ = _run("--format", "csv", capsys=capsys)
    assert json.loads(as_json) == _seed()
    assert list(csv.DictReader(io.StringIO(as_csv))) == _seed()


def test_an_unknown_metric_is_named_with_the_closest(capsys: pytest.CaptureFixture[str]) -> None:
    known = _seed()[0]["metric_key"]
    code, _, err = _run(f"{known}x", capsys=capsys)
    assert code == 2
    assert f"'{known}x'" in err
    assert known in err.replace(f"{known}x", "")
