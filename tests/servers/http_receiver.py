"""An HTTP server that takes what is posted to it, and can be told to refuse or to keep silent."""

from __future__ import annotations

import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Self

from tests.servers.ports import HOST, free_port


class HttpReceiver:
    """Keeps the JSON of each request that it answered with 200 in ``received``. ``status`` None: never answer."""

    def __init__(self, port: int | None = None) -> None:
        self.port = free_port() if port is None else port
        self.status: int | None = 200
        self.received: list[dict[str, Any]] = []
        self.requests = 0
        self._closing = threading.Event()

    def __enter__(self) -> Self:
        receiver = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                receiver.requests += 1
                if receiver.status is None:
                    receiver._closing.wait()
                    return
                if receiver.status == 200:
                    receiver.received.append(json.loads(body))
                self.send_response(receiver.status)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, *_: Any) -> None:
                """Say nothing."""

        self._server = ThreadingHTTPServer((HOST, self.port), Handler)
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.02})
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._closing.set()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()
