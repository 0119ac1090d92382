"""Submit a CSV or a kernel's version, and wait for the score."""

import math
from datetime import datetime
from typing import Any

from foldwise.console import say, warn
from foldwise.errors import InputError, RunError, shorten
from foldwise.files import write_checked
from foldwise.hashing import hash_of
from foldwise.kaggle.client import json_in, poll, run_client
from foldwise.lock import lock
from foldwise.paths import Paths
from foldwise.records import Content, PublicScores, read_or_warn

INTERVAL = 10.0  # seconds between two looks at a submission, which takes seconds unless a kernel runs for it
WAIT = 10.0  # seconds for another command to write its score
FAILED = "Could not submit"
LOOKS = 30  # until the submission shows in the list at all; its score may take hours after that
TELLING = 20  # characters of a message that nobody else has by chance
CUT = 100  # characters that any list keeps of a message


class Made(Content):
    """What is read of summary.json."""

    metric: str
    cv: dict[str, float]
    outputs: list[str]


def default_message(paths: Paths) -> str:
    """What made the submission, where the user says nothing: metric and score out of fold, if it is of that run."""
    summary = read_or_warn(paths.summary, Made, "the message does not say the score")
    made = hash_of(paths.submission) if paths.submission.is_file() else None
    if not summary or made not in summary["outputs"]:
        return "foldwise"
    return f"foldwise, {summary['metric']} {summary['cv']['pooled']:.4f} out of fold"


def submit(name: str, slug: str, message: str, interval: float = INTERVAL, **values: Any) -> str:
    """Submit by the client's command `name`, wait, and show the public score; "" where the contest shows none.

    The message tells the submission from others in the list: team mates may submit meanwhile.
    """
    page = f"https://www.kaggle.com/competitions/{slug}/submissions"
    before = {entry["ref"] for entry in list_submissions(slug)}
    if FAILED in run_client(name, slug=slug, message=message, **values):
        raise RunError("the upload of the submission failed, so nothing was submitted; run the same command again")
    looks = 0
    for entries in poll(lambda: list_submissions(slug), lambda _: f"{slug} waits for its score", "submit", interval):
        own = [entry for entry in entries if entry["ref"] not in before and is_own(entry, message)]
        looks += not own
        if looks > LOOKS or (own and not str(own[-1]["status"]).upper().endswith("PENDING")):
            break
    if not own:
        raise RunError(
            f"no new submission with the message {shorten(message)} shows in the list; it may have been taken all the "
            f"same: look at {page} before you submit again"
        )
    if len(own) > 1:
        warn(f"{len(own)} new submissions have the message {shorten(message)}; the first one's score is shown")
    ours = own[-1]
    if not str(ours["status"]).upper().endswith("COMPLETE"):
        raise RunError(f"Kaggle could not score the submission; {page} says why")
    score, private = str(ours.get("publicScore") or ""), ours.get("privateScore")
    shown = f"public score {score}" if score else f"complete; the contest shows no score ({page})"
    say("submit", f"{shown}{f', private score {private}' if private else ''}")
    return score


def keep_score(paths: Paths, score: str, message: str, submission: str | None) -> None:
    """Write a public score beside the run that made the submission, whose hash this is; `compare` shows it."""
    try:
        value = float(score)
    except ValueError:  # the contest shows none
        return
    if not math.isfinite(value):
        return
    date = datetime.now().astimezone().isoformat(timespec="seconds")
    entry = {"date": date, "score": value, "message": message, "submission": submission}
    path, what = paths.public_scores, f"another command writes {paths.public_scores}"
    try:
        with lock(path.with_name(f".{path.name}.lock"), WAIT, what, ""):
            known = read_or_warn(path, PublicScores, "scores before this one are not kept") or {"scores": []}
            write_checked(path, {"scores": [*known["scores"], entry]})
    except (OSError, InputError, RunError) as error:  # it is submitted all the same
        warn(f"{path}: the public score could not be written there ({error})")


def is_own(entry: dict[str, Any], message: str) -> bool:
    """True of a submission with this message, which tells it from others: the list does not say who submitted.

    A long message may come back within a longer text or cut short.

    >>> [is_own({"description": text}, "five folds") for text in ("five  folds", "five folds, seed 1", None)]
    [True, False, False]
    """
    ours, theirs = (" ".join(str(text or "").split()) for text in (message, entry.get("description")))
    within = len(ours) >= TELLING and ours in theirs
    return ours == theirs or within or (len(theirs) >= CUT and ours.startswith(theirs))


def list_submissions(slug: str) -> list[dict[str, Any]]:
    """The newest submissions, newest first."""
    output = run_client("submissions", show=False, slug=slug)
    if "No submissions found" in output:
        return []
    try:
        return [entry for entry in json_in(output) if entry["ref"] is not None and entry["status"] is not None]
    except (TypeError, KeyError):
        raise RunError(f"the kaggle client's list of submissions cannot be read: {output[:200]}") from None
