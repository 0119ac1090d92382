"""A stand-in for kaggle.com on 127.0.0.1 that the real client talks to.

With KAGGLE_API_ENVIRONMENT=LOCALHOST the client sends everything to http://localhost, and with http_proxy set to this
server it arrives here: POST /api/v1/<service>/<Method> with JSON, PUT and GET for files.
"""

import json
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import urlsplit


@dataclass
class Answer:
    """What one request is answered with.

    Attributes:
        body: an object is sent as JSON.
        status: of HTTP.
        headers: beside Content-Length, which `length` overrides; None leaves it out and ends with the connection.
        cut: the connection ends after so many bytes of the body.
        hold: the answer stops in its middle until this is set.
    """

    body: Any = field(default_factory=dict)
    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    length: int | None = -1
    cut: int | None = None
    hold: threading.Event | None = None


def error(status: int, message: str = "") -> Answer:
    """A refusal, with a message of the service or as a plain status."""
    if message:
        return Answer({"code": status, "message": message}, status)
    return Answer(b"<html>error</html>", status, {"Content-Type": "text/html"})


def quota(left: float, total: float = 30.0) -> dict[str, Any]:
    """The weekly hours of GPU; the new ones come on Saturday."""
    used, allowed = (f"{hours * 3600:.0f}s" for hours in (total - left, total))
    gpu = {"timeUsed": used, "totalTimeAllowed": allowed}
    return {"quotaRefreshTime": "2026-11-28T00:00:00.000Z", "gpuQuota": gpu}


class Service:
    """Answers by name of the method or path of the file: each in turn, the last again and again."""

    def __init__(self) -> None:
        self.answers: dict[str, list[Answer]] = {}
        self.on("GetAcceleratorQuotaStatistics", quota(30.0))
        self.requests: list[tuple[str, Any]] = []  # name, and the JSON or the bytes that came
        self.headers: list[dict[str, str]] = []
        self.port = 0

    def on(self, name: str, *answers: Answer | dict[str, Any]) -> None:
        """Answer requests for `name` with these."""
        self.answers[name] = [answer if isinstance(answer, Answer) else Answer(answer) for answer in answers]

    def asked(self, name: str) -> list[Any]:
        """What came for `name`."""
        return [content for asked, content in self.requests if asked == name]

    def take(self, name: str) -> Answer:
        """The next answer."""
        left = self.answers.get(name) or [error(404)]
        return left.pop(0) if len(left) > 1 else left[0]


class Handler(BaseHTTPRequestHandler):
    service: Service
    protocol_version = "HTTP/1.1"

    def answer(self) -> None:
        path = urlsplit(self.path).path
        name = path.rpartition("/")[2] if path.startswith("/api/") else path
        content: Any = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        if self.command == "POST" and content:
            content = json.loads(content)
        self.service.requests.append((name, content))
        self.service.headers.append(dict(self.headers))
        answer = self.service.take(name)
        is_json = not isinstance(answer.body, bytes)
        body = json.dumps(answer.body).encode() if is_json else answer.body
        asked = re.fullmatch(r"bytes=(\d+)-", self.headers.get("Range") or "")
        if asked and "Accept-Ranges" in answer.headers:
            body = body[int(asked[1]) :]
        self.send_response(206 if asked else answer.status)
        for key, value in {"Content-Type": "application/json", **answer.headers}.items():
            self.send_header(key, value)
        length = len(body) if answer.length == -1 else answer.length
        if length is not None:
            self.send_header("Content-Length", str(length))
        self.send_header("Connection", "close")
        self.end_headers()
        self.close_connection = True
        body = body[: answer.cut]
        half = len(body) // 2 if answer.hold else len(body)
        self.wfile.write(body[:half])
        self.wfile.flush()
        if answer.hold:
            answer.hold.wait(60)
            self.wfile.write(body[half:])

    do_GET = do_POST = do_PUT = answer  # noqa: N815

    def do_CONNECT(self) -> None:
        self.send_error(502, "nothing leaves this machine")

    def log_message(self, *_: Any) -> None:
        pass


class QuietServer(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, request: Any, client_address: Any) -> None:
        pass  # a client that was ended leaves a broken pipe


@contextmanager
def serving(service: Service) -> Iterator[Service]:
    """Answer on a free port of 127.0.0.1 in a thread."""
    server = QuietServer(("127.0.0.1", 0), type("Bound", (Handler,), {"service": service}))
    service.port = server.server_address[1]
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    try:
        yield service
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def redirect(path: str) -> Answer:
    """To a file in the storage, by a signed address as the service gives them."""
    return Answer(b"", 302, {"Location": f"http://localhost{path}?Signature=signature-of-the-storage"})
