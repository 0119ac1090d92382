"""Where the client finds credentials. They are looked at only to keep them out of everything that is shown."""

import json
import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from foldwise.errors import InputError
from foldwise.files import read_json

HOW = (
    "make an API token at https://www.kaggle.com/settings/api and put it into ~/.kaggle/access_token or into the "
    "environment variable KAGGLE_API_TOKEN, or run `kaggle auth login`"
)
SHORTEST = 6  # what is shorter would hide ordinary words
MASK = "…"
QUERY = re.compile(r"((?:https?:/)?/[^\s?'\"]*)\?[^\s'\")]+")  # signed addresses are credentials too


def files() -> list[Path]:
    """The files with credentials that exist, in the order in which the client looks."""
    home = Path.home()
    folders = [Path(os.environ.get("KAGGLE_CONFIG_DIR") or home / ".kaggle"), home / ".kaggle", home / ".config/kaggle"]
    names = ("access_token", "access_token.txt", "kaggle.json", "credentials.json")
    return [path for folder in dict.fromkeys(folders) for name in names if (path := folder / name).is_file()]


def are_there() -> bool:
    """True if there are credentials of some form, good or not."""
    key = os.environ.get("KAGGLE_USERNAME") and os.environ.get("KAGGLE_KEY")
    return bool(os.environ.get("KAGGLE_API_TOKEN") or key or files())


def user_name() -> str:
    """The name of the Kaggle user, which is no secret; nothing else of the credentials is looked at.

    Raises:
        InputError: the credentials do not tell it, as a token does not.
    """
    found = [read_json(path) for path in files() if path.suffix == ".json"]
    contents = [content for content in found if isinstance(content, dict)]
    for name in (os.environ.get("KAGGLE_USERNAME"), *(content.get("username") for content in contents)):
        if isinstance(name, str) and name:
            return name
    raise InputError(
        "the Kaggle user whose kernel this will be is not known: add --user NAME, as in your profile's address, or set "
        "the environment variable KAGGLE_USERNAME"
    )


def secrets() -> set[str]:
    """Every value that must not be shown; the name of the user is none."""
    found = {os.environ.get("KAGGLE_KEY", ""), token := os.environ.get("KAGGLE_API_TOKEN", "")}
    paths = files()
    if token and len(token) < 1024 and Path(token).is_file():  # the variable may hold a path instead
        found.discard(token)
        paths.append(Path(token))
    for path in paths:
        try:
            text = path.read_text(encoding="utf-8").strip()
        except (OSError, UnicodeDecodeError):
            continue  # what cannot be read here, the client cannot read either
        try:
            found.update(strings(json.loads(text)))
        except ValueError:
            found.add(text)
    return {value for value in found if len(value) >= SHORTEST}


def strings(value: Any, key: str = "") -> Iterator[str]:
    """Every string in a JSON value, except names of users."""
    if isinstance(value, dict):
        for name, part in value.items():
            yield from strings(part, name)
    elif isinstance(value, list):
        for part in value:
            yield from strings(part, key)
    elif isinstance(value, str) and key != "username":
        yield value


def hide(text: str, values: set[str]) -> str:
    """`text` without `values` and without the query parts of addresses.

    >>> hide("403 for url: https://x.org/a.zip?Signature=abc with 12345678", {"12345678"})
    '403 for url: https://x.org/a.zip with …'
    """
    for value in sorted(values, key=len, reverse=True):
        text = text.replace(value, MASK)
    return QUERY.sub(r"\1", text)
