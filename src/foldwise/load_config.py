"""From competition.toml and `--set` to a checked `Config`.

The defaults of `foldwise.config`, `[recipe]` of competition.toml and `--set key=value` are laid over each other, later
ones winning.
"""

import tomllib
from pathlib import Path
from typing import Any

from foldwise.checking import check, merge
from foldwise.config import Config
from foldwise.console import warn
from foldwise.errors import InputError

# Old names of fields, which are still understood in this version, and what each is called now.
RENAMED = {
    "training.clip": "training.max_grad_norm",
    "training.evaluations": "training.evaluations_per_epoch",
    "model.widths": "model.kernel_sizes",
    "linear.strength": "linear.C",
}
# What `--debug` trains, whatever competition.toml and the members say; only `--set` goes before it.
DEBUG = {"epochs": 1, "evaluations_per_epoch": 1, "unfreeze_epoch": 0}


def load_config(path: Path, settings: list[str], debug: bool = False) -> Config:
    """Read competition.toml and apply `--set` pairs such as `training.epochs=3` (dotted, below `[recipe]`).

    Args:
        path: the file.
        settings: as the user typed them.
        debug: train as briefly as can be. What that changes is in no error message: nobody typed it.

    Raises:
        InputError: no such file, not TOML, an unknown key, a wrong type or a value out of range.
    """
    content = read_toml(path)
    chosen: dict[str, Any] = {}
    for setting in settings:
        chosen = merge(chosen, parse_setting(setting))
    source = " --set ".join([f"{path} with", *settings]) if settings else str(path)
    config = check_whole(merge(content, {"recipe": chosen} if chosen else {}), source)
    if debug:
        briefly = shorten_training(content.get("recipe", {}), chosen)
        config = check_whole({**content, "recipe": briefly}, f"{source} and --debug")
    return config


def read_toml(path: Path) -> dict[str, Any]:
    """The content of competition.toml, with today's names of fields."""
    if not path.is_file():
        raise InputError(f"{path}: not found; `./run.sh init {path.parent.name}` writes it from the CSVs beside it")
    try:
        content = tomllib.loads(path.read_text(encoding="utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise InputError(f"{path}: not valid TOML: {error}; texts stand in double quotes") from error
    if isinstance(content.get("recipe"), dict):
        content["recipe"] = rename(content["recipe"], str(path))
        if content["recipe"].get("members") == {}:
            raise InputError(f"{path}: recipe.members is empty; take it out for one member, called by its model's name")
    return content


def parse_setting(setting: str) -> dict[str, Any]:
    """`"training.epochs=3"` → `{"training": {"epochs": 3}}`; the value is TOML, or a plain string if it is not."""
    key, equals, text = setting.partition("=")
    names = key.strip().removeprefix("recipe.").split(".")
    if names[0] in ("competition", "files", "columns", "submission"):
        raise InputError(f"--set {setting}: --set changes the recipe; [{names[0]}] is edited in competition.toml")
    if not equals or not key.strip():
        raise InputError(f"--set {setting}: write it as key=value, for example --set training.epochs=3")
    try:
        value = tomllib.loads(f"value = {text}")["value"]
    except tomllib.TOMLDecodeError:
        value = text
    if names == ["members"] and value == {}:
        raise InputError(
            f"--set {setting}: --set adds to the members and takes none away; choose among them with --set "
            "ensemble.members='[\"NAME\"]', or edit [recipe.members] in competition.toml"
        )
    for name in reversed(names):
        value = {name: value}
    return rename(value, f"--set {setting}")


def rename(recipe: dict[str, Any], source: str, where: str = "") -> dict[str, Any]:
    """A recipe, or a member's part of it, with new names of fields for old ones; each gives a warning.

    Args:
        recipe: as written; it is not altered.
        source: where it is written, for messages.
        where: what leads to it, "members.wide." of a member.

    Raises:
        InputError: a field has both of its names.
    """
    renamed = dict(recipe)
    for old, new in RENAMED.items():
        table, old_name = old.split(".")
        new_name = new.split(".")[1]
        fields = renamed.get(table)
        if not isinstance(fields, dict) or old_name not in fields:
            continue
        if new_name in fields:
            raise InputError(f"{source}: {where}{old} is the old name of {new}, which is there too; keep one")
        warn(f"{source}: {where}{old} is called {new} now; the next version drops the old name")
        renamed[table] = {new_name if name == old_name else name: value for name, value in fields.items()}
    members = recipe.get("members")
    if isinstance(members, dict):
        renamed["members"] = {
            name: rename(part, source, f"{where}members.{name}.") if isinstance(part, dict) else part
            for name, part in members.items()
        }
    return renamed


def shorten_training(recipe: dict[str, Any], chosen: dict[str, Any]) -> dict[str, Any]:
    """The recipe of competition.toml and `--set` with the training of `--debug`, for every member.

    Args:
        recipe: of competition.toml.
        chosen: by `--set`, which wins, but for what it says of single members.
    """
    merged = merge(merge(recipe, {"training": DEBUG}), chosen)
    members = {}
    for name, member in merged.get("members", {}).items():
        training = {key: value for key, value in member.get("training", {}).items() if key not in DEBUG}
        members[name] = {**member, "training": training}
    return {**merged, "members": members} if members else merged


def check_whole(content: dict[str, Any], source: str) -> Config:
    """Check a configuration, and each member's changes to the recipe."""
    config = check(Config, content, source)
    recipe = config.recipe
    for name in recipe.members:
        recipe.of_member(name)
    for name in recipe.ensemble.members:
        if name not in recipe.members:
            known = ", ".join(recipe.members)
            raise InputError(f"{source}: recipe.ensemble.members: {name!r} is not among recipe.members ({known})")
    return config
