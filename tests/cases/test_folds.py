"""Cases of folds, weights of rows, further rows and earlier weights."""

import csv
import json
import re
import shutil

import numpy as np
import pytest

from case_files import QUICK, submitted
from foldwise.ensembling.predictions import read_predictions
from foldwise.files import write_checked, write_record

PLAIN = "38-weights-zero"
NAMES = ("bilstm", "linear")


def weigh(workspace, slug):
    path = workspace / "input" / slug / "competition.toml"
    path.write_text(path.read_text().replace('ignore = ["w"]', 'weight = "w"'))


def oof_rows(workspace, slug):
    with (workspace / "output" / slug / "oof.csv").open(newline="") as file:
        return list(csv.DictReader(file))


@pytest.mark.case(PLAIN)
@pytest.mark.parametrize("slug", ["some", "most"])
def test_rows_of_weight_0_do_not_count(cli_here, workspace, slug):
    cli_here("init", slug)
    weigh(workspace, slug)
    shown = cli_here("all", "-c", slug, *QUICK, "--set", "batches.size=4").stdout
    with (workspace / "input" / slug / "train.csv").open(newline="") as file:
        weights = {row["id"]: float(row["w"]) for row in csv.DictReader(file)}
    assert (
        f"{sum(weight == 0 for weight in weights.values())} of {len(weights)} rows weigh 0: they do not count" in shown
    )
    for row in oof_rows(workspace, slug):
        assert (row["prediction"] == "") == (weights[row["id"]] == 0)
    assert json.loads((workspace / "output" / slug / "summary.json").read_text())["cv"]["pooled"] > 0
    assert all(0 <= float(line.split(",")[1]) <= 1 for line in submitted(workspace, slug)[1:])


@pytest.mark.case(PLAIN)
@pytest.mark.parametrize(
    ("slug", "expected"),
    [
        ("all", "train.csv: column w: every row weighs 0; there is nothing to learn"),
        ("class", "has label = '0'; there is nothing to learn; take out [columns] weight, or correct the weights"),
    ],
)
def test_weights_that_leave_nothing_to_learn_are_found_before_training(cli_here, workspace, slug, expected):
    cli_here("init", slug)
    weigh(workspace, slug)
    assert expected in cli_here("all", "-c", slug, *QUICK, code=2).stderr


@pytest.fixture
def own_folds(cli_here, workspace):
    """Give the rows of a case's train.csv own folds, by their number; → how many rows there are."""

    def give(fold_of, where="column", name="kfold"):
        folder = workspace / "input" / "demo"
        with (folder / "train.csv").open(newline="") as file:
            header, *rows = csv.reader(file)
        folds = [str(fold_of(number)) for number in range(len(rows))]
        if where == "column":
            table, target = (
                [[*header, name], *([*row, fold] for row, fold in zip(rows, folds, strict=True))],
                "train.csv",
            )
            line = f'[columns]\nfold = "{name}"\n'
        else:
            turned = [[row[0], fold] for row, fold in zip(rows, folds, strict=True)][::-1]
            table, target, line = [["id", name], *turned], "mine.csv", '[files]\nfolds = "mine"\n\n[columns]\n'
        with (folder / target).open("w", newline="") as file:
            csv.writer(file).writerows(table)
        path = folder / "competition.toml"
        if not path.exists():
            cli_here("init", "demo")
        path.write_text(path.read_text().replace("[columns]\n", line, 1))
        return len(rows)

    return give


def test_it_says_how_many_different_texts_there_are(cli_here, workspace):
    path = workspace / "input" / "twin-binary" / "train.csv"
    rows = path.read_text().splitlines()
    path.write_text("\n".join([*rows, *(f"again-{row}" for row in rows[1:4])]) + "\n")
    shown = cli_here("folds", "-c", "twin-binary").stdout
    assert shown.endswith("; rows of the same text share a fold (20 different ones)\n")


@pytest.mark.case("41-full-data")
@pytest.mark.parametrize(("where", "first"), [("column", 0), ("column", 1), ("table", 1)])
def test_own_folds_are_taken_as_they_are(cli_here, workspace, own_folds, where, first):
    count = own_folds(lambda row: -1 if row % 5 == 0 else row % 2 + first, where)
    shown = cli_here("all", "-c", "demo", *QUICK).stdout
    source = "column kfold of train.csv" if where == "column" else "mine.csv"
    assert f"made demo.csv of {source}: {count} rows in 2 folds of" in shown
    assert f"{count // 5} of {count} rows are trained on in every fold and never validated" in shown
    rows = oof_rows(workspace, "demo")
    assert [row["fold"] for row in rows] == [str(-1 if row % 5 == 0 else row % 2) for row in range(count)]
    assert [row["prediction"] == "" for row in rows] == [row["fold"] == "-1" for row in rows]
    record = json.loads((workspace / "output" / "demo" / "bilstm" / "fold0" / "fold.json").read_text())
    assert record["rows"]["train"] == sum(row["fold"] != "0" for row in rows)
    truth, said = ([row[name] for row in rows if row["prediction"]] for name in ("label", "prediction"))
    assert len(truth) == len(said) == count - count // 5
    assert "kept demo.csv" in cli_here("all", "-c", "demo", *QUICK).stdout


@pytest.mark.case("41-full-data")
@pytest.mark.parametrize(
    ("fold_of", "expected"),
    [
        (lambda row: row % 4 + 1, "train.csv: column kfold: holds 4 folds where recipe.folds.n = 2; set folds.n = 4"),
        (lambda row: row % 2 * 5, "line 3, column kfold: '5' is not a fold from 0 to 1, or -1"),
        (lambda _: 0, "holds 1 fold where recipe.folds.n = 2; for one split number its other rows 1"),
        (lambda row: "ab"[row % 2], "line 2, column kfold: 'a' is not a whole number; number folds from 0 or 1"),
        (lambda row: row % 2 / 2, "line 3, column kfold: '0.5' is not a whole number"),
        (lambda _: "", "line 2, column kfold: '' is not a whole number"),
    ],
)
def test_own_folds_that_cannot_be(cli_here, own_folds, fold_of, expected):
    own_folds(fold_of)
    error = cli_here("all", "-c", "demo", *QUICK, code=2).stderr
    assert expected in error
    assert len(error.splitlines()) < 15
    assert max(map(len, error.splitlines())) <= 500


@pytest.mark.case("41-full-data")
def test_own_folds_replace_a_file_that_is_there_only_when_asked(cli_here, workspace, own_folds):
    cli_here("init", "demo")
    cli_here("folds", "-c", "demo", *QUICK)
    count = own_folds(lambda row: row % 2)
    error = cli_here("folds", "-c", "demo", *QUICK, code=2).stderr
    assert f"of {count} rows have another fold than in column kfold of train.csv; run `./run.sh folds -c demo" in error
    cli_here("folds", "-c", "demo", *QUICK, "--force")
    lines = (workspace / "folds" / "demo.csv").read_text().splitlines()
    assert [line.split(",")[1] for line in lines[1:]] == [str(row % 2) for row in range(count)]


@pytest.mark.case("41-full-data")
def test_a_group_of_most_rows_makes_lopsided_folds(cli_here, workspace):
    folder = workspace / "input" / "demo"
    header, *lines = (folder / "train.csv").read_text().splitlines()
    rows = [f"{line},{'a' if number < 80 else number}" for number, line in enumerate(lines)]
    (folder / "train.csv").write_text("\n".join([f"{header},author", *rows]) + "\n")
    cli_here("init", "demo", "--group", "author")
    warning = cli_here("folds", "-c", "demo").stderr
    assert "where an even share is" in warning
    assert "80 rows are of one text or group, which never part" in warning


@pytest.mark.case("44-continue-and-extra-data")
def test_extra_rows_are_trained_on_and_never_validated(cli_here, workspace):
    folder = workspace / "input" / "demo"
    header, *rows = (folder / "train.csv").read_text().splitlines()
    turned = [row[:-1] + str(1 - int(row[-1])) for row in rows]
    more = ["old" + row.replace(",", ",once ", 1) for row in turned]  # other texts, whose labels say the contrary
    (folder / "old.csv").write_text("\n".join([header, *more]) + "\n")
    cli_here("init", "demo")
    path = folder / "competition.toml"
    path.write_text(path.read_text().replace("[columns]", '[files]\nextra = "old"\n\n[columns]', 1))
    both = [*QUICK, "--set", 'ensemble.members=["bilstm", "linear"]']
    cli_here("all", "-c", "demo", *both)
    before = {
        name: (workspace / "output" / "demo" / name / "fold0" / "test.safetensors").read_bytes() for name in NAMES
    }
    shown = cli_here("all", "-c", "demo", *both, "--set", "training.extra_weight=0.5").stdout
    assert "training.extra_weight 0.0 → 0.5" in shown
    for name in NAMES:
        fold = workspace / "output" / "demo" / name / "fold0"
        assert (fold / "test.safetensors").read_bytes() != before[name]
        record = json.loads((fold / "fold.json").read_text())["rows"]
        rows_of_test = len(submitted(workspace, "demo")) - 1
        assert record == {"train": len(rows) // 2 + len(rows), "validation": len(rows) // 2, "test": rows_of_test}
    assert len(oof_rows(workspace, "demo")) == len(rows)


@pytest.mark.case("41-full-data")
@pytest.mark.parametrize("count", ["0", "1"])
def test_less_than_two_folds_name_the_training_on_all_rows(cli_here, count):
    cli_here("init", "demo")
    error = cli_here("all", "-c", "demo", "--set", f"folds.n={count}", code=2).stderr
    assert f"recipe.folds.n = {count}: give 2 or more: scores, epochs and weights of members come from folds; " in error
    assert "training.validate = false trains a model on all rows after them" in error


@pytest.mark.case("41-full-data")
def test_models_on_all_rows_predict_and_the_folds_say_the_score(cli_here, workspace):
    cli_here("init", "demo")
    both = [*QUICK, "--set", 'ensemble.members=["bilstm", "linear"]', "--set", "training.epochs=3"]
    cli_here("all", "-c", "demo", *both)
    output = workspace / "output" / "demo"
    before, oof = json.loads((output / "summary.json").read_text()), (output / "oof.csv").read_bytes()
    shown = cli_here("all", "-c", "demo", *both, "--set", "training.validate=false").stdout
    assert "kept bilstm folds 0, 1" in shown
    assert "bilstm on all rows: not trained yet" in shown
    after = json.loads((output / "summary.json").read_text())
    assert (after["cv"], (output / "oof.csv").read_bytes()) == (before["cv"], oof)
    folds = [json.loads((output / "bilstm" / f"fold{fold}" / "fold.json").read_text()) for fold in (0, 1)]
    record = json.loads((output / "bilstm" / "all-rows" / "fold.json").read_text())
    epochs = sum(fold["best_epoch"] for fold in folds) / 2
    assert record["inputs"]["epochs"] == epochs
    assert record["epochs"] == pytest.approx(epochs, abs=0.1)
    assert record["rows"] == {"train": 100, "validation": 0, "test": 20}
    assert after["members"][0]["epochs_on_all_rows"] == record["epochs"]
    ids = [line.split(",")[0] for line in (workspace / "input" / "demo" / "test.csv").read_text().splitlines()[1:]]
    parts = [read_predictions(output / name / "all-rows" / "test.safetensors", ids)[:, 0] for name in NAMES]
    assert all(np.isfinite(part).all() for part in parts)

    # Nothing is out of date; another best epoch of a fold makes the model on all rows so.
    assert "kept bilstm on all rows" in cli_here("all", "-c", "demo", *both, "--set", "training.validate=false").stdout
    path = output / "bilstm" / "fold0" / "fold.json"
    record = json.loads(path.read_text())
    del record["checksum"]
    write_checked(path, {**record, "best_epoch": 10 + record["best_epoch"]})
    error = cli_here("ensemble", "-c", "demo", *both, "--set", "training.validate=false", code=2).stderr
    assert "bilstm/all-rows: epochs" in error
    error = cli_here("all", "-c", "demo", "--set", "training.validate=false", "--time-budget", "9h", code=2).stderr
    assert "training.validate = false with --time-budget: a model on all rows has no fold to go by" in error


@pytest.mark.case("44-continue-and-extra-data")
def test_a_run_goes_on_from_earlier_weights(cli_here, workspace):
    cli_here("init", "demo")
    cli_here("all", "-c", "demo", *QUICK)
    output, earlier = workspace / "output" / "demo", workspace / "earlier"
    shutil.copytree(output, earlier)
    before = [float(row["prediction"]) for row in oof_rows(workspace, "demo")]
    still = ["--set", "training.learning_rate=1e-12", "--set", "training.embedding_learning_rate=1e-12"]
    start = [*QUICK, *still, "--set", f"training.start_from={earlier / 'bilstm'}"]
    shown = cli_here("all", "-c", "demo", *start).stdout
    assert re.search(
        r"bilstm fold 1: starts from \S+/fold1/weights.safetensors: (\d+) of \1 arrays; vectors of (\d+) of", shown
    )
    assert [float(row["prediction"]) for row in oof_rows(workspace, "demo")] == pytest.approx(before, abs=1e-6)

    # Where the files lie does not matter, what is in them does.
    shutil.copytree(earlier, workspace / "moved")
    start[-1] = f"training.start_from={workspace / 'moved' / 'bilstm'}"
    assert "kept bilstm folds 0, 1" in cli_here("all", "-c", "demo", *start).stdout
    moved = workspace / "moved" / "bilstm" / "fold0"
    shutil.copy(earlier / "bilstm" / "fold1" / "weights.safetensors", moved)
    error = cli_here("all", "-c", "demo", *start, code=2).stderr
    assert "moved/bilstm/fold0: weights.safetensors is damaged" in error
    record = json.loads((moved / "fold.json").read_text())
    del record["checksum"]
    write_record(moved / "fold.json", record)
    assert "bilstm fold 0: start_from changed" in cli_here("all", "-c", "demo", *start).stdout


@pytest.mark.case("44-continue-and-extra-data")
def test_earlier_weights_that_cannot_be_started_from(cli_here, workspace):
    cli_here("init", "demo")
    cli_here("all", "-c", "demo", *QUICK)
    output, earlier = workspace / "output" / "demo", workspace / "earlier"
    shutil.copytree(output, earlier)
    for folder, settings, expected in [
        (output / "bilstm", [], "this run writes there; give it another --output"),
        (earlier / "bilstm" / "fold0", [], "on rows of this training table by which fold 1 is scored; give"),
        (earlier / "bilstm", ["--set", "model.hidden=9"], " there and ("),
        (workspace / "input", [], "no weights there; give a member's folder"),
    ]:
        start = ["--set", f"training.start_from={folder}"]
        error = cli_here("all", "-c", "demo", *QUICK, *start, *settings, code=2).stderr
        assert expected in error
    error = cli_here("kernel", "build", "-c", "demo", "--user", "ada", *start, code=2).stderr
    assert "recipe.training.start_from: a kernel that trains does not carry earlier weights" in error
    error = cli_here("all", "-c", "demo", "--set", "training.initial_weights=x.safetensors", code=2).stderr
    assert "recipe.training.initial_weights = 'x.safetensors': unknown key" in error
    assert max(map(len, error.splitlines())) <= 500


@pytest.mark.case("50-test-replaced")
def test_another_test_table_is_predicted_by_the_folds_that_are_there(cli_here, workspace):
    cli_here("init", "demo")
    settings = [*QUICK, "--set", 'ensemble.members=["bilstm", "linear"]', "--set", "tokens.vocabulary=train"]
    cli_here("all", "-c", "demo", *settings)
    output, test = workspace / "output" / "demo", workspace / "input" / "demo" / "test.csv"
    folds = [output / name / f"fold{fold}" for name in NAMES for fold in (0, 1)]
    kept = ("weights.safetensors", "oof.safetensors", "history.jsonl")
    before = {folder / name: (folder / name).read_bytes() for folder in folds for name in kept}
    submission = (output / "submission.csv").read_bytes()
    test.write_text(test.read_text().replace("boat", "awful dull painful").replace("film", "charming"))
    shown = cli_here("all", "-c", "demo", *settings).stdout
    assert shown.count("trained before; predicts another test table") == 4
    assert "bilstm folds 0, 1: test changed" in shown
    assert {path: path.read_bytes() for path in before} == before
    predicted = (output / "submission.csv").read_bytes()
    assert predicted != submission
    assert "kept bilstm folds 0, 1" in cli_here("all", "-c", "demo", *settings).stdout

    # Trained anew, the folds say the same.
    shown = cli_here("all", "-c", "demo", *settings, "--force").stdout
    assert "trained before" not in shown
    assert (output / "submission.csv").read_bytes() == predicted
    assert {path: path.read_bytes() for path in before if path.name == kept[0]}.items() <= before.items()


@pytest.mark.case("45-fold-order")
def test_folds_trained_in_any_order_give_the_same_bytes(cli_here, workspace):
    cli_here("init", "demo")
    cli_here("all", "-c", "demo", *QUICK)
    output = workspace / "output" / "demo"
    submission = (output / "submission.csv").read_bytes()
    shutil.rmtree(output)
    cli_here("tokens", "-c", "demo", *QUICK)
    for fold in ("1", "0"):
        cli_here("train", "-c", "demo", *QUICK, "--fold", fold)
    cli_here("ensemble", "-c", "demo", *QUICK)
    assert (output / "submission.csv").read_bytes() == submission


@pytest.mark.case("41-full-data")
def test_own_folds_that_part_a_text_and_a_debug_pass(cli_here, workspace, own_folds):
    own_folds(lambda row: row % 2, "table", "fold")
    cli_here("all", "-c", "demo", *QUICK, "--debug")
    path = workspace / "input" / "demo" / "train.csv"
    header, first, second, *rows = path.read_text().splitlines()
    twin = ",".join([second.split(",")[0], first.split(",")[1], second.split(",")[2]])
    path.write_text("\n".join([header, first, twin, *rows]) + "\n")
    error = cli_here("folds", "-c", "demo", *QUICK, code=2).stderr
    assert "1 texts or groups stand in more than one fold" in error
    assert "they are those of mine.csv: correct them, or set folds.same_text = false to take them as they are" in error
    assert "made demo.csv" in cli_here("folds", "-c", "demo", *QUICK, "--set", "folds.same_text=false").stdout


@pytest.mark.case("41-full-data")
def test_a_table_of_folds_may_name_rows_that_were_left_out(cli_here, workspace, own_folds):
    count = own_folds(lambda row: row % 2, "table", "fold")
    path = workspace / "input" / "demo" / "train.csv"
    header, first, *rows = path.read_text().splitlines()
    path.write_text("\n".join([header, first[:-1], *rows]) + "\n")
    config = workspace / "input" / "demo" / "competition.toml"
    config.write_text(config.read_text().replace("[columns]\n", '[columns]\nmissing_targets = "drop"\n', 1))
    assert f"made demo.csv of mine.csv: {count - 1} rows in 2 folds" in cli_here("folds", "-c", "demo", *QUICK).stdout
    path.write_text("\n".join([header, first[:-1], *rows[1:]]) + "\n")
    error = cli_here("folds", "-c", "demo", *QUICK, "--force", code=2).stderr
    assert f"0 of its {count - 2} ids are missing here, 2 of {count} here are not in it" in error


@pytest.mark.case("41-full-data")
def test_refused_folds_leave_no_file(cli_here, workspace):
    folder = workspace / "input" / "demo"
    header, *rows = (folder / "train.csv").read_text().splitlines()
    labels = [row[:-1] + ("1" if number == 0 else "0") for number, row in enumerate(rows)]
    (folder / "train.csv").write_text("\n".join([header, *labels]) + "\n")
    cli_here("init", "demo", "--metric", "roc_auc", "--kind", "probability")
    error = cli_here("folds", "-c", "demo", *QUICK, code=2).stderr
    assert "fold 1 has no roc_auc by its rows" in error
    assert not (workspace / "folds" / "demo.csv").exists()
