"""The benchmarks that run the command line, on a few rows: what they start, measure and print."""

import csv
import subprocess
import sys
from pathlib import Path

import classics
import contest_scale
import growth
import jobs
import numpy as np
import peak_memory
import pytest
import snippets
import tfidf
from commands import command

import time_budget
from foldwise.paths import REPOSITORY, Paths, resolve
from reliability.in_process import run_main

RECIPE = (
    '\n[recipe]\nfolds.n = 2\ntokens.vectors = "none"\ntokens.dimension = 8\nmodel.hidden = 4\ntraining.epochs = 1\n'
    "linear.C = 1.0\nlinear.char_ngrams = 0\n"
)
SHORT = RECIPE.replace("[recipe]", "").replace(" ", "").split()


@pytest.fixture(scope="module")
def reviews(tmp_path_factory) -> Paths:
    """The first rows of movie-reviews, which go as a competition of their own."""
    root: Path = tmp_path_factory.mktemp("reviews")
    source, folder = REPOSITORY / "input" / "movie-reviews", root / "input" / "movie-reviews"
    folder.mkdir(parents=True)
    for name, rows in {"train": 160, "test": 60, "sample_submission": 60, "solution": 60}.items():
        lines = (source / f"{name}.csv").read_text(encoding="utf-8").splitlines(keepends=True)
        (folder / f"{name}.csv").write_text("".join(lines[: rows + 1]), encoding="utf-8")
    config = (source / "competition.toml").read_text(encoding="utf-8").partition("[recipe")[0]
    (folder / "competition.toml").write_text(config + RECIPE, encoding="utf-8")
    return resolve("movie-reviews", root / "input", root / "folds", root / "output")


def test_all_jobs_are_scored_on_the_same_folds(reviews):
    ours = jobs.foldwise(reviews)
    assert reviews.folds.is_file()
    theirs = tfidf.cross_validate(tfidf.tfidf(3.0), reviews)
    for found in (ours, theirs):
        assert 0.3 < found.oof <= 1
        assert 0.3 < found.leaderboard <= 1
        assert found.seconds > 0


def compared(root: Path, slug: str) -> list[str]:
    """The cells of a row of the table, after a run of all stages."""
    code, _, errors = run_main(command(root, slug, ["all"])[3:])
    assert code == 0, errors
    row = classics.compare(slug, {name: root / name for name in ("input", "folds", "output")})
    return row.removeprefix("| ").removesuffix(" |").split(" | ")


def test_the_classics_are_compared_on_the_same_folds(reviews):
    slug, metric, *cells = compared(reviews.output.parent.parent, reviews.slug)
    assert (slug, metric) == ("movie-reviews", "accuracy")
    assert len(cells) == 11
    assert all(0.3 < float(cells[place]) <= 1 for place in (0, 1, 4, 5))


@pytest.mark.parametrize("slug", snippets.TASKS)
def test_the_classics_are_compared_on_every_kind_of_task(tmp_path, rated, slug):
    folder = tmp_path / "input" / slug
    snippets.write_competition(folder, slug, rated)
    with (folder / "competition.toml").open("a", encoding="utf-8") as file:
        file.write(RECIPE)
    _, _, *cells = compared(tmp_path, slug)
    assert all(float(cells[place]) > 0 for place in (0, 1, 4, 5))


@pytest.mark.parametrize("several", [False, True])
def test_fasttext_predicts_a_probability_a_row_and_column(several):
    pytest.importorskip("fasttext")
    texts = np.array(["good film", "bad film"] * 20, dtype=object)
    y = np.array([1.0, 0.0] * 20)
    found = classics.fasttext("columns")(
        texts, np.stack([y, 1 - y], axis=1) if several else y, np.array(["a good film", "a bad film"], dtype=object)
    )
    assert found.shape == ((2, 2) if several else (2,))
    assert ((found >= 0) & (found <= 1.01)).all()


def test_texts_for_fasttext_are_split_as_foldwise_splits_them():
    assert jobs.split(np.array(["It's GOOD, really"], dtype=object))[0].split()[-3:] == ["good", ",", "really"]


def test_the_classic_finds_what_is_easy():
    texts = np.array(["a good film", "a bad film"] * 10, dtype=object)
    found = tfidf.tfidf(1.0)(texts, np.array([1.0, 0.0] * 10), texts[:2])
    assert found[0] > found[1]


def test_growth_measures_every_stage(monkeypatch, capsys):
    monkeypatch.setattr(growth, "SETTINGS", [*growth.SETTINGS, *SHORT])
    stages = list(growth.STAGES)
    figures = growth.measure([150], stages)
    assert list(figures) == [(stage, 150) for stage in stages]
    assert all(0 < used < 60 for _, used, _ in figures.values())
    growth.show({**figures, **{(stage, 300): (2.0, 1.0, 0.4) for stage in stages}}, [150, 300], stages)
    assert "| folds | 300 | 2.0 | " in capsys.readouterr().out


def test_growth_ends_with_what_a_stage_said(tmp_path, monkeypatch):
    monkeypatch.setattr(growth, "SETTINGS", ["folds.n=none"])
    with pytest.raises(SystemExit, match="folds"):
        growth.run_stage(tmp_path, ["folds"])


def test_a_contest_runs_and_its_table_is_printed(tmp_path, monkeypatch, capfd):
    monkeypatch.setattr(contest_scale, "SETTINGS", [*contest_scale.SETTINGS, *SHORT])
    contest_scale.run(tmp_path, 150, 30, 1)
    shown = capfd.readouterr().out
    assert "| rows | 150 + 30 |" in shown
    assert "| f1, out of fold | 0." in shown
    assert (tmp_path / "log.txt").read_text()


def test_a_twin_of_a_contest_is_known_by_its_name(tmp_path):
    slug = time_budget.SLUG
    time_budget.write_twin(tmp_path / "input" / slug, 150, 30)
    options = [part for setting in SHORT for part in ("--set", setting)]
    seconds, summary = time_budget.run(tmp_path, *options, "--time-budget", "10min")
    assert summary["metric"] == "f1"
    assert time_budget.describe("whole", 0, seconds, summary).startswith("| whole | ")
    assert "2 of 2" in time_budget.describe("budget 1", 600, seconds, summary)


def test_a_submission_without_a_row_is_seen(tmp_path):
    sample, submission = tmp_path / "sample.csv", tmp_path / "submission.csv"
    sample.write_text("qid,prediction\na,0\nb,0\n")
    submission.write_text("qid,prediction\na,1\nb,0\n")
    time_budget.check(sample, submission)
    submission.write_text("qid,prediction\na,1\nc,0\n")
    with pytest.raises(SystemExit, match="line 3"):
        time_budget.check(sample, submission)


@pytest.fixture
def rated() -> list[snippets.Row]:
    """Snippets whose words say how they are rated."""
    rng = np.random.default_rng(0)
    words = {"editorial": "vote", "movie": "film", "product": "phone", "tweet": "lol"}
    rows = []
    for number in range(240):
        domain, valence = snippets.DOMAINS[number % 4], round(float(rng.normal()), 2) or 0.1
        text = f"{words[domain]} {'good' if valence > 0 else 'bad'} {number}"
        rows.append({"id": str(number), "domain": domain, "valence": str(valence), "text": text})
    return rows


@pytest.mark.parametrize("slug", snippets.TASKS)
def test_a_task_is_made_of_the_snippets(tmp_path, rated, slug):
    folder = tmp_path / "input" / slug
    snippets.write_competition(folder, slug, rated)
    with (folder / "train.csv").open(newline="") as file:
        train = list(csv.DictReader(file))
    assert 150 < len(train) < 240
    assert set(snippets.TASKS[slug][3]) < set(train[0])
    row = rated[0]
    assert sum(map(int, snippets.labels_of(row))) == 1
    assert snippets.labels_of({**row, "valence": "0"}) == ["0"] * 8


def test_memory_is_that_of_the_whole_tree(monkeypatch, capsys):
    child = "x = bytearray(80_000_000); import time; time.sleep(1.5)"
    parent = f"import subprocess, sys; subprocess.run([sys.executable, '-c', {child!r}])"
    process = subprocess.Popen([sys.executable, "-c", parent], text=True)
    assert 80_000 < peak_memory.watch(process) < 1_000_000
    monkeypatch.setattr(sys, "argv", ["peak_memory.py", sys.executable, "-c", "raise SystemExit(3)"])
    assert peak_memory.main() == 3
    assert "exit code 3" in capsys.readouterr().out
