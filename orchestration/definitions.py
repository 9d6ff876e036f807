"""The Dagster code location: everything under defs/, nothing registered by hand.

Belongs here: loading that folder. Does not belong here: any asset, job or resource.
"""

import gc
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import dagster as dg


@dg.definitions
def defs() -> dg.Definitions:
    with _without_collector():
        return dg.load_from_defs_folder(path_within_project=Path(__file__).parent)


@contextmanager
def _without_collector() -> Iterator[None]:
    """What is loaded stays: looking for garbage among its million objects is a sixth of the time, and two
    thirds of what makes jobs of it afterwards.
    """
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        gc.freeze()
        if was_enabled:
            gc.enable()
