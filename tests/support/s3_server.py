"""An S3 server in a process of its own on loopback: buckets, objects, and the requests it got.

A put is one step there as in the real store: while the server looks whether there is an object of that name,
no other put comes between.
"""

from __future__ import annotations

import os
import re
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote
from xml.sax.saxutils import unescape

_STARTING_SECONDS = 30
KEYS = {
    "AWS_ACCESS_KEY_ID": "testing",
    "AWS_SECRET_ACCESS_KEY": "testing",
    "AWS_DEFAULT_REGION": "us-east-1",
}
_SERVE = """
import sys, threading
from moto.moto_server.werkzeug_app import (
    DomainDispatcherApplication, MotoRequestHandler, create_backend_app,
)
from werkzeug.serving import run_simple

served, putting = DomainDispatcherApplication(create_backend_app), threading.Lock()

def one_put_at_a_time(environ, start_response):
    if "unconditional" in sys.argv:
        environ.pop("HTTP_IF_NONE_MATCH", None)
    if environ["REQUEST_METHOD"] != "PUT":
        return served(environ, start_response)
    with putting:
        return served(environ, start_response)

run_simple("127.0.0.1", int(sys.argv[1]), one_put_at_a_time, threaded=True,
           request_handler=MotoRequestHandler)
"""


@dataclass(frozen=True)
class S3Server:
    """A running server. ``log`` holds a line per request."""

    endpoint: str
    log: Path

    def make_bucket(self, bucket: str) -> None:
        self._call("PUT", f"/{bucket}", b"")

    def put(self, bucket: str, key: str, content: bytes) -> None:
        self._call("PUT", f"/{bucket}/{quote(key)}", content)

    def delete(self, bucket: str, key: str) -> None:
        self._call("DELETE", f"/{bucket}/{quote(key)}")

    def refuse_unknown_keys(self, *, after: int) -> None:
        """Check keys and rights from now on, but for the first requests."""
        self._call("POST", "/moto-api/reset-auth", str(after).encode())

    def keys(self, bucket: str) -> list[str]:
        """The keys of all objects of a bucket."""
        found: list[str] = []
        after = ""
        while True:
            listed = self._call("GET", f"/{bucket}?list-type=2&start-after={quote(after)}").decode()
            keys = [unescape(key) for key in re.findall(r"<Key>(.*?)</Key>", listed)]
            found += keys
            if "<IsTruncated>true" not in listed:
                return found
            after = keys[-1]

    def get(self, bucket: str, key: str) -> bytes:
        return self._call("GET", f"/{bucket}/{quote(key)}")

    def fetched(self) -> list[str]:
        """The objects that were read so far, one for each request."""
        return re.findall(r'"GET (/[^/?"]+/[^?" ]+) HTTP', self.log.read_text())

    def _call(self, method: str, path: str, content: bytes | None = None) -> bytes:
        headers = {
            # Without a type the content would be taken for a form.
            "Content-Type": "application/octet-stream",
            # Whoever names a key is the owner, unless keys are checked.
            "Authorization": "AWS4-HMAC-SHA256 Credential=testing/20260301/us-east-1/s3/aws4_request,"
            " SignedHeaders=host, Signature=none",
        }
        request = urllib.request.Request(
            self.endpoint + path, data=content, headers=headers, method=method
        )
        with urllib.request.urlopen(request, timeout=10) as answer:
            return bytes(answer.read())


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextmanager
def s3_server(folder: Path, *, is_conditional: bool = True) -> Iterator[S3Server]:
    """Start the server, and stop it.

    ``is_conditional``: it leaves an object as it is where a put says so, as not every store does.
    """
    port = free_port()
    log = folder / "s3.log"
    with log.open("w") as output:
        process = subprocess.Popen(
            [
                sys.executable,
                "-c",
                _SERVE,
                str(port),
                *([] if is_conditional else ["unconditional"]),
            ],
            env={"PATH": os.environ["PATH"], "HOME": str(folder)},
            stdout=output,
            stderr=output,
        )
    try:
        server = S3Server(f"http://127.0.0.1:{port}", log)
        _wait_until_it_answers(server, process)
        yield server
    finally:
        process.terminate()
        try:
            process.wait(timeout=10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _wait_until_it_answers(server: S3Server, process: subprocess.Popen[bytes]) -> None:
    give_up_at = time.monotonic() + _STARTING_SECONDS
    while True:
        try:
            with urllib.request.urlopen(f"{server.endpoint}/moto-api/", timeout=5):
                return
        except (urllib.error.URLError, ConnectionError):
            if process.poll() is not None or time.monotonic() > give_up_at:
                raise AssertionError(server.log.read_text()) from None
            time.sleep(0.05)
