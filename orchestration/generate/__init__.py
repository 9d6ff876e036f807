"""Synthetic extracts, so that a stranger can run the whole path without data of their own.

Belongs here: making extracts. Does not belong here: anything the product does with extracts.
"""

from orchestration.generate.extracts import write_extracts

__all__ = ["write_extracts"]
