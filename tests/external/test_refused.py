"""Tables of another program's predictions that do not fit, what looks like a leak, and what such a member cannot do."""

import json

import numpy as np
import pandas as pd
import pytest

from external.test_external import EXTERNAL, warnings_of, write_recipe
from foldwise.ensembling.predictions import read_predictions

SLUG = "twin-binary"
ON_ALL = ["--set", "members.other.training.validate=false"]


class Tables:
    """The two tables of a contest, plausible until a test spoils them."""

    def __init__(self, workspace, cli):
        self.home, self.output = workspace / "input" / SLUG, workspace / "output" / SLUG
        self.oof_path, self.test_path = self.home / "other_oof.csv", self.home / "other_test.csv"
        write_recipe(self.home, EXTERNAL)
        train, test = (pd.read_csv(self.home / f"{name}.csv", dtype=str) for name in ("train", "test"))
        cli("folds", "-c", SLUG)
        folds = pd.read_csv(workspace / "folds" / f"{SLUG}.csv", dtype=str)
        rng = np.random.default_rng(0)
        predicted = np.clip(0.5 + 0.2 * (train.target.astype(int) - 0.5) + rng.normal(0, 0.2, len(train)), 0.02, 0.98)
        self.oof = folds.set_index("id").loc[train.id].reset_index().assign(prediction=predicted.round(4).astype(str))
        self.test = pd.DataFrame({"id": test.id, "prediction": rng.uniform(0.1, 0.9, len(test)).round(4).astype(str)})
        self.truth = train.target

    def write(self, oof=None, test=None):
        (self.oof if oof is None else oof).to_csv(self.oof_path, index=False)
        (self.test if test is None else test).to_csv(self.test_path, index=False)


@pytest.fixture
def tables(workspace, cli_here):
    made = Tables(workspace, cli_here)
    made.write()
    return made


def changed(table, row, column, value):
    table = table.copy()
    table.loc[row, column] = value
    return table


def test_tables_that_do_not_fit(cli_here, tables):
    cli_here("tokens", "-c", SLUG)
    oof, test = tables.oof, tables.test
    first, last = oof.id[0], oof.id[19]
    other = str(1 - int(oof.fold[0]))
    logits = changed(changed(oof, 0, "prediction", "1.5"), 3, "prediction", "-2")
    three = oof.rename(columns={"prediction": "predicted"})
    some = oof.assign(prediction=np.where(oof.fold == "1", "", oof.prediction))
    one = oof[oof.fold == "0"]
    added = pd.concat([oof, pd.DataFrame({"id": ["new"], "fold": ["0"], "prediction": ["0.5"]})])
    wrong = [  # the table of training rows, of test rows, and what is said
        (oof[1:], test, f"oof.csv: no prediction of 1 training rows of fold {oof.fold[0]}: id {first!r}; add them, or set"),
        (some, test, "training rows of fold 1: id "),
        (one, test, "add them, or set members.other.folds to the folds that it has"),
        (added, test, "oof.csv: 1 error\n  line 22, column id: id 'new' is not in train.csv; take the row out"),
        (pd.concat([oof, oof[19:]]), test, f"line 22, column id: id {last!r} is already on line 21; keep one of the two"),
        (logits, test, f"line 2, column prediction: id {first!r}: '1.5' is not a probability from 0 to 1; give prob"),
        (changed(oof, 2, "prediction", "nan"), test, "'nan' is not a probability from 0 to 1"),
        (oof.assign(sure=1), test, "line 1: column 'sure' is not expected here; remove it, or list it as [columns] ign"),
        (three, test, "line 1: no column 'prediction'; did you mean 'predicted'?"),
        (oof.drop(columns="id"), test, "no column 'id'"),
        (changed(oof, 0, "fold", "a"), test, "line 2, column fold: 'a' is not a whole number; write the fold in which"),
        (changed(oof, 0, "fold", other), test, f"oof.csv: 1 of 20 training rows are in other folds than here\n  line 2, "
            f"column fold: id {first!r} is in fold {other}, and here in {oof.fold[0]}\n  train that model on the folds"),
        (oof.assign(prediction=tables.truth), test, "its predictions are the targets themselves, in all 20 rows"),
        (oof.drop(columns="prediction").assign(target=tables.truth), test, "its predictions are the targets themselves"),
        (oof, test[:-1], f"other_test.csv: no prediction of 1 test rows: id {test.id[7]!r}; add them"),
        (oof, changed(test, 0, "id", "x"), "line 2, column id: id 'x' is not in test.csv; take the row out"),
        (oof, changed(test, 1, "prediction", "inf"), f"line 3, column prediction: id {test.id[1]!r}: 'inf' is not a"),
        (oof[:0], test, "oof.csv: 1 error\n  a header and no rows"),
    ]  # fmt: skip
    for oof_table, test_table, message in wrong:
        tables.write(oof_table, test_table)
        error = cli_here("train", "-c", SLUG, "--member", "other", code=2).stderr
        assert message in error
    for setting, message in (
        ("oof=", "recipe.external.oof = '': name the table of out-of-fold predictions of the training rows, such as"),
        ("test=no.csv", "recipe.external.test = 'no.csv': no such file in "),
    ):
        error = cli_here("all", "-c", SLUG, "--set", f"members.other.external.{setting}", code=2).stderr
        assert message in error
    assert not (tables.output / "other").exists()


def test_what_looks_like_a_leak_is_named(cli_here, tables):
    cli_here("tokens", "-c", SLUG)
    only = ["train", "-c", SLUG, "--member", "other"]

    # Without a column of folds nobody can tell.
    tables.write(tables.oof.drop(columns="fold"))
    error = " ".join(cli_here(*only).stderr.split())
    assert "oof.csv: no column 'fold', so it cannot be told whether other predicted each row" in error
    assert "leaks cannot be ruled out" in error

    # Folds from 1 on are the same folds; nothing is said.
    tables.write(
        tables.oof.assign(fold=(tables.oof.fold.astype(int) + 1).astype(str), prediction=tables.oof.prediction)
    )
    done = cli_here(*only)
    assert "other (external) folds 0, 1: files.oof changed" in done.stdout
    assert warnings_of(done.stderr) == []

    # Right about all training rows, unsure about test rows.
    sure = np.where(tables.truth == "1", 0.99, 0.01)
    tables.write(tables.oof.assign(prediction=sure))
    error = " ".join(cli_here(*only).stderr.split())
    assert "looks like a leak: its predictions err in 0.0% of the rows out of fold, and by their own word in " in error

    # One text in two folds: of other folds the error says so, of the same ones a warning.
    train = pd.read_csv(tables.home / "train.csv", dtype=str)
    folds = tables.oof.fold.to_numpy()
    here, there = (int(np.flatnonzero(folds == fold)[0]) for fold in ("0", "1"))
    train.loc[there, "text"] = train.text[here].upper()
    train.to_csv(tables.home / "train.csv", index=False)
    tables.oof.to_csv(tables.home / "mine.csv", index=False)
    config = tables.home / "competition.toml"
    config.write_text(config.read_text().replace("[columns]", '[files]\nfolds = "mine"\n[columns]')
                      .replace("folds.n = 2", "folds.n = 2\nfolds.same_text = false"))  # fmt: skip
    tables.write()
    cli_here("folds", "-c", SLUG, "--force")
    cli_here("tokens", "-c", SLUG)
    ids = f"ids {train.id[min(here, there)]!r} (fold {folds[min(here, there)]}) and {train.id[max(here, there)]!r}"
    said = f"1 text or group stands in more than one of its folds, such as {ids}"
    assert f"oof.csv: a leak: {said}" in " ".join(cli_here(*only).stderr.split())
    both = (folds == "0").nonzero()[0][-1]
    tables.write(changed(tables.oof, both, "fold", "1"))
    assert said in cli_here(*only, code=2).stderr


def test_some_folds_a_brief_pass_a_budget_and_another_test_table(cli_here, tables, workspace):
    one = tables.oof[tables.oof.fold == "0"].drop(columns="fold").assign(fold="0")
    tables.write(one)
    some = ["--set", "members.other.folds=[0]"]
    cli_here("all", "-c", SLUG, *some)
    summary = json.loads((tables.output / "summary.json").read_text())
    assert [member["folds"] for member in summary["members"]] == [[0], [0, 1]]
    oof = read_predictions(tables.output / "other" / "fold0" / "oof.safetensors", one.id.tolist())
    assert oof[:, 0].tolist() == one.prediction.astype(float).tolist()

    # A fold alone, a budget, and 200 rows of each table: the tables have more rows than these.
    tables.write()
    assert "other fold 1: " in cli_here("train", "-c", SLUG, "--member", "other", "--fold", "1").stdout
    assert "nothing was left out" in cli_here("all", "-c", SLUG, "--time-budget", "9h").stdout
    assert "other fold 0: " in cli_here("all", "-c", SLUG, "--debug").stdout

    # Words of the training rows alone: another test table leaves weights as they are, but this member has none.
    alone = ["--set", "tokens.vocabulary=train"]
    cli_here("all", "-c", SLUG, *alone)
    path = tables.home / "test.csv"
    path.write_text("\n".join(path.read_text().splitlines()[:-1]) + "\n")
    sample = tables.home / "sample_submission.csv"
    frame = pd.read_csv(sample, dtype=str)
    frame[frame.id != tables.test.id[7]].to_csv(sample, index=False)
    assert "is not in test.csv; take the row out" in cli_here("all", "-c", SLUG, *alone, code=2).stderr
    tables.write(test=tables.test[:-1])
    cli_here("all", "-c", SLUG, *alone)
    tested = read_predictions(tables.output / "other" / "fold1" / "test.safetensors", tables.test.id[:-1].tolist())
    assert tested[:, 0].tolist() == tables.test.prediction[:-1].astype(float).tolist()

    # Another format with the same numbers; and models on all rows, which this member has no other of.
    tables.test[:-1].to_csv(tables.home / "t.tsv.gz", sep="\t", index=False)
    zipped = [*alone, "--set", "members.other.external.test=t.tsv.gz"]
    assert "other (external) folds 0, 1: files.test changed" in cli_here("all", "-c", SLUG, *zipped).stdout
    submission = (tables.output / "submission.csv").read_bytes()
    assert "other (external) on all rows: " in cli_here("all", "-c", SLUG, *zipped, *ON_ALL).stdout
    assert (tables.output / "submission.csv").read_bytes() == submission


def test_it_cannot_predict_new_rows_nor_teach(cli_here, tables):
    equal = ["--set", 'ensemble.weights="equal"']
    cli_here("all", "-c", SLUG, *equal)
    refused = "recipe.members.other: its predictions are another model's, from files, so that it has none of other rows"
    fix = "leave it out: `ensemble` and `kernel build` with --set 'ensemble.members=[\"linear\"]'"
    for how in (["--infer"], []):
        error = cli_here("kernel", "build", "-c", SLUG, *how, "--user", "ada", *equal, code=2).stderr
        assert f"{refused}; {fix}" in error
        cli_here("kernel", "build", "-c", SLUG, *how, "--user", "ada", "--set", 'ensemble.members=["linear"]')
    # Without a weight it is left at home.
    nothing = ["--set", "ensemble.weights={ other = 0, linear = 1 }"]
    cli_here("kernel", "build", "-c", SLUG, "--infer", "--user", "ada", *nothing)
    packed = tables.output / "kernel-infer-dataset"
    assert {path.name for path in packed.glob("*fold*")} == {
        "linear-fold0.json", "linear-fold0.safetensors", "linear-fold1.json", "linear-fold1.safetensors"}  # fmt: skip

    assert "predictions of another model: other_oof.csv out of fold" in cli_here("describe", "-c", SLUG).stdout
    for field in ('distill="other"', "pseudo_labels=0.5"):
        student = [
            "--set",
            "members.net.model.hidden=4",
            "--set",
            f"members.net.training.{field}",
            "--set",
            "folds.n=3",
        ]
        assert (
            "learns from other, whose predictions are another model's"
            in cli_here("all", "-c", SLUG, *student, code=2).stderr
        )
