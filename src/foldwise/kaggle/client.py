"""Run Kaggle's command-line client.

It is a subprocess, since `import kaggle` logs in at once and may end the process. Its output is shown as it comes,
without credentials; what it means is in errors.py, for its exit code does not tell.
"""

import json
import os
import queue
import re
import shlex
import shutil
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from foldwise.console import Progress, say
from foldwise.errors import InputError, RunError
from foldwise.kaggle import credentials
from foldwise.kaggle.client_errors import INSTALL, explain

PATIENCE = 300.0  # seconds without a word or a byte: the client itself would wait for ever
BAR = re.compile(r"\d+%\|")
# From these lines on the client explains itself at length; the error that follows says it in one line.
HELD_BACK = ("Traceback (most recent call last)", "Authentication required to call")


def find_client(folder: Path, path: str | None = None) -> str:
    """The program `kaggle`.

    Args:
        folder: of the running Python, where `pip install` puts programs.
        path: list of folders to search instead of the PATH.

    Raises:
        InputError: there is none.
    """
    found = shutil.which("kaggle", path=str(folder)) or shutil.which("kaggle", path=path)
    if not found:
        raise InputError(f"the kaggle client is not installed; run `{INSTALL}`, and the same command again")
    return found


def command_line(arguments: list[str]) -> str:
    """The call of the client as a person would type it."""
    return shlex.join(["kaggle", *arguments])


def run_client(
    arguments: list[str],
    slug: str,
    kernel: str = "",
    show: bool = True,
    patience: float = PATIENCE,
) -> str:
    """What the client wrote, on both of its streams, without credentials.

    Args:
        arguments: without the program.
        slug: the contest, for messages.
        kernel: owner/name where the command is about a kernel, for messages.
        show: relay what it writes, as it comes.
        patience: seconds of silence after which the client is ended.

    Raises:
        InputError, RunError: it failed; see errors.explain.
    """
    code, output = call_client(arguments, show, patience)
    if code != 0:
        raise explain(output, slug, kernel)
    return output


def call_client(arguments: list[str], show: bool = True, patience: float = PATIENCE) -> tuple[int, str]:
    """As `run_client`, but a failure is for the caller to explain.

    Returns:
        Exit code, and what the client wrote.

    Raises:
        InputError: the client is not installed.
        RunError: silence for `patience` seconds.
    """
    secrets = credentials.secrets()
    lines: list[str] = []
    held = False
    client = start([find_client(Path(sys.executable).parent), *arguments])
    bar = Progress("kaggle")
    try:
        for line in lines_of(client, patience):
            text = credentials.hide(line, secrets)
            lines.append(text)
            held = held or text.startswith(HELD_BACK)
            if show and BAR.search(text):
                bar.show(text.strip())
            elif show and not held and text.strip():
                bar.show("")
                say("kaggle", text.strip())
        code = client.wait()
    finally:
        bar.close()
        client.kill()  # after Ctrl-C or a silence too long; of one that has ended it does nothing
        client.wait()
    return code, "\n".join(lines)


def json_in(output: str, opening: str) -> Any:
    r"""The JSON that the client wrote; warnings may come before it.

    Args:
        output: what it wrote.
        opening: the sign that the JSON begins with.

    Raises:
        RunError: none.

    >>> json_in('Warning: an old version\n{"status": "ready"}', "{")
    {'status': 'ready'}
    """
    try:
        return json.loads(output[max(output.find(opening), 0) :])
    except ValueError:
        raise RunError(f"the kaggle client's answer cannot be read: {output[:200] or 'it said nothing'}") from None


def start(command: list[str]) -> subprocess.Popen[bytes]:
    """Start the client with both streams in one pipe and nothing to read."""
    environment = {**os.environ, "PYTHONUNBUFFERED": "1", "PYTHONIOENCODING": "utf-8"}
    return subprocess.Popen(
        command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, env=environment
    )


def lines_of(client: subprocess.Popen[bytes], patience: float) -> Iterator[str]:
    """Yield lines as they come; a carriage return, as in bars, ends one too.

    A bar is yielded before it has ended as well: it begins with its carriage return, and may stand still for long.

    Raises:
        RunError: silence for `patience` seconds.
    """
    chunks: queue.Queue[bytes] = queue.Queue()
    threading.Thread(target=read_into, args=(client, chunks), daemon=True).start()
    rest = b""
    while True:
        try:
            chunk = chunks.get(timeout=patience)
        except queue.Empty:
            raise RunError(
                f"Kaggle sent nothing for {patience:.0f} s; check the network and run the same command again"
            ) from None
        *whole, rest = re.split(rb"[\r\n]+", rest + chunk)
        yield from (line.decode("utf-8", "replace") for line in whole)
        if BAR.search(standing := rest.decode("utf-8", "replace")):
            yield standing
        if not chunk:
            yield rest.decode("utf-8", "replace")
            return


def read_into(client: subprocess.Popen[bytes], chunks: "queue.Queue[bytes]") -> None:
    """Pass on what the client writes; an empty chunk is its end."""
    assert client.stdout is not None
    with client.stdout as stream:
        while chunk := os.read(stream.fileno(), 65536):
            chunks.put(chunk)
    chunks.put(b"")
