"""The contest that every way of training is timed on: question-like texts, tokenized once by foldwise's own stages.

    .venv/bin/python tests/benchmarks/contest.py --rows 6000 DIR

Prints what is in it as one line of JSON, last.
"""

import argparse
import json
import subprocess
from pathlib import Path

import numpy as np
import pandas as pd
from commands import command, environment
from questions import write_competition

from foldwise.config import Batches, Model, Recipe, Training
from foldwise.data.targets import Targets
from foldwise.data.token_store import TokenStore
from foldwise.training.fold_data import FoldData

SLUG = "questions"
BATCH = 512  # rows
FOLD = 0  # the fold that the ways with one process leave out
# What all ways share; the rest of the recipe is foldwise's default. Foldwise's own batches hold 512 rows on average: cut
# by places, a row having 15 tokens, and sorted in groups of 100.
RECIPE = Recipe(
    batches=Batches(size=BATCH, tokens=BATCH * 15, group=100),
    model=Model(hidden=64),
    training=Training(epochs=1, evaluations_per_epoch=1, learning_rate=2e-3, embedding_learning_rate=2e-3, r_drop=0.0),
)


def prepare(folder: Path, rows: int) -> None:
    """Write the contest, its folds, its tokens and its targets below `folder`."""
    source = folder / "input" / SLUG
    write_competition(source, rows, rows // 10, seed=0)
    for stage in ("folds", "tokens"):
        subprocess.run(command(folder, SLUG, [stage]), env=environment(), check=True)
    train = pd.read_csv(source / "train.csv", dtype={"id": str})
    fold_of_row = pd.read_csv(folder / "folds" / f"{SLUG}.csv", dtype={"id": str}).set_index("id")["fold"]
    np.save(folder / "targets.npy", train["target"].to_numpy(dtype=np.float32)[:, None])
    np.save(folder / "folds.npy", fold_of_row.loc[train["id"]].to_numpy(dtype=np.int64))


def load(folder: Path) -> FoldData:
    """What `prepare` wrote, mapped into memory as foldwise's workers do."""
    tokens = folder / "output" / SLUG / "tokens"
    y = np.load(folder / "targets.npy")
    targets = Targets("binary", y, y, ["target"])
    vectors = np.load(tokens / "vectors.npy", mmap_mode="c")
    return FoldData(TokenStore.open(tokens), vectors, targets, np.load(folder / "folds.npy"))


def main() -> None:
    """Prepare, and describe."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--rows", type=int, required=True, help="of train.csv")
    arguments = parser.parse_args()
    prepare(arguments.folder, arguments.rows)
    data = load(arguments.folder)
    lengths, numbers = data.store.lengths, data.vectors.shape[1]
    facts = {"rows": arguments.rows, "mean": float(lengths.mean()), "longest": int(lengths.max()), "numbers": numbers}
    print(json.dumps(facts))


if __name__ == "__main__":
    main()
