"""What a student learns: never, through its teachers, the labels of the fold that it is scored on."""

import csv
from pathlib import Path

import numpy as np
import pytest
import torch

from foldwise.data.splits import HIDDEN, normalise
from foldwise.data.table import read_table
from foldwise.freshness import Fit
from foldwise.options import make_run
from foldwise.running.folds import make_jobs, with_lessons
from foldwise.running.job import FoldJob
from foldwise.stages.folds import folds

BASE = ["folds.n=4", "linear.min_count=1", "training.epochs=1"]
DISTILL = "members.bilstm.training.distill=linear"
PSEUDO = "members.bilstm.training.pseudo_labels=0.5"


def options(settings: list[str]) -> list[str]:
    return [part for setting in [*BASE, *settings] for part in ("--set", setting)]


def students(workspace: Path, slug: str, settings: list[str], fits: list[Fit]) -> list[FoldJob]:
    """The jobs of these fits as a worker gets them, from what is on disk."""
    roots = [workspace / name for name in ("input", "folds", "output")]
    run = make_run(slug, [*BASE, *settings], None, "cpu", *roots)
    fold_of_row = folds(run)
    jobs = make_jobs(run, [(fit, {}) for fit in fits], fold_of_row, torch.device("cpu"))
    return list(with_lessons(run, jobs, fold_of_row))


def members(workspace: Path, slug: str, text: str) -> None:
    path = workspace / "input" / slug / "competition.toml"
    path.write_text(path.read_text() + text)


def read(path: Path) -> list[dict[str, str]]:
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


def write(path: Path, rows: list[dict[str, str]]) -> None:
    with path.open("w", newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)


def change_labels(workspace: Path, slug: str, fold: int) -> None:
    """Give every row of a fold another label than it had."""
    fold_of = {row["id"]: int(row["fold"]) for row in read(workspace / "folds" / f"{slug}.csv")}
    (path,) = (workspace / "input" / slug).glob("train.*")
    rows = read_table(path).frame.to_dict("records")
    target = list(rows[0])[-1]
    labels = sorted({row[target] for row in rows})
    for row in rows:
        if fold_of[row["id"]] == fold:
            row[target] = labels[(labels.index(row[target]) + 1) % len(labels)]
    path.unlink()
    write(path.with_name("train.csv"), rows)


def content(job: FoldJob) -> list[bytes]:
    assert job.lesson is not None
    parts = (job.lesson.rows, job.lesson.targets, job.lesson.weights)
    return [b"" if part is None else part.tobytes() for part in parts]


TEACHER_NETWORK = """
training.patience = 1
[recipe.members.bilstm]
training.distill = "other"
[recipe.members.other]
model.name = "textcnn"
training.learning_rate = 0.03
training.epochs = 3
"""
CHAIN = """
[recipe.members.bilstm]
training.distill = "other"
[recipe.members.other]
training.distill = "linear"
[recipe.members.linear]
model.name = "linear"
"""


@pytest.mark.parametrize(
    ("slug", "settings", "table"),
    [
        ("twin-binary", [DISTILL], ""),
        ("twin-binary", [PSEUDO], ""),
        ("twin-multiclass", [DISTILL, PSEUDO], ""),
        ("twin-regression", [DISTILL, PSEUDO], ""),
        ("twin-binary", [], TEACHER_NETWORK),
        ("twin-binary", [], CHAIN),
    ],
)
def test_labels_of_its_own_fold_never_reach_a_student(cli_here, workspace, slug, settings, table):
    members(workspace, slug, table)
    fits = [Fit("bilstm", fold) for fold in range(4)]
    command = ("all", "-c", slug, *options(settings))
    cli_here(*command)
    before = [content(job) for job in students(workspace, slug, settings, fits)]
    change_labels(workspace, slug, 1)
    cli_here(*command)
    after = [content(job) for job in students(workspace, slug, settings, fits)]
    assert before[1] == after[1]
    for fold in (0, 2, 3):
        assert before[fold][1] != after[fold][1]


def test_the_fits_of_a_teacher_are_given_no_label_of_the_folds_that_they_must_not_see(cli_here, workspace):
    cli_here("all", "-c", "twin-binary", *options([DISTILL]))
    fit = Fit("linear", 2, (1,))
    (job,) = students(workspace, "twin-binary", [DISTILL], [fit])
    hidden = job.folds == HIDDEN
    assert hidden.sum() == 5
    assert not job.targets.y[hidden].any()
    assert not job.targets.truth[hidden].any()
    assert job.targets.y[~hidden].any()
    folder = workspace / "output" / "twin-binary" / "linear" / "without-1" / "fold2"
    assert sorted(path.name for path in folder.iterdir()) == [
        "fold.json", "history.jsonl", "model.json", "oof.safetensors", "test.safetensors",
    ]  # fmt: skip


def test_targets_are_the_mix_of_labels_and_predictions(cli_here, workspace):
    weight = "members.bilstm.training.distill_weight=0.25"
    cli_here("all", "-c", "twin-multiclass", *options([DISTILL, weight, PSEUDO]))
    alone = "members.bilstm.training.distill_weight=1.0"
    mixed, taught, pseudo = (
        students(workspace, "twin-multiclass", settings, [Fit("bilstm", 0)])[0].lesson
        for settings in ([DISTILL, weight], [DISTILL, alone], [PSEUDO])
    )
    labels = [
        row["domain"]
        for row in read_table(workspace / "input" / "twin-multiclass" / "train.tsv").frame.to_dict("records")
    ]
    one_hot = np.eye(4)[[sorted(set(labels)).index(labels[row]) for row in taught.rows]]
    assert mixed.targets == pytest.approx(0.75 * one_hot + 0.25 * taught.targets, abs=1e-6)
    assert mixed.weights is None
    assert pseudo.rows.tolist() == [*taught.rows.tolist(), *range(20, 28)]
    assert (pseudo.targets[:15] == one_hot).all()
    assert pseudo.targets[15:].sum(axis=1) == pytest.approx(np.ones(8), abs=1e-6)
    assert pseudo.weights.tolist() == [1.0] * 15 + [0.5] * 8


@pytest.mark.parametrize("slug", ["twin-binary", "twin-multiclass", "twin-regression"])
def test_extra_rows_join_every_training_with_their_weight(cli_here, workspace, slug):
    folder = workspace / "input" / slug
    (train,) = folder.glob("train.*")
    table = read_table(train)
    rows = table.frame.to_dict("records")
    more = [
        {**row, "id": f"old-{number}", **({} if number < 2 else {"text": f"new {number}"})}
        for number, row in enumerate(rows[:5])
    ]
    weights = [1, 1, 1, 0, 4]
    write(folder / "old.csv", [{**row, "w": str(weight)} for row, weight in zip(more, weights, strict=True)])
    write(folder / "train.csv", [{**row, "w": "2"} for row in rows])
    if train.name != "train.csv":
        train.unlink()
    path = folder / "competition.toml"
    path.write_text(path.read_text().replace("[columns]", '[files]\nextra = "old"\n[columns]\nweight = "w"'))
    setting = "training.extra_weight=0.25"
    cli_here("all", "-c", slug, *options([setting]))
    fold_of = {row["id"]: int(row["fold"]) for row in read(workspace / "folds" / f"{slug}.csv")}
    for job in students(workspace, slug, [setting], [Fit("bilstm", 2), Fit("linear", 2)]):
        known = [number for number in range(5) if number != 3 and (number > 1 or fold_of[rows[number]["id"]] != 2)]
        training = (job.folds != 2).sum()
        first = len(job.folds) + len(job.test_ids)
        assert job.lesson.rows[training:].tolist() == [first + number for number in known]
        assert job.lesson.weights.tolist() == [2.0] * training + [0.25 * 2 * weights[number] for number in known]
        assert job.lesson.targets[training:].tolist() == job.targets.y[known].tolist()
        assert job.lesson.targets.dtype == job.targets.y.dtype
    assert len(read(workspace / "output" / slug / "oof.csv")) == len(rows)


def test_extra_rows_with_the_text_of_the_fold_are_left_out(cli_here, workspace):
    slug, extra = "twin-binary", "members.bilstm.training.extra_epochs=1"
    rows = read(workspace / "input" / slug / "train.csv")
    same = [
        {"id": f"old-{number}", "text": f" {row['text'].upper()}\t", "target": row["target"]}
        for number, row in enumerate(rows)
    ]
    write(workspace / "input" / slug / "last-year.csv", [*same, {"id": "new", "text": "Entirely new.", "target": "1"}])
    path = workspace / "input" / slug / "competition.toml"
    path.write_text(path.read_text().replace("[columns]", '[files]\nextra = "last-year"\n[columns]'))
    cli_here("all", "-c", slug, *options([extra]))
    fold_of = {row["id"]: int(row["fold"]) for row in read(workspace / "folds" / f"{slug}.csv")}
    (job, pair) = students(workspace, slug, [extra], [Fit("bilstm", 2), Fit("bilstm", 2, (0,))])
    for first, folds_left in ((job.first, {0, 1, 3}), (pair.first, {1, 3})):
        expected = [28 + number for number, row in enumerate(rows) if fold_of[row["id"]] in folds_left] + [48]
        assert first.rows.tolist() == expected
        assert first.targets[-1] == 1
        assert first.weights is None
    assert normalise(same[0]["text"]) == normalise(rows[0]["text"])
    assert len(read(workspace / "output" / slug / "oof.csv")) == 20
