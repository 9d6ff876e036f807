"""config/sources.yml: what it may say, and what is said of a declaration that cannot be used."""

from __future__ import annotations

from pathlib import Path

import pytest

from orchestration.errors import UserError
from orchestration.ingest.sources import read_sources

GOOD = "[{name: shop, path: shop/*.jsonl, adapter: aider, defaults: {tenant_id: 7}}]"


def declare(config: Path, text: str) -> Path:
    (config / "sources.yml").write_text(text)
    return config


def test_without_a_declaration_there_are_no_sources(tmp_path: Path) -> None:
    assert read_sources(tmp_path) == ()
    assert read_sources(declare(tmp_path, "")) == ()
    assert read_sources(declare(tmp_path, "sources:\n")) == ()


@pytest.mark.parametrize("text", [GOOD, f"sources: {GOOD}"])
def test_a_source_has_a_name_a_path_an_adapter_and_defaults(tmp_path: Path, text: str) -> None:
    (source,) = read_sources(declare(tmp_path, text))
    assert (source.name, source.path, source.adapter.name) == ("shop", "shop/*.jsonl", "aider")
    assert source.defaults == {"tenant_id": "7"}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("sources: [", "not readable as YAML"),
        ("shop", "holds 'shop'; write a list of sources"),
        ("{a: 1}", "holds a mapping; write a list"),
        ("[shop]", "source 1: is 'shop'; write the keys name, path, adapter, defaults"),
        (GOOD.replace("name", "title"), "source 1: key 'title' is unknown"),
        (GOOD.replace("name: shop, ", ""), "source 1: name is missing; write a text"),
        (GOOD.replace("shop,", "Shop 1,"), "name is 'Shop 1'; use lower case letters"),
        (GOOD.replace("shop,", "native,"), "name 'native' is that of the stream folders"),
        (GOOD.replace("path: shop/*.jsonl", "path: 3"), "source 1: path is 3; write a text"),
        (GOOD.replace("aider", "ader"), "source 1 (shop): adapter 'ader' does not exist"),
        (GOOD.replace("tenant_id", "team_id"), "default 'team_id' is unknown; use publisher_id"),
        (GOOD.replace("7", "[7]"), "default tenant_id is [7]; write an id"),
        (GOOD.replace("{tenant_id: 7}", "globex"), "defaults is 'globex'; write keys of"),
        (f"{GOOD[:-1]}, {GOOD[1:]}", "name 'shop' is used twice"),
    ],
)
def test_a_declaration_that_cannot_be_used_names_file_key_value_and_fix(
    tmp_path: Path, text: str, message: str
) -> None:
    with pytest.raises(UserError) as error:
        read_sources(declare(tmp_path, text))
    assert str(error.value).startswith(f"{tmp_path / 'sources.yml'}: ")
    assert message in str(error.value)
    assert "\n" not in str(error.value)
