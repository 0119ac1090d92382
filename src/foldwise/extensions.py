"""Extensions: folders that may be deleted. The core knows what is in them by name, and imports it when it is used."""

import pkgutil
from typing import Any

from foldwise.errors import InputError

# Soft targets, pseudo-labels, extra rows: what a network may learn beside its rows and their labels.
TEACHING = {
    "check": "foldwise.teaching.checks:check_teaching",
    "rounds": "foldwise.teaching.fits:rounds_of",
    "inputs": "foldwise.teaching.fits:teaching_inputs",
    "lessons": "foldwise.teaching.lessons:add_lessons",
}

# Runs with names, and who else is told of a run.
EXPERIMENTS = {
    "--name": "foldwise.experiments.names:name_paths",
    "find": "foldwise.experiments.names:find_run",
    "settings": "foldwise.experiments.finished:settings_of",
    "--tracker": "foldwise.experiments.trackers:open_trackers",
    "share": "foldwise.experiments.shared_tokens:share",
    "take fold": "foldwise.experiments.taken_folds:take_fold",
}


def load_extension(spec: str, name: str) -> Any:
    """What "module:function" of an extension names.

    Raises:
        InputError: its folder is not there; `name` is what the user asked for.
    """
    folder = spec.split(".")[1]
    try:
        return pkgutil.resolve_name(spec)
    except ModuleNotFoundError as error:
        if not str(error.name).startswith(f"foldwise.{folder}"):
            raise
        raise InputError(f"{name}: not part of this checkout, which has no src/foldwise/{folder}") from error


def find_teaching(part: str) -> Any:
    """A function of `TEACHING`; InputError where the folder is not there."""
    return load_extension(TEACHING[part], "recipe.training.distill, .pseudo_labels, .extra_weight, .extra_epochs")


def find_experiments(part: str) -> Any:
    """A function of `EXPERIMENTS`; InputError where the folder is not there."""
    return load_extension(EXPERIMENTS[part], part)
