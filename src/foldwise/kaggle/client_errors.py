"""What the client's words mean: one line for each error, with the fix.

The client says why it failed in one of three ways: the HTTP status, the service's own sentence without a status, or a
traceback.
"""

import re
import sys

from foldwise.errors import InputError, RunError
from foldwise.kaggle import credentials

INSTALL = f"{sys.executable} -m pip install kaggle==2.2.4 six"  # into the Python that runs this
STATUS = re.compile(r"\b([45]\d\d) (?:Client|Server) Error")
# Sentences of the client and of the service, and the status that they stand for; the first that fits counts.
SENTENCES = (
    (401, r"Authentication required to call|unauthenticated|unauthorized"),
    (403, r"accept\b.{0,60}\brules|permission '[\w.]+' (?:was )?denied|^forbidden"),
    (404, r"^(?:\w+ ){0,2}not found\b(?!:)|could not find"),
    (429, r"too many requests|rate limit"),
    (500, r"internal (?:server )?error|service unavailable|bad gateway"),
)
CUT_OFF = r"IncompleteRead|does not match expected size|Download failed after|Connection broken|Read timed out"
OFFLINE = (
    r"Failed to establish a new connection|Failed to resolve|Max retries exceeded|Unable to connect|"
    r"Network is unreachable|ConnectionError|Connection aborted|RemoteDisconnected|ConnectTimeout"
)
AGAIN = "run the same command again"


def explain(output: str, slug: str, kernel: str = "") -> Exception:
    """The error that made the client fail, from all that it wrote; `kernel` is owner/name if the call was about one."""
    status = find_status(output)
    last = next((line.strip() for line in reversed(output.splitlines()) if line.strip()), "it said nothing")
    if "No module named" in output:
        return InputError(f"the kaggle client lacks a package: {last}; run `{INSTALL}`")
    if kernel and (status == 404 or f"Cannot access kernel '{kernel}'" in output):
        return InputError(
            f"Kaggle has no kernel {kernel} that these credentials may see; push it first, or fix the id in "
            "kernel-metadata.json: your user name, a slash, the kernel's name"
        )
    if "No space left" in output:
        return RunError(f"the disk is full; make room and {AGAIN}")
    if re.search(CUT_OFF, output):
        return RunError(f"the transfer was cut off; {AGAIN}, it goes on where it stopped")
    if status == 401:
        refused = "Kaggle refuses the credentials (401), which may have expired"
        return InputError(f"{refused if credentials.secrets() else 'no Kaggle credentials'}: {credentials.HOW}")
    if status == 403:
        rules = f"https://www.kaggle.com/competitions/{slug}/rules"
        return InputError(
            f"Kaggle refuses access to {kernel or slug} (403): join the contest and accept its rules at {rules}, then "
            f"{AGAIN}"
        )
    if status == 404:
        return InputError(
            f"Kaggle has no contest {slug!r} (404); give the last part of its address: kaggle.com/competitions/SLUG"
        )
    if status == 429:
        return RunError(f"Kaggle counts too many requests (429); wait some minutes and {AGAIN}")
    if status >= 500:
        return RunError(f"Kaggle has an error of its own ({status}); {AGAIN} later")
    if status:
        return RunError(f"Kaggle refuses the request ({status}): {last}")
    if re.search(OFFLINE, output):
        return RunError(f"kaggle.com cannot be reached; check the network (and the proxy) and {AGAIN}")
    return RunError(f"the kaggle client failed: {last}")


def find_status(output: str) -> int:
    """The HTTP status that the client met, 0 where its words show none."""
    if found := STATUS.findall(output):
        return int(found[-1])
    return next((status for status, words in SENTENCES if re.search(words, output, re.IGNORECASE | re.MULTILINE)), 0)
