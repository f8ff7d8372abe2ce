"""An HTTP server on loopback that answers by a table of routes, and fails where a fault says so."""

import json
import re
import socket
import struct
import threading
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, unquote, urlsplit

from faults import damaged


@dataclass
class Answer:
    status: int
    headers: dict
    body: bytes

    def ranged(self, request):
        """The part of a whole answer that the request's `Range` names."""
        wanted = re.fullmatch(r"bytes=(\d+)-", request.headers.get("range", ""))
        if not wanted:
            return self
        start = int(wanted[1])
        span = f"bytes {start}-{len(self.body) - 1}/{len(self.body)}"
        return Answer(206, {**self.headers, "Content-Range": span}, self.body[start:])


@dataclass
class Request:
    """server: address it came to; path: without the query, escapes undone."""

    server: str
    method: str
    path: str
    query: dict
    headers: dict
    body: bytes
    fault: object = None
    status: int | None = None
    matched: tuple = field(default=())

    @property
    def json(self):
        return json.loads(self.body)


class Server(ThreadingHTTPServer):
    """hub: has `faults`, `requests`, `lock`, and the methods of `routes` [(method, pattern, function)]."""

    daemon_threads = True

    def __init__(self, hub, routes, address="127.0.0.1"):
        super().__init__((address, 0), Handler)
        self.hub = hub
        self.before = lambda: None  # called before each request is worked on, outside of the hub's lock
        self.broken = set()  # connections to be closed without a farewell
        self.routes = [(method, re.compile(pattern), function) for method, pattern, function in routes]
        self.url = f"http://{address}:{self.server_address[1]}"
        threading.Thread(target=self.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()

    def close(self):
        self.shutdown()
        self.server_close()

    def shutdown_request(self, request):
        if request in self.broken:
            self.broken.discard(request)
            self.close_request(request)
        else:
            super().shutdown_request(request)

    def handle_error(self, request, client_address):
        pass  # a client that went away

    def answer(self, request):
        method = "GET" if request.method == "HEAD" else request.method
        for wanted, pattern, function in self.routes:
            if wanted == method and (found := pattern.fullmatch(request.raw_path)):
                try:
                    with self.hub.lock:
                        return function(self.hub, request, *map(unquote, found.groups()))
                except Exception as error:
                    if hasattr(error, "answer"):
                        return error.answer
                    raise
        return Answer(404, {"Content-Type": "text/plain"}, b"no such endpoint")


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *ignored):
        pass

    def handle_request(self):
        url = urlsplit(self.path)
        headers = {key.lower(): value for key, value in self.headers.items()}
        request = Request(
            self.server.url, self.command, unquote(url.path), parse_qs(url.query), headers, self.body(headers)
        )
        request.raw_path = url.path
        hub = self.server.hub
        with hub.lock:
            request.fault = hub.faults.take(request.method, request.path)
            hub.requests.append(request)
        fault = request.fault
        if fault and fault.reset and fault.cut is None:
            return self.hang_up(True)
        self.server.before()
        if fault and fault.silent:
            self.server.hub.closing.wait(fault.silent)
        if fault and fault.status:
            extra = {"X-Error-Message": fault.said} if fault.said else {}
            body = json.dumps({"error": fault.said}).encode()
            return self.send(
                request, Answer(fault.status, {"Content-Type": "application/json", **extra, **fault.headers}, body)
            )
        answer = self.server.answer(request)
        if fault and fault.lost:
            return self.hang_up(False)
        if fault and fault.corrupt and request.method == "GET":
            answer = Answer(answer.status, answer.headers, damaged(answer.body))
        return self.send(request, answer, fault.cut if fault else None)

    do_GET = do_HEAD = do_POST = do_PUT = handle_request

    def body(self, headers):
        if "chunked" in headers.get("transfer-encoding", ""):
            parts = []
            while size := int(self.rfile.readline(), 16):
                parts.append(self.rfile.read(size))
                self.rfile.readline()
            self.rfile.readline()
            return b"".join(parts)
        return self.rfile.read(int(headers.get("content-length", 0)))

    def send(self, request, answer, cut=None):
        request.status = answer.status
        self.send_response(answer.status)
        for name, value in answer.headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(answer.body)))
        self.end_headers()
        if request.method == "HEAD":
            return
        self.wfile.write(answer.body if cut is None else answer.body[:cut])
        self.wfile.flush()
        if cut is not None:
            self.hang_up(request.fault.reset)

    def hang_up(self, by_force):
        if by_force:
            self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            self.server.broken.add(self.connection)
        else:
            self.connection.shutdown(socket.SHUT_RDWR)
        self.close_connection = True
