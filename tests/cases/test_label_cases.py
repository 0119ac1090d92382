"""Cases of labels: words, several in a cell, one column for each class, none at all, rare ones."""

import csv
import re
from pathlib import Path

import pytest

from case_files import QUICK, submitted


def settings_of(workspace: Path, slug: str) -> str:
    """What init wrote."""
    return (workspace / "input" / slug / "competition.toml").read_text(encoding="utf-8")


def predictions_of(workspace: Path, slug: str) -> list[dict[str, str]]:
    """The rows of oof.csv."""
    with (workspace / "output" / slug / "oof.csv").open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


@pytest.mark.case("07-float-labels")
def test_numbers_come_back_as_the_sample_writes_them(cli_here, workspace):
    assert "kind   = label: the sample holds '0.0', '1.0'" in cli_here("init", "demo").stdout
    cli_here("all", "-c", "demo", *QUICK)
    _, *rows = submitted(workspace, "demo")
    assert {row.split(",")[1] for row in rows} <= {"0.0", "1.0"}


@pytest.mark.case("09-text-labels-probability")
def test_a_probability_of_one_of_two_words(cli_here, workspace):
    shown = cli_here("init", "demo").stdout
    assert "task   = binary: label has two labels, and the sample's label holds numbers" in shown
    assert "positive = spam" in shown
    cli_here("all", "-c", "demo", *QUICK)
    _, *rows = submitted(workspace, "demo")
    assert all(0 <= float(row.split(",")[1]) <= 1 for row in rows)
    assert predictions_of(workspace, "demo")[1]["label"] == "1"  # train.csv has spam there


@pytest.mark.case("09-text-labels-probability")
def test_which_label_is_positive_is_asked_where_nothing_tells(cli_here, workspace):
    train = workspace / "input" / "demo" / "train.csv"
    train.write_text(train.read_text().replace(",ham\n", ",apple\n").replace(",spam\n", ",pear tree\n"))
    message = cli_here("init", "demo", code=2).stderr
    assert "decide with --positive apple or --positive 'pear tree'" in message
    cli_here("init", "demo", "--positive", "pear tree")
    assert 'positive = "pear tree"' in settings_of(workspace, "demo")
    cli_here("folds", "-c", "demo", *QUICK)


@pytest.mark.case("10-f1-of-word-labels")
def test_f1_of_a_named_label(cli_here, workspace):
    cli_here("init", "demo", "--metric", "f1")
    assert 'task = "binary"\nmetric = "f1"' in settings_of(workspace, "demo")
    assert 'positive = "spam"' in settings_of(workspace, "demo")
    assert "demo: f1" in cli_here("all", "-c", "demo", *QUICK).stdout
    _, *rows = submitted(workspace, "demo")
    assert {row.split(",")[1] for row in rows} <= {"ham", "spam"}


@pytest.mark.case("11-labels-with-blanks")
def test_labels_that_look_alike_are_listed(cli_here, workspace):
    folder = workspace / "input" / "demo"
    (folder / "competition.toml").write_text(
        '[competition]\nslug = "demo"\ntask = "multiclass"\nmetric = "accuracy"\n'
        '[columns]\nid = "id"\ntext = ["text"]\ntarget = ["label"]\n[submission]\nkind = "label"\n'
    )
    message = cli_here("folds", "-c", "demo", code=2).stderr
    assert "column label: labels 'pos' (42 rows), 'pos ' (14 rows) look alike; write them alike" in message


@pytest.mark.case("12-missing-labels")
def test_rows_without_a_label_are_left_out_and_named(cli_here, workspace):
    shown = cli_here("init", "demo").stdout
    assert "3 of 100 rows lack a target (line 6, 18, 34) and are left out" in shown
    done = cli_here("folds", "-c", "demo", *QUICK)
    assert "train.csv: 3 rows without a target are left out (columns.missing_targets)" in done.stderr
    assert "97 rows in 2 folds" in done.stdout
    assert "made 1,287 tokens" in cli_here("tokens", "-c", "demo", *QUICK).stdout
    toml = workspace / "input" / "demo" / "competition.toml"
    toml.write_text(toml.read_text().replace('missing_targets = "drop"\n', ""))
    message = cli_here("folds", "-c", "demo", code=2).stderr
    assert 'line 6, column label: missing value; fix the row, or see [columns] missing_targets = "drop"' in message


@pytest.mark.case("25-rare-classes")
def test_a_class_of_one_row_is_trained_on_and_never_validated(cli_here, workspace):
    cli_here("init", "demo")
    done = cli_here("all", "-c", "demo", *QUICK, "--set", "folds.n=5", "--set", "training.epochs=1")
    assert "3 classes that a fold has no row of" in done.stderr
    assert "class rare1 has 1 row (4), trained on in every fold and never validated" in done.stderr
    rows = {row["id"]: row for row in predictions_of(workspace, "demo")}
    assert (rows["4"]["label"], rows["4"]["fold"], rows["4"]["prediction_rare1"]) == ("rare1", "-1", "")
    assert sum(row["fold"] == "-1" for row in rows.values()) == 1


@pytest.mark.case("27-one-hot-classes")
def test_columns_with_one_1_a_row_are_classes(cli_here, workspace):
    shown = cli_here("init", "demo", "--metric", "log_loss").stdout
    assert "task   = multiclass: each row has a 1 in one of 3 target columns" in shown
    cli_here("all", "-c", "demo", *QUICK)
    header, *rows = submitted(workspace, "demo")
    assert header == "id,win_a,win_b,tie"
    assert all(sum(map(float, row.split(",")[1:])) == pytest.approx(1) for row in rows)
    first = predictions_of(workspace, "demo")[0]
    assert [first[name] for name in ("win_a", "win_b", "tie")] == ["0", "0", "1"]
    cli_here("init", "demo", "--force", "--task", "multilabel")
    assert 'task = "multilabel"' in settings_of(workspace, "demo")


@pytest.mark.case("28-tags-in-one-column")
def test_several_labels_in_a_cell(cli_here, workspace):
    shown = cli_here("init", "demo").stdout
    assert "25 different cells hold 5 labels: 'css', 'html', 'java', 'python', 'sql'" in shown
    assert 'separator = " "' in settings_of(workspace, "demo")
    cli_here("all", "-c", "demo", *QUICK)
    header, *rows = submitted(workspace, "demo")
    assert header == "id,tags"
    for row in rows:
        labels = row.split(",")[1].split(" ")
        assert labels == sorted(set(labels))
        assert set(labels) <= {"css", "html", "java", "python", "sql"}


@pytest.mark.case("29-nan-targets")
@pytest.mark.parametrize(("slug", "task"), [("demo", "regression"), ("labels", "multilabel")])
def test_empty_targets_of_several_columns_count_nowhere(cli_here, workspace, slug, task):
    shown = cli_here("init", slug).stdout
    assert f"task   = {task}" in shown
    assert "rows lack a target" in shown
    assert 'missing_targets = "mask"' in settings_of(workspace, slug)
    cli_here("all", "-c", slug, *QUICK, "--set", 'ensemble.members=["bilstm","linear"]')
    with (workspace / "input" / slug / "train.csv").open() as file:
        empty = [row["b"] == "" for row in csv.DictReader(file)]
    assert [row["b"] == "" for row in predictions_of(workspace, slug)] == empty
    assert any(empty)
    assert all(float(row["prediction_b"]) < 100 for row in predictions_of(workspace, slug))


@pytest.mark.case("30-target-scale")
def test_a_constant_target_is_found_before_training(cli_here, workspace):
    folder = workspace / "input" / "const"
    (folder / "competition.toml").write_text(
        '[competition]\nslug = "const"\ntask = "regression"\nmetric = "r2"\n'
        '[columns]\nid = "id"\ntext = ["text"]\ntarget = ["y"]\n[submission]\nkind = "value"\n'
    )
    message = cli_here("folds", "-c", "const", code=2).stderr
    assert "train.csv: every row has y = 3.5; there is nothing to learn" in message


@pytest.mark.case("30-target-scale")
def test_targets_of_any_size_learn_alike(cli_here, workspace):
    scores = []
    for slug in ("one", "huge", "tiny"):
        cli_here("init", slug, "--metric", "r2", "--task", "regression")
        done = cli_here("all", "-c", slug, *QUICK, "--set", 'ensemble.members=["linear"]').stdout
        scores.append(float(re.findall(r"out of fold +│ +(\S+)", done)[-1]))
    assert scores[0] > 0.3
    assert scores[1:] == pytest.approx([scores[0]] * 2, abs=0.01)


@pytest.mark.case("53-odd-class-names")
def test_odd_names_of_classes_come_back_exactly(cli_here, workspace):
    assert "missing" not in cli_here("init", "demo").stdout
    cli_here("all", "-c", "demo", *QUICK)
    assert submitted(workspace, "demo")[0] == 'id,None,NaN,"a, b","say ""x""",🙂'
    assert {row["label"] for row in predictions_of(workspace, "demo")} == {"None", "NaN", "a, b", 'say "x"', "🙂"}


@pytest.mark.case("53-odd-class-names")
def test_the_sample_may_name_classes_with_a_prefix(cli_here, workspace):
    sample = workspace / "input" / "demo" / "sample_submission.csv"
    _, *rows = sample.read_text(encoding="utf-8").splitlines()
    header = 'id,is_None,is_NaN,"is_a, b","is_say ""x""",is_🙂'
    sample.write_text("\n".join([header, *rows]) + "\n", encoding="utf-8")
    assert "columns = is_*: the sample calls the columns of" in cli_here("init", "demo").stdout
    cli_here("all", "-c", "demo", *QUICK)
    assert submitted(workspace, "demo")[0] == header
    toml = workspace / "input" / "demo" / "competition.toml"
    toml.write_text(toml.read_text().replace('columns = "is_*"\n', ""))
    assert 'set [submission] columns = "is_*"' in cli_here("folds", "-c", "demo", code=2).stderr


@pytest.mark.case("12-missing-labels")
def test_rows_that_come_back_are_new_rows(cli_here, workspace):
    cli_here("init", "demo")
    cli_here("tokens", "-c", "demo", *QUICK)
    train = workspace / "input" / "demo" / "train.csv"
    lines = train.read_text().splitlines()
    assert sum(line.endswith(",") for line in lines) == 3
    train.write_text("\n".join(f"{line}1" if line.endswith(",") else line for line in lines) + "\n")
    toml = workspace / "input" / "demo" / "competition.toml"
    toml.write_text(toml.read_text().replace('missing_targets = "drop"\n', ""))
    done = cli_here("all", "-c", "demo", *QUICK)
    assert "made 1,320 tokens" in done.stdout
    assert len(predictions_of(workspace, "demo")) == 100
