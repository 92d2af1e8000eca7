"""A small double of an AWS endpoint, for what moto does not do: throttling, denials, delays, answers that AWS alone gives."""

from __future__ import annotations

import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import NamedTuple

from reconciler.backends.aws.client import AwsClient


class Said(NamedTuple):
    """One answer: an error code with its message, or a body where the code is empty."""

    status: int
    code: str = ""
    message: str = ""
    body: str = "{}"


class Endpoint:
    """An AWS endpoint that answers as it is told, and keeps the operations that were asked for."""

    def __init__(self) -> None:
        self.script: list[Said] = []
        self.otherwise = Said(200, body='{"Aliases": []}')
        self.asked: list[str] = []
        endpoint = self

        class Answering(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                self.rfile.read(int(self.headers.get("Content-Length", 0)))
                endpoint.asked.append(self.headers.get("X-Amz-Target", "query").rpartition(".")[2])
                said = endpoint.script.pop(0) if endpoint.script else endpoint.otherwise
                body = (said.body if not said.code else self._error(said)).encode()
                self.send_response(said.status)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def _error(self, said: Said) -> str:
                if "X-Amz-Target" in self.headers:
                    return json.dumps({"__type": said.code, "message": said.message})
                return f"<ErrorResponse><Error><Code>{said.code}</Code><Message>{said.message}</Message></Error></ErrorResponse>"

            def log_message(self, format: str, *args: object) -> None:
                """Say nothing."""

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Answering)
        self.thread = threading.Thread(target=self.server.serve_forever, daemon=True)
        self.url = f"http://127.0.0.1:{self.server.server_port}"

    def __enter__(self) -> Endpoint:
        self.thread.start()
        return self

    def __exit__(self, *_error: object) -> None:
        self.server.shutdown()
        self.server.server_close()
        self.thread.join()

    def client(self, **more: object) -> AwsClient:
        return AwsClient("us-east-1", endpoint_url=self.url, attempts=2, **more)  # type: ignore[arg-type]  # passed on as given
