"""Another recipe in the text of a competition.toml, whose other lines and comments stay.

A file is a row of statements: headers, assignments, which may take several lines, comments and blank lines. Of the
recipe those stay that say the same as before, a changed value keeps its line and its comment, others go; what is new
stands at the end of its table.
"""

import tomllib
from collections.abc import Iterable
from typing import Any, NamedTuple

from foldwise.config import Recipe, default_members
from foldwise.toml_text import Names, flatten, to_toml, write_key


class Statement(NamedTuple):
    """Some lines of a file, with their ends."""

    text: str
    table: Names  # the header it stands below, or is
    leaves: dict[Names, Any]  # what it assigns, from the top of the file


def written_recipe(recipe: Recipe) -> dict[str, Any]:
    """What competition.toml has to say for a recipe: what differs from today's defaults."""
    written = recipe.model_dump(mode="json", exclude_defaults=True, exclude={"members"})
    if recipe.members != default_members(recipe.model):
        members = {
            name: member.model_dump(mode="json", exclude_defaults=True) for name, member in recipe.members.items()
        }
        written["members"] = members
    return written


def edit_recipe(text: str, recipe: dict[str, Any], keep: bool = True) -> str:
    """The text of a competition.toml with this recipe instead of its own; the caller checks that it is.

    Args:
        keep: lines that stay do; else the whole recipe is written anew, which no way of writing the old one disturbs.
    """
    wanted = flatten({"recipe": recipe})
    kept: list[Statement] = []
    for statement in split_statements(text):
        if statement.table[:1] != ("recipe",) and not any(path[0] == "recipe" for path in statement.leaves):
            kept.append(statement)
        elif keep and not is_gone(statement.table, wanted) and (edited := edit_statement(statement, wanted)):
            kept.append(edited)
    there = {path for statement in kept for path in statement.leaves} | {statement.table for statement in kept}
    missing = {path: value for path, value in wanted.items() if path not in there}
    return insert(kept, missing)


def split_statements(text: str) -> list[Statement]:
    """A file that is valid TOML, statement by statement."""
    lines, found, table, start = text.splitlines(keepends=True), list[Statement](), Names(), 0
    while start < len(lines):
        end, content = start + 1, None
        while content is None:
            content = parse("".join(lines[start:end]))
            if content is None and end >= len(lines):
                raise ValueError("no TOML")
            end += content is None
        chunk = "".join(lines[start:end])
        if chunk.lstrip().startswith("["):
            table = next(iter(flatten(content)))
            found.append(Statement(chunk, table, {}))
        else:
            leaves = {(*table, *path): value for path, value in flatten(content).items()}
            found.append(Statement(chunk, table, leaves))
        start = end
    return found


def parse(text: str) -> dict[str, Any] | None:
    """The content of TOML; None of a statement that is not whole."""
    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError:
        return None


def is_gone(table: Names, wanted: Iterable[Names]) -> bool:
    """Whether a table is of a member that is no more."""
    member = table[:3]
    return table[:2] == ("recipe", "members") and len(table) > 2 and not any(path[:3] == member for path in wanted)


def edit_statement(statement: Statement, wanted: dict[Names, Any]) -> Statement | None:
    """A statement of the recipe as it is to be; None of one that goes."""
    leaves = statement.leaves
    if all(path in wanted and wanted[path] in (value, [value]) for path, value in leaves.items()):
        return statement  # one name may stand for a list of it
    (path, _), *others = leaves.items()
    if others or path not in wanted:
        return None
    key, _, rest = statement.text.partition("=")
    comment = find_comment(statement.text)
    space = " " if rest.startswith(" ") else ""
    end = f"  {comment}" if comment else "\n"
    return Statement(f"{key}={space}{to_toml(wanted[path])}{end}", statement.table, {path: wanted[path]})


def find_comment(text: str) -> str:
    """The comment at the end of an assignment, with its line end; "" where there is none."""
    whole = parse(text)
    places = [place for place, sign in enumerate(text) if sign == "#"]
    return next((text[place:] for place in places if parse(text[:place]) == whole), "")


def insert(statements: list[Statement], missing: dict[Names, Any]) -> str:
    """The text of statements, with assignments that are missing at the end of the tables they belong to."""
    tables = {statement.table for statement in statements}
    added: dict[Names, list[str]] = {}
    for path, value in missing.items():
        member = path[:2] == ("recipe", "members")
        near = [path[:end] for end in range(1, len(path)) if path[:end] in tables]
        table = path[:3] if member and path[:3] not in near else near[-1] if near else ("recipe",)
        lines = added.setdefault(table, [])
        if path != table:
            lines.append(f"{write_key(path[len(table) :])} = {to_toml(value)}\n")
    last = {statement.table: place for place, statement in enumerate(statements) if statement.text.strip()}
    parts = [ended(statement.text) for statement in statements]
    for table in [table for table in added if table in last]:
        parts[last[table]] += "".join(added.pop(table))
    blocks = [f"\n[{write_key(table)}]\n{''.join(lines)}" for table, lines in added.items()]
    return "".join([*parts, *blocks])


def ended(text: str) -> str:
    """Lines with an end."""
    return text if text.endswith("\n") else f"{text}\n"
