"""Every message once, or listed: one trial of each fault; tests/soak makes a hundred at random."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.delivery_trials import GOOD, Tally, misbehaving_server, try_delivery


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Path, int]]:
    folder = tmp_path_factory.mktemp("server")
    with misbehaving_server(folder) as port:
        yield folder, port


# With these seeds the first connection has the fault; where it has a place in the conversation, it
# is at the reply to the first message, which the server then has.
@pytest.mark.parametrize(
    ("fault", "seed", "parked_yet_arrived"),
    [
        ("cut", "374", 0),
        ("drop", "1744", 1),
        ("hang up", "199", 0),
        ("slow", "686", 1),
        ("kill before", "1434", 1),
        ("nonsense", "83", 1),
        ("put off", "496", 0),
    ],
)
def test_a_disturbed_delivery_brings_every_report_once_or_lists_it(
    fault: str, seed: str, parked_yet_arrived: int, server: tuple[Path, int], tmp_path: Path
) -> None:
    folder, port = server
    tally = Tally()

    try_delivery(tmp_path, seed=seed, port=port, server=folder, tally=tally)

    assert tally.faults[fault] >= 1
    assert tally.parked_yet_arrived >= parked_yet_arrived
    assert tally.sent + tally.parked >= len(GOOD)
    assert tally.kills == tally.faults["kill before"] + tally.faults["kill after"]
