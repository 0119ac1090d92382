"""Home runs that the tests of inference share: together all tasks, kinds of members and ways of combining them."""

import csv
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from tokenizers.trainers import WordLevelTrainer
from torch import nn

from conftest import COMPETITIONS
from foldwise.config import Tokens
from foldwise.data.table import read_table
from foldwise.data.tokenizer import build_tokenizer, tokenize
from foldwise.inference.pack import pack_model
from foldwise.options import make_run
from foldwise.run import Run
from foldwise.stages.ensemble import ensemble
from foldwise.stages.folds import folds
from foldwise.stages.tokens import tokens
from foldwise.stages.train import train

ESSAYS, INSULTS = "learning-agency-lab-automated-essay-scoring-2", "detecting-insults-in-social-commentary"
TINY = ["folds.n=2", "tokens.dimension=8", "model.hidden=4", "batches.size=4", "batches.group=2"]
SHORT = [*TINY, "training.epochs=1", "training.evaluations_per_epoch=2", "training.precision=fp32"]
FILE, NONE = 'tokens.vectors="small"', 'tokens.vectors="none"'


class Own(nn.Module):
    """A model of a user's own: mean of frozen vectors."""

    def __init__(self, vocabulary_size: int, vectors: torch.Tensor, outputs: int) -> None:  # noqa: ARG002
        super().__init__()
        self.embedding = nn.Embedding.from_pretrained(vectors)
        self.head = nn.Linear(vectors.shape[1], outputs)

    def forward(self, tokens: torch.Tensor, lengths: torch.Tensor) -> torch.Tensor:
        mask = torch.arange(tokens.shape[1]) < lengths[:, None]
        return self.head((self.embedding(tokens) * mask[:, :, None]).sum(1) / lengths.clamp(min=1)[:, None])


def split_at_blanks(text: str) -> list[str]:
    """A tokenizer of a user's own."""
    return text.split()


# Members and settings of each competition: together all tasks, kinds of members and ways of combining them.
FROZEN = """
[recipe.members.cnn]
model = {name = "textcnn", train_embedding = false}
[recipe.members.linear]
model.name = "linear"
"""
OWN = f"""
[recipe.members.bilstm]
[recipe.members.own]
model.name = "{__name__}:Own"
"""
APART = ['tokens.columns="apart"', 'tokens.features=["length"]', 'tokens.max_length="90%"', 'tokens.vocabulary="train"']
CASES: dict[str, tuple[str, list[str]]] = {
    "twin-binary": ("", [FILE, "training.snapshots=2"]),
    "twin-multiclass": (FROZEN, [FILE, "linear.min_count=1", 'ensemble.weights="fit"']),
    "twin-multilabel": (
        OWN,
        [
            NONE,
            'ensemble.method="rank_mean"',
            'ensemble.weights="equal"',
            f'tokens.tokenizer="{__name__}:split_at_blanks"',
        ],
    ),
    "twin-regression": ("", [NONE, *APART]),
    INSULTS: ("", [NONE, "linear.min_count=1"]),  # tables without ids
    ESSAYS: (
        "",
        [
            NONE,
            'tokens.tokenizer="split.json"',
            "tokens.max_length=30",
            'model.pooling=["attention"]',
            "model.layers=2",
        ],
    ),
}


def rows_of(path: Path) -> list[list[str]]:
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.reader(file, delimiter="\t" if path.suffix == ".tsv" else ","))


def write_rows(path: Path, rows: list[list[str]]) -> None:
    with path.open("w", encoding="utf-8", newline="") as file:
        csv.writer(file, delimiter="\t" if path.suffix == ".tsv" else ",").writerows(rows)


def table(folder: Path, name: str) -> Path:
    return next(folder.glob(f"{name}.*"))


def add_columns(folder: Path) -> None:
    """A second text and a number beside the first, empty in places."""
    for name in ("train", "test"):
        rows = rows_of(table(folder, name))
        rows[0] += ["title", "words"]
        for row in rows[1:]:
            row += [" ".join(row[1].split()[:3]), "" if row[0].endswith("1") else str(len(row[1]))]
        write_rows(table(folder, name), rows)
    config = folder / "competition.toml"
    text = config.read_text().replace('text = ["text"]', 'text = ["title", "text"]\nfeatures = ["words"]')
    config.write_text(text)


def write_vectors(root: Path, folder: Path) -> None:
    """A file of vectors that has every word, also those of the other test set."""
    texts = [text for name in ("train", "test") for text in read_table(table(folder, name)).column("text")]
    _, words, _ = tokenize([*texts, *(row[1] for row in other_test(folder)[1:])], 0, Tokens(), lambda _: None)
    drawn = np.random.default_rng(1).normal(size=(len(words), 3)).round(3)
    lines = [f"{word} {' '.join(map(str, row))}" for word, row in zip(words[2:], drawn.tolist(), strict=False)]
    (root / "input" / "embeddings").mkdir(exist_ok=True)
    (root / "input" / "embeddings" / "small.vec").write_text("\n".join(lines) + "\n", encoding="utf-8")


def other_test(folder: Path) -> list[list[str]]:
    """Seven times the rows of a test set, none of its ids, words that stand nowhere else, an empty text."""
    header, *rows = rows_of(table(folder, "test"))
    others = [
        [f"new-{number}-{row[0]}", f"zorp {row[1]} blick{number} {'quux ' * number}", *row[2:]]
        for number in range(7)
        for row in rows
    ]
    others[3][1] = ""
    return [header, *others]


def sample_for(folder: Path, test: list[list[str]]) -> list[list[str]]:
    """A sample of the ids of a test set, in another order."""
    header, first, *_ = rows_of(table(folder, "sample_submission"))
    return [header, *([row[0], *first[1:]] for row in reversed(test[1:]))]


def put(folder: Path, test: list[list[str]]) -> None:
    write_rows(table(folder, "sample_submission"), sample_for(folder, test))
    write_rows(table(folder, "test"), test)


def run_of(root: Path, slug: str, *settings: str) -> Run:
    chosen = [*SHORT, *CASES[slug][1], *settings]
    return make_run(slug, chosen, device="cpu", input_=root / "input", folds=root / "folds", output=root / "output")


def at_home(root: Path, slug: str) -> tuple[Run, np.ndarray]:
    """All stages, as the command line runs them."""
    run = run_of(root, slug)
    fold_of_row = folds(run)
    tokens(run)
    train(run, fold_of_row)
    ensemble(run, fold_of_row)
    return run, fold_of_row


@pytest.fixture(scope="session")
def packed(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], tuple[Path, Path, bytes]]:
    """Of a competition: the root of its folders, its packed weights, and the submission of the home run; made once."""
    root, threads = tmp_path_factory.mktemp("home"), torch.get_num_threads()
    shutil.copytree(COMPETITIONS, root / "input")
    for contest in (ESSAYS, INSULTS):
        shutil.copytree(COMPETITIONS.parent / "contests" / contest, root / "input" / contest)
    made: dict[str, tuple[Path, Path, bytes]] = {}

    def of(slug: str) -> tuple[Path, Path, bytes]:
        if slug not in made:
            folder = root / "input" / slug
            if slug == "twin-regression":
                add_columns(folder)
            if FILE in CASES[slug][1]:
                write_vectors(root, folder)
            if slug == ESSAYS:
                tokenizer = build_tokenizer(Tokens(case="keep"), {})
                texts = read_table(table(folder, "train")).column("full_text")
                tokenizer.train_from_iterator(texts, WordLevelTrainer(special_tokens=["<unk>"], show_progress=False))
                tokenizer.save(str(folder / "split.json"))
            if CASES[slug][0]:
                path = folder / "competition.toml"
                path.write_text(f"{path.read_text()}\n{CASES[slug][0]}")
            run, fold_of_row = at_home(root, slug)
            weights = root / "weights" / slug
            weights.mkdir(parents=True)
            pack_model(run, fold_of_row, weights)
            made[slug] = root, weights, run.paths.submission.read_bytes()
            torch.set_num_threads(threads)
        return made[slug]

    return of
