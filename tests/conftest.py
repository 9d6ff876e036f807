"""What holds for every test.

Belongs here: settings of the process that runs them. Does not belong here: fixtures (tests/support).
"""

from __future__ import annotations

import gc

from hypothesis import HealthCheck, settings


def pytest_configure() -> None:
    """Most of what is imported and collected stays: looking for garbage in it takes a tenth of the time.

    And no test fails because the machine has other work: on one that gave a third of its processor, an
    example of 5 ms took more than the 200 ms that are Hypothesis' deadline.
    """
    gc.set_threshold(100_000, 20, 50)
    settings.register_profile("busy", deadline=None, suppress_health_check=[HealthCheck.too_slow])
    settings.load_profile("busy")
