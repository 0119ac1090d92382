"""Ids, labels, columns and texts that a reader of CSV, matplotlib or HTML would take for something else."""

import csv

import pandas as pd
import pytest

from foldwise.errors import printable


def change(path, rows):
    """Rewrite a table; `rows` changes its list of rows, the header first."""
    with path.open(encoding="utf-8", newline="") as file:
        content = rows(list(csv.reader(file)))
    with path.open("w", encoding="utf-8", newline="") as file:
        csv.writer(file, quoting=csv.QUOTE_ALL).writerows(content)


@pytest.mark.parametrize("name", ["id", "fold", "prediction", "$x^{$", "a\x07b"])
def test_a_target_may_have_any_name(cli_here, workspace, name):
    folder = workspace / "input" / "twin-binary"
    own_id = "key" if name == "id" else "id"
    for table in ("train.csv", "test.csv", "sample_submission.csv"):
        change(
            folder / table,
            lambda rows: [[{"target": name, "id": own_id}.get(cell, cell) for cell in rows[0]], *rows[1:]],
        )
    toml = folder / "competition.toml"
    written = name.replace("\x07", "\\u0007")
    text = (
        toml.read_text()
        .replace('target = ["target"]', f'target = ["{written}"]')
        .replace('id = "id"', f'id = "{own_id}"')
    )
    toml.write_text(text)
    cli_here("all", "-c", "twin-binary")
    output = workspace / "output" / "twin-binary"
    header = (output / "oof.csv").read_text().splitlines()[0].split(",")
    ours = [f"{own}_" if own == name else own for own in ("id", "fold", "prediction")]
    assert header == [*ours[:2], name, ours[2]]
    cli_here("report", "-c", "twin-binary")
    assert (output / "report.html").stat().st_size > 10_000


def test_a_lone_carriage_return_in_ids_and_a_formula_in_texts(cli_here, workspace):
    folder = workspace / "input" / "twin-binary"
    odd = {"movie-5914": "movie\r5914", "editorial-467_10": "test\r1"}
    for table in ("train.csv", "test.csv", "sample_submission.csv"):
        change(folder / table, lambda rows: [[odd.get(cell, cell) for cell in row] for row in rows])
    change(folder / "train.csv", lambda rows: [rows[0], *([a, f"$x^{{$ {text}\x07", c] for a, text, c in rows[1:])])
    cli_here("all", "-c", "twin-binary")
    output = workspace / "output" / "twin-binary"
    assert pd.read_csv(output / "oof.csv")["id"][0] == "movie\r5914"
    assert "test\r1" in set(pd.read_csv(output / "submission.csv")["id"])
    cli_here("report", "-c", "twin-binary")
    page = (output / "report.html").read_text(encoding="utf-8")
    assert "$x^{$ " in page
    assert "movie\\r5914" in page
    assert "\x07" not in page


def test_control_characters_are_shown_as_escapes():
    assert printable("a\x00\rb\u202e é\n") == "a\\x00\\rb\\u202e é\n"
