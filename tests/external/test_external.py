"""Another program's predictions as a member, through the command line: the same as its own training, kept, refused."""

import json

import numpy as np
import pandas as pd
import pytest

from foldwise.data.table import read_table
from foldwise.ensembling.predictions import read_predictions
from foldwise.external.learner import ExternalLearner
from foldwise.learners import Learner
from foldwise.running import job

EXTERNAL = """
[recipe.members.other]
model.name = "external"
external = { oof = "other_oof.csv", test = "other_test.csv" }
[recipe.members.linear]
model.name = "linear"
linear = { min_count = 1, char_ngrams = 0, C = 1.0 }
"""
INSIDE = EXTERNAL.replace('"external"\nexternal = { oof = "other_oof.csv", test = "other_test.csv" }',
                          '"linear"\nlinear = { word_ngrams = 0, char_ngrams = 3, min_count = 1, C = 0.3 }')  # fmt: skip
LEVELS = ["1", "2", "5"]  # labels of the ordinal contest, which are not one apart


def warnings_of(errors: str) -> list[str]:
    """All but that the models of so few rows have learnt nothing."""
    return [line for line in errors.splitlines() if line.startswith("warning") and "learnt nothing" not in line]


def write_recipe(home, members):
    path = home / "competition.toml"
    text = path.read_text().split("\n[recipe.members")[0]
    path.write_text(text + members)


def make_ordinal(home):
    """The regression contest with three levels instead of values."""
    train = pd.read_csv(home / "train.csv", dtype=str)
    train["valence"] = pd.qcut(train.valence.astype(float), 3, labels=LEVELS)
    train.to_csv(home / "train.csv", index=False)
    text = (home / "competition.toml").read_text()
    for old, new in (('"regression"', '"ordinal"'), ('"rmse"', '"quadratic_kappa"'), ('"value"', '"label"')):
        text = text.replace(old, new)
    (home / "competition.toml").write_text(text)
    sample = pd.read_csv(home / "sample_submission.csv", dtype=str)
    sample.iloc[:, 1] = LEVELS[0]
    sample.to_csv(home / "sample_submission.csv", index=False)


def write_test(home, output, names, scale=None):
    """A table of the test predictions of member `other`, trained inside: the mean of its folds."""
    table = pd.read_csv(next(home.glob("test.*")), sep=None, engine="python", dtype=str)
    files = sorted((output / "other").glob("fold*/test.safetensors"))
    predictions = np.mean([read_predictions(path, table.id.tolist()) for path in files], axis=0)
    if scale is not None:
        lower = np.clip(np.floor(predictions), 0, len(scale) - 2).astype(int)
        predictions = scale[lower] + (predictions - lower) * (scale[lower + 1] - scale[lower])
    written = pd.DataFrame(dict(zip(names, predictions.T, strict=True)))
    written.insert(0, "id", table.id)
    written.sample(frac=1, random_state=0).to_csv(home / "other_test.csv", index=False)


def figures(output):
    """All scores and weights of a run."""
    summary = json.loads((output / "summary.json").read_text())
    scores = [*summary["cv"].values(), *(fold["score"] for fold in summary["folds"])]
    members = [member[key] for member in summary["members"] for key in ("cv", "adds")]
    return np.array([*scores, *members, *summary["ensemble"]["weights"].values()])


@pytest.mark.parametrize("task", ["binary", "multiclass", "multilabel", "regression", "ordinal"])
def test_the_same_as_a_member_that_is_trained_inside(cli_here, workspace, task):
    slug = "twin-regression" if task == "ordinal" else f"twin-{task}"
    home, output = workspace / "input" / slug, workspace / "output" / slug
    if task == "ordinal":
        make_ordinal(home)
    write_recipe(home, INSIDE)
    cli_here("all", "-c", slug)
    inside, submission = figures(output), (output / "submission.csv").read_bytes()

    # Its oof.csv as a run of it alone writes it, targets and folds beside the predictions.
    cli_here("ensemble", "-c", slug, "--set", 'ensemble.members=["other"]')
    oof = pd.read_csv(output / "oof.csv", dtype=str)
    oof.iloc[::-1].to_csv(home / "other_oof.csv", index=False)
    names = [name for name in oof.columns if name.startswith("prediction")]
    scale = np.array(LEVELS, float) if task == "ordinal" else None
    plain = [name.removeprefix("prediction_") for name in names] if task == "multilabel" else names
    write_test(home, output, plain, scale)

    write_recipe(home, EXTERNAL)
    done = cli_here("all", "-c", slug)
    assert "kept linear folds 0, 1" in done.stdout
    assert "other (external) folds 0, 1: model linear → external" in done.stdout
    assert warnings_of(done.stderr) == []
    assert figures(output) == pytest.approx(inside, abs=1e-9)
    assert (output / "other" / "fold0" / "oof.safetensors").is_file()
    assert not list((output / "other").rglob("weights*"))
    if task in ("binary", "ordinal"):  # labels
        assert (output / "submission.csv").read_bytes() == submission
    else:
        made, before = (np.genfromtxt(text.splitlines(), delimiter=",", skip_header=1)[:, 1:]
                        for text in ((output / "submission.csv").read_text(), submission.decode()))  # fmt: skip
        assert made == pytest.approx(before, abs=1e-9)
    assert "kept other (external) folds 0, 1" in cli_here("all", "-c", slug).stdout
    if task == "binary":
        predict = ("predict", str(home / "test.csv"), "-c", slug, "--device", "cpu")
        assert "recipe.members.other: its predictions are another model's" in cli_here(*predict, code=2).stderr
        cli_here("report", "-c", slug)
        assert "other has no telling words" in (output / "report.html").read_text()
        cli_here("ensemble", "-c", slug, "--set", "ensemble.weights={other = 0.0, linear = 1.0}")
        assert len(cli_here(*predict).stdout.splitlines()) == 1 + len(pd.read_csv(home / "test.csv"))
        assert "only linear; train a network" in cli_here(*predict, "--embed", code=2).stderr


def test_a_fold_needs_no_file_of_the_other_program(cli_here, workspace, monkeypatch):
    """As on another machine of a cluster, where its predictions come with the fold, and its files do not."""
    home = workspace / "input" / "twin-binary"
    for name, table in (("train", "oof"), ("test", "test")):
        ids = read_table(next(home.glob(f"{name}.*"))).column("id")
        lines = [f"{row},{0.1 + 0.8 * (place % 7) / 7}" for place, row in enumerate(ids)]
        (home / f"their_{table}.csv").write_text("\n".join(["id,prediction", *lines]))
    files = "external.oof = 'their_oof.csv'\nexternal.test = 'their_test.csv'\n"
    with (home / "competition.toml").open("a") as file:
        file.write(f"[recipe.members.theirs]\nmodel.name = 'external'\n{files}")
    whole = job.train_and_write

    def elsewhere(*arguments):
        with monkeypatch.context() as patched:
            patched.delattr(ExternalLearner, "find_files")
            patched.setattr(Learner, "find_files", None)
            whole(*arguments)

    monkeypatch.setattr(job, "train_and_write", elsewhere)
    cli_here("all", "-c", "twin-binary", "--set", 'ensemble.members=["theirs"]')
    assert (workspace / "output" / "twin-binary" / "submission.csv").is_file()
