"""The study: Optuna's journal of trials, which processes on one or several machines share.

A trial that runs is held by the lock of its experiment's folder, which the system takes back when its process dies. So
whoever joins sees which trials nobody works on any more, and goes on with them before it begins another one.
"""

import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from foldwise.config import Recipe
from foldwise.console import warn
from foldwise.errors import InputError
from foldwise.search.space import Choices, Space, Values, value_now
from foldwise.toml_text import to_toml

REQUIREMENTS = "requirements-search.txt"
JOURNAL = "journal.log"
RANDOM = 4  # trials before the sampler goes by the scores of others
COMPARED = 4  # finished trials before one is pruned
EARLIEST = 5  # tenth of its training from which on a trial is pruned
WITH_IMPORTANCE = 6  # finished trials from which on the importance of fields is told


def import_optuna() -> Any:
    """The library, without its notes; an `InputError` where it is not installed."""
    try:
        import optuna
    except ImportError as error:
        raise InputError(f"search needs optuna: {error}; install it: pip install -r {REQUIREMENTS}") from error
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    return optuna


def repair(path: Path, lock: Any) -> None:
    """Cut a journal before its first line that is none, behind which Optuna would read nothing.

    Such is what a process wrote of a line when the machine stopped. Whole lines that are cut off stay in another file.
    """
    if not path.exists():
        return
    lock.acquire()
    try:
        content, good = path.read_bytes(), 0
        for line in content.splitlines(keepends=True):
            if not (line.endswith(b"\n") and is_json(line)):
                break
            good += len(line)
        if b"\n" in content[good:]:
            kept = path.with_name(f"{path.name}.damaged")
            kept.write_bytes(content)
            warn(f"{path}: damaged; trials from there on are tried anew, the whole file is kept as {kept.name}")
        if good < len(content):
            os.truncate(path, good)
    finally:
        lock.release()


def is_json(line: bytes) -> bool:
    """Whether a line is a JSON value."""
    try:
        json.loads(line)
    except ValueError:
        return False
    return True


class Study:
    """The trials of one search.

    Args:
        folder: of the journal.
        key: of what trials have in common: two searches that differ in it share no trial.
        defaults: the recipe that the search starts from, which trial 0 is.
    """

    def __init__(
        self, folder: Path, key: str, space: Space, defaults: Recipe, greater_is_better: bool, seed: int
    ) -> None:
        self.optuna, self.key, self.space, self.defaults, self.seed = import_optuna(), key, space, defaults, seed
        folder.mkdir(parents=True, exist_ok=True)
        journal = self.optuna.storages.journal
        # Absolute: the lock is a link to the file, which its holder's death is told by.
        path = str(folder.absolute() / JOURNAL)
        lock = journal.JournalFileSymlinkLock(path)
        repair(Path(path), lock)
        try:
            self.study = self.optuna.create_study(
                storage=self.optuna.storages.JournalStorage(journal.JournalFileBackend(path, lock)),
                study_name=key,
                direction="maximize" if greater_is_better else "minimize",
                pruner=self.optuna.pruners.MedianPruner(COMPARED, EARLIEST),
                load_if_exists=True,
            )
        except Exception as error:  # of any kind, where a line is JSON and yet no entry of a journal
            reason = f"{type(error).__name__}: {error}"
            raise InputError(f"{path}: damaged ({reason}); move it away, and the search begins anew") from error
        self.greater = greater_is_better
        self.states = self.optuna.trial.TrialState

    def name_of(self, number: int) -> str:
        """What the experiment of a trial is called."""
        return f"search-{self.key[:8]}-{number}"

    def trials(self, *states: Any) -> list[Any]:
        """Trials in these states, or all, as they are now."""
        return list(self.study.get_trials(deepcopy=False, states=states or None))

    @property
    def finished(self) -> list[Any]:
        """Trials with a score."""
        return self.trials(self.states.COMPLETE)

    @property
    def best(self) -> Any:
        """The finished trial with the best score, the earliest of several; None where none is finished."""
        sign = -1 if self.greater else 1
        return min(self.finished, key=lambda trial: (sign * trial.value, trial.number), default=None)

    @property
    def default(self) -> Any:
        """The finished trial of the recipe as it was; None before it is."""
        return next((trial for trial in self.finished if trial.number == 0), None)

    def candidates(self, most: int | None) -> Iterator[Any]:
        """Trials to work on: first those that somebody began, whom nobody may work on any more, then new ones."""
        for trial in self.trials(self.states.RUNNING):
            self.study.sampler = self.sampler(trial.number)  # for values that it did not come to choose
            yield self.optuna.trial.Trial(self.study, trial._trial_id)
        while most is None or len(self.trials()) < most:
            self.study.sampler = self.sampler(len(self.trials()))
            yield self.study.ask()

    def sampler(self, number: int) -> Any:
        """What chooses the values of a trial: after the same trials the same ones, also where a kill came between."""
        return self.optuna.samplers.TPESampler(
            n_startup_trials=RANDOM, multivariate=False, constant_liar=True, seed=self.seed + number
        )

    def is_running(self, trial: Any) -> bool:
        """Whether a trial has no end yet."""
        return bool(self.trials()[trial.number].state == self.states.RUNNING)

    def settings(self, trial: Any) -> list[str]:
        """What a trial sets, as `--set` takes it; of trial 0 nothing, whose values are only noted."""
        if trial.number == 0:
            for field, values in self.space.items():
                if values.holds(now := value_now(self.defaults, field)):
                    kind = self.distribution(values)
                    noted = kind.to_internal_repr(to_toml(now) if isinstance(values, Choices) else now)
                    trial.storage.set_trial_param(trial._trial_id, field, noted, kind)
            return []
        return [f"{field}={self.suggest(trial, field, values)}" for field, values in self.space.items()]

    def suggest(self, trial: Any, field: str, values: Values) -> str:
        """A value, in TOML; the one that a trial has, if it has one."""
        if isinstance(values, Choices):
            return str(trial.suggest_categorical(field, values.values))
        if values.whole:
            return values.write(
                trial.suggest_int(field, values.low, values.high, step=values.step or 1, log=values.log)
            )
        return values.write(trial.suggest_float(field, values.low, values.high, step=values.step, log=values.log))

    def distribution(self, values: Values) -> Any:
        """Values in Optuna's terms."""
        kinds = self.optuna.distributions
        if isinstance(values, Choices):
            return kinds.CategoricalDistribution(values.values)
        if values.whole:
            return kinds.IntDistribution(values.low, values.high, values.log, values.step or 1)
        return kinds.FloatDistribution(values.low, values.high, values.log, values.step)

    def importance(self) -> dict[str, float]:
        """The share of each field in how scores differ, by a random forest; empty of too few trials."""
        having = [trial for trial in self.finished if trial.params.keys() >= self.space.keys()]
        if len(having) < WITH_IMPORTANCE or len({trial.value for trial in having}) < 2:
            return {}
        evaluator = self.optuna.importance.FanovaImportanceEvaluator(seed=0)
        found = self.optuna.importance.get_param_importances(self.study, evaluator=evaluator, params=list(self.space))
        return {field: float(share) for field, share in found.items()}
