"""Whatever the tables are, init writes what `all` accepts, or says in one message what is wrong; its advice works."""

import csv
import tempfile
from dataclasses import replace
from pathlib import Path
from typing import Any

import hypothesis.strategies as st
from hypothesis import given, settings

from foldwise.data.competition import load_competition
from foldwise.data.inspect_competition import Choices
from foldwise.data.inspect_tables import Question
from foldwise.errors import InputError
from foldwise.load_config import load_config
from foldwise.paths import Paths
from foldwise.run import check_config
from foldwise.stages.init import init

USUAL = {"train": ["id", "text", "label"], "test": ["id", "text"], "sample_submission": ["id", "label"]}
OTHERS = ["ID", "Text ", "title", "label", "y", "author", "", "Unnamed: 0", "prediction", "none", "a", "b"]
PHRASES = st.sampled_from(
    ["a fine film", "dull", "a dull film, badly made", "fine food", "", "  ", "写真", "film made"]
)
CELLS: dict[str, st.SearchStrategy[str]] = {
    "phrase": PHRASES,
    "label": st.sampled_from(["a", "b"]),
    "binary": st.sampled_from(["0", "1"]),
    "mark": st.sampled_from(["0", "1", "-1", "", "yes"]),
    "whole": st.integers(-2, 40).map(str),
    "number": st.floats(-9, 9).map(lambda number: f"{number:.3g}"),
    "constant": st.just("0"),
    "empty": st.just(""),
    "any": st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\r\n\0"), max_size=9),
}
USUAL_KINDS = {"id": "count", "text": "phrase", "label": "binary"}


@st.composite
def tables(draw: st.DrawFn) -> dict[str, dict[str, list[str]]]:
    """The usual three tables, each with something missing, added, called otherwise or of another kind."""

    def rarely() -> bool:
        return draw(st.integers(0, 9)) == 0

    kind = st.sampled_from([*CELLS, "count"])
    kinds = {name: draw(kind) for name in OTHERS} | USUAL_KINDS
    kinds["label"] = draw(st.sampled_from(["binary", "label", "whole", "number", "mark"]))
    size = draw(st.integers(1, 12))
    drawn = {}
    for table, usual in USUAL.items():
        rows = (draw(st.integers(1, 12)) if rarely() else size) + 12 * (table == "train")
        names = [draw(st.sampled_from([name.upper(), f"{name} "])) if rarely() else name for name in usual]
        names = [name for name in names if not rarely()]
        names += draw(st.lists(st.sampled_from(OTHERS), max_size=2))
        columns = {}
        for name in names or ["id"]:
            used = draw(kind) if rarely() else kinds.get(name, kinds.get(name.strip().lower(), "any"))
            counted = [str(row) for row in range(rows)]
            columns[name] = counted if used == "count" else draw(st.lists(CELLS[used], min_size=rows, max_size=rows))
        drawn[table] = columns
    return drawn


def paths_of(folder: Path) -> Paths:
    return Paths("x", folder, folder / "competition.toml", folder / "folds.csv", folder / "out", ())


def write(folder: Path, drawn: dict[str, dict[str, list[str]]]) -> None:
    for name, columns in drawn.items():
        with (folder / f"{name}.csv").open("w", encoding="utf-8", newline="") as file:
            writer = csv.writer(file, quoting=csv.QUOTE_ALL)
            writer.writerow(columns)
            writer.writerows(zip(*columns.values(), strict=True))


def accepted(paths: Paths) -> None:
    """Read the competition as `all` does; an InputError where it would refuse."""
    config = load_config(paths.config, [])
    check_config(config, "x")
    load_competition(config, paths)


def answers(question: Question) -> list[dict[str, Any]]:
    """The options that a question offers, each as choices."""
    name = question.option.removeprefix("--")
    return [{name: [answer] if name in ("text", "target") else answer} for answer in question.candidates]


def follow(paths: Paths, choices: Choices) -> None:
    """Do what a question says, one offer after another, until the competition is accepted."""
    try:
        init(paths, choices, force=True)
    except Question as question:
        for answer in answers(question):
            assert getattr(choices, next(iter(answer))) in (None, [])  # not asked before
            follow(paths, replace(choices, **answer))
    else:
        accepted(paths)


@settings(max_examples=100)
@given(tables())
def test_init_writes_what_all_accepts_or_says_why_not(drawn):
    with tempfile.TemporaryDirectory() as name:
        paths = paths_of(Path(name))
        write(paths.input, drawn)
        refused = ""
        try:
            init(paths, Choices(), force=True)
        except Question:
            follow(paths, Choices())  # raises an InputError where the advice does not work
        except InputError as error:
            refused = str(error)
        else:
            accepted(paths)
        assert all(len(line) <= 500 for line in refused.splitlines())
        assert not (refused and paths.config.exists())
