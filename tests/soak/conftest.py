"""The deployment that has run once, of the end-to-end tests, for the long forms that change a copy of it."""

from tests.e2e.conftest import deployment, first_run, own_deployment

__all__ = ["deployment", "first_run", "own_deployment"]
