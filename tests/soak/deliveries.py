"""The long form of the trials of delivery: a hundred, each with faults of its own.

Run by `make soak`; pytest does not collect it by itself.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from tests.support.delivery_trials import GOOD, Tally, misbehaving_server, try_delivery
from tests.support.faulty_smtp_server import KINDS

TRIALS = 100


def test_in_100_disturbed_deliveries_every_report_arrives_once_or_is_listed(
    tmp_path: Path, record_property: Callable[[str, object], None]
) -> None:
    tally, server = Tally(), tmp_path / "server"
    server.mkdir()
    with misbehaving_server(server) as port:
        for number in range(TRIALS):
            try_delivery(
                tmp_path / str(number),
                seed=f"soak {number}",
                port=port,
                server=server,
                tally=tally,
            )
    assert tally.sent + tally.parked >= TRIALS * len(GOOD)
    assert set(tally.faults) == set(KINDS)
    for name, value in vars(tally).items():
        record_property(name, value)
