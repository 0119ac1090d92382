"""Stage blend: finished runs become one submission, and nothing is trained.

    ./run.sh blend EXP EXP … -c SLUG [--name NEW]

The members of all these runs are the members of the blend: calibrated, weighed and scored as `ensemble` does with those
of one run, whatever competition.toml's recipe is by now. Runs must have the same folds of the same rows. A member that
two of them have in common, byte for byte, counts once.
"""

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from typing import Any, NamedTuple

from foldwise.config import Ensemble, Member, Recipe
from foldwise.console import say
from foldwise.ensembling.blend import Records, combine
from foldwise.ensembling.summary import show_summary
from foldwise.errors import DamagedError, InputError, check
from foldwise.experiments.finished import again, read_finished
from foldwise.files import with_infinity, write_checked
from foldwise.freshness import changes, submission_form
from foldwise.hashing import hash_of
from foldwise.inputs import input_hash
from foldwise.lock import only_writer
from foldwise.paths import ALL_ROWS, FOLD_OOF, FOLD_RECORD, FOLD_TEST, Paths
from foldwise.records import FoldRecord, check_whole
from foldwise.run import Run, check_config
from foldwise.stages.ensemble import write_outcome
from foldwise.stages.folds import folds

# What of competition.toml decides which rows there are, what is true of them, and how predictions are written.
SAME = {
    "competition": {"task", "soft_cut"},
    "columns": {"id", "target", "positive", "separator", "missing_targets", "weight"},
}


class Trained(NamedTuple):
    """A member of a finished run."""

    paths: Paths  # of the run
    name: str  # there
    folds: list[int]
    on_all_rows: bool  # whether a model on all rows predicts the test table


@dataclass(frozen=True)
class BlendPaths(Paths):
    """The places of a blend, whose members' folds are where their runs wrote them."""

    members: Mapping[str, Trained] = field(default_factory=dict)

    def fold(self, member: str, fold: int, without: tuple[int, ...] = ()) -> Path:
        """Folder of one trained fold."""
        trained = self.members[member]
        return trained.paths.fold(trained.name, fold, without)


def blend_runs(run: Run, names: Sequence[str]) -> None:
    """Combine the runs of these names into submission.csv, oof.csv and summary.json of the named run `run`.

    Raises:
        InputError: a run is not finished, damaged, or does not go with the others.
    """
    if len(names) < 2 or len(set(names)) < len(names) or run.paths.experiment in names:
        raise InputError(f"blend {' '.join(names)}: give two or more different experiments, and --name another one")
    if any(run.paths.output.glob("*/fold*")):
        raise InputError(f"--name {run.paths.experiment}: a run with folds of its own, which would lose their results")
    found = {name: read_finished(run.paths, name) for name in names}
    for name, (_, summary) in found.items():
        if of := summary.get("blend"):
            raise InputError(f"{name}: a blend already; name what it is of: {', '.join(of)}")
        check_goes_along(run, name, summary)
    with only_writer(run.paths.output):
        start = time.perf_counter()
        members, records = collect_members(found)
        first = next(iter(found.values()))[1]["configuration"]["asked"]["recipe"]
        config = run.asked.model_copy(update={"recipe": make_recipe(first, members)})
        check_config(config, run.paths.slug)
        places = {place.name: getattr(run.paths, place.name) for place in fields(run.paths)}
        run = replace(run, asked=config, paths=BlendPaths(**places, members=members))
        fold_of_row = folds(run)
        summary = write_outcome(run, fold_of_row, records, combine(run, fold_of_row, records))
        seconds = round(time.perf_counter() - start, 2)
        write_checked(run.paths.summary, {**summary, **describe(run, names, members), **took(seconds)})
    say("blend", f"made {run.paths.submission.name}: {summary['rows']['test']:,} rows, checked and read back")
    show_summary(run, {**summary, **took(seconds)})


def check_goes_along(run: Run, name: str, summary: dict[str, Any]) -> None:
    """Refuse a run with other folds than the fold file's, or of other rows than competition.toml speaks of."""
    if not run.paths.folds.is_file():
        raise InputError(f"{run.paths.folds}: not there; the folds that {name} was trained with are needed")
    if summary.get("fold_file") != input_hash(run.paths.folds):
        raise InputError(f"{name}: its folds are not those of {run.paths.folds}; blend runs that have the same folds")
    asked = summary["configuration"]["asked"]
    then = {table: {key: asked[table].get(key) for key in sorted(keys)} for table, keys in SAME.items()}
    content = run.asked.model_dump(mode="json")
    now = {table: {key: content[table][key] for key in sorted(keys)} for table, keys in SAME.items()}
    if other := changes(then, now):
        raise InputError(f"{name}: made with other settings than competition.toml has now: {'; '.join(other)}")


def collect_members(found: Mapping[str, tuple[Paths, dict[str, Any]]]) -> tuple[dict[str, Trained], Records]:
    """The members of all runs, called RUN/MEMBER, and the records of their folds; the same predictions once.

    Raises:
        InputError: a fold is not the one that the run's summary was made of.
    """
    members: dict[str, Trained] = {}
    records: Records = {}
    known: dict[str, str] = {}
    for name, (paths, summary) in found.items():
        for member in summary["members"]:
            trained = Trained(paths, member["name"], member["folds"], "epochs_on_all_rows" in member)
            try:
                group, content = read_member(trained)
            except DamagedError as error:
                raise InputError(f"{name}: {error}; run `{again(paths, name)}` first") from error
            if content[0] != summary["inputs"]["folds"].get(trained.name):
                raise InputError(
                    f"{name}: {trained.name} was trained again since its submission was made; run "
                    f"`./run.sh ensemble` for it, with its --set options, first"
                )
            label = f"{name}/{trained.name}"
            if twin := known.get(content[1]):
                say("blend", f"{label}: the same predictions as {twin}, taken once")
                continue
            known[content[1]], members[label], records[label] = label, trained, group
    return members, records


def read_member(trained: Trained) -> tuple[dict[int, dict[str, Any]], tuple[str, str]]:
    """The records of a member's folds, and two hashes: of these records, and of its predictions."""
    numbers = [*trained.folds, *[ALL_ROWS] * trained.on_all_rows]
    records = {}
    for fold in numbers:
        records[fold] = check_whole(trained.paths.fold(trained.name, fold) / FOLD_RECORD, FoldRecord)
    made = hash_of(*(trained.paths.fold(trained.name, fold) / FOLD_RECORD for fold in numbers))
    predicted = hash_of(
        [[fold, record["files"].get(FOLD_OOF), record["files"].get(FOLD_TEST)] for fold, record in records.items()]
    )
    return {fold: records[fold] for fold in trained.folds}, (made, predicted)


def make_recipe(asked: dict[str, Any], members: Mapping[str, Trained]) -> Recipe:
    """A recipe of these members: folds and method of the first run's, weights to be fitted."""
    first = check(Recipe, with_infinity(asked), "the recipe of the first experiment")
    listed = {
        label: Member(folds=trained.folds, training={"validate": False} if trained.on_all_rows else {})
        for label, trained in members.items()
    }
    ensemble = Ensemble(method=first.ensemble.method)
    return Recipe(folds=first.folds).model_copy(update={"members": listed, "ensemble": ensemble})


def describe(run: Run, names: Sequence[str], members: Mapping[str, Trained]) -> dict[str, Any]:
    """What summary.json says of a blend beside what it says of any run."""
    inputs = {"folds": {label: [str(trained.paths.output), trained.name] for label, trained in members.items()}}
    facts = {"blend": list(names), "auto": {}, "inputs": inputs}
    return {**facts, "outputs": [hash_of(path) for path in run.paths.outcome], "form": submission_form(run)}


def took(seconds: float) -> dict[str, Any]:
    """How long it took, as summary.json has it."""
    return {"seconds": {"blend": seconds, "total": seconds}}
