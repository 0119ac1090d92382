"""Upload the dataset that a kernel reads its weights and word vectors from, and wait until the kernel can see it.

The client ends with 0 after an upload that failed and after a refusal; an unknown dataset shows as 404 or 403.
"""

import re
from pathlib import Path

from foldwise.console import say
from foldwise.errors import InputError, RunError
from foldwise.files import write_checked
from foldwise.hashing import hash_of
from foldwise.kaggle.client import call_client, json_in, poll
from foldwise.kaggle.client_errors import explain, find_status
from foldwise.kaggle.metadata import DATASET_METADATA, dataset_files
from foldwise.records import Content, read_or_warn

INTERVAL = 10.0  # seconds between two looks at a dataset, which takes a minute or so
LOOKS = 60  # for a dataset or version to show: after Kaggle has taken it, and after Kaggle says that it is ready
LOST = re.compile(r"^(?:Upload unsuccessful|Skipping): (.*)", re.MULTILINE)
REFUSED = re.compile(r"^Dataset (?:version )?creation error: (.*)", re.MULTILINE)
TAKEN = "is being created"
FAILED = ("failed", "deleted")
UNKNOWN = (403, 404)
NOT_SEEN, NOT_NEW = "not to be seen yet", "ready but for its new version"


class Uploaded(Content):
    """kernel-dataset-uploaded.json."""

    dataset: str  # owner/name
    content: str  # hash of its files
    version: int = 0


def update_dataset(
    folder: Path, dataset: str, record: Path, message: str, slug: str, interval: float = INTERVAL
) -> None:
    """Upload the files of `folder` as the dataset owner/name if they have changed, and wait until kernels see it.

    Args:
        record: a file that remembers what was uploaded from here, and the version that it became.
        message: beside the version, shown on Kaggle.
        slug: the contest, for messages.
    """
    state, there = look_at(dataset, slug)
    content = {"dataset": dataset, "content": hash_files(folder)}
    known = read_or_warn(record, Uploaded, "the dataset is uploaded again") or {}
    same = state != NOT_SEEN and content.items() <= known.items()
    version = known.get("version", 0) if same else 0
    if version and there <= version:
        say("dataset", f"kept: {dataset} has these files already")
    else:
        if version:
            say("dataset", f"version {there} of {dataset} is from elsewhere, later than version {version} from here")
        upload(folder, dataset, None if state == NOT_SEEN else message, slug)
        version = there + 1
        write_checked(record, {**content, "version": version})  # also for a call after this one was broken off
    version = wait_until_ready(dataset, version, slug, record, interval)
    write_checked(record, {**content, "version": version})
    say("dataset", f"{dataset} is ready")


def hash_files(folder: Path) -> str:
    """Hash of the files' names and contents."""
    return hash_of(*(part for path in dataset_files(folder) for part in (path.relative_to(folder).as_posix(), path)))


def look_at(dataset: str, slug: str) -> tuple[str, int]:
    """State and version of a dataset; `NOT_SEEN` and 0 if these credentials may see none of that name."""
    code, output = call_client("dataset status", show=False, dataset=dataset)
    if code != 0 and find_status(output) in UNKNOWN:
        return NOT_SEEN, 0
    if code != 0:
        raise explain(output, slug)
    found = json_in(output)
    return str(found["status"]), int(found["current_version_number"])


def upload(folder: Path, dataset: str, message: str | None, slug: str) -> None:
    """Create the dataset, or with a message a new version of it."""
    size = sum(path.stat().st_size for path in dataset_files(folder))
    kind, name = ("new dataset", "create dataset") if message is None else ("new version", "update dataset")
    say("dataset", f"{dataset}: {size / 1e6:,.1f} MB go up as a {kind}")
    code, output = call_client(name, folder=folder, message=message)
    if lost := LOST.findall(output):
        raise RunError(f"{', '.join(lost)} did not arrive at {dataset}; run the same command again, it uploads anew")
    if code != 0 and (status := find_status(output)) in UNKNOWN:
        raise InputError(
            f"{folder / DATASET_METADATA}: Kaggle does not let these credentials write to {dataset} ({status}); "
            "its id must be your own user name, a slash and the dataset's name"
        )
    if code != 0:
        raise explain(output, slug)
    if refused := REFUSED.search(output):
        if "already in use" in refused[1]:
            raise InputError(f"{folder / DATASET_METADATA}: {refused[1]} Its name in id must be another one as well.")
        raise RunError(f"Kaggle refuses the dataset {dataset}: {refused[1]}")
    if TAKEN not in output:
        raise RunError(f"Kaggle does not say that it took {dataset}: {output.strip() or 'nothing'}; push again")


def wait_until_ready(dataset: str, uploaded: int, slug: str, record: Path, interval: float) -> int:
    """Wait until kernels see version `uploaded` or a later one; which it is.

    The old version stays ready while the new one is made: its number tells them apart. If it cannot be made, `record`
    is removed.
    """

    def look() -> tuple[str, int]:
        state, version = look_at(dataset, slug)
        return NOT_NEW if state == "ready" and version < uploaded else state, version

    hidden = 0
    for seen in poll(look, lambda seen: f"{dataset} {seen[0].replace('_', ' ')}", "dataset", interval):
        state, version = seen
        hidden += state in (NOT_SEEN, NOT_NEW)
        if state in ("ready", *FAILED) or hidden > LOOKS:
            break
    if state in FAILED:
        record.unlink(missing_ok=True)
        raise RunError(f"Kaggle could not make the dataset {dataset} ({state}); run the same command again")
    if state != "ready":
        what = f"the {'new version of' if state == NOT_NEW else 'dataset'} {dataset}"
        page = f"https://www.kaggle.com/datasets/{dataset}"
        raise RunError(f"{what} does not show; see {page}, and run the same command again")
    return version
