"""Exports of public usage logs and traces against the independent recomputation in ``oracle/``.

Belongs here: the data sets of ../shared/data that carry usage. Does not belong here: generated
extracts (test_oracle.py).
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from datetime import datetime

import pytest

from orchestration.reporting.datasets.asking import Request
from orchestration.reporting.datasets.registry import DATASETS as OFFERED
from orchestration.settings import PROJECT_ROOT, Settings
from tests.golden.oracle.real_data import read_real_data
from tests.golden.oracle_home import Home, open_home
from tests.support.published_home import publish_landing

REAL_DATA = PROJECT_ROOT.parent / "shared" / "data"
SAMPLES = PROJECT_ROOT / "seeds" / "sample"

ZONES = ("UTC", "Asia/Kolkata", "America/New_York")

pytestmark = pytest.mark.skipif(
    not REAL_DATA.is_dir(), reason="the public data are not part of the project"
)


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Home]:
    """The public data sets, loaded as the sources that the samples declare."""
    settings = Settings(home=tmp_path_factory.mktemp("real"), threads=2)
    as_of = datetime.fromisoformat("2026-05-01T00:00:00+00:00")
    traces = settings.landing / "langfuse" / "traces"
    shutil.copytree(REAL_DATA / "langfuse_traces", traces)
    shutil.copytree(REAL_DATA / "aider", settings.landing / "aider")
    settings.config.mkdir()
    declared = [(SAMPLES / name / "sources.yml").read_text() for name in ("aider", "langfuse")]
    merged = declared[0] + declared[1].partition("sources:\n")[2]
    (settings.config / "sources.yml").write_text(merged)
    publish_landing(settings, as_of=as_of)
    with open_home(settings, read_real_data(REAL_DATA, as_of=as_of)) as opened:
        yield opened


@pytest.mark.parametrize(
    "dataset",
    [
        "usage-summary",
        "usage-by-agent",
        "usage-by-model",
        "usage-timeline",
        "compliance-summary",
        "feedback-summary",
        "publisher-dashboard",
        "company",
        "daily-summary",
    ],
)
def test_an_export_of_public_data_is_what_they_say(home: Home, dataset: str) -> None:
    kinds = {kind.value for kind in OFFERED[dataset].scopes}
    scopes = ("platform", "tenant:aider", "tenant:acme", "publisher:aider", "publisher:acme")
    found = []
    for place, scope in enumerate(one for one in scopes if one.partition(":")[0] in kinds):
        for number, period in enumerate(("2025-03", "2025-06-01..2025-10-05")):
            zone = ZONES[(place + number) % len(ZONES)]
            request = Request(scope=scope, period=period, time_zone=zone)
            found += home.disagreements(request, dataset)
    assert found == []
