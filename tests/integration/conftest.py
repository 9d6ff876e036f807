"""The S3 server and its keys, for the tests that ask for them."""

from tests.support.s3_fixtures import keys, server

__all__ = ["keys", "server"]
