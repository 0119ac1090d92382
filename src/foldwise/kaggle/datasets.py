"""Bring the dataset up that a kernel reads its weights and word vectors from, and wait until the kernel can see it.

The client ends with 0 after an upload that failed and after a refusal; an unknown dataset shows as 404 or 403.
"""

import re
from pathlib import Path
from typing import Any

from foldwise.console import say
from foldwise.errors import InputError, RunError
from foldwise.files import hash_of, read_json, write_json
from foldwise.kaggle.client import call_client, json_in
from foldwise.kaggle.client_errors import explain, status_of
from foldwise.kaggle.metadata import DATASET_METADATA, dataset_files
from foldwise.kaggle.service import poll

INTERVAL = 10.0  # seconds between two looks at a dataset, which takes a minute or so
LOOKS = 60  # for a dataset or version to show: after Kaggle has taken it, and after Kaggle says that it is ready
LOST = re.compile(r"^(?:Upload unsuccessful|Skipping): (.*)", re.MULTILINE)
REFUSED = re.compile(r"^Dataset (?:version )?creation error: (.*)", re.MULTILINE)
TAKEN = "is being created"
FAILED = ("failed", "deleted")
UNKNOWN = (403, 404)
NOT_SEEN, NOT_NEW = "not to be seen yet", "ready but for its new version"


def create_arguments(folder: Path) -> list[str]:
    """The client's command for a dataset that Kaggle does not have. Without -r zip it would leave out sub-folders."""
    return ["datasets", "create", "-p", str(folder), "-r", "zip"]


def version_arguments(folder: Path, message: str) -> list[str]:
    """The client's command for a new version."""
    return ["datasets", "version", "-p", str(folder), "-r", "zip", "-m", message]


def status_arguments(dataset: str) -> list[str]:
    """The client's command: state, and number of the version that kernels see."""
    return ["datasets", "status", dataset, "--format", "json"]


def commands(folder: Path, dataset: str, message: str) -> list[tuple[list[str], str]]:
    """What `bring_up` would call, in order, each with the condition under which it would; no file is read."""
    status = status_arguments(dataset)
    return [
        (status, ""),
        (create_arguments(folder), "if Kaggle does not have the dataset"),
        (version_arguments(folder, message), "if it has other files"),
        (status, "until it is ready"),
    ]


def bring_up(folder: Path, dataset: str, record: Path, message: str, slug: str, interval: float = INTERVAL) -> None:
    """Upload what is new, and wait until kernels see it.

    Args:
        folder: with the files and their dataset-metadata.json.
        dataset: owner/name.
        record: a file that remembers what was uploaded from here.
        message: beside the version, shown on Kaggle.
        slug: the contest, for messages.
        interval: seconds between two looks.

    Raises:
        InputError: credentials, a name that is taken or is not one's own.
        RunError: network, service, files that did not arrive, or a dataset that Kaggle could not make.
    """
    found = look_up(dataset, slug)
    there = found["current_version_number"] if found else -1
    uploaded = uploaded_version(folder, dataset, record) if found else None
    if uploaded is not None and there <= uploaded:
        say("dataset", f"kept: {dataset} has these files already")
    else:
        if uploaded is not None:
            say("dataset", f"version {there} of {dataset} is from elsewhere, later than version {uploaded} from here")
        upload(folder, dataset, message if found else None, slug)
        # The old version stays ready while the new one is made: its number tells them apart.
        write_json(record, {"dataset": dataset, "content": content_of(folder), "before": there})
    wait_until_ready(dataset, slug, record, interval)


def uploaded_version(folder: Path, dataset: str, record: Path) -> int | None:
    """The version that the last upload from here made, if it was to this dataset and of the same content, else None.

    Where the wait for it was broken off, that is the one after those which were there before.
    """
    known = read_json(record) or {}
    if known.get("dataset") != dataset or known.get("content") != content_of(folder):
        return None
    return int(known.get("version", max(known["before"], 0) + 1))


def content_of(folder: Path) -> str:
    """Hash of the files' names, sizes and contents."""
    parts: list[Any] = []
    for path in dataset_files(folder):
        parts += [path.relative_to(folder).as_posix(), path.stat().st_size, path]
    return hash_of(*parts)


def look_up(dataset: str, slug: str) -> dict[str, Any] | None:
    """State and version of a dataset, None if Kaggle has none of that name that these credentials may see."""
    code, output = call_client(status_arguments(dataset), show=False)
    if code == 0:
        return dict(json_in(output, "{"))
    if status_of(output) in UNKNOWN:
        return None
    raise explain(output, slug)


def upload(folder: Path, dataset: str, message: str | None, slug: str) -> None:
    """Create the dataset, or a new version of it.

    Args:
        folder: with the files and their dataset-metadata.json.
        dataset: owner/name.
        message: of a new version; None creates the dataset.
        slug: the contest, for messages.
    """
    size = sum(path.stat().st_size for path in dataset_files(folder))
    say("dataset", f"{dataset}: {size / 1e6:,.1f} MB go up as a {'new dataset' if message is None else 'new version'}")
    code, output = call_client(create_arguments(folder) if message is None else version_arguments(folder, message))
    if lost := LOST.findall(output):
        raise RunError(f"{', '.join(lost)} did not arrive at {dataset}; run the same command again, it uploads anew")
    if code != 0 and status_of(output) in UNKNOWN:
        raise InputError(
            f"{folder / DATASET_METADATA}: Kaggle does not let these credentials write to {dataset} "
            f"({status_of(output)}); its id must be your own user name, a slash and the dataset's name"
        )
    if code != 0:
        raise explain(output, slug)
    if refused := REFUSED.search(output):
        if "already in use" in refused[1]:
            raise InputError(f"{folder / DATASET_METADATA}: {refused[1]} Its name in id must be another one as well.")
        raise RunError(f"Kaggle refuses the dataset {dataset}: {refused[1]}")
    if TAKEN not in output:
        raise RunError(f"Kaggle does not say that it took {dataset}: {output.strip() or 'nothing'}; push again")


def wait_until_ready(dataset: str, slug: str, record: Path, interval: float) -> None:
    """Wait until Kaggle has unpacked the dataset, and the version that kernels see is the uploaded one; remember it.

    Raises:
        RunError: it could not be made, or it or its new version does not show.
    """
    known = read_json(record) or {}
    state, hidden, version = "unknown", 0, 0

    def look() -> str | None:
        nonlocal state, hidden, version
        found = look_up(dataset, slug)
        state, version = (str(found["status"]), found["current_version_number"]) if found else (NOT_SEEN, 0)
        if found and state == "ready" and version <= known["before"]:
            state = NOT_NEW
        hidden += state in (NOT_SEEN, NOT_NEW)
        return state if state in ("ready", *FAILED) or hidden > LOOKS else None

    ended = poll(look, lambda: f"{dataset} {state.replace('_', ' ')}", "dataset", interval)
    if ended in FAILED:
        record.unlink(missing_ok=True)
        raise RunError(f"Kaggle could not make the dataset {dataset} ({ended}); run the same command again")
    if ended != "ready":
        what = f"the {'new version of' if ended == NOT_NEW else 'dataset'} {dataset}"
        page = f"https://www.kaggle.com/datasets/{dataset}"
        raise RunError(f"{what} does not show; see {page}, and run the same command again")
    write_json(record, {**known, "version": version})
    say("dataset", f"{dataset} is ready")
