"""kernel-metadata.json and dataset-metadata.json: the names Kaggle takes, what is written, and what is read again."""

import json
import re
from pathlib import Path
from typing import Any

from foldwise.errors import InputError

KERNEL_METADATA = "kernel-metadata.json"
DATASET_METADATA = "dataset-metadata.json"
USER = "[A-Za-z0-9_-]+"  # a user as it stands in addresses
NOBODY = "<your-kaggle-name>"  # stands for the user of a kernel that is only tried at home
OWNED = f"{USER}/{USER}"  # owner/name of a kernel or a dataset
SHORTEST, LONGEST = 6, 50  # characters of a dataset's name and title; a kernel's may be one shorter


def check_names(user: str, kernel: str, datasets: tuple[str, ...]) -> None:
    """Refuse what is no user name, no kernel's name, and no owner/name of a dataset; the error names the option."""
    if user != NOBODY and not re.fullmatch(USER, user):
        raise InputError(f"--user {user!r}: give the name that stands in the address of your Kaggle profile")
    if not re.fullmatch("[a-z0-9]+(-[a-z0-9]+)*", kernel) or not SHORTEST <= len(kernel) <= LONGEST:
        raise InputError(
            f"--name {kernel!r}: a kernel's name has {SHORTEST} to {LONGEST} small letters, digits and single hyphens "
            "between them, such as foldwise-spooky"
        )
    for name in datasets:
        if not re.fullmatch(OWNED, name):
            raise InputError(f"--dataset {name!r}: write OWNER/NAME, the last two parts of its address on Kaggle")


def short_name(name: str, suffix: str = "") -> str:
    """A name that Kaggle takes, cut at a hyphen where it is too long.

    >>> short_name("My_own  Contest!", "-vectors")
    'my-own-contest-vectors'
    """
    words = re.findall(r"[a-z0-9]+", name.lower())
    while len("-".join(words)) + len(suffix) > LONGEST and len(words) > 1:
        words.pop()
    return "-".join(words)[: LONGEST - len(suffix)] + suffix


def title_of(name: str) -> str:
    """The title of a kernel or dataset; Kaggle makes the name in the address from it."""
    return name.replace("-", " ")


def describe_kernel(
    user: str, name: str, code_file: str, competition: str, datasets: list[str], accelerator: str
) -> dict[str, Any]:
    """The content of kernel-metadata.json: private, and without internet, which the client would turn on."""
    gpu = accelerator != "none"
    return {
        "id": f"{user}/{name}",
        "title": title_of(name),
        "code_file": code_file,
        "language": "python",
        "kernel_type": "notebook" if code_file.endswith(".ipynb") else "script",
        "is_private": True,
        "enable_gpu": gpu,
        "enable_internet": False,
        **({"machine_shape": accelerator} if gpu else {}),
        "competition_sources": [competition],
        "dataset_sources": datasets,
        "kernel_sources": [],
        "model_sources": [],
    }


def dataset_files(folder: Path) -> list[Path]:
    """The files of a dataset without its metadata, in order of their names."""
    return [path for path in sorted(folder.rglob("*")) if path.is_file() and path.name != DATASET_METADATA]


def read_metadata(path: Path, build: str) -> dict[str, Any]:
    """Read kernel-metadata.json or dataset-metadata.json, made by the command `build`; its id is owner/name."""
    kind = path.name.partition("-")[0]
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise InputError(f"{path}: no {kind} is built yet; run `{build}` first") from None
    except (ValueError, RecursionError) as error:
        raise InputError(f"{path}: not JSON ({error}); run `{build}` again") from None
    name = content.get("id") if isinstance(content, dict) else None
    if isinstance(name, str) and name.startswith(NOBODY):
        raise InputError(
            f"{path}: built without a Kaggle user, for a try at home; run `{build} --user NAME`, with the name in your "
            "profile's address and the options that it was built with"
        )
    if not isinstance(name, str) or not re.fullmatch(OWNED, name):
        raise InputError(f"{path}: id = {name!r}: write your Kaggle user name, a slash and the {kind}'s name")
    return dict(content)
