"""A page in headless Chromium, driven over a pipe by its DevTools protocol; nothing is installed for it."""

import base64
import json
import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO

PROGRAMS = ("chromium", "chromium-browser", "google-chrome")
FOUND = next(filter(None, map(shutil.which, PROGRAMS)), None)
OPTIONS = (
    *("--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--remote-debugging-pipe"),
    *("--disable-background-networking", "--disable-component-update", "--disable-sync", "--disable-dev-shm-usage"),
)


class Browser:
    """One page."""

    def __init__(self, sending: BinaryIO, receiving: BinaryIO) -> None:
        self.sending, self.receiving = sending, receiving
        self.calls, self.events, self.session = 0, list[dict[str, Any]](), {}
        target = self.call("Target.createTarget", url="about:blank")["targetId"]
        self.session = {"sessionId": self.call("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]}
        for domain in ("Page", "Runtime", "Log"):
            self.call(f"{domain}.enable")

    def call(self, method: str, **parameters: Any) -> Any:
        """The result of a command of the protocol; events that come before it are kept."""
        self.calls += 1
        message = {"id": self.calls, "method": method, "params": parameters, **self.session}
        self.sending.write(json.dumps(message).encode() + b"\0")
        while (answer := self.receive()).get("id") != self.calls:
            self.events.append(answer)
        assert "error" not in answer, answer
        return answer["result"]

    def receive(self) -> dict[str, Any]:
        """The next message, which ends with a zero byte."""
        parts = []
        while (byte := self.receiving.read(1)) not in (b"\0", b""):
            parts.append(byte)
        assert byte, "Chromium has ended"
        return json.loads(b"".join(parts))

    def show(self, path: Path, width: int = 1200, height: int = 900, dark: bool = False) -> None:
        """Load a file and wait until it is there."""
        self.call(
            "Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1, mobile=width < 500
        )
        scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
        self.call("Emulation.setEmulatedMedia", features=[scheme])
        self.events.clear()
        self.call("Page.navigate", url=path.resolve().as_uri())
        while not any(event.get("method") == "Page.loadEventFired" for event in self.events):
            self.events.append(self.receive())

    def evaluate(self, expression: str) -> Any:
        """What an expression of JavaScript gives in the page."""
        done = self.call("Runtime.evaluate", expression=expression, returnByValue=True)
        assert "exceptionDetails" not in done, done
        return done["result"].get("value")

    def complaints(self) -> list[str]:
        """Errors and warnings of the console since the page was loaded, breaches of its security policy among them."""
        told = ("Log.entryAdded", "Runtime.exceptionThrown", "Runtime.consoleAPICalled")
        return [json.dumps(event["params"]) for event in self.events if event.get("method") in told]

    def screenshot(self, path: Path, top: float = 0, height: float = 900) -> None:
        """A part of the page as PNG."""
        clip = {"x": 0, "y": top, "width": self.evaluate("innerWidth"), "height": height, "scale": 1}
        shot = self.call("Page.captureScreenshot", clip=clip, captureBeyondViewport=True)
        path.write_bytes(base64.b64decode(shot["data"]))


@contextmanager
def open_browser() -> Iterator[Browser]:
    """A browser that is gone afterwards."""
    assert FOUND
    (theirs_in, sending), (receiving, theirs_out) = os.pipe(), os.pipe()
    pipes = f'exec "$@" 3<&{theirs_in} 4>&{theirs_out}'  # Chromium reads commands from 3 and answers on 4
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        command = ["bash", "-c", pipes, "bash", FOUND, *OPTIONS, f"--user-data-dir={folder}"]
        with subprocess.Popen(
            command, pass_fds=(theirs_in, theirs_out), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        ) as process:
            os.close(theirs_in)
            os.close(theirs_out)
            with os.fdopen(sending, "wb", buffering=0) as commands, os.fdopen(receiving, "rb") as answers:
                try:
                    yield Browser(commands, answers)
                finally:
                    process.kill()
