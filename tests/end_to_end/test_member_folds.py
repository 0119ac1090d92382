"""Members that train some of the folds only, through the command line: what is scored, weighed and predicted."""

import json

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import mean_squared_error

from foldwise.ensembling.predictions import read_predictions
from foldwise.ensembling.weights import fit_mixtures
from foldwise.metrics import metric_for

SLUG = "twin-regression"
MEMBERS = """
folds.n = 4
members.bilstm = {{}}
members.linear = {{ model.name = "linear", linear.min_count = 1 }}
members.costly = {{ folds = {folds}, model.name = "textcnn", model.channels = 4 }}
"""


@pytest.fixture
def output(workspace):
    return workspace / "output" / SLUG


def choose(workspace, folds):
    path = workspace / "input" / SLUG / "competition.toml"
    text = path.read_text().split("[recipe]")[0]
    path.write_text(text + "[recipe]\ntokens.vectors = 'none'\ntokens.dimension = 8\nmodel.hidden = 4\nbatches.size = 4\n"
                    "training.epochs = 1\n" + MEMBERS.format(folds=folds))  # fmt: skip


def summary_of(output):
    return json.loads((output / "summary.json").read_text())


def oof_of(output, member, folds, table):
    """Row → prediction, NaN in rows of other folds."""
    predictions = np.full(len(table), np.nan)
    for fold in folds:
        rows = (table.fold == fold).to_numpy()
        path = output / member / f"fold{fold}" / "oof.safetensors"
        predictions[rows] = read_predictions(path, table.id[rows].tolist())[:, 0]
    return predictions


def test_scores_are_of_common_folds_and_the_test_rows_have_all_models(cli_here, workspace, output):
    choose(workspace, [2, 0])
    shown = cli_here("all", "-c", SLUG).stdout
    assert "costly (textcnn) folds 0, 2: not trained yet" in shown
    assert sorted(path.name for path in (output / "costly").glob("fold*")) == ["fold0", "fold2"]
    summary, table = summary_of(output), pd.read_csv(output / "oof.csv", dtype={"id": str})
    names = ["bilstm", "linear", "costly"]
    assert [member["folds"] for member in summary["members"]] == [[0, 1, 2, 3], [0, 1, 2, 3], [0, 2]]
    assert [fold["fold"] for fold in summary["folds"]] == [0, 2]
    assert "scores are of folds 0, 2, which all members have; of all its own folds: bilstm " in shown

    # Weights of a fold come from the other common fold alone; other rows have no part in any score.
    common = table.fold.isin([0, 2]).to_numpy()
    assert (table.prediction.notna() == common).all()
    truth, folds = table.iloc[:, 2].to_numpy(), table.fold.to_numpy()
    oofs = [oof_of(output, name, summary["members"][place]["folds"], table) for place, name in enumerate(names)]
    parts = [oof[common, None] for oof in oofs]
    metric = metric_for("rmse", "regression")
    mixtures = fit_mixtures(metric, "regression", truth[common, None], parts, folds[common])
    for place, fold in enumerate((0, 2)):
        rows = folds[common] == fold
        mixed = mixtures[place].apply("regression", parts)[rows, 0]
        rmse = mean_squared_error(truth[common][rows], mixed) ** 0.5
        assert summary["folds"][place]["score"] == pytest.approx(rmse)
    own = mean_squared_error(truth, oofs[0]) ** 0.5
    assert summary["members"][0]["cv_own_folds"] == pytest.approx(own)
    assert summary["members"][0]["cv"] == pytest.approx(mean_squared_error(truth[common], oofs[0][common]) ** 0.5)
    assert "cv_own_folds" not in summary["members"][2]

    # The test rows: each member's mean over all of its folds, mixed as the out-of-fold rows say.
    submission = pd.read_csv(output / "submission.csv", dtype={"id": str})
    asked = pd.read_csv(next((workspace / "input" / SLUG).glob("test.*")), dtype={"id": str}).id.tolist()
    tests = []
    for name, folds_of_member in zip(names, ([0, 1, 2, 3], [0, 1, 2, 3], [0, 2]), strict=True):
        files = [output / name / f"fold{fold}" / "test.safetensors" for fold in folds_of_member]
        tests.append(np.mean([read_predictions(file, asked)[:, 0] for file in files], axis=0))
    expected = np.average(tests, axis=0, weights=[summary["ensemble"]["weights"][name] for name in names])
    assert submission.set_index("id").iloc[:, 0][asked].to_numpy() == pytest.approx(expected, abs=1e-6)
    assert "kept costly (textcnn) folds 0, 2" in cli_here("all", "-c", SLUG).stdout

    # One more fold trains alone; the report and a chosen fold do with what is there.
    assert "wrote" in cli_here("report", "-c", SLUG).stdout
    error = cli_here("train", "-c", SLUG, "--fold", "3", "--member", "costly", code=2).stderr
    assert "--fold 3: costly has [0, 2]; choose one of these, or change members.NAME.folds" in error
    assert "costly" not in cli_here("train", "-c", SLUG, "--fold", "3").stdout
    shown = cli_here("train", "-c", SLUG, "--set", "members.costly.folds=[0,1,2]").stdout
    assert "costly (textcnn) fold 1: not trained yet" in shown
    assert "kept costly (textcnn) folds 0, 2" in shown


def test_of_one_common_fold_members_weigh_the_same(cli_here, workspace, output):
    choose(workspace, [1])
    shown = cli_here("all", "-c", SLUG).stdout
    assert "members weigh the same: one fold in common leaves no rows to score fitted weights on" in shown
    summary = summary_of(output)
    assert "ensemble (mean), out of fold" in shown
    assert summary["ensemble"]["weights"] == pytest.approx(dict.fromkeys(["bilstm", "linear", "costly"], 1 / 3))
    assert [fold["fold"] for fold in summary["folds"]] == [1]
    weights = "--set=ensemble.weights={ bilstm = 1, linear = 0, costly = 1 }"
    shown = cli_here("ensemble", "-c", SLUG, weights).stdout
    assert "members weigh the same" not in shown
    assert "ensemble (weighted mean), out of fold" in shown


def test_a_budget_with_time_enough_leaves_nothing_out(cli_here, workspace, output):
    choose(workspace, [0, 2])
    assert "nothing was left out" in cli_here("all", "-c", SLUG, "--time-budget", "9h").stdout
    made = (output / "submission.csv").read_bytes()
    cli_here("all", "-c", SLUG, "--force")
    assert (output / "submission.csv").read_bytes() == made
    assert [member["folds"] for member in summary_of(output)["members"]] == [[0, 1, 2, 3], [0, 1, 2, 3], [0, 2]]


@pytest.mark.parametrize(
    ("setting", "expected"),
    [
        ("members.costly.folds=[4]", "recipe.members.costly.folds = [4]: no fold 4; there are folds 0 to 3 (folds.n)"),
        ("members.costly.folds=[1, 1]", "recipe.members.costly.folds = [1, 1]: names a fold twice; take one out"),
        ("members.costly.folds=[]", "give a list of at least one number of a fold, such as [0, 1]"),
        ("members.costly.folds=[-1]", "give a list of at least one number of a fold, such as [0, 1]"),
        ("members.linear.folds=[3]", "no fold is common to all members (bilstm has [0, 1, 2, 3], linear has [3]"),
    ],
)
def test_folds_that_cannot_be(cli_here, workspace, setting, expected):
    choose(workspace, [0, 2])
    assert expected in cli_here("folds", "-c", SLUG, "--set", setting, code=2).stderr
