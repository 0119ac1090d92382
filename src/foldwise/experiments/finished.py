"""What a run left behind: its summary, and the public scores of its submissions. Nothing here loads pandas or torch."""

import shlex
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from foldwise.console import say, warn
from foldwise.errors import DamagedError, InputError
from foldwise.experiments.names import UNNAMED, find_run
from foldwise.paths import FOLD_RECORD, Paths
from foldwise.records import PublicScores, Summary, read_checked, read_whole


@dataclass(frozen=True)
class Finished:
    """A run as `compare` shows it; one that is not finished, or damaged, has a `problem` and no `summary`."""

    name: str
    summary: dict[str, Any] | None
    problem: str = ""
    public: float | None = None  # of the newest submission
    public_is_old: bool = False  # it is of another submission than the one there is now
    date: str = ""  # ISO 8601, to the millisecond

    @property
    def scores(self) -> dict[int, float]:
        """Of each fold."""
        return {fold["fold"]: fold["score"] for fold in self.summary["folds"]} if self.summary else {}

    @property
    def recipe(self) -> dict[str, Any] | None:
        """Its recipe with everything decided, but members as they were asked for; None where it was not kept."""
        configuration = self.settings
        if configuration is None:
            return None
        return {**configuration["decided"]["recipe"], "members": configuration["asked"]["recipe"]["members"]}

    @property
    def settings(self) -> dict[str, Any] | None:
        """`Configuration`, None where it was not kept."""
        return self.summary.get("configuration") if self.summary else None


def read_run(paths: Paths, name: str) -> Finished:
    """What there is of a run; whatever is wrong with its files is its `problem`."""
    try:
        summary = read_checked(paths.summary, Summary)
        if summary is None:
            return Finished(name, None, describe_unfinished(paths, name))
        public, old = read_public(paths, summary["outputs"][:1])
        date = summary.get("date") or datetime.fromtimestamp(paths.summary.stat().st_mtime).astimezone().isoformat()
        return Finished(name, summary, "", public, old, date[:23])
    except DamagedError as error:
        return Finished(name, None, f"{'; '.join(error.phrases)}: `{again(paths, name)}` makes it anew")
    except OSError as error:
        return Finished(name, None, f"cannot be read: {error.strerror}")


def settings_of(paths: Paths, given: list[str] | None) -> list[str]:
    """The `--set` options that a finished run was made with, where none are given: without them all would be made anew.

    Where others are given, it says which are left out.
    """
    try:
        summary = read_checked(paths.summary, Summary) or {}
    except DamagedError as error:
        if given is None:
            warn(f"{paths.experiment}: {error}; give the --set options again that it was made with, if there were any")
        return []
    known: list[str] = summary.get("settings") or []
    if given is None:
        if known:
            told = f"{as_options(known)}, as it was made; any --set takes the place of all of these"
            say("name", f"{paths.experiment}: {told}")
        return known
    if left_out := [setting for setting in known if setting not in given]:
        say("name", f"{paths.experiment}: without {as_options(left_out)}, which it was made with")
    return []


def as_options(settings: list[str]) -> str:
    """Settings as a command line has them."""
    return " ".join(f"--set {shlex.quote(setting)}" for setting in settings)


def again(paths: Paths, name: str) -> str:
    """The command that goes on with a run."""
    return f"./run.sh all -c {paths.slug}{'' if name == UNNAMED else f' --name {name}'}"


def describe_unfinished(paths: Paths, name: str) -> str:
    """How far a run came that has no summary."""
    count = sum(1 for _ in paths.output.glob(f"*/fold*/{FOLD_RECORD}"))
    trained = f"{count} fold{'s' * (count != 1)} trained"
    return f"not finished, {trained}: `{again(paths, name)}` with its --set options goes on"


def read_public(paths: Paths, submission: list[str]) -> tuple[float | None, bool]:
    """The newest public score, and whether it is of another submission than this one."""
    known = read_checked(paths.public_scores, PublicScores)
    if not known or not known["scores"]:
        return None, False
    newest = known["scores"][-1]
    return newest["score"], newest["submission"] not in (None, *submission)


def read_finished(paths: Paths, name: str) -> tuple[Paths, dict[str, Any]]:
    """Places and summary of a run that is finished; InputError for another, or one that kept no recipe."""
    own = find_run(paths, name)
    try:
        summary = read_whole(own.summary, Summary)
    except DamagedError as error:
        raise InputError(f"{name}: {error}; run `{again(paths, name)}` first") from error
    if not summary.get("configuration"):
        raise InputError(f"{name}: made by an earlier foldwise, which kept no recipe; `{again(paths, name)} --force`")
    return own, summary
