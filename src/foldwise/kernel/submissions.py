"""Submit a CSV or a kernel's version, and wait for the score."""

import json
from pathlib import Path
from typing import Any

from foldwise.console import say
from foldwise.errors import RunError
from foldwise.kernel.client import run_client
from foldwise.kernel.service import SCORE_INTERVAL, poll

FAILED = "Could not submit"


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


def submit(arguments: list[str], slug: str, interval: float = SCORE_INTERVAL) -> str:
    """Submit, wait, and show the score.

    Args:
        arguments: of `csv_arguments` or `kernel_arguments`.
        slug: the contest.
        interval: seconds between two looks.

    Returns:
        The public score; empty where the contest shows none.

    Raises:
        RunError: the upload failed, or the service could not score it.
    """
    before = {entry["ref"] for entry in submissions(slug)}
    output = run_client(arguments, slug)
    if FAILED in output:
        raise RunError("the upload of the submission failed, so nothing was submitted; run the same command again")

    def look() -> dict[str, Any] | None:
        new = [entry for entry in submissions(slug) if entry["ref"] not in before]
        return new[0] if new and not is_pending(new[0]) else None

    scored = poll(look, lambda: f"{slug} waits for its score", "submit", interval)
    page = f"https://www.kaggle.com/competitions/{slug}/submissions"
    if not str(scored["status"]).upper().endswith("COMPLETE"):
        raise RunError(f"Kaggle could not score the submission; {page} says why")
    score = str(scored.get("publicScore") or "")
    private = scored.get("privateScore")
    shown = f"public score {score}" if score else f"complete; the contest shows no score ({page})"
    say("submit", f"{shown}{f', private score {private}' if private else ''}")
    return score


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
    start = output.find("[")  # warnings may come first
    try:
        entries = json.loads(output[start:])
        return [entry for entry in entries if entry["ref"] is not None and entry["status"] is not None]
    except (ValueError, TypeError, KeyError):
        raise RunError(f"the kaggle client's list of submissions cannot be read: {output[:200]}") from None
