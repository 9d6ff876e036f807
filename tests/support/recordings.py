"""What dbt sends for a full build and for an increment, noted once for each state of the code.

All workers share the recording, and later runs of the tests find it: dbt takes a minute to make it,
and eleven tests need it.

Belongs here: where the recording lies and when it is made again. Does not belong here: how builds
are recorded and replayed (builds.py).
"""

from __future__ import annotations

import hashlib
import json
import shutil

from orchestration.settings import PROJECT_ROOT, Settings
from orchestration.warehouse.lock import exclusive_lock
from orchestration.warehouse.plan import fingerprint_code
from tests.support.builds import RecordedBuilds, Statement
from tests.support.increments import record

_FOLDER = PROJECT_ROOT / ".pytest_cache" / "agentmart"
# What decides the statements beside the models: dbt and its adapter, and how they are recorded.
_DECIDING = (
    "requirements.lock",
    *(f"tests/support/{name}.py" for name in ("builds", "deliveries", "increments", "landing")),
)


def recorded_builds() -> tuple[Settings, RecordedBuilds]:
    """A deployment that dbt built from a row of every stream, then from another; and what it sent."""
    _FOLDER.mkdir(parents=True, exist_ok=True)
    folder = _FOLDER / f"builds-{_fingerprint()}"
    settings, noted = Settings(home=folder / "home", threads=2), folder / "builds.json"
    with exclusive_lock(_FOLDER / "builds.lock", on_wait=lambda _: None):
        if not noted.exists():
            for older in _FOLDER.glob("builds-*"):
                shutil.rmtree(older)
            builds = record(settings)
            unfinished = noted.with_suffix(".part")
            unfinished.write_text(json.dumps({"full": builds.full, "increment": builds.increment}))
            unfinished.replace(noted)
    read = {
        name: tuple(Statement(*one) for one in statements)
        for name, statements in json.loads(noted.read_text()).items()
    }
    return settings, RecordedBuilds(home=settings.home, **read)


def _fingerprint() -> str:
    digest = hashlib.sha256(fingerprint_code(PROJECT_ROOT).encode())
    for place in _DECIDING:
        digest.update((PROJECT_ROOT / place).read_bytes())
    return digest.hexdigest()[:16]
