"""What every stage is given: the competition, its files, and how this run was asked for."""

from dataclasses import dataclass
from functools import cached_property
from typing import Any, Literal

from foldwise.config import Config
from foldwise.console import warn
from foldwise.data.competition import Competition, load_competition
from foldwise.files import read_json, write_json
from foldwise.paths import Paths


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
    """

    config: Config
    paths: Paths
    force: bool = False
    debug: bool = False
    device: Literal["auto", "cpu", "cuda"] = "auto"
    command: str = ""

    @cached_property
    def competition(self) -> Competition:
        """The tables, read and checked at first use, once."""
        competition = load_competition(self.config, self.paths, self.debug)
        for name, count in competition.empty.items():
            if count:
                warn(f"{self.paths.table(name)}: {count} empty texts; they are predicted from no words at all")
        return competition

    def record_seconds(self, stage: str, seconds: float) -> None:
        """Remember how long a stage took when it last ran, for summary.json."""
        path = self.paths.output / "seconds.json"
        write_json(path, {**(read_json(path) or {}), stage: round(seconds, 2)})


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
    return [f"{name} changed" if is_hash(old) or is_hash(new) else f"{name} {old} → {new}"]


def is_hash(value: Any) -> bool:
    """True for what `foldwise.files.hash_of` gives."""
    return isinstance(value, str) and len(value) == 16 and all(char in "0123456789abcdef" for char in value)
