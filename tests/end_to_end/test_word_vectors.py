"""The real command line with files of word vectors of the user's own."""

import json
import zipfile

import numpy as np
import pytest

TWO = ("--set", 'tokens.vectors=["small","glove.mini"]')
SLUG = "twin-binary"
SMALL = {"the": [1, 2, 3], "and": [4, 5, 6], "film": [7, 8, 9]}  # the last in no text
GLOVE = {"the": [0.5, -0.5], ",": [0.25, 4]}


@pytest.fixture
def vectors(workspace):
    """A fastText file beside others, and a GloVe file with a malformed line in a .zip of the competition."""
    lines = ["3 3", *(f"{word} {' '.join(map(str, row))} " for word, row in SMALL.items())]
    (workspace / "input" / "embeddings").mkdir()
    small = workspace / "input" / "embeddings" / "small.vec"
    small.write_text("\n".join(lines) + "\n")
    lines = [". . 1 2", *(f"{word} {' '.join(map(str, row))}" for word, row in GLOVE.items())]
    with zipfile.ZipFile(workspace / "input" / SLUG / "embeddings.zip", "w") as archive:
        archive.writestr("glove.mini/glove.mini.txt", "\n".join(lines) + "\n")
    return small


def made(workspace):
    folder = workspace / "output" / SLUG / "tokens"
    return np.load(folder / "vectors.npy"), json.loads((folder / "vocab.json").read_text(encoding="utf-8"))


def test_two_files_from_csv_to_submission(cli_here, workspace, vectors):
    shown = cli_here("all", "-c", SLUG, *TWO).stdout
    table, row_of = made(workspace)
    assert table.shape == (len(row_of), 5)
    assert table[row_of["the"]].tolist() == [*SMALL["the"], *GLOVE["the"]]
    assert table[row_of["and"], :3].tolist() == SMALL["and"]
    assert table[row_of[","], 3:].tolist() == GLOVE[","]
    assert (workspace / "output" / SLUG / "submission.csv").is_file()
    for phrase in (
        "small.vec: read 2 rows of use in",
        "small.vec covers",
        "glove.mini.txt covers",
        "glove.mini.txt: malformed rows skipped: 1, the first: line 1: 3 values after the first space",
    ):
        assert phrase in shown
    record = json.loads((workspace / "output" / SLUG / "tokens" / "tokens.json").read_text())["coverage"]
    assert record["tables"].keys() == {"small.vec", "glove.mini.txt"}
    assert record["words"] > record["tables"]["small.vec"]["words"]


def test_what_was_read_is_kept_until_a_file_changes(cli_here, workspace, vectors):
    cli_here("tokens", "-c", SLUG, *TWO)
    before = made(workspace)[0]
    assert "kept" in cli_here("tokens", "-c", SLUG, *TWO).stdout
    shown = cli_here("tokens", "-c", SLUG, *TWO, "--force").stdout
    assert shown.count("as read before") == 2
    assert made(workspace)[0].tobytes() == before.tobytes()
    vectors.write_text(vectors.read_text().replace("and 4", "and 7"))
    shown = cli_here("tokens", "-c", SLUG, *TWO).stdout
    assert "(vectors.small.vec changed)" in shown
    assert shown.count("as read before") == 1
    table, row_of = made(workspace)
    assert table[row_of["and"], :3].tolist() == [7, 5, 6]


@pytest.mark.parametrize(
    ("settings", "expected"),
    [
        (['tokens.vectors=["small","none"]'], "recipe.tokens.vectors = ['small', 'none']: \"none\" stands alone"),
        (['tokens.vectors=["small","small.vec"]'], "small.vec is named twice"),
        ([TWO[1], "tokens.combine=mean"], "vectors of different dimensions (small.vec 3, glove.mini.txt 2)"),
        (["tokens.vectors=empty"], "empty.txt: no usable row: line 1: 0 values"),
        (
            ["tokens.vectors=other"],
            "there: empty, glove-6b-100d-50k, glove.mini, minilm-l6-100d-50k, small; or set it to",
        ),
    ],
)
def test_faults_of_vectors(cli_here, workspace, vectors, settings, expected):
    (vectors.parent / "empty.txt").write_text("nothing\n")
    options = [part for setting in settings for part in ("--set", setting)]
    assert expected in cli_here("tokens", "-c", SLUG, *options, code=2).stderr
