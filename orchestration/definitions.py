"""The Dagster code location: everything under defs/, nothing registered by hand.

Belongs here: loading that folder. Does not belong here: any asset, job or resource.
"""

from pathlib import Path

import dagster as dg


@dg.definitions
def defs() -> dg.Definitions:
    return dg.load_from_defs_folder(path_within_project=Path(__file__).parent)
