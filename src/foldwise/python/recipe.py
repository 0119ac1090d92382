"""A recipe in Python: what differs from competition.toml, as `--set` says it on the command line."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from foldwise import config
from foldwise.errors import InputError, check
from foldwise.toml_text import to_toml

SOURCE = "fw.Recipe"
OPEN = "arguments"  # how fields end whose tables hold names of other people's


class Recipe:
    """Fields of the recipe by name; all others stay as competition.toml and the defaults have them.

    A name that only one table has needs no table; where the encoder or images have it too, it is not theirs:

    >>> Recipe(epochs=4, hidden=64)
    Recipe(training.epochs=4, model.hidden=64)
    >>> Recipe(training={"epochs": 4}) == Recipe(**{"training.epochs": 4}) == Recipe(epochs=4)
    True
    >>> Recipe(members={"bilstm": {}, "deep": {"model.layers": 2}}).settings
    ['members={ bilstm = {}, deep = { model = { layers = 2 } } }']

    Raises:
        InputError: no such field, several of that name, or a value that none can have.
    """

    def __init__(self, **fields: Any) -> None:
        self.changes: dict[str, Any] = {}
        for name, value in fields.items():
            add(self.changes, full_name(name).split("."), value)
        check(config.Recipe, self.changes, SOURCE)

    @property
    def settings(self) -> list[str]:
        """The same as `--set` has it, `training.epochs=4`; arguments come after what they are given to."""
        pairs = []
        for table, value in self.changes.items():
            whole = table == "members" or not isinstance(value, dict)
            inner = {table: value} if whole else {f"{table}.{field}": part for field, part in value.items()}
            pairs += [f"{name}={to_toml(part)}" for name, part in inner.items()]
        return sorted(pairs, key=lambda pair: pair.partition("=")[0].endswith(OPEN))

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Recipe) and self.changes == other.changes

    def __hash__(self) -> int:
        return hash(tuple(self.settings))

    def __repr__(self) -> str:
        return f"Recipe({', '.join(self.settings)})"


def full_name(name: str) -> str:
    """The dotted name of a field that goes by `name`, or that itself, where none does; InputError where several do."""
    tables = config.Recipe.model_fields
    if name in tables:
        return name
    found = [
        f"{table}.{name}" for table, info in tables.items() if name in getattr(info.annotation, "model_fields", ())
    ]
    found = [full for full in found if not full.startswith(("encoder.", "images."))] or found
    if len(found) > 1:
        table = found[0].partition(".")[0]
        raise InputError(f'{SOURCE}: {name} may be {" or ".join(found)}; write it as {table}={{"{name}": …}}')
    return found[0] if found else name


def add(table: dict[str, Any], names: list[str], value: Any) -> None:
    """Put a value into nested tables; dotted names inside of it are nested, too."""
    for name in names[:-1]:
        table = table.setdefault(name, {})
        if not isinstance(table, dict):
            raise InputError(f"{SOURCE}: {'.'.join(names)} is given twice; keep one")
    last = names[-1]
    if isinstance(value, Mapping) and not last.endswith(OPEN):
        inner = table.setdefault(last, {})
        for key, part in value.items():
            add(inner, str(key).split("."), part)
    elif last in table:
        raise InputError(f"{SOURCE}: {last} is given twice; keep one")
    else:
        table[last] = to_plain(value, ".".join(names))


def to_plain(value: Any, name: str) -> Any:
    """A value as a TOML file could hold it."""
    if isinstance(value, np.generic):
        value = value.item()
    if isinstance(value, Mapping):
        return {str(key): to_plain(part, f"{name}.{key}") for key, part in value.items()}
    if isinstance(value, list | tuple | range | np.ndarray):
        return [to_plain(part, name) for part in value]
    if not isinstance(value, str | bool | int | float):
        raise InputError(
            f"{SOURCE}: {name} = {value!r}: give a number, a text, True or False, a list or a dict of such; a field "
            "that is left out stays as it is"
        )
    return value
