"""HashiCorp Vault, as far as our requests can tell: a real OpenBao behind a server that takes away what Vault has not.

Gone are the lists with bodies, SCAN, namespaces (community edition) and every check-and-set but that on KV data.
"""

from __future__ import annotations

import json
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.client import HTTPConnection
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import urlsplit

VERSION = "1.18.3"
UNSUPPORTED = ["1 error occurred:\n\t* unsupported path\n\n"]
_UNKNOWN = re.compile(r"/v1/(sys/policies/detailed/.*|sys/namespaces.*|.+/detailed-metadata/.*)")
_POLICY = re.compile(r"/v1/sys/policies/acl/.+")
_KV_METADATA = re.compile(r"/v1/.+/(metadata/.+|config)")
_POLICY_FIELDS = ("name", "policy")
_OPENBAO_FIELDS = ("metadata_cas", "metadata_cas_required", "current_metadata_version")


class _Conversation(BaseHTTPRequestHandler):
    """One connection of a client. Each sends its requests on over one of its own."""

    protocol_version = "HTTP/1.1"
    wbufsize = -1  # head and body in one packet
    server: Front

    def setup(self) -> None:
        super().setup()
        self.behind = HTTPConnection(self.server.behind)

    def finish(self) -> None:
        self.behind.close()
        super().finish()

    def __getattr__(self, name: str) -> Any:
        # The library looks for do_GET and so on; LIST and SCAN are methods like all others.
        if name.startswith("do_"):
            return self._serve
        raise AttributeError(name)

    def _serve(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        path = urlsplit(self.path).path
        self.server.seen.append((self.command, self.path))
        if self.command == "SCAN":
            self._answer(405, json.dumps({"errors": []}).encode())
        elif _UNKNOWN.fullmatch(path):
            self._answer(404, json.dumps({"errors": UNSUPPORTED}).encode())
        else:
            self._answer(*self._ask(path, body))

    def _ask(self, path: str, body: bytes) -> tuple[int, bytes]:
        headers = {name: value for name, value in self.headers.items() if name.lower() not in ("host", "content-length")}
        self.behind.request(self.command, self.path, _as_sent_to_vault(path, body), headers)
        answer = self.behind.getresponse()
        return answer.status, _as_vault_answers(path, answer.read())

    def _answer(self, status: int, body: bytes) -> None:
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: Any) -> None:
        """Say nothing."""


def _as_sent_to_vault(path: str, body: bytes) -> bytes:
    """Without the fields that Vault does not know, and so does not obey."""
    if not body:
        return body
    given = json.loads(body)
    if _POLICY.fullmatch(path):
        given = {"policy": given["policy"]}
    elif _KV_METADATA.fullmatch(path):
        given = {name: value for name, value in given.items() if name not in _OPENBAO_FIELDS}
    return json.dumps(given).encode()


def _as_vault_answers(path: str, body: bytes) -> bytes:
    if not body:
        return body
    answer = json.loads(body)
    if path == "/v1/sys/health":
        answer |= {"version": VERSION, "enterprise": False}
    elif isinstance(found := answer.get("data"), dict):
        if _POLICY.fullmatch(path):
            answer["data"] = {name: value for name, value in found.items() if name in _POLICY_FIELDS}
        elif _KV_METADATA.fullmatch(path):
            answer["data"] = {name: value for name, value in found.items() if name not in _OPENBAO_FIELDS}
    return json.dumps(answer).encode()


class Front(ThreadingHTTPServer):
    daemon_threads = True
    behind: str
    seen: list[tuple[str, str]]

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"


@contextmanager
def vault_before(address: str) -> Iterator[Front]:
    """Stand before the OpenBao at `address`. `seen` are the (method, target) that arrived."""
    front = Front(("127.0.0.1", 0), _Conversation)
    front.behind, front.seen = urlsplit(address).netloc, []
    thread = threading.Thread(target=front.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
    thread.start()
    try:
        yield front
    finally:
        front.shutdown()
        front.server_close()
        thread.join()
