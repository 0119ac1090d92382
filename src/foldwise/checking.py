"""Tables of settings: laid over each other, and checked, with errors that a user can act on."""

import difflib
import re
import typing
from typing import Any

from pydantic import BaseModel, ValidationError

from foldwise.errors import InputError, did_you_mean, shorten

# Tables of arguments, and the field beside each that says whose they are.
ARGUMENTS = {
    "loss_arguments": "loss",
    "optimizer_arguments": "optimizer",
    "schedule_arguments": "schedule",
    "arguments": "name",
}
FIXES = {"list_type": 'write ["{input}"]', "bool_type": "write true or false"}  # by pydantic's types of errors
ModelType = typing.TypeVar("ModelType", bound=BaseModel)


def merge(base: dict[str, Any], changes: dict[str, Any]) -> dict[str, Any]:
    """`base` with `changes` laid over it, table by table; neither is altered.

    Arguments go with the loss, optimizer, schedule or model they were given for: another one starts without them.
    """
    other = {name for name, owner in ARGUMENTS.items() if owner in changes and changes[owner] != base.get(owner)}
    merged = {key: value for key, value in base.items() if key not in other}
    for key, value in changes.items():
        old = merged.get(key)
        merged[key] = merge(old, value) if isinstance(old, dict) and isinstance(value, dict) else value
    return merged


def check(model: type[ModelType], content: dict[str, Any], source: str) -> ModelType:
    """Validate `content`; every error becomes a line of one `InputError` that begins with `source`."""
    try:
        return model.model_validate(content)
    except ValidationError as error:
        # pydantic adds an error of its own where a default is made from a field that has one
        lines = [describe(model, found) for found in error.errors() if found["type"] != "default_factory_not_called"]
        raise InputError("\n".join([f"{source}: {len(lines)} error{'s' if len(lines) > 1 else ''}", *lines])) from error


def describe(model: type[BaseModel], found: Any) -> str:
    """One pydantic error as `  key = value: what is wrong; the fix, such as the nearest right name`."""
    kind, value, message = found["type"], found["input"], found["msg"].removeprefix("Value error, ")
    key = ".".join(map(str, found["loc"]))
    if kind == "missing":
        return f"  {key}: missing"
    if kind == "extra_forbidden":
        *parents, last = found["loc"]
        known = list(fields_at(model, parents))
        near = [f"{name}.{last}" for name in known if last in fields_at(model, [*parents, name])]
        near += difflib.get_close_matches(str(last), known, n=1, cutoff=0.5)
        fix = f"did you mean {near[0]}?" if near else f"known here: {', '.join(known)}"
        return f"  {key} = {shorten(value)}: unknown key; {fix}"
    if kind in ("dict_type", "model_type"):
        fix = f"write a key of it, {key}.… = …, or [{key}.…] in competition.toml"
        return f"  {key} = {shorten(value)}: this is a table; {fix}"
    fix = FIXES.get(kind, "").format(input=value)
    if kind == "literal_error":
        fix = did_you_mean(str(value), re.findall(r"'([^']+)'", message), "")
    given = "" if kind == "value_error" and isinstance(value, dict) else f" = {shorten(value)}"  # a table is long
    return f"  {key}{given}: {'; '.join(filter(None, [message[0].lower() + message[1:], fix]))}"


def fields_at(model: type[BaseModel], parents: list[Any]) -> dict[str, Any]:
    """The fields of the table that `parents` lead to; a name that a user chose leads into a table of tables."""
    table: Any = model
    for parent in parents:
        if typing.get_origin(table) is dict:
            table = typing.get_args(table)[-1]
        else:
            fields = getattr(table, "model_fields", {})
            table = fields[parent].annotation if parent in fields else None
    return dict(getattr(table, "model_fields", {}))
