"""The deployment that has run once, of the end-to-end tests, for the long forms that change a copy of it; and
the S3 server."""

from tests.e2e.conftest import deployment, first_run, own_deployment
from tests.support.s3_fixtures import keys, server

__all__ = ["deployment", "first_run", "keys", "own_deployment", "server"]
