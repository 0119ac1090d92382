"""Tables of settings: laid over each other, and checked, with errors that a user can act on."""

import difflib
import re
import typing
from typing import Any

from pydantic import BaseModel, ValidationError

from foldwise.errors import InputError, shorten

# Tables of arguments, and the field beside each that says whose they are.
ARGUMENTS = {
    **{"loss_arguments": "loss", "optimizer_arguments": "optimizer", "schedule_arguments": "schedule"},
    "arguments": "name",
}
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
    """One pydantic error as `  key: what is wrong (the value), and the nearest right name`."""
    *parents, last = found["loc"] or ("",)
    key = ".".join(str(part) for part in found["loc"])
    if found["type"] == "extra_forbidden":
        known = list(fields_at(model, parents))
        near = difflib.get_close_matches(str(last), known, n=1, cutoff=0.5)
        inner = [name for name in known if str(last) in fields_at(model, [*parents, name])]
        near = [f"{inner[0]}.{last}"] if inner else near
        fix = f"did you mean {near[0]}?" if near else f"known here: {', '.join(known)}"
        return f"  {key} = {shorten(found['input'])}: unknown key; {fix}"
    if found["type"] == "missing":
        return f"  {key}: missing"
    message = found["msg"].removeprefix("Value error, ")
    message = message[0].lower() + message[1:]
    if found["type"] == "value_error" and isinstance(found["input"], dict):  # of a whole table: the message names keys
        return f"  {key or 'recipe'}: {message}"
    if found["type"] == "list_type":
        message += f'; write ["{found["input"]}"]'
    if found["type"] == "bool_type":
        message += "; write true or false"
    if found["type"] in ("dict_type", "model_type"):
        message = f"this is a table; write a key of it, {key}.… = …, or [{key}.…] in competition.toml"
    if found["type"] == "literal_error":
        near = difflib.get_close_matches(str(found["input"]), re.findall(r"'([^']+)'", found["msg"]), n=1)
        message += f"; did you mean {near[0]}?" if near else ""
    return f"  {key} = {shorten(found['input'])}: {message}"


def fields_at(model: type[BaseModel], parents: list[Any]) -> dict[str, Any]:
    """The fields of the table that `parents` lead to; a name that a user chose leads into a table of tables."""
    fields: dict[str, Any] = model.model_fields
    inside: Any = None  # the tables of a table of tables, whose names are free
    for parent in parents:
        annotation = fields[parent].annotation if parent in fields else inside
        inside = typing.get_args(annotation)[-1] if typing.get_origin(annotation) is dict else None
        fields = getattr(annotation, "model_fields", {})
    return fields
