"""A small contest of images: which half of a picture is bright."""

import csv
from pathlib import Path

import numpy as np
from PIL import Image

SLUG, SIDE = "halves", 12
CONFIG = """
[competition]
slug = "halves"
task = "{task}"
metric = "{metric}"
[columns]
id = "id"
image = "file"
{text}
target = ["label"]
[submission]
kind = "{kind}"
[recipe]
model.name = "convnet"
folds.n = 2
images.size = [12, 12]
images.channels = 1
images.width = 8
images.stages = 2
training.epochs = {epochs}
training.learning_rate = 0.01
training.r_drop = 0.0
batches.size = 8
training.evaluations_per_epoch = 1
"""
TASKS = {
    "binary": ("roc_auc", "probability"),
    "multiclass": ("accuracy", "label"),
    "regression": ("rmse", "value"),
}


def make_pictures(folder: Path, rows: int, seed: int = 0) -> tuple[list[str], np.ndarray]:
    """Write PNGs; → their names, and (rows,) 0 or 1: whether the right half is the bright one."""
    rng = np.random.default_rng(seed)
    folder.mkdir(parents=True, exist_ok=True)
    labels, names = rng.permutation(np.arange(rows) % 2), [f"{seed}-{row:03}.png" for row in range(rows)]
    for name, label in zip(names, labels, strict=True):
        pixels = rng.integers(0, 100, (SIDE, SIDE))
        pixels[:, SIDE // 2 * label : SIDE // 2 * (label + 1)] += 120
        Image.fromarray(pixels.astype(np.uint8)).save(folder / name)
    return names, labels


def write_rows(path: Path, header: list[str], rows: list[list[object]]) -> None:
    """A CSV."""
    with path.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerows([header, *rows])


def make_contest(root: Path, task: str = "multiclass", text: bool = False, rows: int = 48, epochs: int = 4) -> Path:
    """Tables, pictures and competition.toml in root/input/halves; → that folder."""
    folder = root / "input" / SLUG
    metric, kind = TASKS[task]
    named = 'text = ["caption"]' if text else ""
    tables = {}
    for table, count, seed in (("train", rows, 0), ("test", 10, 1)):
        names, labels = make_pictures(folder / f"{table}_images", count, seed)
        captions = [["a picture of something"]] * count if text else [[]] * count
        tables[table] = [[f"{table}{i}", name, *captions[i]] for i, name in enumerate(names)]
        if table == "train":
            written = ["left", "right"] if task == "multiclass" else [0, 1]
            tables[table] = [[*row, written[label]] for row, label in zip(tables[table], labels, strict=True)]
    header = ["id", "file", *["caption"] * text]
    write_rows(folder / "train.csv", [*header, "label"], tables["train"])
    write_rows(folder / "test.csv", header, tables["test"])
    first = "left" if task == "multiclass" else 0
    write_rows(folder / "sample_submission.csv", ["id", "label"], [[row[0], first] for row in tables["test"]])
    filled = CONFIG.format(task=task, metric=metric, kind=kind, text=named, epochs=epochs)
    (folder / "competition.toml").write_text(filled)
    return folder
