"""Where the client finds credentials. They are looked at only to keep them out of everything that is shown."""

import os
import re
from contextlib import suppress
from pathlib import Path

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


def user_name() -> str | None:
    """The name of the Kaggle user; None where the credentials do not tell it, as a token does not."""
    stored = [(read_json(path) or {}).get("username") for path in files()]
    return next((str(name) for name in (os.environ.get("KAGGLE_USERNAME"), *stored) if name), None)


def secrets() -> set[str]:
    """Every value that must not be shown; the name of the user is none."""
    found = {os.environ.get("KAGGLE_KEY", ""), token := os.environ.get("KAGGLE_API_TOKEN", "")}
    paths = files()
    if token and len(token) < 1024 and Path(token).is_file():  # the variable may hold a path instead
        found.discard(token)
        paths.append(Path(token))

    for path in paths:
        with suppress(OSError, ValueError):  # what cannot be read here, the client cannot read either
            found.add(path.read_text(encoding="utf-8").strip())  # a token, if it is not JSON
            content = (read_json(path) or {}).items()
            found.update(value for key, value in content if isinstance(value, str) and key != "username")
    return {value for value in found if len(value) >= SHORTEST}


def hide(text: str, values: set[str]) -> str:
    """`text` without `values` and without the query parts of addresses.

    >>> hide("403 for url: https://x.org/a.zip?Signature=abc with 12345678", {"12345678"})
    '403 for url: https://x.org/a.zip with …'
    """
    for value in sorted(values, key=len, reverse=True):
        text = text.replace(value, MASK)
    return QUERY.sub(r"\1", text)
