"""The few calls of Google Cloud Storage and of Azure Blob Storage that reading takes, on loopback.

Both know one bucket. Keys that begin with ``locked`` are refused, as rights would.
"""

from __future__ import annotations

import hashlib
import json
import re
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, unquote, urlsplit
from xml.sax.saxutils import escape

BUCKET = "extracts"
_MODIFIED = "Mon, 02 Mar 2026 06:00:00 GMT"


@dataclass(frozen=True)
class CloudServer:
    """A running server. ``fetched`` are the keys whose content was read, one for each request."""

    endpoint: str
    objects: dict[str, bytes]
    fetched: list[str] = field(default_factory=list)


class _Handler(BaseHTTPRequestHandler):
    def __init__(
        self, *arguments: object, objects: Mapping[str, bytes], fetched: list[str]
    ) -> None:
        self._objects = objects
        self._fetched = fetched
        super().__init__(*arguments)  # type: ignore[arg-type]

    def do_GET(self) -> None:
        url = urlsplit(self.path)
        query = {name: values[0] for name, values in parse_qs(url.query).items()}
        google = re.fullmatch(rf"(/download)?/storage/v1/b/{BUCKET}/o(?:/(.+))?", url.path)
        azure = re.fullmatch(rf"/account/{BUCKET}(?:/(.+))?", url.path)
        prefix = query.get("prefix", "")
        if google is not None and google.group(2) is not None:
            key = unquote(google.group(2))
            if query.get("alt") == "media":
                self._send_content(key)
            else:
                self._send_json(_google_object(key, self._objects.get(key)))
        elif google is not None:
            self._send_list(prefix, self._google_list)
        elif azure is not None and query.get("comp") == "list":
            self._send_list(prefix, self._azure_list)
        elif azure is not None and azure.group(1) is not None:
            self._send_content(unquote(azure.group(1)))
        else:
            self._send(404)

    def do_HEAD(self) -> None:
        self.do_GET()

    def _send_list(self, prefix: str, send: Callable[[list[str]], None]) -> None:
        if prefix.startswith("locked"):
            self._send(403)
            return
        keys = sorted(key for key in self._objects if key.startswith(prefix))
        send(keys)

    def _google_list(self, keys: list[str]) -> None:
        self._send_json({"items": [_google_object(key, self._objects[key]) for key in keys]})

    def _azure_list(self, keys: list[str]) -> None:
        blobs = "".join(
            f"<Blob><Name>{escape(key)}</Name><Properties><Last-Modified>{_MODIFIED}"
            f"</Last-Modified><Etag>{_etag(self._objects[key])}</Etag><Content-Length>"
            f"{len(self._objects[key])}</Content-Length><Content-Type>text/plain</Content-Type>"
            "<BlobType>BlockBlob</BlobType></Properties></Blob>"
            for key in keys
        )
        text = (
            '<?xml version="1.0" encoding="utf-8"?><EnumerationResults ContainerName="'
            f'{BUCKET}"><Blobs>{blobs}</Blobs><NextMarker /></EnumerationResults>'
        )
        self._send(200, text.encode(), kind="application/xml")

    def _send_json(self, content: object) -> None:
        self._send(200 if content else 404, json.dumps(content).encode(), kind="application/json")

    def _send_content(self, key: str) -> None:
        content = self._objects.get(key)
        if content is None:
            self._send(404)
            return
        headers = {"ETag": f'"{_etag(content)}"', "Last-Modified": _MODIFIED}
        headers["x-ms-blob-type"] = "BlockBlob"
        if self.command == "GET":
            self._fetched.append(key)
        wanted = self.headers.get("x-ms-range") or self.headers.get("Range")
        if wanted is None:
            self._send(200, content, headers=headers)
            return
        first, _, last = wanted.removeprefix("bytes=").partition("-")
        end = min(int(last or len(content)), len(content) - 1)
        headers["Content-Range"] = f"bytes {first}-{end}/{len(content)}"
        self._send(206, content[int(first) : end + 1], headers=headers)

    def _send(
        self,
        status: int,
        content: bytes = b"",
        *,
        kind: str = "text/plain",
        headers: Mapping[str, str] | None = None,
    ) -> None:
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(content)))
        for name, value in (headers or {}).items():
            self.send_header(name, value)
        self.end_headers()
        if self.command != "HEAD":
            # A client may have seen enough.
            with suppress(BrokenPipeError, ConnectionResetError):
                self.wfile.write(content)

    def log_message(self, *_: object) -> None:
        """Nothing: the requests that matter are counted."""


def _etag(content: bytes) -> str:
    return hashlib.md5(content, usedforsecurity=False).hexdigest()


def _google_object(key: str, content: bytes | None) -> dict[str, str]:
    if content is None:
        return {}
    return {
        "name": key,
        "bucket": BUCKET,
        "size": str(len(content)),
        "etag": _etag(content),
        "updated": "2026-03-02T06:00:00.000Z",
    }


@contextmanager
def cloud_server(objects: dict[str, bytes]) -> Iterator[CloudServer]:
    """Serve objects of the one bucket from a thread of this process, and stop."""
    fetched: list[str] = []
    handler = partial(_Handler, objects=objects, fetched=fetched)
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield CloudServer(f"http://127.0.0.1:{server.server_port}", objects, fetched)
        finally:
            server.shutdown()
            thread.join()
