"""A recording web server on a free loopback port, which answers as it is told.

It runs in a thread of the test and keeps every request. ``replies`` are used up in order; the last
one stays. A reply may keep silent, cut the connection, or drip. It is a proxy, too: where it grants a
CONNECT it passes on what goes to and fro.
"""

from __future__ import annotations

import json
import socket
import ssl
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any


@dataclass(frozen=True, kw_only=True)
class Request:
    """What arrived; names of headers in lower case."""

    path: str
    headers: Mapping[str, str]
    body: bytes

    def json(self) -> Any:
        return json.loads(self.body)


@dataclass(frozen=True, kw_only=True)
class Reply:
    """What to answer. ``how``: answer, cut the connection, keep silent, or drip bytes for ever."""

    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b"ok"
    how: str = "answer"


@dataclass
class Server:
    """A running server; ``on_request`` is called before each answer."""

    port: int
    requests: list[Request] = field(default_factory=list)
    replies: list[Reply] = field(default_factory=lambda: [Reply()])
    on_request: Callable[[Request], object] = lambda _: None
    closing: threading.Event = field(default_factory=threading.Event)

    is_secure: bool = False

    def url(self, path: str = "/") -> str:
        return f"http{'s' if self.is_secure else ''}://127.0.0.1:{self.port}{path}"

    def next_reply(self) -> Reply:
        return self.replies.pop(0) if len(self.replies) > 1 else self.replies[0]


@contextmanager
def serve(*replies: Reply, certificate: tuple[Path, Path] | None = None) -> Iterator[Server]:
    """Serve until the block ends, encrypted if there is a certificate with its key."""
    listener = ThreadingHTTPServer(("127.0.0.1", 0), BaseHTTPRequestHandler)
    listener.daemon_threads = True
    server = Server(port=listener.server_port, is_secure=certificate is not None)
    if certificate is not None:
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        context.load_cert_chain(*certificate)
        listener.socket = context.wrap_socket(listener.socket, server_side=True)
    if replies:
        server.replies = list(replies)
    listener.RequestHandlerClass = _handler(server)
    thread = threading.Thread(target=listener.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield server
    finally:
        server.closing.set()
        listener.shutdown()
        listener.server_close()
        thread.join()


def closed_port() -> int:
    """A port where nobody listens."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        port: int = taken.getsockname()[1]
    return port


def _pass_on(source: socket.socket, target: socket.socket) -> None:
    """Copy until one side ends."""
    try:
        while part := source.recv(65_536):
            target.sendall(part)
        target.shutdown(socket.SHUT_WR)
    except OSError:
        return


def _handler(server: Server) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            headers = {name.lower(): value for name, value in self.headers.items()}
            request = Request(path=self.path, headers=headers, body=body)
            server.requests.append(request)
            server.on_request(request)
            self._answer(server.next_reply())

        def do_GET(self) -> None:
            self.do_POST()

        def do_CONNECT(self) -> None:
            headers = {name.lower(): value for name, value in self.headers.items()}
            server.requests.append(Request(path=self.path, headers=headers, body=b""))
            reply = server.next_reply()
            if reply.status != 200:
                self._answer(reply)
                return
            host, _, port = self.path.rpartition(":")
            with socket.create_connection((host, int(port))) as peer:
                self.send_response(200)
                self.end_headers()
                self.close_connection = True
                other = threading.Thread(target=_pass_on, args=(peer, self.connection))
                other.start()
                _pass_on(self.connection, peer)
                other.join()

        def _answer(self, reply: Reply) -> None:
            self.close_connection = True
            match reply.how:
                case "cut":
                    return
                case "silent":
                    server.closing.wait()
                    return
                case "drip":
                    self._drip()
                    return
            self.send_response(reply.status)
            for name, value in reply.headers.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(reply.body)))
            self.end_headers()
            self.wfile.write(reply.body)

        def _drip(self) -> None:
            try:
                self.wfile.write(b"HTTP/1.1 ")
                while not server.closing.wait(0.05):
                    self.wfile.write(b".")
            except OSError:
                return

        def log_message(self, format: str, *args: Sequence[object]) -> None:  # noqa: A002
            """A test's output is its own."""

    return Handler
