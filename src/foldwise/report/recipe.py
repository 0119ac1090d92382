"""`./run.sh recipe [FIELD]`: the fields of the recipe as `foldwise.config` documents them; RECIPE.md is the same."""

import re
from dataclasses import dataclass
from itertools import groupby
from typing import Annotated, Any

import typer
from rich.padding import Padding
from rich.text import Text

from foldwise.config import Recipe
from foldwise.console import open_page
from foldwise.errors import InputError, did_you_mean, mean_one_of
from foldwise.field_names import fields_meant
from foldwise.load_config import RENAMED
from foldwise.run import Run
from foldwise.toml_text import to_toml

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

    table: str  # that it belongs to, "" outside of any
    name: str  # dotted, as `--set` takes it; of a member "members.NAME.seed"
    values: str  # what it may be
    default: str  # in TOML; "" where there is none
    text: str  # what it does


def recipe(
    run: Run,
    field: Annotated[
        str | None, typer.Argument(help="A field or a table: training.epochs, training. All if left out.")
    ] = None,
    markdown: Annotated[bool, typer.Option("--markdown", help="The content of RECIPE.md.", hidden=True)] = False,
) -> None:
    """Show the fields of the recipe: what they do, what they may be, their defaults and their values here."""
    if markdown:
        print(recipe_markdown(), end="")
        return
    console = open_page()
    console.width = min(console.width, WIDTH) if console.is_terminal else ENDLESS
    changed = run.asked.recipe.model_dump(exclude_unset=True, exclude_defaults=True)
    fields, texts = read_recipe()
    for name, group in groupby(select(fields, field), key=lambda shown: shown.table):
        rows = list(group)
        if name and len(rows) > 1:
            console.print(Text(f"[{name}]", "bold"), Text(f"{texts[name]}\n"), sep="\n")
        for row in rows:
            here: Any = changed
            for part in row.name.split("."):
                here = here.get(part, {})
            default = f"; default {row.default}" if row.default else ""
            differs = f"; here {to_toml(here)}" if here != {} else ""
            heading = Text(f"{row.name}: {row.values}{default}{differs}")
            heading.stylize("bold cyan", 0, len(row.name))
            console.print(heading, Padding(Text(row.text), (0, 0, 0, 4), expand=False), "", sep="\n")


def recipe_markdown() -> str:
    """The content of RECIPE.md."""
    fields, texts = read_recipe()
    lines = [INTRODUCTION]
    for name, rows in groupby(fields, key=lambda field: field.table):
        if name:
            lines += [f"## {name}\n", f"{texts[name]}\n"]
        lines += ["| field | values | default | |", "|---|---|---|---|"]
        for row in rows:
            default = f"`{row.default}`" if row.default else ""
            lines.append(f"| `{row.name}` | {row.values} | {default} | {row.text} |")
        lines.append("")
    lines += ["## Old names\n\nThey still work in this version, with a warning.\n", "| old | new |", "|---|---|"]
    return "\n".join(lines + [f"| `{old}` | `{new}` |" for old, new in RENAMED.items()]) + "\n"


def read_recipe() -> tuple[list[Field], dict[str, str]]:
    """The recipe's fields in their order, and what each table says of itself, as `foldwise.config` has them."""
    schema = Recipe.model_json_schema()
    alone: list[Field] = []
    inside: list[Field] = []
    texts = {}
    for name, field in schema["properties"].items():
        (kind,) = field.get("patternProperties", {"": field}).values()  # members are a table of tables
        if "$ref" not in kind:
            alone.append(read_field("", name, field))
            continue
        table = schema["$defs"][kind["$ref"].rpartition("/")[2]]
        texts[name], prefix = table["description"], name
        if kind is not field:
            inside.append(read_field(name, name, field))
            prefix = f"{name}.NAME"
        inside += [read_field(name, f"{prefix}.{key}", value) for key, value in table["properties"].items()]
    return alone + inside, texts


def read_field(table: str, name: str, schema: dict[str, Any]) -> Field:
    """A field from its JSON schema."""
    default = "" if schema.get("default") is None else to_toml(schema["default"])
    return Field(table, name, name_values(schema), default, " ".join(schema["description"].split()))


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
    elif "maximum" in schema:
        least = "from {minimum}" if "minimum" in schema else "above {exclusiveMinimum}"
        bounds = f" {least} to {{maximum}}".format(**schema)
    elif "exclusiveMinimum" in schema:
        bounds = " above {exclusiveMinimum}".format(**schema)
    else:
        bounds = ", {minimum} or more".format(**schema) if "minimum" in schema else ""
    names = {"integer": "whole number", "boolean": "true or false", "string": "text", "object": "table"}
    return names.get(schema["type"], schema["type"]) + bounds


def select(fields: list[Field], wanted: str | None) -> list[Field]:
    """All fields, those of the table wanted or the one wanted; InputError where nothing has that name."""
    if wanted is None:
        return fields
    name = wanted.removeprefix("recipe.")
    if name.startswith("members."):
        inside = name.removeprefix("members.").partition(".")[2]
        name = f"members.NAME.{inside}" if inside in ("seed", "seeds") else inside or "members"
    if found := [field for field in fields if name in (field.table, field.name)]:
        return found
    known = dict.fromkeys([*(field.name for field in fields), *(field.table for field in fields)])
    if meant := [RENAMED[name]] if name in RENAMED else fields_meant(name, known):
        fix = mean_one_of(meant)
    else:
        fix = did_you_mean(name, known, "`./run.sh recipe` lists all of them", cutoff=0.5)
    raise InputError(f"recipe {wanted}: no such field or table; {fix}")
