"""What every stage is given: the competition, its files, and how this run was asked for."""

import shlex
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Literal

from foldwise.config import Config
from foldwise.console import warn
from foldwise.data.competition import Competition, load_competition
from foldwise.errors import InputError
from foldwise.files import read_json, sizes_of, write_json
from foldwise.metrics import metric_for
from foldwise.paths import Paths

ORDER_IS_ENOUGH = ("roc_auc",)  # metrics of probabilities that ranks score alike


@dataclass(frozen=True)
class Run:
    """One call of the command line.

    Attributes:
        config: competition.toml with `--set` applied.
        paths: where things are.
        force: redo stages that are up to date.
        debug: 200 rows, one epoch.
        device: what the user asked for.
        command: the command line, for summary.json.
        options: folders and `--debug` as given, for hints.
    """

    config: Config
    paths: Paths
    force: bool = False
    debug: bool = False
    device: Literal["auto", "cpu", "cuda"] = "auto"
    command: str = ""
    options: tuple[str, ...] = ()

    def hint(self, command: str, *extra: str) -> str:
        """A command line to suggest: for this competition, and with the folders that this call was given."""
        return shlex.join(["./run.sh", command, "-c", self.paths.slug, *self.options, *extra])

    @cached_property
    def competition(self) -> Competition:
        """The tables, read and checked at first use, once."""
        competition = load_competition(self.config, self.paths, self.debug)
        for name, count in competition.empty.items():
            if count:
                texts = "1 text is empty and" if count == 1 else f"{count} texts are empty and"
                warn(f"{self.paths.table(name)}: {texts} will be predicted from no words at all")
        return competition

    def record_seconds(self, stage: str, seconds: float) -> None:
        """Remember how long a stage took when it last ran, for summary.json."""
        path = self.paths.output / "seconds.json"
        write_json(path, {**(read_json(path) or {}), stage: round(seconds, 2)})


def check_config(config: Config, slug: str) -> None:
    """Hold the parts of a configuration against each other, before anything runs.

    Raises:
        InputError: slug, metric, kind of submission or ensemble method do not fit the task or one another.
    """
    if config.competition.slug != slug:
        raise InputError(
            f"competition.slug = {config.competition.slug!r} in the competition.toml of {slug!r}; make them the same"
        )
    task, name, kind = config.competition.task, config.competition.metric, config.submission.kind
    metric = metric_for(name, task)
    if (kind == "value") != (task == "regression"):
        fitting = "'value'" if task == "regression" else "'label' or 'probability'"
        raise InputError(f"submission.kind = {kind!r} is not for a {task} task; set it to {fitting}")
    if kind == "label" and metric.takes == "probability":
        raise InputError(f"submission.kind = 'label': {name} scores probabilities; set the kind to 'probability'")
    # Ranks have an order and nothing else: no sizes to compare between classes, no probabilities, no values.
    ordered = metric.takes == "label" or name in ORDER_IS_ENOUGH
    if config.recipe.ensemble.method == "rank_mean" and (task in ("multiclass", "regression") or not ordered):
        raise InputError(
            f"recipe.ensemble.method = 'rank_mean': ranks cannot be scored by {name} in a {task} task; use 'mean'"
        )


def changes(old: Any, new: Any, prefix: str = "") -> list[str]:
    """How two records of inputs differ, one phrase a difference: `training.epochs 6 → 4`.

    Values that are hashes only say that they changed.
    """
    if isinstance(old, dict) and isinstance(new, dict):
        keys = dict.fromkeys([*old, *new])
        return [phrase for key in keys for phrase in changes(old.get(key), new.get(key), f"{prefix}{key}.")]
    if old == new:
        return []
    name = prefix.rstrip(".")
    if isinstance(old, list) and isinstance(new, list) and len(old) == len(new):
        return [
            phrase
            for index, pair in enumerate(zip(old, new, strict=True))
            for phrase in changes(*pair, f"{prefix}{index}.")
        ]
    return [f"{name} changed" if is_hash(old) or is_hash(new) else f"{name} {old} → {new}"]


def differences(folder: Path, name: str, inputs: dict[str, Any]) -> list[str]:
    """Why a folder's content is out of date: its record `name` has other inputs, or its files other sizes.

    Returns:
        Phrases for a message; none if it is up to date, ["missing"] if there is no record.
    """
    record = read_json(folder / name)
    if record is None:
        return ["missing"]
    sizes = {file: size for file, size in sizes_of(folder).items() if file != name}
    return changes(record.get("inputs"), inputs) or changes(record.get("files"), sizes, "file sizes.")


def is_hash(value: Any) -> bool:
    """True for what `foldwise.files.hash_of` gives."""
    return isinstance(value, str) and len(value) == 16 and all(char in "0123456789abcdef" for char in value)
