"""`./run.sh init` on real command lines: what it infers, and where it asks."""

import csv
import tomllib
from pathlib import Path
from typing import Any

import pytest

WORDS = [
    "a long enough sentence about films",
    "one more of the same length here",
    "a third line of plain words",
    "last one of all",
]


def write(folder: Path, name: str, columns: dict[str, list[str]]) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / f"{name}.csv").open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(columns)
        writer.writerows(zip(*columns.values(), strict=True))


def competition(workspace: Path, target: dict[str, list[str]], sample: dict[str, str], **extra: list[str]) -> Path:
    folder = workspace / "input" / "new"
    ids = ["1", "2", "3", "4"]
    write(folder, "train", {"id": ids, **extra, "body": WORDS, **target})
    write(folder, "test", {"id": ids, **extra, "body": WORDS})
    write(folder, "sample_submission", {"id": ids, **{name: [value] * 4 for name, value in sample.items()}})
    return folder


def result(folder: Path) -> dict[str, Any]:
    return tomllib.loads((folder / "competition.toml").read_text(encoding="utf-8"))


@pytest.mark.parametrize(
    ("target", "sample", "task", "kind", "metric"),
    [
        ({"y": ["0", "1", "1", "0"]}, {"prediction": "0.5"}, "binary", "probability", "roc_auc"),
        ({"y": ["b", "a", "b", "c"]}, {"y": "a"}, "multiclass", "label", "accuracy"),
        ({"y": ["b", "a", "b", "c"]}, {"a": "0.3", "b": "0.3", "c": "0.3"}, "multiclass", "probability", "log_loss"),
        ({"p": ["0", "1", "0", "1"], "q": ["1", "1", "0", "0"]}, {"p": "0.5", "q": "0.5"}, "multilabel", "probability", "roc_auc"),
        ({"p": ["0", "1", "0", "1"], "q": ["1", "1", "0", "0"]}, {"p": "0", "q": "1"}, "multilabel", "label", "micro_f1"),
        ({"y": ["0.25", "1.5", "-3", "2"]}, {"y": "0"}, "regression", "value", "rmse"),
        ({"y": ["1", "2", "3", "4"]}, {"y": "0.5"}, "regression", "value", "rmse"),
    ],
)  # fmt: skip
def test_inference(cli_here, workspace, target, sample, task, kind, metric):
    folder = competition(workspace, target, sample)
    shown = cli_here("init", "new").stdout
    found = result(folder)
    assert found["competition"] == {"slug": "new", "title": "new", "task": task, "metric": metric}
    assert found["columns"] == {"id": "id", "text": ["body"], "target": list(target)}
    assert found["submission"] == {"kind": kind}
    for phrase in ("without repeated values", "words a row", "the CSVs do not say"):
        assert phrase in shown


def test_side_columns_are_ignored_by_name_and_the_result_runs(cli_here, workspace):
    folder = competition(workspace, {"y": ["0", "1", "1", "0"]}, {"y": "0"}, keyword=["", "fire", "flood", "x"])
    cli_here("init", "new", "--metric", "f1")
    assert result(folder)["columns"]["ignore"] == ["keyword"]
    cli_here("folds", "-c", "new", "--set", "folds.n=2")


@pytest.mark.parametrize(
    ("target", "sample", "extra", "options", "expected"),
    [
        ({"y": ["1", "2", "3", "1"]}, {"y": "1"}, {}, ["--task multiclass", "--task regression", "--task ordinal"], "3 whole numbers"),
        (
            {"y": ["a", "b", "b", "a"]}, {"y": "a"}, {"title": list(reversed(WORDS))},
            ["--text body", "--text title"], "words a row",
        ),
        (
            {"y": ["a", "b", "b", "a"], "z": ["b", "b", "b", "a"]}, {"prediction": "a"}, {},
            ["--target y", "--target z"], "the sample asks for prediction",
        ),
        ({"y": ["0", "1", "1", "0"]}, {"y": "0"}, {}, ["--kind label", "--kind probability"], "nothing but 0"),
        ({"y": ["0.5", "1", "1", "0"]}, {"y": "0"}, {"row": ["5", "6", "7", "8"]}, [], ""),
    ],
)  # fmt: skip
def test_two_equally_likely_readings_are_a_question(cli_here, workspace, target, sample, extra, options, expected):
    folder = competition(workspace, target, sample, **extra)
    if not options:  # numbers beside the text are no rival of it
        cli_here("init", "new")
        return
    message = cli_here("init", "new", code=2).stderr
    assert expected in message
    assert not (folder / "competition.toml").exists()
    for option in options:
        assert option in message
    cli_here("init", "new", *options[0].split())
    name, value = options[0].removeprefix("--").split()
    section = {"task": "competition", "kind": "submission"}.get(name, "columns")
    assert result(folder)[section][name] in (value, [value])


def test_two_ids_are_a_question(cli_here, workspace):
    folder = competition(workspace, {"y": ["0", "1", "1", "0"]}, {"y": "0", "row": "0"}, row=["5", "6", "7", "8"])
    write(folder, "sample_submission", {"id": ["1", "2", "3", "4"], "row": ["5", "6", "7", "8"], "y": ["0"] * 4})
    message = cli_here("init", "new", code=2).stderr
    assert "--id id or --id row" in message


def test_an_existing_file_is_kept(cli_here, workspace):
    path = workspace / "input" / "twin-binary" / "competition.toml"
    before = path.read_bytes()
    assert "exists already" in cli_here("init", "twin-binary", code=2).stderr
    assert path.read_bytes() == before
    cli_here("init", "twin-binary", "--force", "--metric", "f1")
    assert path.read_bytes() != before


def test_a_few_odd_values_of_a_binary_target_are_faults_not_classes(cli_here, workspace):
    folder = competition(workspace, {"y": ["0", "1", "1", "0"]}, {"y": "0"})
    ids = [str(row) for row in range(60)]
    write(folder, "train", {"id": ids, "body": WORDS * 15, "y": ["0", "1"] * 29 + ["yes", "2"]})
    message = cli_here("init", "new", code=2).stderr
    assert "line 60, column y: 'yes', where 58 of 60 rows are 0 or 1" in message
    assert "line 61, column y: '2'" in message


def test_a_metric_of_probabilities_wants_probabilities(cli_here, workspace):
    folder = competition(workspace, {"y": ["0", "1", "1", "0"]}, {"y": "0"})
    cli_here("init", "new", "--metric", "log_loss")
    assert result(folder)["submission"]["kind"] == "probability"
    assert (
        "give --kind probability"
        in cli_here("init", "new", "--force", "--metric", "roc_auc", "--kind", "label", code=2).stderr
    )


@pytest.mark.parametrize(("options", "kind"), [((), "label"), (("--metric", "mae"), "value")])
def test_classes_in_order(cli_here, workspace, options, kind):
    folder = competition(workspace, {"y": ["1", "2", "3", "1"]}, {"y": "1"})
    cli_here("init", "new", "--task", "ordinal", *options)
    found = result(folder)
    assert (found["competition"]["task"], found["submission"]["kind"]) == ("ordinal", kind)
    assert found["competition"]["metric"] == (options[1] if options else "quadratic_kappa")
    message = cli_here(
        "init", "new", "--force", "--task", "ordinal", "--metric", "mae", "--kind", "label", code=2
    ).stderr
    assert "mae scores values; give --kind value" in message


def test_missing_folder(cli_here):
    assert "no such folder" in cli_here("init", "nowhere", code=2).stderr


def test_missing_table(cli_here, workspace):
    (workspace / "input" / "new").mkdir()
    assert "no table 'train'; put train.csv or .tsv there" in cli_here("init", "new", code=2).stderr


def test_a_contest_known_by_name_needs_no_init(cli_here, workspace):
    slug = "spooky-author-identification"
    folder = competition(workspace, {"author": ["EAP", "HPL", "MWS", "EAP"]}, {"EAP": "0", "HPL": "0", "MWS": "1"})
    folder.rename(folder.with_name(slug))
    assert "is known by name: `./run.sh all -c spooky-author-identification`" in cli_here("init", slug, code=2).stderr
    assert "wrote" in cli_here("init", slug, "--force").stdout
    assert (workspace / "input" / slug / "competition.toml").is_file()


def test_a_metric_of_classes_on_a_scale_decides_the_task(cli_here, workspace):
    folder = competition(workspace, {"score": ["1", "2", "3", "4"]}, {"score": "3"})
    assert "--task multiclass or --task ordinal or --task regression" in cli_here("init", "new", code=2).stderr
    cli_here("init", "new", "--metric", "quadratic_kappa")
    assert result(folder)["competition"]["task"] == "ordinal"
    assert result(folder)["submission"] == {"kind": "label"}
