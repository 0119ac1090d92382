"""From competition.toml and `--set` to a checked `Config`: defaults, `[recipe]` and `--set`, later ones winning."""

import tomllib
from functools import reduce
from pathlib import Path
from typing import Any

from foldwise.config import Config, Model, default_members, merge
from foldwise.console import warn
from foldwise.errors import InputError, check
from foldwise.inputs import read_input
from foldwise.toml_text import dotted

# Old names of fields, which are still understood in this version, and what each is called now.
RENAMED = {
    "training.clip": "training.max_grad_norm",
    "training.evaluations": "training.evaluations_per_epoch",
    "model.widths": "model.kernel_sizes",
    "linear.strength": "linear.C",
}
UNREADABLE = (ValueError, RecursionError)  # of tomllib: no TOML, no UTF-8, numbers of 5,000 digits, 500 brackets
DEEPEST = 20  # names in a dotted key; no field is as deep
# Of every member; only `--set` goes before it.
DEBUG = {"training": {"epochs": 1, "evaluations_per_epoch": 1, "unfreeze_epoch": 0}, "encoder": {"epochs": 1}}


def load_config(path: Path, settings: list[str], debug: bool = False) -> Config:
    """Read competition.toml and apply `--set` pairs such as `training.epochs=3` (dotted, below `[recipe]`).

    With `debug` it trains as briefly as can be. What that changes is in no error message: nobody typed it.
    Whatever is wrong with file and pairs is an `InputError`.
    """
    given: dict[str, Any] = reduce(merge, map(parse_setting, settings), {})
    chosen = merge(DEBUG, given) if debug else given
    source = " --set ".join([f"{path} with", *settings]) if settings else str(path)
    content = read_toml(path)
    try:
        merged = merge(content, {"recipe": chosen}) if chosen else content
    except RecursionError as error:
        raise InputError(f"{source[:100]}…: tables are nested too deeply") from error
    written = content.get("recipe")
    if isinstance(chosen.get("members"), dict) and not (isinstance(written, dict) and "members" in written):
        merged = keep_usual_members(merged)
    config = check(Config, merged, source)
    recipe = config.recipe
    for name in recipe.members:
        recipe.of_member(name)  # checks what it changes
    if unknown := [name for name in recipe.ensemble.members if name not in recipe.members]:
        known = ", ".join(recipe.members)
        raise InputError(f"{source}: recipe.ensemble.members: {unknown[0]!r} is not among recipe.members ({known})")
    if isinstance(written, dict) and "members" in written:
        warn_of_members(written["members"], dotted(given))
    return train_briefly(config) if debug else config


def warn_of_members(members: dict[str, Any], given: dict[str, Any]) -> None:
    """Say which members of competition.toml have a field of their own, which what is given for all does not reach."""
    for name, own in ((name, dotted(member)) for name, member in members.items()):
        for field in own.keys() & given.keys() - {"model.name"}:
            if own[field] != given[field] and f"members.{name}.{field}" not in given:
                warn(
                    f"--set {field}: not for {name}, which has its own in competition.toml, {own[field]}; "
                    f"--set members.{name}.{field}=… changes it",
                    once=True,  # it is read for every trial of a search
                )


def train_briefly(config: Config) -> Config:
    """Members as brief as `DEBUG`, one epoch of extra rows at most, and no number of epochs that is left to a rule."""
    recipe = config.recipe
    for member in recipe.members.values():
        for table, fields in DEBUG.items():
            for field in fields:
                getattr(member, table).pop(field, None)
        if member.training.get("extra_epochs"):
            member.training["extra_epochs"] = 1
    brief = {"extra_epochs": min(recipe.training.extra_epochs, 1)}
    if recipe.training.epochs == "auto":
        brief["epochs"] = DEBUG["training"]["epochs"]
    training = recipe.training.model_copy(update=brief)
    return config.model_copy(update={"recipe": recipe.model_copy(update={"training": training})})


def keep_usual_members(content: dict[str, Any]) -> dict[str, Any]:
    """Where settings name only members that there are by default, they change these and take none away."""
    model = content["recipe"].get("model")
    name = model.get("name") if isinstance(model, dict) else None
    usual = default_members(Model(name=name) if isinstance(name, str) else Model())
    chosen = content["recipe"]["members"]
    if not chosen.keys() <= usual.keys():
        return content
    members = {member: settings.model_dump(exclude_defaults=True) for member, settings in usual.items()}
    return {**content, "recipe": {**content["recipe"], "members": merge(members, chosen)}}


def read_toml(path: Path) -> dict[str, Any]:
    """The content of competition.toml, with today's names of fields."""
    if not path.is_file():
        raise InputError(f"{path}: not found; `./run.sh init {path.parent.name}` writes it from the CSVs beside it")
    try:
        content = tomllib.loads(read_input(path).decode())
    except UNREADABLE as error:
        raise InputError(f"{path}: not valid TOML: {error}; texts stand in double quotes") from error
    recipe = content.get("recipe")
    if isinstance(recipe, dict):
        rename(recipe, str(path))
        if recipe.get("members") == {}:
            raise InputError(f"{path}: recipe.members is empty; take it out for the usual ones")
    return content


def parse_setting(setting: str) -> dict[str, Any]:
    """`"training.epochs=3"` → `{"training": {"epochs": 3}}`; the value is TOML, or a plain string if it is not."""
    key, equals, text = setting.partition("=")
    names = key.strip().removeprefix("recipe.").split(".")
    if names[0] in ("competition", "files", "columns", "submission"):
        raise InputError(f"--set {setting}: --set changes the recipe; [{names[0]}] is edited in competition.toml")
    if not equals or not key.strip() or len(names) > DEEPEST or not is_unicode(setting):
        raise InputError(f"--set {setting}: write it as key=value, for example --set training.epochs=3")
    try:
        value = tomllib.loads(f"value = {text}")["value"]
    except UNREADABLE:
        value = text
    if names == ["members"] and value == {}:
        raise InputError(
            f"--set {setting}: --set adds to the members and takes none away; choose among them with --set "
            "ensemble.members='[\"NAME\"]', or edit [recipe.members] in competition.toml"
        )
    for name in reversed(names):
        value = {name: value}
    rename(value, f"--set {setting}")
    return dict(value)


def is_unicode(text: str) -> bool:
    """False of a text from the command line that is not in the terminal's encoding."""
    return not any("\ud800" <= sign <= "\udfff" for sign in text)


def rename(table: dict[str, Any], source: str, prefix: str = "") -> None:
    """Give old names of fields in a recipe and its members their new ones, and warn; both at once are an error."""
    for name, value in list(table.items()):
        key = f"{prefix}{name}"
        new = RENAMED.get(".".join(key.split(".")[-2:]))
        if new is not None:
            new_name = new.split(".")[1]
            if new_name in table:
                raise InputError(f"{source}: {key} is the old name of {new}, which is there too; keep one")
            warn(f"{source}: {key} is called {new} now; the next version drops the old name")
            table[new_name] = table.pop(name)
        elif isinstance(value, dict):
            rename(value, source, f"{key}.")
