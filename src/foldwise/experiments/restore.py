"""Stage restore: the recipe of a finished run becomes that of competition.toml.

    ./run.sh restore EXP -c SLUG

What the file says beside its recipe stays as it is, comments included, and so do the lines of the recipe that are the
same. The old file stays beside it.
"""

import shlex
import tomllib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from foldwise.config import Config, Recipe
from foldwise.console import say, warn
from foldwise.errors import InputError, check
from foldwise.experiments.comparing import changes_of_recipes
from foldwise.experiments.edit_toml import edit_recipe, written_recipe
from foldwise.experiments.finished import read_finished
from foldwise.experiments.names import UNNAMED
from foldwise.files import with_infinity, without_infinity, write_text
from foldwise.freshness import changes
from foldwise.hashing import hash_of
from foldwise.load_config import read_toml
from foldwise.options import check_input_folder
from foldwise.paths import COMPETITIONS, CONFIG, Paths


def restore_recipe(paths: Paths, name: str, folders: Sequence[str]) -> None:
    """Write the recipe of run `name` into competition.toml, and say what changed; `folders` are options as given."""
    check_input_folder(paths)
    own, summary = read_finished(paths, name)
    if of := summary.get("blend"):
        raise InputError(f"{name}: a blend of {', '.join(of)} has no recipe of its own; restore one of these")
    asked = summary["configuration"]["asked"]
    recipe = check(Recipe, with_infinity(asked["recipe"]), f"{own.summary}: the recipe of {name}")
    content, target = read_toml(paths.config), paths.config
    if target.parent == COMPETITIONS:
        target = paths.input / CONFIG
    tell_other_settings(content, asked, name)
    if paths.folds.is_file() and summary.get("fold_file") not in (None, hash_of(paths.folds)):
        warn(f"{paths.folds}: not the folds that {name} was trained with, so the same recipe comes to other results")
    before = read_recipe(content)
    if before is not None and tell(before) == tell(recipe):
        return say("restore", f"{target if target.is_file() else paths.config}: has the recipe of {name} already")
    old = paths.config.read_bytes().decode()  # with the line ends that it has
    texts = (edit_recipe(old, written_recipe(recipe), keep) for keep in (True, False))
    text = next((text for text in texts if has_recipe(text, recipe)), None)
    if text is None:
        raise InputError(f"{target}: its recipe cannot be replaced; take [recipe] out of it and run the same again")
    kept = write_with_copy(target, text)
    say("restore", f"wrote the recipe of {name} into {target}{f'; as it was: {kept.name}' if kept else ''}")
    for phrase in changes_of_recipes(tell(before), tell(recipe)) if before else []:
        say("restore", phrase)
    again = shlex.join(["./run.sh", "all", "-c", paths.slug, *folders])
    if name == UNNAMED:
        say("restore", f"next: `{again}` keeps its results, where they are still there")
    else:
        say("restore", f"next: `{again}` puts its folds in place of those without a name; it stays as {name}, too")
    return None


def tell(recipe: Recipe) -> dict[str, Any]:
    """A recipe in values that can be compared, which nan cannot."""
    return dict(without_infinity(recipe.model_dump(mode="json")))


def has_recipe(text: str, recipe: Recipe) -> bool:
    """Whether the text of a competition.toml has this recipe."""
    try:
        return tell(check(Config, tomllib.loads(text), "").recipe) == tell(recipe)
    except (tomllib.TOMLDecodeError, InputError):
        return False


def read_recipe(content: dict[str, Any]) -> Recipe | None:
    """The recipe of a competition.toml; None where it is none, which is no reason not to replace it."""
    try:
        return check(Recipe, content.get("recipe", {}), "")
    except InputError:
        return None


def tell_other_settings(content: dict[str, Any], asked: dict[str, Any], name: str) -> None:
    """Warn where the run had other settings than its recipe: those of competition.toml stay."""
    now = check(Config, {**content, "recipe": {}}, "competition.toml").model_dump(mode="json", exclude={"recipe"})
    then = {key: asked.get(key) for key in now}
    then["competition"] = {**asked["competition"], "title": now["competition"]["title"]}  # which changes nothing
    other = changes(without_infinity(now), then)
    if other:
        warn(f"{name} was made with other settings, which are no recipe and stay as they are now: {'; '.join(other)}")


def write_with_copy(target: Path, text: str) -> Path | None:
    """Write a file, and before that its old content beside it under the first name that is free; → that copy."""
    kept, number = None, 1
    try:
        if target.is_file():
            old = target.read_bytes()
            kept = target.with_name(f"{target.name}.before")
            while kept.exists() and kept.read_bytes() != old:
                number += 1
                kept = target.with_name(f"{target.name}.before-{number}")
            write_text(kept, old.decode())
        write_text(target, text)
    except OSError as error:
        raise InputError(
            f"{target}: cannot be written ({error.strerror}); copy {target.parent} to where you may write, and name "
            "the folder above it with --input"
        ) from error
    return kept
