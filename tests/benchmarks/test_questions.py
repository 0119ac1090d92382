"""The generator of question-like competitions."""

import csv
import shutil
import statistics
from pathlib import Path

from questions import write_competition


def texts_of(folder: Path, name: str) -> list[str]:
    with (folder / name).open(encoding="utf-8", newline="") as file:
        return [row["text"] for row in csv.DictReader(file)]


def test_questions_have_the_lengths_of_questions_and_the_same_bytes_again(tmp_path):
    folder = tmp_path / "questions"
    write_competition(folder, 3000, 500, seed=1)
    lengths = [len(text.split()) for text in texts_of(folder, "train.csv")]
    assert 12.5 < statistics.mean(lengths) < 13.5
    assert 10 <= statistics.median(lengths) <= 12
    assert min(lengths) >= 1
    assert 50 < max(lengths) <= 130
    first = {path.name: path.read_bytes() for path in folder.iterdir()}
    shutil.rmtree(folder)
    write_competition(folder, 3000, 500, seed=1)
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == first
    shutil.rmtree(folder)
    write_competition(folder, 3000, 500, seed=2)
    assert (folder / "train.csv").read_bytes() != first["train.csv"]


def test_the_stages_take_questions_as_they_are(cli_here, workspace):
    write_competition(workspace / "input" / "questions", 300, 50)
    shown = cli_here("all", "-c", "questions", "--debug", "--set", "batches.tokens=500").stdout
    assert "50 rows, checked against the sample" in shown
