"""The report of a run on texts, ids and labels that would like to be something else, held against scikit-learn."""

import csv
import json
import re
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import confusion_matrix, precision_recall_fscore_support, roc_auc_score

from chromium import FOUND, open_browser
from conftest import command
from foldwise.files import write_checked
from foldwise.report import page as stage
from foldwise.report.markup import element, table
from reliability.in_process import run_main
from report_pages import Page, read_page

SLUG = "hostile"
LABELS = ["</script><b>bold", "<img src=x onerror=alert(1)>", "a\u202eb"]
WORDS = [["alpha", "beta", "gamma"], ["delta", "epsilon", "zeta"], ["eta", "theta", "iota"]]
CONFIG = """[competition]
slug = "hostile"
title = "<h1>hostile</h1>"
task = "multiclass"
metric = "accuracy"
[columns]
id = "id"
text = ["title", "body"]
target = ["label"]
group = "author"
[submission]
kind = "label"
[recipe]
folds.n = 3
tokens.vectors = "none"
tokens.dimension = 8
model.hidden = 4
training.epochs = 2
"""


def write_contest(folder: Path) -> None:
    """90 training rows of three classes, 30 test rows, some of them twice."""
    rng = np.random.default_rng(0)
    rows = []
    for number in range(120):
        label = int(rng.integers(3))
        told = WORDS[label] if rng.random() < 0.8 else WORDS[(label + 1) % 3]
        body = " ".join([*rng.choice(told, 3), *rng.choice(["kappa", "lambda", "mu", "nu", "xi"], 4), f"n{number}"])
        rows.append([f'"><i>{number}', "<script>alert(1)</script>\x07", body, LABELS[label], f"author {number % 12}"])
    for number in (5, 6, 100):  # 5 and 6: like row 1, whose author is the group of row 13; 100: a test row
        rows[number][2], rows[number][4] = rows[1][2], rows[1][4]
    rows[5][3], rows[6][3] = rows[1][3], LABELS[(LABELS.index(rows[1][3]) + 1) % 3]
    rows[20][2], rows[20][4] = rows[13][2].replace("n13", "n20"), rows[13][4]
    folder.mkdir(parents=True)
    (folder / "competition.toml").write_text(CONFIG)
    tables = {"train": (rows[:90], 5), "test": ([[*row[:3], row[4]] for row in rows[90:]], 4)}
    for name, (content, width) in tables.items():
        head = ["id", "title", "body", "label", "author"] if width == 5 else ["id", "title", "body", "author"]
        with (folder / f"{name}.csv").open("w", encoding="utf-8", newline="") as file:
            csv.writer(file).writerows([head, *content])
    with (folder / "sample_submission.csv").open("w", encoding="utf-8", newline="") as file:
        csv.writer(file).writerows([["id", "label"], *([row[0], LABELS[0]] for row in rows[90:])])


def write_report(root: Path) -> Page:
    code, shown, errors = run_main(command(root, "report", "-c", SLUG)[3:])
    assert code == 0, shown + errors
    return read_page((root / "output" / SLUG / "report.html").read_text(encoding="utf-8"))


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    root = tmp_path_factory.mktemp("report")
    write_contest(root / "input" / SLUG)
    code, shown, errors = run_main(command(root, "all", "-c", SLUG)[3:])
    assert code == 0, shown + errors
    return root


@pytest.fixture(scope="module")
def page(root):
    return write_report(root)


@pytest.fixture(scope="module")
def oof(root):
    return pd.read_csv(root / "output" / SLUG / "oof.csv", dtype={"label": str})


def test_hostile_texts_are_shown_and_nothing_else(page):
    for shown in (
        "<h1>hostile</h1>",
        LABELS[0],
        LABELS[1],
        r"a\u202eb",
        "<script>alert(1)</script>",
        '"><i>7',
        r"\x07",
    ):
        assert shown in page.text
    assert page.content.count("<script>") == page.content.count("</script>") == 1
    for title, _ in stage.SECTIONS:
        not_here = ("Learning-rate range test", "Residuals", "Thresholds", "Search for a recipe")
        missing = title in not_here  # which are not for this run
        assert (title not in page.text) == missing, title


def test_a_table_leaves_empty_columns_out_and_its_heads_stand_over_their_figures():
    shown = table(["", "score", "weight", "text"], [("a", 0.5, "", "b"), ("c", "–", "", "")])
    assert re.findall(r"<th\b[^>]*>[^<]*", shown) == [
        '<th scope="col">',
        '<th class="n" scope="col">score',
        '<th scope="col">text',
    ]
    assert shown.count("<td") == 6
    assert table(["a"], []) == ""


def test_figures_are_those_of_scikit_learn(page, oof):
    names = [f"prediction_{label}" for label in LABELS]
    truth, chances = oof["label"].map(LABELS.index).to_numpy(), oof[names].to_numpy()
    predicted = chances.argmax(axis=1)
    matrix = [[cell.replace("·", "0") for cell in row[1:]] for row in page.titles["Confusion"][0][1:]]
    assert np.array(matrix, dtype=int).tolist() == confusion_matrix(truth, predicted).tolist()
    order = np.argsort(-np.bincount(truth), kind="stable")
    expected = precision_recall_fscore_support(truth, predicted)
    for name, column in zip(("precision", "recall", "F1", "support"), expected, strict=True):
        shown = np.array(page.column("Classes and labels", name), dtype=float)
        assert shown == pytest.approx(column[order], abs=6e-5)
    areas = [roc_auc_score(truth == place, chances[:, place]) for place in order]
    assert np.array(page.column("Classes and labels", "AUC"), dtype=float) == pytest.approx(areas, abs=6e-5)
    error = 1 - chances[np.arange(len(truth)), truth]
    worst = np.argsort(-np.abs(np.eye(3)[truth] - chances).max(axis=1), kind="stable")[:100]
    assert page.column("Worst rows", "id") == oof["id"].to_numpy()[worst].tolist()
    assert np.array(page.column("Worst rows", "error"), dtype=float) == pytest.approx(error[worst], abs=6e-5)
    assert [cell.split(" (")[0] for cell in page.column("Worst rows", "predicted")] == [
        LABELS[label].replace("\u202e", r"\u202e") for label in predicted[worst]
    ]


def test_scores_by_kind_are_those_of_their_rows(page, oof):
    right = (oof[[f"prediction_{label}" for label in LABELS]].to_numpy().argmax(axis=1)) == oof["label"].map(
        LABELS.index
    )
    tables = page.titles["Kinds of rows"]
    by_fold, by_group = ({row[0]: row[1:3] for row in table[1:]} for table in tables[2:])
    for fold, rows in right.groupby(oof["fold"]):
        assert by_fold[f"fold {fold}"] == [str(len(rows)), f"{rows.mean():.4f}"]
    assert sum(int(rows) for rows, _ in by_group.values()) == len(oof)
    assert sum(int(row[1]) for row in tables[0][1:]) == sum(int(row[1]) for row in tables[1][1:]) == len(oof)


def test_texts_that_come_twice_are_found(page):
    counts = {row[0]: row[1:] for row in page.titles["Duplicates"][0][1:]}
    assert counts["the same text twice in train"] == ["2", "3", "1", "0"]
    assert counts["the same text in train and test"][:2] == ["1", "2"]
    first = page.titles["Duplicates"][1][1]
    assert first[:2] == ['"><i>1', '"><i>6']  # what disagrees comes first


def test_the_same_run_gives_the_same_page(root, page):
    assert write_report(root).content == page.content


def test_a_section_is_a_function_and_a_line(root, page, monkeypatch):
    assert "Rows" not in page.titles
    mine = ("Rows", lambda results: element("p", f"{len(results.rows)} rows & more"))
    nothing = ("Nothing", lambda _: "")
    monkeypatch.setattr(stage, "SECTIONS", [stage.SECTIONS[0], mine, nothing])
    shown = write_report(root)
    assert "90 rows & more" in shown.text
    assert "Nothing" not in shown.text


def test_a_section_of_an_extension_that_is_not_there_is_empty():
    assert stage.of_extension("foldwise.nowhere.section:section")(None) == ""


def test_a_baseline_in_the_summary_is_shown(root, monkeypatch):
    monkeypatch.setattr(stage, "SECTIONS", stage.SECTIONS[:1])
    path = root / "output" / SLUG / "summary.json"
    before = path.read_text()
    content = {name: value for name, value in json.loads(before).items() if name != "checksum"}
    try:
        write_checked(path, {**content, "baseline": {"constant": 0.25, "linear": None}})
        shown = write_report(root)
    finally:
        path.write_text(before)
    assert ["baseline: constant prediction", "0.2500"] in [row[:2] for row in shown.titles["Scores"][0]]
    assert "baseline: linear" not in shown.text


def test_rows_that_changed_since_are_named(root):
    table, toml = root / "input" / SLUG / "train.csv", root / "input" / SLUG / "competition.toml"
    content, config = table.read_bytes(), toml.read_text()
    try:
        table.write_bytes(content.replace(b'<i>7"', b'<i>new"'))
        code, _, errors = run_main(command(root, "report", "-c", SLUG)[3:])
        assert (code, "its rows are not those of the training table any more; run `" in errors) == (2, True), errors
        table.write_bytes(content)
        toml.write_text(config.replace('target = ["label"]', 'target = ["author"]').replace('group = "author"\n', ""))
        code, _, errors = run_main(command(root, "report", "-c", SLUG)[3:])
        assert code == 2, errors
    finally:
        table.write_bytes(content)
        toml.write_text(config)


@pytest.mark.skipif(FOUND is None, reason="no Chromium here")
def test_in_a_browser(root, page, tmp_path):
    path = root / "output" / SLUG / "report.html"
    path.write_text(page.content, encoding="utf-8")
    with open_browser() as browser:
        for width, dark in ((1200, False), (390, True)):
            browser.show(path, width, dark=dark)
            assert browser.evaluate("document.documentElement.scrollWidth <= innerWidth")
            assert browser.complaints() == []
        cells = "[...document.querySelectorAll('#worst tbody tr')].filter(row => !row.hidden).map(row => row.cells[{}].textContent)"
        click = "[...document.querySelectorAll('#worst th')].find(head => head.textContent == '{}').click()"
        ids = browser.evaluate(cells.format(1))
        assert ids == page.column("Worst rows", "id")
        browser.evaluate(click.format("error"))
        browser.evaluate(click.format("error"))
        assert browser.evaluate(cells.format(1))[0] == ids[-1]
        browser.evaluate(click.format("true"))
        assert browser.evaluate(cells.format(3)) == sorted(browser.evaluate(cells.format(3)))
        search = "const box = document.querySelector('input[data-table=worst]'); box.value = '{}'; "
        browser.evaluate("{ " + search.format("ALPHA n1") + "box.dispatchEvent(new Event('input')) }")
        found = browser.evaluate(cells.format(6))
        assert 0 < len(found) < len(ids)
        assert all("alpha" in text and "n1" in text for text in found)
        browser.evaluate("location.hash = document.querySelector('.matrix a').hash")
        assert browser.evaluate("document.querySelector(location.hash).open")
        assert browser.complaints() == []
        # The policy holds: what a text could smuggle in would not run.
        browser.evaluate(
            "{ const s = document.createElement('script'); s.textContent = 'window.ran = 1'; document.body.append(s) }"
        )
        assert browser.evaluate("window.ran") is None
        assert "Content Security Policy" in json.dumps(browser.complaints())
