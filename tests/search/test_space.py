"""The table `[search]`: what it may say, and what it may not."""

import math
import re
import tomllib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from conftest import REPOSITORY
from foldwise.errors import InputError
from foldwise.search.space import Choices, Range, parse_space
from foldwise.toml_text import to_toml

SLUG = "twin-binary"


def add(workspace, text):
    """Put more lines at the end of competition.toml."""
    path = workspace / "input" / SLUG / "competition.toml"
    path.write_text(f"{path.read_text()}\n{text}\n")


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("model.hiden = [4, 8]", "[search] model.hiden: recipe.model.hiden = 4: unknown key; did you mean hidden?"),
        ("modle.hidden = [4, 8]", "[search] modle.hidden: recipe.modle: unknown key; did you mean model?"),
        ("model.hidden = [4, 0]", "[search] model.hidden: recipe.model.hidden = 0: input should be greater than"),
        ("model.hidden = [4, 8.5]", "[search] model.hidden: recipe.model.hidden = 8.5: input should be a valid int"),
        ("model.hidden = { low = 4.0, high = 8.0 }", "recipe.model.hidden = 4.0: input should be a valid integer"),
        ("model.dropout = { low = 0.1, high = 1.5 }", "recipe.model.dropout = 1.5: input should be less than 1"),
        ("model.dropout = { low = 0.1, hihg = 0.5 }", "hihg = 0.5: unknown key; did you mean high?"),
        ("model.dropout = { low = 0.5, high = 0.1 }", "[search] model.dropout = { low = 0.5, high = 0.1 }: low must"),
        ("training.ema = { low = 0.0, high = 0.9, log = true }", "with log, low must be above 0, and there is no step"),
        ("model.hidden = { low = 4, high = 9, step = 0 }", "step must be a whole number above 0, and at most high - l"),
        ("model.hidden = { low = 4, high = 9, step = 1.5 }", "step must be a whole number above 0"),
        ("model.hidden = [4]", "[search] model.hidden = [4]: give two or more choices, each once"),
        ("model.hidden = [4, 4]", "[search] model.hidden = [4, 4]: give two or more choices, each once"),
        ('"model.hidden" = [4, 8]', '[search] "model.hidden": write model.hidden without quotes'),
        ("recipe.model.hidden = [4, 8]\nmodel.hidden = [4, 6]", "[search] model.hidden: stands there twice"),
        ("model.hidden = 4", "[search] model.hidden = 4: one value is no search; give choices, [1, 2], or a range"),
        ("model.pooling = [{ a = 1 }, { a = 2 }]", "a choice is a text, a number, true, false or a list"),
        ("model.hidden = [1979-05-27, 1979-05-28]", "[search] model.hidden: a choice is a text, a number, true, fal"),
        ("model.hidden = { low = 1979-05-27, high = 8 }", "low = datetime.date(1979, 5, 27): give a number, such as"),
        ('model.hidden = { low = "4", high = 8 }', "low = '4': give a number, such as 4 or 0.5"),
        ("model.hidden = { low = 4, high = inf }", "high = inf: give a number, such as 4 or 0.5"),
        ("folds.n = [3, 5]", "[search] folds: not to be searched: trials are compared on the same folds"),
        ("seed = { low = 0, high = 3 }", "[search] seed: not to be searched: the best of several seeds"),
        ("training.unfreeze_epoch = [0, 3]", "recipe.training.unfreeze_epoch = 3: the vectors of bilstm never train"),
    ],
)
def test_what_cannot_be_searched_is_told_before_anything_runs(workspace, cli_here, line, message):
    pytest.importorskip("optuna")
    add(workspace, f"[search]\n{line}")
    errors = cli_here("search", "-c", SLUG, "--trials", "2", "--set", "training.epochs=2", code=2).stderr
    assert message in errors
    assert not (workspace / "output").exists()


@pytest.mark.parametrize("command", ["all", "search"])
def test_another_table_is_none(workspace, cli_here, command):
    add(workspace, "[serach]\nmodel.hidden = [4, 8]")
    more = ["--trials", "2"] if command == "search" else []
    assert "serach: unknown key; did you mean search?" in cli_here(command, "-c", SLUG, *more, code=2).stderr


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ([], "search: say when it ends, with --time-budget 15m or --trials 20, or both"),
        (["--time-budget", "soon"], "--time-budget 'soon': give a length of time with units"),
        (["--trials", "2", "--search-folds", "7"], "--search-folds 7: there are folds 0 to 1"),
        (["--trials", "2", "--set", "members.linear.folds=[1]"], "--search-folds 0: linear trains folds [1] alone"),
        (["--trials", "2", "--set", 'ensemble.members=["external"]'], "'external' is not among recipe.members"),
    ],
)
def test_options_that_cannot_be(cli_here, options, message):
    pytest.importorskip("optuna")
    assert message in cli_here("search", "-c", SLUG, *options, code=2).stderr


def test_without_optuna_a_line_says_what_to_install(cli_here, monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "optuna", None)  # as if it were not there
    errors = cli_here("search", "-c", SLUG, "--trials", "2", code=2).stderr
    assert errors.startswith("error: search needs optuna: ")
    assert errors.endswith("; install it: pip install -r requirements-search.txt\n")
    assert errors.count("\n") == 1


def test_fields_in_tables_of_tables_and_dotted_are_the_same():
    choices, numbers = [64, 128], {"low": 1, "high": 9, "step": 3}
    space = parse_space({"model": {"hidden": choices}, "recipe": {"training": {"epochs": numbers}}}, "")
    assert space == {"model.hidden": Choices(("64", "128")), "training.epochs": Range(low=1, high=7, step=3)}
    deep = parse_space({"members": {"deep": {"model": {"layers": {"low": 1, "high": 2}}}}}, "")
    assert list(deep) == ["members.deep.model.layers"]


@given(st.data(), st.booleans())
def test_what_a_range_writes_lies_in_it(data, whole):
    numbers = st.integers(1, 10**6) if whole else st.floats(1e-6, 1e6).map(lambda x: float(f"{x:.3g}"))
    low, high = sorted(data.draw(st.lists(numbers, min_size=2, max_size=2, unique=True)))
    values = Range(low=low, high=high)
    assert values.whole == whole
    number = data.draw(st.integers(low, high) if whole else st.floats(low, high))
    written = float(values.write(number))
    assert low <= written <= high
    assert math.isclose(written, number, rel_tol=0.005)
    assert values.holds(type(low)(written))
    assert not values.holds(high + 1)
    assert values.ends == (to_toml(low), to_toml(high))


def test_a_range_in_steps_holds_its_steps():
    values = parse_space({"model": {"dropout": {"low": 0.1, "high": 0.55, "step": 0.2}}}, "")["model.dropout"]
    assert values == Range(low=0.1, high=0.5, step=0.2)
    assert [values.holds(x) for x in (0.1, 0.3, 0.5, 0.2, 0.55, True, "x", None)] == [True] * 3 + [False] * 5
    with pytest.raises(InputError, match="step must be above 0"):
        parse_space({"model": {"dropout": {"low": 0.1, "high": 0.2, "step": 0.2}}}, "")


def test_the_example_of_the_readme_is_a_space(workspace, cli_here):
    pytest.importorskip("optuna")
    text = (REPOSITORY / "input" / "README.md").read_text(encoding="utf-8")
    (example,) = re.findall(r"^```toml\n(\[search\]\n.*?)^```$", text, flags=re.DOTALL | re.MULTILINE)
    add(workspace, example)
    shown = cli_here("search", "-c", SLUG, "--trials", "2", "--set", "training.epochs=1").stdout
    for field in parse_space(tomllib.loads(example)["search"], ""):
        assert f"search      {field}: " in shown
        assert f" {field}=" in shown
