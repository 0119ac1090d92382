"""`./run.sh describe` through the real command line; figures by hand."""

import re

import pytest

SIZES = ["--set", "tokens.dimension=10", "--set", "model.hidden=6", "--set", "model.channels=4"]
GATES = {"lstm": 4, "gru": 3}
OWN = """
from torch import nn


class Bag(nn.Module):
    def __init__(self, vocabulary_size, vectors, outputs, inner=5):
        super().__init__()
        self.embedding = nn.Embedding.from_pretrained(vectors)
        self.idle = nn.Linear(2, 3)
        self.net = nn.Sequential(nn.Linear(vectors.shape[1], inner), nn.ReLU())
        self.head = nn.Linear(inner, outputs)

    def forward(self, tokens, lengths):
        return self.head(self.net(self.net[1](self.embedding(tokens)).mean(dim=1)))
"""


def table_of(shown: str) -> dict[str, tuple[str, list[str], str, str]]:
    """Type, lines of shapes, parameters and whether trained, by layer."""
    found: dict[str, tuple[str, list[str], str, str]] = {}
    name = ""
    for line in shown.splitlines():
        if line.startswith("│"):
            cells = [cell.strip() for cell in line.strip("│").split("│")]
            name = cells[0] or name
            kind, shapes, number, trained = found.get(name, ("", [], "", ""))
            found[name] = (kind + cells[1], [*shapes, cells[2]], number + cells[3], trained + cells[4])
    return found


def recurrent(kind: str, inputs: int) -> int:
    """Weights of a bidirectional layer of 6, with both of its biases."""
    return 2 * GATES[kind] * 6 * (inputs + 6 + 2)


@pytest.mark.parametrize(
    ("model", "layers", "head"),
    [
        ("bilstm", {"lstms.0": recurrent("lstm", 10)}, 24),
        ("bigru", {"grus.0": recurrent("gru", 10)}, 24),
        ("bilstm_bigru", {"lstms.0": recurrent("lstm", 10), "grus.0": recurrent("gru", 12)}, 24),
        ("textcnn", {f"convolutions.{place}": 4 * (10 * width + 1) for place, width in enumerate((3, 4, 5))}, 12),
    ],
)
def test_layers_shapes_and_parameters(cli_here, model, layers, head):
    shown = cli_here("describe", "-c", "twin-multiclass", "--set", f"model.name={model}", *SIZES).stdout
    table = table_of(shown)
    first, *further = layers
    between = ["dropout", *further] if model == "bilstm_bigru" else [*further, "dropout"]
    assert list(table) == ["embedding", "spatial_dropout", first, *between, "head", "(model)"]
    assert table["embedding"] == ("Embedding", ["3×7 → 3×7×10", "5×12 → 5×12×10"], "10,000", "yes")
    for name, count in layers.items():
        assert table[name][2:] == (f"{count:,}", "yes")
    if model == "textcnn":
        assert table["convolutions.1"][1] == ["3×10×7 → 3×4×4", "5×10×12 → 5×4×9"]
    else:
        width = 12 if model == "bilstm_bigru" else 10
        last = table[list(layers)[-1]][1]
        assert last == [f"3×7×{width}, 3×7 → 3×7×12", f"5×12×{width}, 5×12 → 5×12×12"]
    (outputs,) = map(int, re.findall(r"(\d+) outputs", shown))
    assert table["head"] == (
        "Linear", [f"3×{head} → 3×{outputs}", f"5×{head} → 5×{outputs}"], f"{outputs * (head + 1):,}", "yes",
    )  # fmt: skip
    total = 10_000 + sum(layers.values()) + outputs * (head + 1)
    assert table["(model)"][1:3] == ([f"3×7, 3 → 3×{outputs}", f"5×12, 5 → 5×{outputs}"], f"{total:,}")
    assert f"parameters: {total:,}, of which {total:,} are trained and 0 are not" in shown


def test_frozen_vectors_and_a_layer_called_twice(cli_here):
    more = ["--set", "model.layers=3", "--set", "model.train_embedding=false", "--set", 'model.pooling=["attention"]']
    shown = cli_here("describe", "-c", "twin-binary", *SIZES, *more).stdout
    table = table_of(shown)
    assert table["embedding"][2:] == ("10,000", "no")
    assert table["dropout"][1] == [
        *("3×7×12 → 3×7×12 (2×)", "3×12 → 3×12", "5×12×12 → 5×12×12 (2×)", "5×12 → 5×12"),
    ]
    assert [name for name in table if name.startswith("attention")] == [
        "attention", "attention.project", "attention.score",
    ]  # fmt: skip
    assert table["(model)"][3] == "partly"
    assert "1,000 words (assumed: no tokens yet) of 10 numbers; one text a row; 1 output\n" in shown
    assert "and 10,000 are not" in shown


def test_words_are_those_of_the_tokens(cli_here):
    made = cli_here("tokens", "-c", "twin-binary").stdout
    (words,) = re.findall(r"tokens, ([\d,]+) words", made)
    assert f"{words} words (as in the tokens) of 8 numbers" in cli_here("describe", "-c", "twin-binary").stdout
    changed = cli_here("describe", "-c", "twin-binary", "--set", "tokens.dimension=9").stdout
    assert "1,000 words (assumed: no tokens yet) of 9 numbers" in changed


def test_vectors_of_a_file_have_its_dimension(cli_here):
    shown = cli_here("describe", "-c", "twin-binary", "--set", "tokens.vectors=glove-6b-100d-50k").stdout
    assert "1,000 words (assumed: no tokens yet) of 100 numbers" in shown


def test_each_member_has_its_own_model(cli_here, workspace):
    path = workspace / "input" / "twin-binary" / "competition.toml"
    members = (
        '\n[recipe.members.a]\n[recipe.members.b]\nmodel.name = "textcnn"\n[recipe.members.c]\nmodel.name = "linear"\n'
    )
    path.write_text(path.read_text() + members)
    assert (
        "twin-binary: member a, model bilstm (others, with --member: b, c)"
        in cli_here("describe", "-c", "twin-binary").stdout
    )
    assert "Conv1d" in cli_here("describe", "-c", "twin-binary", "--member", "b").stdout
    linear = cli_here("describe", "-c", "twin-binary", "--member", "c").stdout
    linear = " ".join(linear.split())
    assert (
        "by scikit-learn: TF-IDF times the log-count ratio of naive Bayes of n-grams of 1 to 2 words and 2 to 5 char"
        in linear
    )
    assert "logistic regression (C chosen by inner cross-validation), one for each output" in " ".join(linear.split())
    linear = cli_here("describe", "-c", "twin-binary", "--member", "c", "--set", "linear.C=2").stdout
    assert "logistic regression (C = 2), one for each output" in " ".join(linear.split())
    error = cli_here("describe", "-c", "twin-binary", "--member", "d", code=2).stderr
    assert "--member d: no such member; recipe.members has a, b, c" in error


def test_a_model_of_ones_own(cli_here, workspace, monkeypatch):
    (workspace / "mine.py").write_text(OWN)
    monkeypatch.syspath_prepend(workspace)
    given = ["--set", "model.name=mine:Bag", "--set", "model.arguments.inner=7", *SIZES]
    table = table_of(cli_here("describe", "-c", "twin-binary", *given).stdout)
    assert list(table) == ["embedding", "net.1", "net", "net.0", "head", "idle", "(model)"]
    assert table["net.1"][1] == ["3×7×10 → 3×7×10", "3×7 → 3×7", "5×12×10 → 5×12×10", "5×7 → 5×7"]
    assert table["net.0"][2] == "77"
    assert table["idle"][1:3] == (["not called itself"], "9")
    wrong = cli_here("describe", "-c", "twin-binary", *given, "--set", "model.arguments.depth=2", code=2).stderr
    assert "unexpected keyword argument 'depth'; foldwise calls Bag(vocabulary_size=int, vectors=" in wrong


@pytest.mark.parametrize("columns", [80, 120])
def test_fits_the_width_of_the_terminal(cli_here, monkeypatch, columns):
    monkeypatch.setenv("COLUMNS", str(columns))
    shown = cli_here(
        "describe", "-c", "twin-binary", "--set", "model.name=bilstm_bigru", "--set", "model.hidden=512"
    ).stdout
    widest = max(map(len, shown.splitlines()))
    assert widest <= columns
    assert (widest > 80) == (columns > 80)
    assert "…" not in shown
