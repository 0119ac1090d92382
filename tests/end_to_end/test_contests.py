"""Each contest known by name, from its own files to a submission that fits its sample, by nothing but its slug."""

import csv
import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from contest_files import CONTESTS, SLUGS, config_of, contest_rows
from foldwise.config import Config
from foldwise.paths import COMPETITIONS

TINY = [
    "folds.n=2", "tokens.vectors=none", "tokens.dimension=8", "model.hidden=4", "batches.size=4", "batches.group=2",
    "training.epochs=1", "training.evaluations_per_epoch=1",
]  # fmt: skip
SETTINGS = [part for setting in TINY for part in ("--set", setting)]

Rows = list[list[str]]


def rows_of(path: Path) -> Rows:
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.reader(file))


def column(rows: Rows, name: str) -> list[str]:
    return [row[rows[0].index(name)] for row in rows[1:]]


def check_values(config: Config, submission: Rows, predicted: list[str], train: Rows) -> None:
    """What the contest would accept: labels of the training table, probabilities, or numbers."""
    kind, task = config.submission.kind, config.competition.task
    if kind == "label":
        labels = {label for name in config.columns.target for label in column(train, name)}
        assert {value for name in predicted for value in column(submission, name)} <= labels
        return
    values = np.array([column(submission, name) for name in predicted], dtype=float)
    assert np.isfinite(values).all()
    if kind == "probability":
        assert values.min() >= 0
        assert values.max() <= 1
        if task == "multiclass":
            assert values.sum(axis=0) == pytest.approx(1, abs=1e-6)


def check_groups(config: Config, folds: Rows, train: Rows) -> None:
    """Rows of one group have one fold."""
    if config.columns.group is None:
        return
    fold_of = dict(zip(column(folds, "id"), column(folds, "fold"), strict=True))
    ids, groups = column(train, config.columns.id), column(train, config.columns.group)
    pairs = {(group, fold_of[row_id]) for row_id, group in zip(ids, groups, strict=True)}
    assert len(pairs) == len(set(groups)) < len(ids)


def special(slug: str, config: Config, submission: Rows, summary: dict[str, Any]) -> None:
    """What only one contest has."""
    header = submission[0]
    if slug == "spooky-author-identification":
        assert header == ["id", "EAP", "HPL", "MWS"]
        assert [member["name"] for member in summary["members"]] == ["bilstm", "linear"]
    elif slug == "learn-ai-bbc":
        assert set(column(submission, "Category")) <= {"business", "tech", "politics", "sport", "entertainment"}
    elif slug == "learning-agency-lab-automated-essay-scoring-2":
        assert set(column(submission, "score")) <= {"1", "2", "3", "4", "5", "6"}
    elif slug == "google-quest-challenge":
        assert len(header) == 1 + 30
    elif slug == "word2vec-nlp-tutorial":
        assert not any('"' in row_id for row_id in column(submission, "id"))
    elif slug == "detecting-insults-in-social-commentary":
        assert header == ["Insult", "Date", "Comment"]
    elif slug == "us-patent-phrase-to-phrase-matching":
        assert header == ["id", "score"]
    elif slug == "jigsaw-unintended-bias-in-toxicity-classification":
        assert header == ["id", "prediction"]
    # Rows marked -1 do not count: were they read as labels, this would have ended with exit code 2.
    scored = {"jigsaw-toxic-comment-classification-challenge", "detecting-insults-in-social-commentary"}
    assert ("leaderboard" in summary) == (slug in scored)


@pytest.mark.parametrize("slug", SLUGS)
def test_from_the_contests_files_to_its_submission(cli_here, workspace, slug):
    shutil.copytree(CONTESTS / slug, workspace / "input" / slug)
    config = config_of(slug)
    files = config.files
    train, test, sample = (
        contest_rows(slug, stem, files.quotes) for stem in (files.train, files.test, files.sample_submission)
    )
    cli_here("all", "-c", slug, *SETTINGS)

    output = workspace / "output" / slug
    submission = rows_of(output / "submission.csv")
    assert submission[0] == sample[0]
    assert len(submission) == len(sample)
    kept = [name for name in sample[0] if name in (config.columns.id, *config.columns.text, *config.columns.ignore)]
    for name in kept:
        assert column(submission, name) == column(sample, name)
    predicted = [name for name in sample[0] if name not in kept]
    assert predicted
    check_values(config, submission, predicted, train)
    check_groups(config, rows_of(workspace / "folds" / f"{slug}.csv"), train)

    summary = json.loads((output / "summary.json").read_text())
    assert summary["competition"] == slug
    assert summary["task"] == config.competition.task
    assert summary["metric"] == config.competition.metric
    assert summary["rows"] == {"train": 20, "test": len(test) - 1}
    assert np.isfinite(summary["cv"]["pooled"])
    oof = rows_of(output / "oof.csv")
    assert column(oof, "id") == (
        [str(number) for number in range(1, 21)] if "train" in files.numbered else column(train, config.columns.id)
    )
    special(slug, config, submission, summary)


def test_all_of_them_are_listed_as_in_place(cli_here, workspace):
    shutil.copytree(CONTESTS, workspace / "input", dirs_exist_ok=True)
    shown = cli_here("competitions").stdout
    assert shown.count("in place") == len(SLUGS) + 4
    assert "not there" not in shown
    assert "missing" not in shown


def test_what_a_jigsaw_run_depends_on_makes_it_run_again(cli_here, workspace):
    toxic = "jigsaw-toxic-comment-classification-challenge"
    shutil.copytree(CONTESTS / toxic, workspace / "input" / toxic)
    cli_here("all", "-c", toxic, *SETTINGS)
    config = (COMPETITIONS / f"{toxic}.toml").read_text(encoding="utf-8").replace('unscored = "-1"', 'unscored = "-2"')
    (workspace / "input" / toxic / "competition.toml").write_text(config, encoding="utf-8")
    assert "'-1' is not 0 or 1" in cli_here("all", "-c", toxic, *SETTINGS, code=2).stderr

    bias = "jigsaw-unintended-bias-in-toxicity-classification"
    shutil.copytree(CONTESTS / bias, workspace / "input" / bias)
    options = [*SETTINGS, "--set", "model.name=linear", "--set", "linear.min_count=1"]
    cli_here("all", "-c", bias, *options)
    oof = workspace / "output" / bias / "oof.csv"
    before = oof.read_bytes()
    shown = cli_here("all", "-c", bias, *options, "--set", "training.subgroup_weights=false").stdout
    assert "recipe.training.subgroup_weights True → False" in shown
    assert oof.read_bytes() != before
    cli_here("report", "-c", bias, *options, "--set", "training.subgroup_weights=false")
    page = (workspace / "output" / bias / "report.html").read_text(encoding="utf-8")
    assert page.count("<svg") >= 3


def test_classes_on_a_scale_are_shown_on_it(cli_here, workspace):
    essays = "learning-agency-lab-automated-essay-scoring-2"
    shutil.copytree(CONTESTS / essays, workspace / "input" / essays)
    shown = cli_here("all", "-c", essays, *SETTINGS).stdout
    summary = json.loads((workspace / "output" / essays / "summary.json").read_text())
    oof = rows_of(workspace / "output" / essays / "oof.csv")
    scores = sorted({int(row[2]) for row in oof[1:]})
    assert len(summary["ensemble"]["threshold"]) == len(scores) - 1
    assert "thresholds between the classes: " in shown
    assert np.mean([float(row[3]) for row in oof[1:]]) == pytest.approx(
        np.mean([int(row[2]) for row in oof[1:]]), abs=1
    )
    cli_here("report", "-c", essays)
