"""Values as text in TOML, which Python's own library only reads, and tables of tables by the names that lead there."""

import json
import re
from typing import Any

Names = tuple[str, ...]  # that lead to a value
BARE = re.compile(r"[A-Za-z0-9_-]+")


def to_toml(value: Any) -> str:
    """A value in TOML; JSON's texts are TOML's too, but for one control character.

    >>> to_toml({"deep": {"seeds": [1, 2], "a.b": True}, "limit": float("inf")}), to_toml({})
    ('{ deep = { seeds = [1, 2], "a.b" = true }, limit = inf }', '{}')
    """
    if isinstance(value, dict):
        pairs = ", ".join(f"{write_key((name,))} = {to_toml(part)}" for name, part in value.items())
        return f"{{ {pairs} }}" if pairs else "{}"
    if isinstance(value, list):
        return f"[{', '.join(map(to_toml, value))}]"
    if isinstance(value, float):
        return repr(value)  # also inf and nan
    return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")


def write_key(path: Names) -> str:
    """Names with dots between, in quotes where TOML wants them."""
    return ".".join(name if BARE.fullmatch(name) else to_toml(name) for name in path)


def flatten(content: dict[str, Any], above: Names = ()) -> dict[Names, Any]:
    """Values by the names that lead to them; an empty table is a value.

    >>> flatten({"a": {"b": 1, "c": {}}, "d": [2]})
    {('a', 'b'): 1, ('a', 'c'): {}, ('d',): [2]}
    """
    leaves: dict[Names, Any] = {}
    for name, value in content.items():
        path = (*above, name)
        leaves |= flatten(value, path) if isinstance(value, dict) and value else {path: value}
    return leaves


def dotted(content: dict[str, Any]) -> dict[str, Any]:
    """The same by dotted names, such as `training.epochs`."""
    return {".".join(path): value for path, value in flatten(content).items()}
