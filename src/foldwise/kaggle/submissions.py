"""Submit a CSV or a kernel's version, and wait for the score."""

from pathlib import Path
from typing import Any

from foldwise.console import say, warn
from foldwise.errors import RunError, shorten
from foldwise.kaggle.client import json_in, run_client
from foldwise.kaggle.service import SCORE_INTERVAL, poll

FAILED = "Could not submit"
LOOKS = 30  # until the submission shows in the list at all; its score may take hours after that
TELLING = 20  # characters of a message that nobody else has by chance
CUT = 100  # characters that any list keeps of a message


def csv_arguments(slug: str, path: Path, message: str) -> list[str]:
    """The client's command for a file."""
    return ["competitions", "submit", slug, "-f", str(path), f"--message={message}"]


def kernel_arguments(slug: str, kernel: str, version: int, message: str) -> list[str]:
    """The client's command for a kernel's version, whose submission.csv is taken from its rerun."""
    return [
        *("competitions", "submit", slug, "-k", kernel, "-v", str(version)),
        *("-f", "submission.csv", f"--message={message}"),
    ]


def list_arguments(slug: str) -> list[str]:
    """The client's command for the newest submissions."""
    return ["competitions", "submissions", slug, "--format", "json"]


def submit(arguments: list[str], slug: str, message: str, interval: float = SCORE_INTERVAL) -> str:
    """Submit, wait, and show the score.

    Args:
        arguments: of `csv_arguments` or `kernel_arguments`.
        slug: the contest.
        message: the one in `arguments`, by which the submission is known in the list: others may submit meanwhile.
        interval: seconds between two looks.

    Returns:
        The public score; empty where the contest shows none.

    Raises:
        RunError: the upload failed, the submission does not show, or the service could not score it.
    """
    before = {entry["ref"] for entry in submissions(slug)}
    output = run_client(arguments, slug)
    if FAILED in output:
        raise RunError("the upload of the submission failed, so nothing was submitted; run the same command again")
    looks, ref = 0, None

    def look() -> dict[str, Any] | None:
        nonlocal looks, ref
        new = [entry for entry in submissions(slug) if entry["ref"] not in before]
        own = [entry for entry in new if (entry["ref"] == ref if ref else is_own(entry, message))]
        if not own:
            looks += ref is None
            return {} if looks > LOOKS else None
        if len(own) > 1:
            warn(f"{len(own)} new submissions have the message {shorten(message)}; the first one's score is shown")
        ref = own[-1]["ref"]
        return None if is_pending(own[-1]) else own[-1]

    scored = poll(look, lambda: f"{slug} waits for its score", "submit", interval)
    page = f"https://www.kaggle.com/competitions/{slug}/submissions"
    if not scored:
        raise RunError(
            f"no new submission with the message {shorten(message)} shows in the list; it may have been taken all the "
            f"same: look at {page} before you submit again"
        )
    if not str(scored["status"]).upper().endswith("COMPLETE"):
        raise RunError(f"Kaggle could not score the submission; {page} says why")
    score = str(scored.get("publicScore") or "")
    private = scored.get("privateScore")
    shown = f"public score {score}" if score else f"complete; the contest shows no score ({page})"
    say("submit", f"{shown}{f', private score {private}' if private else ''}")
    return score


def is_own(entry: dict[str, Any], message: str) -> bool:
    """True of a submission with this message.

    The list gives number, file name, time, message, state and scores, and not who submitted; file names are all alike.
    A long message may come back within a longer text or cut short.

    >>> [is_own({"description": text}, "five folds") for text in ("five  folds", "five folds, seed 1", None)]
    [True, False, False]
    """
    ours, theirs = (" ".join(str(text or "").split()) for text in (message, entry.get("description")))
    within = len(ours) >= TELLING and ours in theirs
    return ours == theirs or within or (len(theirs) >= CUT and ours.startswith(theirs))


def is_pending(entry: dict[str, Any]) -> bool:
    """True of a submission that still runs."""
    return str(entry["status"]).upper().endswith("PENDING")


def submissions(slug: str) -> list[dict[str, Any]]:
    """The newest submissions, newest first.

    Raises:
        RunError: the client's words are not what is expected.
    """
    output = run_client(list_arguments(slug), slug, show=False)
    if "No submissions found" in output:
        return []
    try:
        entries = json_in(output, "[")
        return [entry for entry in entries if entry["ref"] is not None and entry["status"] is not None]
    except (TypeError, KeyError):
        raise RunError(f"the kaggle client's list of submissions cannot be read: {output[:200]}") from None
