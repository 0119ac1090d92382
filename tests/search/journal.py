"""The journal of a search, as a test changes it."""

import json
from pathlib import Path

import optuna
from optuna.storages.journal import JournalFileBackend

from foldwise.search.study import JOURNAL


def open_study(output: Path) -> optuna.Study:
    """The search of a competition's output."""
    found = json.loads((output / "search" / "search.json").read_text())
    journal = JournalFileBackend(str(output / "search" / JOURNAL))
    return optuna.load_study(study_name=found["study"], storage=optuna.storages.JournalStorage(journal))


def add_curves_nobody_reaches(output: Path) -> None:
    """Three finished trials whose scores are poor for all that: every later one is behind them and pruned."""
    study = open_study(output)
    curve = dict.fromkeys(range(11), 2.0)
    for _ in range(3):
        study.add_trial(
            optuna.trial.create_trial(value=-1.0, intermediate_values=curve, user_attrs={"set": [], "seconds": 1.0})
        )
