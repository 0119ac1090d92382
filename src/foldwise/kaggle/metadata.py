"""kernel-metadata.json and dataset-metadata.json: what the client reads of them is checked before it runs."""

import json
import re
from pathlib import Path
from typing import Any

from foldwise.errors import InputError, shorten
from foldwise.kaggle.naming import LONGEST, OWNED, SHORTEST

KERNEL_METADATA = "kernel-metadata.json"
DATASET_METADATA = "dataset-metadata.json"


def kernel_metadata(folder: Path, build: str) -> dict[str, Any]:
    """What the built kernel says of itself.

    Args:
        folder: of the kernel.
        build: the command that builds it, for the message.

    Raises:
        InputError: no kernel, or an id that is none.
    """
    return read_metadata(folder / KERNEL_METADATA, "kernel", build)


def dataset_metadata(folder: Path, kernel: dict[str, Any], build: str) -> dict[str, Any]:
    """What the dataset beside a kernel says of itself.

    Args:
        folder: of the dataset.
        kernel: metadata of the kernel that needs it.
        build: the command that builds both, for the message.

    Raises:
        InputError: an id, title or licence that Kaggle does not take, no files, or a kernel that does not name it.
    """
    path = folder / DATASET_METADATA
    content = read_metadata(path, "dataset", build)
    title, licences = content.get("title"), content.get("licenses")
    for key, value in (("title", title), ("the name in id", content["id"].partition("/")[2])):
        if not isinstance(value, str) or not SHORTEST <= len(value) <= LONGEST:
            raise InputError(f"{path}: {key} is {shorten(value)}: Kaggle wants {SHORTEST} to {LONGEST} characters")
    if not isinstance(licences, list) or len(licences) != 1 or not isinstance(licences[0], dict):
        raise InputError(f'{path}: licenses = {shorten(licences)}: give one, such as [{{"name": "MIT"}}]')
    if content["id"] not in kernel.get("dataset_sources", []):
        raise InputError(
            f"{path}: the kernel does not name {content['id']} among its dataset_sources; run `{build}` again"
        )
    if not dataset_files(folder):
        raise InputError(f"{folder}: no files for the dataset; run `{build}` again")
    return content


def dataset_files(folder: Path) -> list[Path]:
    """The files that make a dataset, in order of their names."""
    return [path for path in sorted(folder.rglob("*")) if path.is_file() and path.name != DATASET_METADATA]


def read_metadata(path: Path, kind: str, build: str) -> dict[str, Any]:
    """A metadata file of the client, with an id of the form owner/name.

    Args:
        path: the file.
        kind: "kernel" or "dataset", for the message.
        build: the command that writes it, for the message.

    Raises:
        InputError: no such file, or not such content.
    """
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise InputError(f"{path}: no {kind} is built yet; run `{build}` first") from None
    except ValueError as error:
        raise InputError(f"{path}: not JSON ({error}); run `{build}` again") from None
    name = content.get("id") if isinstance(content, dict) else None
    if not isinstance(name, str) or not re.fullmatch(OWNED, name):
        raise InputError(f"{path}: id = {name!r}: write your Kaggle user name, a slash and the {kind}'s name")
    return dict(content)
