"""Run Kaggle's command-line client, which logs in and may end its process: so it is never imported.

What it writes is shown as it comes, without credentials. Its exit code does not tell whether it succeeded: callers
look at its words, and `client_errors.explain` turns those of a failure into one message.
"""

import json
import os
import re
import select
import shlex
import shutil
import subprocess
import sys
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
OUTPUT_PATIENCE = 3600.0  # the client writes nothing while it fetches a large file of a kernel
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


def run_client(name: str, show: bool = True, **values: Any) -> str:
    """As `call_client`, but a failure raises what `explain` makes of it; `slug` is among `values`."""
    code, output = call_client(name, show, **values)
    if code != 0:
        raise explain(output, str(values["slug"]), str(values.get("kernel", "")))
    return output


def call_client(name: str, show: bool = True, **values: Any) -> tuple[int, str]:
    """Run one of `COMMANDS`; give the client's exit code and what it wrote, on both streams, without credentials.

    Args:
        show: relay what it writes, as it comes.

    Raises:
        RunError: it was silent for too long.
    """
    secrets, bar = credentials.secrets(), Progress("kaggle")
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
        for line in read_lines(client, OUTPUT_PATIENCE if name == "output" else PATIENCE):
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
    assert client.stdout is not None
    with client.stdout as stream:
        rest, ended = b"", False
        while not ended:
            if not select.select([stream], [], [], patience)[0]:
                raise RunError(
                    f"Kaggle sent nothing for {patience:.0f} s; check the network and run the same command again"
                )
            chunk = os.read(stream.fileno(), 65536)
            ended = not chunk
            *whole, rest = re.split(rb"[\r\n]+", rest + chunk)
            yield from (line.decode("utf-8", "replace") for line in whole)
            unfinished = rest.decode("utf-8", "replace")
            if ended or BAR.search(unfinished):
                yield unfinished


def json_in(output: str) -> Any:
    r"""The JSON that the client wrote; warnings may come before it.

    >>> json_in('Warning: an old version\n{"status": "ready"}')
    {'status': 'ready'}
    """
    found = re.search(r"^[\[{].*", output, re.MULTILINE | re.DOTALL)
    try:
        return json.loads(found[0] if found else "")
    except (ValueError, RecursionError):
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
