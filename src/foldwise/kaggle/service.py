"""Push a kernel, wait for it, fetch its output, submit and wait for the score.

Every function drives the client and reads its words: it ends with 0 after a push that the service refused, after an
upload that broke off, and for a kernel that failed.
"""

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

from foldwise.console import Progress, say
from foldwise.errors import InputError, RunError
from foldwise.files import atomic_folder
from foldwise.kaggle.client import run_client
from foldwise.kaggle.metadata import KERNEL_METADATA
from foldwise.kaggle.naming import OWNED

KERNEL_INTERVAL = 30.0  # seconds between two looks at a kernel, which runs for minutes to hours
SCORE_INTERVAL = 10.0  # between two looks at a submission, which takes seconds unless a kernel runs for it
OUTPUT_PATIENCE = 3600.0  # the client writes nothing while it fetches a large file
TRIES = 5  # looks in a row that may fail, once one has succeeded
LOG_LINES = 20
PUSHED = re.compile(r"Kernel version (\d+) successfully pushed\.\s+Please check progress at (\S+)")
REFUSED = re.compile(r"Kernel push error: (.*)")
INVALID = re.compile(r"The following are not valid (\w+) (?:sources )?and could not be added to the kernel: (.*)")
STATE = re.compile(r'has status "(?:KernelWorkerStatus\.)?(\w+)"')
REASON = re.compile(r'Failure message: "(.*)"', re.DOTALL)
FAILED = ("ERROR", "CANCEL_REQUESTED", "CANCEL_ACKNOWLEDGED")


def push_arguments(folder: Path) -> list[str]:
    """The client's command."""
    return ["kernels", "push", "-p", str(folder)]


def push(folder: Path, slug: str, kernel: str) -> tuple[str, int, str]:
    """Send the kernel, which starts it.

    Returns:
        owner/name as Kaggle has it, version and address.

    Raises:
        InputError: a source that it names does not exist.
        RunError: the service refused it.
    """
    output = run_client(push_arguments(folder), slug, kernel)
    if refused := REFUSED.search(output):
        raise RunError(f"Kaggle refuses the kernel: {refused[1]}")
    if invalid := INVALID.findall(output):
        named = "; ".join(f"{kind} {names}" for kind, names in invalid)
        raise InputError(
            f"{folder / KERNEL_METADATA}: Kaggle took the kernel without what it does not know: {named}; fix the "
            "names, or make the dataset first, and push again"
        )
    pushed = PUSHED.search(output)
    if not pushed:
        raise RunError(f"Kaggle gives the kernel no version: {output.strip() or 'it said nothing'}; push again")
    return name_in(pushed[2]) or kernel, int(pushed[1]), pushed[2]


def name_in(address: str) -> str:
    """owner/name of a kernel by its address, empty where that has none.

    Kaggle makes the name of the title, not of the id.

    >>> name_in("https://www.kaggle.com/code/ada/foldwise-spooky"), name_in("https://x")
    ('ada/foldwise-spooky', '')
    """
    found = re.search(rf"//[^/]+/(?:code/|kernels/)?({OWNED})", address)
    return found[1] if found else ""


def status_arguments(kernel: str) -> list[str]:
    """The client's command."""
    return ["kernels", "status", kernel]


def log_arguments(kernel: str) -> list[str]:
    """The client's command."""
    return ["kernels", "logs", kernel]


def wait_for_kernel(kernel: str, slug: str, interval: float = KERNEL_INTERVAL) -> None:
    """Wait until the kernel has ended.

    Args:
        kernel: owner/name.
        slug: the contest, for messages.
        interval: seconds between two looks.

    Raises:
        RunError: it failed; the last lines of its log are shown.
    """
    state = "unknown"

    def look() -> tuple[str, str] | None:
        nonlocal state
        output = run_client(status_arguments(kernel), slug, kernel, show=False)
        found = STATE.search(output)
        if not found:
            raise RunError(f"the kaggle client gives no status of {kernel}: {output.strip() or 'it said nothing'}")
        state = found[1]
        reason = REASON.search(output)
        ended = state == "COMPLETE" or state in FAILED
        return (state, reason[1] if reason else "") if ended else None

    ended, reason = poll(look, lambda: f"{kernel} {state}", "kernel", interval)
    if ended == "COMPLETE":
        say("kernel", f"{kernel} is complete")
        return
    log = "its log's last lines are above"
    try:
        show_log(kernel, slug)
    except (InputError, RunError) as error:  # that the kernel failed is the news
        log = f"its log cannot be had ({error})"
    raise RunError(f"{kernel} ended with {ended}{f': {reason}' if reason else ''}; {log}")


def poll(look: Callable[[], Any], state: Callable[[], str], stage: str, interval: float) -> Any:
    """Look again and again until there is a result.

    Once it has worked, a few failures in a row are waited out: a network that is away for a minute must not end what
    waits for hours.

    Args:
        look: gives the result or None.
        state: what to show meanwhile.
        stage: name of the command.
        interval: seconds between two looks.
    """
    allowed = 0
    with Progress(stage) as clock:
        while True:
            try:
                result = look()
            except RunError:
                if not allowed:
                    raise
                allowed -= 1
            else:
                allowed = TRIES
                if result is not None:
                    return result
            clock.wait(state(), interval)


def show_log(kernel: str, slug: str) -> None:
    """The last lines of a kernel's log."""
    for line in log_lines(run_client(log_arguments(kernel), slug, kernel, show=False))[-LOG_LINES:]:
        say("log", line)


def log_lines(text: str) -> list[str]:
    r"""The lines that a kernel wrote; the service gives them as text, or as JSON with a time for each piece.

    >>> log_lines('[{"stream_name": "stdout", "time": 1.5, "data": "a\\nb"}, {"data": "c\\n"}]')
    ['a', 'bc']
    """
    try:
        pieces = json.loads(text)
        text = "".join(piece["data"] for piece in pieces)
    except (ValueError, TypeError, KeyError):
        pass  # plain text
    return [line for line in text.splitlines() if line.strip()]


def output_arguments(kernel: str, folder: Path) -> list[str]:
    """The client's command."""
    return ["kernels", "output", kernel, "-p", str(folder)]


def fetch_output(kernel: str, slug: str, folder: Path) -> list[Path]:
    """Fetch what the kernel wrote; `folder` is replaced once everything is there.

    Returns:
        The files in it.

    Raises:
        RunError: nothing is there, or the submission is an error page.
    """
    with atomic_folder(folder) as temporary:
        run_client(output_arguments(kernel, temporary), slug, kernel, patience=OUTPUT_PATIENCE)
        found = [path.relative_to(temporary) for path in sorted(temporary.rglob("*")) if path.is_file()]
        if not [path for path in found if path.suffix != ".log"]:
            raise RunError(f"{kernel} has no output; see whether it ended, with kernel status")
        submission = temporary / "submission.csv"
        # The client saves whatever the storage answers, so also that it has an error or that the address is too old.
        if submission.is_file() and submission.read_bytes()[:1] in (b"", b"<", b"{"):
            raise RunError("submission.csv of the kernel arrived as an error page or empty; run the same command again")
    return [folder / path for path in found]
