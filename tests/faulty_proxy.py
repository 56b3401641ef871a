"""A proxy on loopback that stands before a real server and does what networks and gateways do to requests."""

import http.client
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

PAGE = b"<html><body>Please log in to the company's gateway.</body></html>"
STATUSES = {"429": 429, "500": 500, "503": 503, "401": 401}
DELAY_SECONDS = 1.0  # less than a client waits
HANG_SECONDS = 4.0  # more than a client waits


@dataclass
class Plan:
    """Which requests go wrong: from the `nth` that matches on, `times` of them (0: all until healed)."""

    fault: str = ""
    matches: str = ""
    nth: int = 1
    times: int = 1
    seen: int = 0
    done: int = 0
    lock: threading.Lock = field(default_factory=threading.Lock)

    def strikes(self, line: str, body: bytes) -> bool:
        """Count a request and tell whether it goes wrong; once a fault lasts, everything after it goes wrong too."""
        with self.lock:
            if not self.fault or (self.times and self.done >= self.times):
                return False
            text = line + " " + body.decode(errors="replace")
            self.seen += all(word in text for word in self.matches.split("&"))
            if self.seen < self.nth:
                return False
            self.done += 1
            return True


class FaultyProxy(ThreadingHTTPServer):
    """Passes requests on, except those of its plan."""

    daemon_threads = True
    block_on_close = False

    def __init__(self, port: int) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.behind = port
        self.plan = Plan()

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Say nothing of clients that are gone."""


@contextmanager
def faulty_proxy(port: int) -> Iterator[FaultyProxy]:
    proxy = FaultyProxy(port)
    thread = threading.Thread(target=proxy.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
    thread.start()
    yield proxy
    proxy.shutdown()
    proxy.server_close()
    thread.join(timeout=10)


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True  # an answer is written in two parts, and the second must not wait for an ACK
    server: FaultyProxy

    def _answer(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        fault = self.server.plan.fault if self.server.plan.strikes(f"{self.command} {self.path}", body) else ""
        if fault == "drop":
            self._cut()
        elif fault == "html":
            self._send(200, PAGE, "text/html")
        elif fault in STATUSES:
            self._send(STATUSES[fault], PAGE, "text/html")
        else:
            if fault == "delay":
                time.sleep(DELAY_SECONDS)
            if fault == "hang":
                time.sleep(HANG_SECONDS)
                return self._cut()
            status, answer, kind = self._pass_on(body)
            if fault == "lost":
                return self._cut()
            self._send(status, answer, kind)
        return None

    do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = _answer  # noqa: N815 - named by the library

    def _pass_on(self, body: bytes) -> tuple[int, bytes, str]:
        connection = http.client.HTTPConnection("127.0.0.1", self.server.behind, timeout=60)
        try:
            headers = {k: v for k, v in self.headers.items() if k.lower() not in ("host", "connection")}
            connection.request(self.command, self.path, body or None, headers)
            answer = connection.getresponse()
            return answer.status, answer.read(), answer.headers.get("Content-Type", "application/json")
        finally:
            connection.close()

    def _send(self, status: int, body: bytes, kind: str) -> None:
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def _cut(self) -> None:
        self.close_connection = True
        self.connection.close()

    def log_message(self, format: str, *arguments: Any) -> None:  # noqa: A002 - named by the library
        """Say nothing."""
