"""`./run.sh recipe [FIELD]`: the fields of the recipe as `foldwise.config` documents them; RECIPE.md is the same."""

import difflib
import json
import re
from dataclasses import dataclass
from typing import Any

from rich.console import Console
from rich.padding import Padding
from rich.text import Text

from foldwise.config import Config, Recipe
from foldwise.errors import InputError
from foldwise.load_config import RENAMED

WIDTH = 100  # of text on a wide terminal
ENDLESS = 10**6  # elsewhere: a line a paragraph
INTRODUCTION = """# The recipe

Every field below can be set in `[recipe]` of competition.toml, or for one call with `--set`:

    [recipe]
    training.epochs = 4

    ./run.sh all -c SLUG --set training.epochs=4

`./run.sh recipe -c SLUG` shows this list with the values of a competition, `./run.sh recipe training.epochs` one field.
This page is made from `src/foldwise/config.py`: change the text there, then `./run.sh recipe --markdown > RECIPE.md`.
"""


@dataclass(frozen=True)
class Field:
    """A field as a reader sees it."""

    name: str  # dotted, as `--set` takes it; of a member "members.NAME.seed"
    values: str  # what it may be
    default: str  # in TOML; "" where there is none
    text: str  # what it does


@dataclass(frozen=True)
class Table:
    """Fields that belong together: a table of the recipe, or with the name "" those outside of any."""

    name: str
    text: str
    fields: list[Field]


def show_recipe(config: Config, wanted: str | None) -> None:
    """Print all fields, or those that `wanted` names, with the values of a competition where they differ.

    Raises:
        InputError: there is no such field or table.
    """
    console = Console(highlight=False)
    console.width = min(console.width, WIDTH) if console.is_terminal else ENDLESS
    for table in select(read_tables(), wanted):
        if table.text:
            console.print(Text(f"[{table.name}]", "bold"), Text(f"{table.text}\n"), sep="\n")
        for field in table.fields:
            here = current_value(config.recipe, field)
            facts = [field.values, f"default {field.default}" if field.default else "", f"here {here}" if here else ""]
            heading = Text(f"{field.name}: {'; '.join(filter(None, facts))}")
            heading.stylize("bold cyan", 0, len(field.name))
            console.print(heading, Padding(Text(field.text), (0, 0, 0, 4), expand=False), "", sep="\n")


def recipe_markdown() -> str:
    """The content of RECIPE.md."""
    parts = [INTRODUCTION]
    for table in read_tables():
        rows = []
        for field in table.fields:
            default = f"`{field.default}`" if field.default else ""
            rows.append(f"| `{field.name}` | {field.values} | {default} | {field.text} |")
        heading = [f"## {table.name}\n", f"{table.text}\n"] if table.name else []
        parts.append("\n".join([*heading, "| field | values | default | |", "|---|---|---|---|", *rows]) + "\n")
    old = [f"| `{old}` | `{new}` |" for old, new in RENAMED.items()]
    note = "## Old names\n\nThey still work in this version, with a warning.\n"
    return "\n".join([*parts, "\n".join([note, "| old | new |", "|---|---|", *old]) + "\n"])


def read_tables() -> list[Table]:
    """The recipe's tables and fields in their order, from the types and texts of `foldwise.config`."""
    schema = Recipe.model_json_schema()
    alone: list[Field] = []
    tables = [Table("", "", alone)]
    for name, field in schema["properties"].items():
        (inside,) = field.get("patternProperties", {"": field}).values()  # members are a table of tables
        if "$ref" not in inside:
            alone.append(read_field(name, field))
            continue
        table = schema["$defs"][inside["$ref"].rpartition("/")[2]]
        own, prefix = ([read_field(name, field)], f"{name}.NAME") if inside is not field else ([], name)
        fields = [read_field(f"{prefix}.{key}", value) for key, value in table["properties"].items()]
        tables.append(Table(name, table["description"], [*own, *fields]))
    return tables


def read_field(name: str, schema: dict[str, Any]) -> Field:
    """A field from its JSON schema."""
    default = "" if schema.get("default") is None else to_toml(schema["default"])
    return Field(name, name_values(schema), default, " ".join(schema["description"].split()))


def name_values(schema: dict[str, Any]) -> str:
    """What a JSON schema allows, in words.

    >>> name_values({"type": "array", "items": {"type": "integer", "minimum": 1}})
    'list of whole numbers, 1 or more'
    """
    if "anyOf" in schema:
        return ", or ".join(name_values(part) for part in schema["anyOf"] if part["type"] != "null")
    if "const" in schema:
        return to_toml(schema["const"])
    if "enum" in schema:
        *others, last = map(to_toml, schema["enum"])
        return f"{', '.join(others)} or {last}"
    if schema["type"] == "array":
        return "list of " + re.sub("number|text", r"\g<0>s", name_values(schema["items"]))
    if "exclusiveMaximum" in schema:
        bounds = " from {minimum} to below {exclusiveMaximum}".format(**schema)
    elif "exclusiveMinimum" in schema:
        bounds = " above {exclusiveMinimum}".format(**schema)
    else:
        bounds = ", {minimum} or more".format(**schema) if "minimum" in schema else ""
    names = {"integer": "whole number", "boolean": "true or false", "string": "text", "object": "table"}
    return names.get(schema["type"], schema["type"]) + bounds


def to_toml(value: Any) -> str:
    """A value as competition.toml writes it."""
    if isinstance(value, dict):
        pairs = ", ".join(f"{key} = {to_toml(part)}" for key, part in value.items())
        return f"{{ {pairs} }}" if pairs else "{}"
    if isinstance(value, list):
        return f"[{', '.join(map(to_toml, value))}]"
    return json.dumps(value, ensure_ascii=False)


def current_value(recipe: Recipe, field: Field) -> str:
    """A field's value in a recipe, in TOML; "" where it is the default, and of a member's own fields."""
    if field.name.startswith("members."):
        return ""
    value: Any = recipe
    for part in field.name.split("."):
        value = getattr(value, part)
    if field.name == "members":
        listed = {name: member.model_dump(exclude_defaults=True) for name, member in value.items()}
        return to_toml(listed) if value != Recipe(model=recipe.model).members else ""
    shown = to_toml(value)
    return shown if shown != field.default else ""


def select(tables: list[Table], wanted: str | None) -> list[Table]:
    """The tables with only those fields that are wanted, each with its text only where it is wanted as a whole.

    Raises:
        InputError: nothing has that name.
    """
    if wanted is None:
        return tables
    name = wanted.removeprefix("recipe.")
    if of_member := re.fullmatch(r"members\.[^.]+(?:\.(.+))?", name):
        field = of_member[1]
        name = "members" if field is None else f"members.NAME.{field}" if field in ("seed", "seeds") else field
    if whole := [table for table in tables if table.name == name]:
        return whole
    found = [Table("", "", [field for field in table.fields if field.name == name]) for table in tables]
    if any(table.fields for table in found):
        return found
    fields = [field.name for table in tables for field in table.fields]
    last = name.rpartition(".")[2]
    same = [field for field in fields if field.rpartition(".")[2] == last]
    close = difflib.get_close_matches(name, [*fields, *(table.name for table in tables)], n=1, cutoff=0.5)
    near = [RENAMED[name]] if name in RENAMED else same or close
    fix = f"did you mean {' or '.join(near)}?" if near else "`./run.sh recipe` lists all of them"
    raise InputError(f"recipe {wanted}: no such field or table; {fix}")
