"""Contests made here that once broke a run, or gave something else than was asked for in silence."""

import json

import numpy as np
import pytest

from case_files import QUICK, submitted

WORDS = ["coat", "lamp", "trip", "meal", "story", "song", "film", "book", "hotel", "phone"]
CASE = pytest.mark.case("08-bool-labels")  # any folder to work in


def write(workspace, labels, sample, header="id,text,label", config=""):
    """A contest `odd` of so many rows."""
    rng, folder = np.random.default_rng(0), workspace / "input" / "odd"
    folder.mkdir()
    texts = [" ".join(rng.choice(WORDS, 5)) + f" {number}" for number in range(len(labels) + 4)]
    rows = [f"{number},{texts[number]},{label}" for number, label in enumerate(labels)]
    (folder / "train.csv").write_text("\n".join([header, *rows]) + "\n")
    ids = range(1000, 1004)
    (folder / "test.csv").write_text("\n".join(["id,text", *(f"{i},{texts[i - 1004]}" for i in ids)]) + "\n")
    (folder / "sample_submission.csv").write_text("\n".join(["id,label", *(f"{i},{sample}" for i in ids)]) + "\n")
    if config:
        (folder / "competition.toml").write_text('[competition]\nslug = "odd"\n' + config)
    return folder


@CASE
@pytest.mark.parametrize(("metric", "kind"), [("quadratic_kappa", "label"), ("rmse", "value")])
def test_an_ordinal_class_of_one_row(cli_here, workspace, metric, kind):
    config = (
        f'task = "ordinal"\nmetric = "{metric}"\n[columns]\nid = "id"\ntext = ["text"]\ntarget = ["label"]\n'
        f'[submission]\nkind = "{kind}"\n'
    )
    write(workspace, [2] + [number % 2 for number in range(1, 40)], 0, config=config)
    cli_here("all", "-c", "odd", *QUICK)
    oof = (workspace / "output" / "odd" / "oof.csv").read_text().splitlines()
    assert oof[1] == "0,-1,2,"
    assert len(submitted(workspace, "odd")) == 5


@CASE
@pytest.mark.parametrize(
    ("labels", "odd"),
    [
        ([f'"{number * 37 + 1000:,}"' for number in range(60)], "'1,000'"),
        ([f"${number}" for number in range(60)], "'$0'"),
        ([*(str(number / 8) for number in range(59)), "1O.5"], "'1O.5' on line 61"),
    ],
)
def test_numbers_in_another_form_are_no_classes(cli_here, workspace, labels, odd):
    write(workspace, labels, "0.5")
    refused = cli_here("init", "odd", code=2).stderr
    assert "60 different values in 60 rows of label are too many for classes" in refused
    assert f"{odd}" in refused


@CASE
def test_two_numbers_and_a_fraction_in_the_sample_are_asked_about(cli_here, workspace):
    write(workspace, [1 + number % 2 for number in range(40)], 0.5)
    assert "decide with --task" in cli_here("init", "odd", code=2).stderr


@CASE
def test_half_of_an_emoji_in_json_is_read(cli_here, workspace):
    folder = write(workspace, [number % 2 for number in range(40)], 0.5)
    (folder / "train.csv").unlink()
    rows = [{"id": number, "text": f"good film {number} \ud83d", "label": number % 2} for number in range(40)]
    (folder / "train.jsonl").write_text("\n".join(map(json.dumps, rows)) + "\n")
    cli_here("init", "odd")
    cli_here("all", "-c", "odd", *QUICK)
    assert len(submitted(workspace, "odd")) == 5


@CASE
@pytest.mark.parametrize(("code", "message"), [("text", "gives a text"), ("['\\ud800']", "which is no Unicode text")])
def test_a_tokenizer_that_gives_no_tokens(cli_here, workspace, monkeypatch, code, message):
    (workspace / "odd_tokens.py").write_text(f"def split(text):\n    return {code}\n")
    monkeypatch.syspath_prepend(workspace)
    write(workspace, [number % 2 for number in range(40)], 0.5)
    cli_here("init", "odd")
    refused = cli_here("tokens", "-c", "odd", *QUICK, "--set", "tokens.tokenizer=odd_tokens:split", code=2).stderr
    assert message in refused


@CASE
def test_weights_that_no_float32_holds_are_named(cli_here, workspace):
    folder = write(workspace, [f"{number % 2},{'1e300' if number == 3 else 1}" for number in range(40)], 0.5,
                   header="id,text,label,w")  # fmt: skip
    cli_here("init", "odd", "--target", "label")
    toml = folder / "competition.toml"
    toml.write_text(toml.read_text().replace('ignore = ["w"]', 'weight = "w"'))
    refused = cli_here("folds", "-c", "odd", code=2).stderr
    assert "line 5, column w: '1e300' is not a weight, 0 or from 1e-18 to 1e18" in refused


@CASE
def test_labels_in_cells_are_no_decimal_numbers(cli_here, workspace):
    """Of a table with semicolons, where 3,17 could be a number."""
    folder = write(workspace, ["3,17", "3", "17,20", "20"] * 10, "3,17")
    for path in folder.glob("*.csv"):
        lines = [line.split(",", 2) for line in path.read_text().splitlines()]
        if path.stem == "sample_submission":
            lines = [[line[0], ",".join(line[1:])] for line in lines]
        path.write_text("\n".join(";".join(line) for line in lines) + "\n")
    config = (
        '[competition]\nslug = "odd"\ntask = "multilabel"\nmetric = "micro_f1"\n[files]\nseparator = ";"\n'
        '[columns]\nid = "id"\ntext = ["text"]\ntarget = ["label"]\nseparator = ","\n[submission]\nkind = "label"\n'
    )
    (folder / "competition.toml").write_text(config)
    cli_here("all", "-c", "odd", *QUICK)
    cells = {row.split(",", 1)[1].strip('"') for row in submitted(workspace, "odd")[1:]}
    assert {label for cell in cells for label in cell.split(",")} <= {"3", "17", "20"}


@CASE
def test_labels_of_extra_rows_are_those_of_train(cli_here, workspace):
    config = (
        'task = "binary"\nmetric = "f1"\n[files]\nextra = "more"\n[columns]\nid = "id"\ntext = ["text"]\n'
        'target = ["label"]\npositive = "spam"\n[submission]\nkind = "label"\n'
    )
    folder = write(workspace, ["spam", "ham"] * 20, "ham", config=config)
    (folder / "more.csv").write_text("id,text,label\nx1,coat lamp,SPAM\nx2,trip,ham\n")
    refused = cli_here("folds", "-c", "odd", code=2).stderr
    assert "line 2, column label: 'SPAM' is none of the training table's labels, 'ham', 'spam'" in refused


@CASE
def test_unknown_targets_of_extra_rows_alone_count_nowhere(cli_here, workspace):
    config = (
        'task = "regression"\nmetric = "rmse"\n[files]\nextra = "more"\n[columns]\nid = "id"\ntext = ["text"]\n'
        'target = ["label", "b"]\nmissing_targets = "mask"\n[submission]\nkind = "value"\n'
    )
    folder = write(workspace, [f"{number % 5},{number % 3}" for number in range(40)], 0,
                   header="id,text,label,b", config=config)  # fmt: skip
    sample = folder / "sample_submission.csv"
    sample.write_text(sample.read_text().replace("label", "label,b").replace(",0", ",0,0"))
    (folder / "more.csv").write_text("id,text,label,b\nx1,coat lamp,,2\nx2,trip book,1,\n")
    cli_here("all", "-c", "odd", *QUICK, "--set", "training.extra_weight=1")
    assert "nan" not in (workspace / "output" / "odd" / "submission.csv").read_text()


@CASE
def test_a_column_of_folds_that_init_leaves_out_is_pointed_at(cli_here, workspace):
    write(workspace, [f"{'spam' if number % 2 else 'ham'},{number // 2 % 4}" for number in range(40)], 0.5,
          header="id,text,type,kfold")  # fmt: skip
    sample = workspace / "input" / "odd" / "sample_submission.csv"
    sample.write_text(sample.read_text().replace("label", "spam"))
    shown = cli_here("init", "odd").stdout
    assert "target = type: one of its labels is 'spam', as the sample's column is called" in shown
    assert "kfold, if it has the contest's folds, can be [columns] fold" in shown
    cli_here("folds", "-c", "odd")
    toml = workspace / "input" / "odd" / "competition.toml"
    toml.write_text(toml.read_text().replace('ignore = ["kfold"]', 'fold = "kfold"'))
    refused = cli_here("folds", "-c", "odd", "--set", "folds.n=4", code=2).stderr
    assert "not the folds of column kfold of train.csv, which competition.toml now names" in refused
    cli_here("folds", "-c", "odd", "--set", "folds.n=4", "--force")
