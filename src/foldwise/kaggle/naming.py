"""Names that Kaggle takes, and what the .json files beside a kernel and a dataset say."""

import re
from typing import Any

from foldwise.errors import InputError

NAME = r"[a-z0-9]+(-[a-z0-9]+)*"
USER = r"[A-Za-z0-9_-]+"  # a user as it stands in addresses
OWNED = rf"{USER}/{USER}"  # owner/name of a kernel or a dataset
SHORTEST, LONGEST = 6, 50  # characters of a dataset's name and title; a kernel's may be one shorter
CPU = "none"  # instead of an accelerator


def kernel_name(slug: str, chosen: str | None) -> str:
    """The kernel's name, the last part of its address; its title is the same with spaces, as Kaggle asks for.

    Args:
        slug: the contest.
        chosen: what the user calls it.

    Raises:
        InputError: a name that Kaggle does not take.

    >>> kernel_name("jigsaw-unintended-bias-in-toxicity-classification", None)
    'foldwise-jigsaw-unintended-bias-in-toxicity'
    """
    if chosen is None:
        return short_name(f"foldwise-{slug}")
    if not re.fullmatch(NAME, chosen) or not SHORTEST <= len(chosen) <= LONGEST:
        raise InputError(
            f"--name {chosen!r}: a kernel's name has {SHORTEST} to {LONGEST} small letters, digits and single hyphens "
            "between them, such as foldwise-spooky"
        )
    return chosen


def short_name(name: str, suffix: str = "") -> str:
    """A name that Kaggle takes, cut at a hyphen where it is too long.

    >>> short_name("My_own  Contest!", "-vectors")
    'my-own-contest-vectors'
    """
    words = re.findall(r"[a-z0-9]+", name.lower())
    while len("-".join(words)) + len(suffix) > LONGEST and len(words) > 1:
        words.pop()
    return "-".join(words)[: LONGEST - len(suffix)] + suffix


def check_user(name: str) -> str:
    """A user's name as it stands in addresses.

    Raises:
        InputError: it is none.
    """
    if not re.fullmatch(USER, name):
        raise InputError(f"--user {name!r}: give the name that stands in the address of your Kaggle profile")
    return name


def check_dataset(name: str) -> str:
    """owner/name of a dataset.

    Raises:
        InputError: it is none.
    """
    if not re.fullmatch(OWNED, name):
        raise InputError(f"--dataset {name!r}: write OWNER/NAME, the last two parts of its address on Kaggle")
    return name


def title_of(name: str) -> str:
    """The title whose address is this name."""
    return name.replace("-", " ")


def describe_kernel(
    user: str, name: str, code_file: str, competition: str, datasets: list[str], accelerator: str
) -> dict[str, Any]:
    """The content of kernel-metadata.json: private, and without internet, which the client would turn on."""
    gpu = accelerator != CPU
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


def describe_dataset(dataset: str) -> dict[str, Any]:
    """The content of dataset-metadata.json of owner/name."""
    return {
        "title": title_of(dataset.rpartition("/")[2]),
        "id": dataset,
        "licenses": [{"name": "other"}],
    }
