"""Push a kernel, wait for it and fetch its output, by driving the client and reading its words.

The client ends with 0 after a push that the service refused, and for a kernel that failed.
"""

import json
import re
from contextlib import suppress
from pathlib import Path

from foldwise.console import say, warn
from foldwise.errors import InputError, RunError
from foldwise.files import atomic_folder, write_checked
from foldwise.kaggle.client import json_in, poll, run_client
from foldwise.kaggle.metadata import KERNEL_METADATA
from foldwise.records import Content

LONGEST_RUN = 12.0  # hours that a kernel with a GPU may run at most
INTERVAL = 30.0  # seconds between two looks at a kernel, which runs for minutes to hours
LOG_LINES = 20
PUSHED = re.compile(r"Kernel version (\d+) successfully pushed")
REFUSED = re.compile(r"Kernel push error: (.*)")
INVALID = re.compile(r"The following are not valid (\w+) (?:sources )?and could not be added to the kernel: (.*)")
STATE = re.compile(r'has status "(?:KernelWorkerStatus\.)?(\w+)"')
REASON = re.compile(r'Failure message: "(.*)"', re.DOTALL)
ENDED = ("ERROR", "CANCEL_REQUESTED", "CANCEL_ACKNOWLEDGED")


def show_quota(slug: str) -> None:
    """Say how many hours of GPU are left this week, and warn where a kernel could need more.

    A quota that cannot be had is no reason not to push: Kaggle itself refuses what it does not allow.
    """
    try:
        rows = json_in(run_client("quota", show=False, slug=slug))
        gpu = {row["resource"]: row for row in rows}["GPU"]
        left, total = (float(str(gpu[key]).removesuffix("h")) for key in ("remaining", "total"))
    except (InputError, RunError, LookupError, TypeError, ValueError) as error:
        warn(f"the GPU quota cannot be had, going on without it: {error}")
        return
    say("kernel", f"GPU quota: {left:.1f} of {total:g} h left this week")
    again = f", new hours on {str(gpu['refreshAt'])[:10]}" if gpu.get("refreshAt") else ""
    if left <= 0:
        warn(f"no GPU hours are left this week{again}: Kaggle will refuse the kernel or run it without a GPU")
    elif left < LONGEST_RUN:
        warn(f"a kernel may run for up to {LONGEST_RUN:g} h, and ends without output when the hours are used up{again}")


class Pushed(Content):
    """kernel-pushed.json."""

    id: str  # owner/name
    version: int


def push_kernel(folder: Path, slug: str, kernel: str, record: Path) -> int:
    """Send what `kernel build` made in `folder`, which starts it; → its version, which `record` remembers."""
    output = run_client("push", slug=slug, kernel=kernel, folder=folder)
    if refused := REFUSED.search(output):
        raise RunError(f"Kaggle refuses the kernel: {refused[1]}")
    if invalid := INVALID.findall(output):
        named = "; ".join(f"{kind} {names}" for kind, names in invalid)
        raise InputError(
            f"{folder / KERNEL_METADATA}: Kaggle took the kernel without what it does not know: {named}; fix the "
            "names, or make the dataset first, and push again"
        )
    found = PUSHED.search(output)
    if not found:
        raise RunError(f"Kaggle gives the kernel no version: {output.strip() or 'it said nothing'}; push again")
    write_checked(record, {"id": kernel, "version": int(found[1])})
    return int(found[1])


def wait_for_kernel(kernel: str, slug: str, interval: float = INTERVAL) -> None:
    """Wait until the kernel has ended; `RunError` if it failed, with the last lines of its log before it."""

    def look() -> tuple[str, str]:
        output = run_client("status", show=False, slug=slug, kernel=kernel)
        state, reason = STATE.search(output), REASON.search(output)
        if not state:
            raise RunError(f"the kaggle client gives no status of {kernel}: {output.strip() or 'it said nothing'}")
        return state[1], reason[1] if reason else ""

    for seen in poll(look, lambda seen: f"{kernel} {seen[0]}", "kernel", interval):
        state, reason = seen
        if state == "COMPLETE":
            return say("kernel", f"{kernel} is complete")
        if state in ENDED:
            break
    try:
        log = run_client("log", show=False, slug=slug, kernel=kernel)
        for line in log_lines(log)[-LOG_LINES:]:
            say("log", line)
        where = "its log's last lines are above"
    except (InputError, RunError) as error:  # that the kernel failed is the news
        where = f"its log cannot be had ({error})"
    raise RunError(f"{kernel} ended with {state}{f': {reason}' if reason else ''}; {where}")


def log_lines(text: str) -> list[str]:
    r"""The lines that a kernel wrote; the service gives them as text, or as JSON with a time for each piece.

    >>> log_lines('[{"stream_name": "stdout", "time": 1.5, "data": "a\\nb"}, {"data": "c\\n"}]')
    ['a', 'bc']
    """
    with suppress(ValueError, TypeError, KeyError, RecursionError):  # plain text
        text = "".join(piece["data"] for piece in json.loads(text))
    return [line for line in text.splitlines() if line.strip()]


def fetch_output(kernel: str, slug: str, folder: Path) -> list[Path]:
    """Fetch what the kernel wrote, and give its files; `folder` is replaced once everything is there."""
    with atomic_folder(folder) as temporary:
        run_client("output", slug=slug, kernel=kernel, folder=temporary)
        found = [path.relative_to(temporary) for path in sorted(temporary.rglob("*")) if path.is_file()]
        if not [path for path in found if path.suffix != ".log"]:
            raise RunError(f"{kernel} has no output; see whether it ended, with kernel status")
        submission = temporary / "submission.csv"
        # The client saves whatever the storage answers, so also that it has an error or that the address is too old.
        if submission.is_file() and submission.read_bytes()[:1] in (b"", b"<", b"{"):
            raise RunError("submission.csv of the kernel arrived as an error page or empty; run the same command again")
    return [folder / path for path in found]
