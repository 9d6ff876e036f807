"""The file that --out names: written whole or not at all.

Belongs here: which places can be written to, and how a file gets there. Does not belong here: what is in it.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from pathlib import Path

from orchestration.errors import RunFailure, UserError


def check_folder(path: Path) -> None:
    """Refuse a place in a folder that does not exist, before anything is asked or made.

    Raises:
        UserError: it does not.
    """
    if not path.parent.is_dir():
        raise UserError(
            f"the folder {path.parent} does not exist; create it or choose another --out"
        )


def write_whole(path: Path, write: Callable[[Path], object]) -> None:
    """Let ``write`` fill a file beside ``path`` and move it into place.

    Raises:
        UserError: what is there is no file, such as a folder or a device.
        RunFailure: it cannot be written there.
    """
    try:
        if path.exists() and not path.is_file():
            raise UserError(f"{path} is not a file; choose another --out")
        with tempfile.TemporaryDirectory(dir=path.parent, prefix=".agentmart-") as folder:
            partial = Path(folder) / path.name
            write(partial)
            partial.replace(path)
    except OSError as error:
        reason = error.strerror or str(error)
        raise RunFailure(f"{path} cannot be written ({reason}); choose another --out") from error
