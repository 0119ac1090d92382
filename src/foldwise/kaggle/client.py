"""Run Kaggle's command-line client, which logs in and may end its process: so it is never imported.

What it writes is shown as it comes, without credentials. Its exit code does not tell whether it succeeded: callers
look at its words, and `client_errors.explain` turns those of a failure into one message.
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
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, TypeVar

from foldwise.console import Progress, say
from foldwise.errors import InputError, RunError
from foldwise.kaggle import credentials
from foldwise.kaggle.client_errors import INSTALL, explain

# All that is ever asked of the client. `-r zip`: without it sub-folders of a dataset would be left out.
COMMANDS = {
    "download": "competitions download {slug} -p {folder}",
    "submissions": "competitions submissions {slug} --format json",
    "submit file": "competitions submit {slug} -f {file} --message={message}",
    "submit kernel": "competitions submit {slug} -k {notebook} -v {version} -f submission.csv --message={message}",
    "quota": "quota --format json",
    "push": "kernels push -p {folder}",
    "status": "kernels status {kernel}",
    "log": "kernels logs {kernel}",
    "output": "kernels output {kernel} -p {folder}",
    "dataset status": "datasets status {dataset} --format json",
    "create dataset": "datasets create -p {folder} -r zip",
    "update dataset": "datasets version -p {folder} -r zip -m {message}",
}
PATIENCE = 300.0  # seconds without a word or a byte: the client itself would wait for ever
BAR = re.compile(r"\d+%\|")
# From these lines on the client explains itself at length; the error that follows says it in one line.
LENGTHY = ("Traceback (most recent call last)", "Authentication required to call")
TRIES = 5  # failures in a row that `poll` waits out
Answer = TypeVar("Answer")


def client_command(name: str, **values: object) -> list[str]:
    """One of `COMMANDS` with its values filled in.

    >>> client_command("push", folder="my kernel")
    ['kernels', 'push', '-p', 'my kernel']
    """
    return [word.format(**values) for word in COMMANDS[name].split()]


def show_command(name: str, note: str = "", /, **values: object) -> None:
    """Print a call of the client as a person would type it."""
    print(shlex.join(["kaggle", *client_command(name, **values)]) + (f"  # {note}" if note else ""))


def find_client() -> str:
    """The program `kaggle`: beside the running Python, where `pip install` puts it, or on the PATH."""
    found = shutil.which("kaggle", path=str(Path(sys.executable).parent)) or shutil.which("kaggle")
    if not found:
        raise InputError(f"the kaggle client is not installed; run `{INSTALL}`, and the same command again")
    return found


def run_client(name: str, show: bool = True, patience: float = PATIENCE, **values: Any) -> str:
    """As `call_client`, and give what it wrote; `slug` and, for a command about a kernel, `kernel` are among `values`.

    Raises:
        InputError, RunError: it failed; see client_errors.explain.
    """
    code, output = call_client(name, show, patience, **values)
    if code != 0:
        raise explain(output, str(values["slug"]), str(values.get("kernel", "")))
    return output


def call_client(name: str, show: bool = True, patience: float = PATIENCE, **values: Any) -> tuple[int, str]:
    """Run the client; give its exit code and what it wrote, on both of its streams, without credentials.

    Args:
        name: one of `COMMANDS`, which `values` are filled into.
        show: relay what it writes, as it comes.
        patience: seconds of silence after which it is ended.

    Raises:
        InputError: the client is not installed.
        RunError: it was silent for too long.
    """
    secrets = credentials.secrets()
    bar = Progress("kaggle")
    lines: list[str] = []
    lengthy = False
    client = subprocess.Popen(
        [find_client(), *client_command(name, **values)],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        env={**os.environ, "PYTHONUNBUFFERED": "1", "PYTHONIOENCODING": "utf-8"},
    )
    try:
        for line in read_lines(client, patience):
            text = credentials.hide(line, secrets)
            lines.append(text)
            lengthy = lengthy or text.startswith(LENGTHY)
            if show and BAR.search(text):
                bar.show(text.strip())
            elif show and not lengthy and text.strip():
                bar.show("")
                say("kaggle", text.strip())
        code = client.wait()
    finally:
        bar.close()
        client.kill()  # after Ctrl-C or a silence too long; of one that has ended it does nothing
        client.wait()
    return code, "\n".join(lines)


def read_lines(client: subprocess.Popen[bytes], patience: float) -> Iterator[str]:
    """Yield lines as they come; a carriage return ends one too.

    A bar begins with its carriage return and may stand still for long: it is yielded before it has ended as well.
    """
    chunks: queue.Queue[bytes] = queue.Queue()

    def read_chunks() -> None:
        assert client.stdout is not None
        with client.stdout as stream:
            while chunk := os.read(stream.fileno(), 65536):
                chunks.put(chunk)
        chunks.put(b"")  # the end

    threading.Thread(target=read_chunks, daemon=True).start()
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
        unfinished = rest.decode("utf-8", "replace")
        if BAR.search(unfinished) or not chunk:
            yield unfinished
        if not chunk:
            return


def json_in(output: str) -> Any:
    r"""The JSON that the client wrote; warnings may come before it.

    >>> json_in('Warning: an old version\n{"status": "ready"}')
    {'status': 'ready'}
    """
    found = re.search(r"^[\[{].*", output, re.MULTILINE | re.DOTALL)
    try:
        return json.loads(found[0] if found else "")
    except ValueError:
        raise RunError(f"the kaggle client's answer cannot be read: {output[:200] or 'it said nothing'}") from None


def poll(ask: Callable[[], Answer], describe: Callable[[Answer], str], stage: str, interval: float) -> Iterator[Answer]:
    """Yield an answer every `interval` seconds, and show what `describe` says of it meanwhile.

    After the first answer, up to `TRIES` RunErrors of `ask` in a row are waited out: a network that is away for a
    minute must not end what waits for hours.
    """
    state, allowed = "", 0
    with Progress(stage) as timer:
        while True:
            try:
                answer = ask()
            except RunError:
                if not allowed:
                    raise
                allowed -= 1
            else:
                state, allowed = describe(answer), TRIES
                yield answer
            timer.wait(state, interval)
