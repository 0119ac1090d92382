"""`fw.Competition`: a competition's tables and settings, and running the stages on them."""

import os
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Literal, Self, TypedDict, Unpack, get_type_hints

import pandas as pd
from pydantic import create_model

from foldwise.cli import find_extension
from foldwise.clock import Clock
from foldwise.config import Section
from foldwise.data.inspect_competition import NO_GROUP, Choices
from foldwise.errors import InputError, check, with_article
from foldwise.extensions import load_extension
from foldwise.lock import only_writer
from foldwise.options import check_input_folder, make_run
from foldwise.paths import find_project, resolve
from foldwise.pipeline import run_all, run_folds
from foldwise.python.recipe import Recipe
from foldwise.python.result import Result
from foldwise.python.session import session
from foldwise.python.tables import infer_settings, write_tables
from foldwise.run import Run, check_teaching
from foldwise.stages.folds import folds
from foldwise.stages.train import train

COMPARE = "foldwise.experiments.compare:tabulate"
RUN = "contest.run(recipe)"
CALLS = {
    "folds": "contest.make_folds(recipe)",
    "report": f"{RUN}.report()",
    **dict.fromkeys(("all", "train", "tokens"), RUN),
}
Folder = str | os.PathLike[str] | None


class Settings(TypedDict, total=False):
    """What competition.toml is to say, as the options of `./run.sh init`; what is not given is inferred, and told."""

    id: str
    text: str | list[str]
    image: str  # the column of names of image files
    target: str | list[str]
    group: str | None  # rows of one group share a fold; None: no column
    task: Literal["binary", "multiclass", "multilabel", "regression", "ordinal"]
    kind: Literal["label", "probability", "value"]
    metric: str
    metric_arguments: dict[str, Any]
    less_is_better: bool  # of a metric of your own
    numbered: bool  # rows count from 1 where no column names them
    positive: str  # of two labels the one to predict
    label_separator: str  # between labels in one cell
    files: dict[str, Any]  # the table [files], such as {"encoding": "cp1252", "separator": ";"}


FIELDS: dict[str, Any] = {name: (kind, None) for name, kind in get_type_hints(Settings).items()}
CHECKED = create_model("Settings", __base__=Section, **FIELDS)  # the same as what checks it


class CalledRun(Run):
    """A run that suggests calls, where one of the command line suggests commands."""

    def hint(self, command: str, *extra: str) -> str:
        """A call to suggest, on the competition."""
        return CALLS[command] if command in CALLS else super().hint(command, *extra)


class Competition:
    """A competition of DataFrames; `Competition.open` has one of files.

    The tables become CSVs in `input/NAME/`, which the same call writes again when they change; results go into
    `output/NAME/`. These folders are in the repository, or for an installed package in the current folder.

    Args:
        train, test, sample_submission: as in a contest: the sample has the ids of test, and the columns to predict.
        solution: the true targets of the test rows, where you have them; only used to score the submission.
        name: of the folders.
        input, folds, output: other folders than those three.
        settings: see `Settings`.

    Raises:
        InputError: what was given cannot be right; the message says what to do.
    """

    def __init__(
        self,
        train: pd.DataFrame,
        test: pd.DataFrame,
        sample_submission: pd.DataFrame,
        solution: pd.DataFrame | None = None,
        *,
        name: str,
        input: Folder = None,  # as --input
        folds: Folder = None,
        output: Folder = None,
        **settings: Unpack[Settings],
    ) -> None:
        self.place(name, input, folds, output)
        frames = {"train": train, "test": test, "sample_submission": sample_submission}
        with session():
            paths = resolve(name, *self.folders)
            paths = replace(paths, input=(self.folders[0] or find_project() / "input") / name)
            choices = make_choices(settings)
            write_tables(paths, frames | ({} if solution is None else {"solution": solution}), choices)

    @classmethod
    def open(
        cls,
        folder: str | os.PathLike[str],
        *,
        folds: Folder = None,
        output: Folder = None,
        **settings: Unpack[Settings],
    ) -> Self:
        """The competition whose tables are in a folder such as "input/my-contest".

        Without competition.toml there, and of no contest known by name, its settings are inferred from the tables, as
        `./run.sh init` does.

        Args:
            folder: or the name alone of one in `input/`.
            folds, output: other folders than `folds/` and `output/`.
            settings: for a new competition.toml, see `Settings`.
        """
        path, project = Path(folder), find_project() / "input"
        if path == Path(path.name) and not path.is_dir():
            path = project / path
        elif not path.is_dir() and (find_project() / path).is_dir():
            path = find_project() / path
        path = path.absolute()
        contest = cls.__new__(cls)
        contest.place(path.name, None if path.parent == project else path.parent, folds, output)
        with session():
            choices, paths = make_choices(settings), resolve(path.name, *contest.folders)
            if paths.config.is_file() and settings:
                raise InputError(f"{paths.config}: is there, so what it says counts; say {', '.join(settings)} in it")
            check_input_folder(paths)
            if not paths.config.is_file():
                infer_settings(paths, choices)
        return contest

    def place(self, name: str, input: Folder, folds: Folder, output: Folder) -> None:
        """Note where things are: name, and the roots of input, folds and output where they are not the usual ones."""
        self.name = name
        self.folders = (absolute(input), absolute(folds), absolute(output))

    def run(
        self,
        recipe: Recipe | None = None,
        *,
        name: str | None = None,
        fold: int | Sequence[int] | None = None,
        seed: int | None = None,
        device: Literal["auto", "cpu", "cuda"] = "auto",
        debug: bool = False,
        force: bool = False,
        time_budget: str | None = None,
    ) -> Result:
        """All stages, as `./run.sh all`: only what is missing or out of date runs, and each says why.

        Args:
            recipe: what differs from the recipe in competition.toml.
            name: of the run, which then has a folder of its own, `output/CONTEST/experiments/NAME/`.
            fold: folds to train anew, whatever their state; the others keep every byte.
            seed: of the training; the folds have their own.
            device: "auto" takes a GPU if it works.
            debug: 200 rows, one epoch, into a folder of its own.
            force: redo what is up to date.
            time_budget: such as "2h" or "40m", from this call on; trains less where it must.

        Raises:
            InputError, RunError, KeyboardInterrupt: see `foldwise.python.session.session`.
        """
        with session():
            run = self.prepare(recipe, name=name, seed=seed, device=device, debug=debug, force=force)
            if time_budget is not None:
                budget = find_extension("--time-budget")(time_budget)
                run = replace(run, budget=replace(budget, started=Clock.now()))
                check_teaching(run.config, timed=True)
            if fold is not None:
                with only_writer(run.paths.output):
                    train(run, folds(run), list(fold) if isinstance(fold, Sequence) else [int(fold)])
            run_all(run)
            return Result(run)

    def compare(self) -> pd.DataFrame:
        """All runs, as `./run.sh compare`: a row each with its score, what differs from the first one, and by how much.

        The difference is the mean over the folds; within two of its standard errors it is marked as noise.
        """
        with session():
            rows = load_extension(COMPARE, "compare")(resolve(self.name, *self.folders))
        return pd.DataFrame(rows).set_index("name")

    def make_folds(self, recipe: Recipe | None = None) -> None:
        """Deal the training rows to folds anew, as `./run.sh folds --force`; needed where rows came or went."""
        with session():
            run_folds(self.prepare(recipe, force=True))

    def prepare(self, recipe: Recipe | None, name: str | None = None, **options: Any) -> Run:
        """What the stages are given; options are of `make_run`."""
        if recipe is not None and not isinstance(recipe, Recipe):
            raise InputError(f"run: the recipe is {with_article(type(recipe).__name__)}; give fw.Recipe(epochs=4), say")
        if name is not None:
            options["experiment"] = name
        options |= dict(zip(("input_", "folds", "output"), self.folders, strict=True))
        run = make_run(self.name, recipe.settings if recipe else [], **options)
        given = {**vars(run), "command": f"fw.Competition.run({recipe or ''})"}
        return CalledRun(**given)

    def __repr__(self) -> str:
        return f"<Competition {self.name}: {resolve(self.name, *self.folders).input}>"


def absolute(folder: Folder) -> Path | None:
    """A folder by its absolute path, wherever the program goes later; None where it is the usual one."""
    return None if folder is None else Path(folder).absolute()


def make_choices(settings: Settings) -> Choices:
    """Settings as `init` takes them; InputError for a name that is none, or a value that cannot be."""
    given: dict[str, Any] = dict(settings)
    check(CHECKED, given, "fw.Competition")
    for name in ("text", "target"):
        if isinstance(given.get(name), str):
            given[name] = [given[name]]
    if "group" in given and given["group"] is None:
        given["group"] = NO_GROUP
    given["metric_arguments"] = [f"{key}={value}" for key, value in given.get("metric_arguments", {}).items()]
    return Choices(**given)
