import json
import math
import shutil
import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import ttest_rel

from conftest import environment
from experiments.conftest import SLUG, settings
from foldwise.errors import InputError
from foldwise.experiments.comparing import Difference, Row, changes_of_recipes, pair
from foldwise.experiments.table import sort_rows
from foldwise.files import read_json, write_checked

LIGHT = """
import sys
from foldwise.cli import main
try:
    main()
except SystemExit:
    pass
print([name for name in ("torch", "scipy", "sklearn", "matplotlib") if name in sys.modules])
"""
SCORES = st.lists(st.tuples(st.integers(-99, 99), st.integers(-99, 99)), min_size=2, max_size=15)


def change(path, **facts):
    """Another content of a checked file."""
    content = read_json(path)
    content.pop("checksum", None)
    write_checked(path, {**content, **facts})


def rows_of(text):
    return {row["name"]: row for row in json.loads(text)["experiments"]}


@given(SCORES)
def test_the_paired_difference_is_that_of_the_t_test(pairs):
    first, others = (np.array(scores) / 64 for scores in zip(*pairs, strict=True))
    found = pair(dict(enumerate(first.tolist())), dict(enumerate(others.tolist())))
    assert found.folds == len(pairs)
    assert found.standard_error is not None
    assert found.noise == (abs(found.mean) <= 2 * found.standard_error)
    if found.standard_error:
        statistic = ttest_rel(others, first).statistic
        assert math.isclose(found.mean / found.standard_error, statistic, rel_tol=1e-9, abs_tol=1e-12)
    else:
        assert len(set((others - first).tolist())) == 1


def test_only_folds_that_both_have_are_paired_and_one_has_no_error():
    assert pair({0: 0.5, 1: 0.75}, {1: 1.0, 2: 0.1}) == Difference(0.25, None, 1)
    assert pair({0: 0.5}, {0: 0.5}).noise


def test_the_table(foldwise, output):
    shown = foldwise("compare")
    assert f"{SLUG}: f1 ↑" in shown
    assert "baselines: constant 0." in shown
    lines = shown.splitlines()
    (net,) = [line for line in lines if line.startswith("│ net")]
    assert "first" in net
    (lin,) = [line for line in lines if line.startswith("│ lin")]
    assert "≈" in lin
    assert "linear.C auto → 8.0" in lin
    assert "within 2 standard errors, which may well be chance" in shown.replace("\n", " ")
    summary = read_json(output / "experiments" / "lin" / "summary.json")
    assert f"{summary['cv']['mean']:.4f} ± {summary['cv']['std']:.4f}" in lin


@pytest.mark.parametrize("columns", [60, 80, 100])
def test_a_narrow_terminal_says_all_of_it(columns, foldwise, monkeypatch):
    monkeypatch.setenv("COLUMNS", str(columns))
    shown = foldwise("compare")
    table = [line for line in shown.splitlines() if line.startswith(("│", "┃", "└"))]
    assert all(len(line) <= columns for line in table)
    assert all(any(line.startswith(f"│ {name} ") for line in table) for name in ("net", "lin", "both"))
    assert "lin: linear.C auto → 8.0" in shown


def test_json_says_what_the_summaries_say(foldwise, output):
    foldwise("all", *settings("net"))
    shown = json.loads(foldwise("compare", "--json"))
    assert (shown["metric"], shown["greater_is_better"], shown["first"]) == ("f1", True, "unnamed")
    rows = {row["name"]: row for row in shown["experiments"]}
    assert list(rows) == ["unnamed", "net", "lin", "both"]
    assert rows["net"]["changes"] == []
    assert rows["net"]["difference"] == {"mean": 0.0, "standard_error": 0.0, "folds": 2, "noise": True}
    folds = [
        [fold["score"] for fold in read_json(output / "experiments" / name / "summary.json")["folds"]]
        for name in ("net", "both")
    ]
    gains = np.subtract(folds[1], folds[0])
    assert math.isclose(rows["both"]["difference"]["mean"], gains.mean())
    assert math.isclose(rows["both"]["difference"]["standard_error"], gains.std(ddof=1) / np.sqrt(2))


def test_members_and_settings_are_told_by_their_names(foldwise, output):
    path = output / "experiments" / "both" / "summary.json"
    configuration = read_json(path)["configuration"]
    for recipe in (configuration["asked"]["recipe"], configuration["decided"]["recipe"]):
        recipe["members"]["deep"] = {"model": {"layers": 2}, "folds": None}
        del recipe["members"]["linear"]
    configuration["asked"]["columns"]["ignore"] = ["date"]
    change(path, configuration=configuration)
    found = rows_of(foldwise("compare", "--json"))["both"]["changes"]
    assert "member linear left out" in found
    assert "member deep added (model.layers = 2)" in found
    assert any(phrase.startswith("columns.ignore") for phrase in found)


def test_a_recipe_differs_in_nothing_from_itself(output):
    recipe = read_json(output / "experiments" / "both" / "summary.json")["configuration"]["decided"]["recipe"]
    assert changes_of_recipes(recipe, recipe) == []


def test_what_is_not_whole_is_a_row_that_says_so(foldwise, output):
    experiments = output / "experiments"
    (experiments / "net" / "summary.json").write_text("{")
    (experiments / "lin" / "summary.json").unlink()
    for name in ("empty", "blocked"):
        (experiments / name).mkdir()
    (experiments / "blocked" / "summary.json").mkdir()
    (experiments / "a file").write_text("")
    rows = rows_of(foldwise("compare", "--json"))
    assert rows["net"]["notes"] == [f"summary.json is damaged: `./run.sh all -c {SLUG} --name net` makes it anew"]
    assert rows["lin"]["notes"][0].startswith("not finished, 2 folds trained: `./run.sh all")
    assert rows["empty"]["notes"][0].startswith("not finished, 0 folds trained")
    assert "damaged" in rows["blocked"]["notes"][0]
    assert rows["both"]["cv"] is not None
    assert "summary.json is damaged" in foldwise("compare")


@pytest.mark.parametrize(
    ("facts", "note"),
    [
        ({"fold_file": "0" * 16}, "has other folds than net"),
        ({"metric": "accuracy"}, "scored by accuracy, not f1"),
        ({"fold_file": None}, "whether the folds are the same is not known"),
    ],
)
def test_what_cannot_be_paired(facts, note, foldwise, output):
    change(output / "experiments" / "lin" / "summary.json", **facts)
    row = rows_of(foldwise("compare", "--json"))["lin"]
    assert row["difference"] is None
    assert note in row["notes"][0]
    assert row["cv"] is not None


def test_a_run_of_before_kept_no_recipe(foldwise, output):
    path = output / "experiments" / "lin" / "summary.json"
    change(path, configuration=None, fold_file=None, date=None)
    row = rows_of(foldwise("compare", "--json"))["lin"]
    assert row["changes"] == ["recipe not kept: made by an earlier foldwise, or compared with such a run"]
    assert row["date"]


def test_public_scores_are_those_of_the_submission(foldwise, output):
    for name, made in (("net", None), ("lin", "0" * 16)):
        entry = {"date": "2026-11-27T10:00:00+00:00", "score": 0.75, "message": "", "submission": made}
        write_checked(output / "experiments" / name / "public-scores.json", {"scores": [entry]})
    (output / "experiments" / "both" / "public-scores.json").write_text("[]")
    rows = rows_of(foldwise("compare", "--json"))
    assert [rows[name]["public"] for name in ("net", "lin", "both")] == [0.75, 0.75, None]
    assert rows["net"]["notes"] == []
    assert rows["lin"]["notes"] == ["its public score is of an earlier submission"]
    assert "public-scores.json is damaged" in rows["both"]["notes"][0]


def test_sorting():
    rows = [Row(name, "", [], [], cv=cv, minutes=cv) for name, cv in (("a", 0.5), ("b", None), ("c", 0.75))]
    assert [row.name for row in sort_rows(rows, "cv", True)] == ["c", "a", "b"]
    assert [row.name for row in sort_rows(rows, "cv", False)] == ["a", "c", "b"]
    assert [row.name for row in sort_rows(rows, "minutes", True)] == ["a", "c", "b"]
    with pytest.raises(InputError, match="did you mean minutes"):
        sort_rows(rows, "minute", True)


def test_sorted_on_the_command_line(foldwise):
    shown = json.loads(foldwise("compare", "--sort", "name", "--json"))
    assert [row["name"] for row in shown["experiments"]] == ["both", "lin", "net"]
    assert "choose of name, cv" in foldwise("compare", "--sort", "xyz", code=2)


def test_nothing_to_compare(foldwise, output):
    shutil.rmtree(output)
    assert f"no runs there; `./run.sh all -c {SLUG} --name EXP` makes one" in foldwise("compare", code=2)


def test_it_loads_nothing_that_takes_long(trained):
    line = [sys.executable, "-c", LIGHT, "compare", "-c", SLUG, "--output", str(trained / "output")]
    done = subprocess.run(line, env=environment(), capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "[]"
