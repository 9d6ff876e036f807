"""Disks that are full, without a disk: a limit on the size of files, which any account may set.

Writes beyond it fail as on a full disk or a used-up quota, in Python, DuckDB and SQLite alike, in
this process and in those it starts.

Belongs here: that limit. Does not belong here: what ought to happen then (the tests).
"""

from __future__ import annotations

import resource
import sys
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def files_up_to(size_bytes: int) -> Iterator[None]:
    """No file can grow beyond this size meanwhile.

    Nothing is compiled meanwhile either: Python would take the cut-off file for a whole one ever after.
    """
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    compiles = sys.dont_write_bytecode
    sys.dont_write_bytecode = True
    resource.setrlimit(resource.RLIMIT_FSIZE, (size_bytes, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
        sys.dont_write_bytecode = compiles


# For the environment of a command that is started under the limit.
COMPILE_NOTHING = {"PYTHONDONTWRITEBYTECODE": "1"}
