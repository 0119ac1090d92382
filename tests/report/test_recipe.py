"""The recipe as it is printed: every field, true to what loads, and the same in RECIPE.md."""

import re
from types import SimpleNamespace
from typing import get_args

import pytest
from pydantic import BaseModel

from conftest import REPOSITORY
from foldwise.config import Member, Recipe
from foldwise.errors import InputError
from foldwise.load_config import RENAMED, load_config
from foldwise.models import BUILDERS
from foldwise.report.recipe import read_recipe, recipe, recipe_markdown, select
from foldwise.training.loss_functions import LOSSES
from foldwise.training.schedules import ARGUMENTS
from test_load_config import MINIMAL

FIELDS = {field.name: field for field in read_recipe()[0]}
ALONE = {name: field for name, field in FIELDS.items() if not name.startswith("members")}


def show(config, field=None):
    recipe(SimpleNamespace(asked=config), field)


@pytest.fixture
def toml(tmp_path):
    path = tmp_path / "competition.toml"
    path.write_text(MINIMAL, encoding="utf-8")
    return path


def test_recipe_md_is_up_to_date():
    page = (REPOSITORY / "RECIPE.md").read_text(encoding="utf-8")
    assert page == recipe_markdown(), "make it anew: ./run.sh recipe --markdown > RECIPE.md"


def test_every_field_of_the_recipe_is_there_and_says_what_it_does():
    def names(model: type[BaseModel], prefix: str = ""):
        for name, field in model.model_fields.items():
            inside = field.annotation
            if isinstance(inside, type) and issubclass(inside, BaseModel):
                yield from names(inside, f"{prefix}{name}.")
            else:
                yield f"{prefix}{name}"

    assert sorted(FIELDS) == sorted([*names(Recipe), *names(Member, "members.NAME.")])
    for field in FIELDS.values():
        assert re.fullmatch(r".{15,}\.", field.text, flags=re.DOTALL), field.name
        assert field.values, field.name
    assert all(text.rstrip().endswith(".") for text in read_recipe()[1].values())


@pytest.mark.parametrize("name", ALONE)
def test_a_default_is_what_loads_without_it(toml, name):
    assert load_config(toml, [f"{name}={FIELDS[name].default}"]) == load_config(toml, [])


def test_all_that_goes_by_name_is_named():
    for name, known in (
        ("model.name", [*BUILDERS, "linear"]),
        ("training.loss", LOSSES),
        ("training.schedule", ARGUMENTS),
        ("training.schedule_arguments", [argument for arguments in ARGUMENTS.values() for argument in arguments]),
    ):
        for word in known:
            assert word in FIELDS[name].text, f"{name}: {word}"
    choices = get_args(type(Recipe().training).model_fields["schedule"].annotation)
    assert all(f'"{choice}"' in FIELDS["training.schedule"].values for choice in choices)


@pytest.mark.parametrize(
    ("wanted", "names"),
    [
        ("training.schedule", ["training.schedule"]),
        ("recipe.seed", ["seed"]),
        ("linear", [name for name in FIELDS if name.startswith("linear.")]),
        ("members", [name for name in FIELDS if name.startswith("members")]),
        ("members.wide", [name for name in FIELDS if name.startswith("members")]),
        ("members.wide.seed", ["members.NAME.seed"]),
        ("members.wide.model.hidden", ["model.hidden"]),
    ],
)
def test_a_field_or_a_table_alone(wanted, names):
    assert [field.name for field in select(read_recipe()[0], wanted)] == names


@pytest.mark.parametrize(
    ("wanted", "fix"),
    [
        ("training.schedul", "did you mean training.schedule?"),
        ("schedule", "did you mean training.schedule?"),
        ("min_count", "did you mean tokens.min_count or linear.min_count?"),
        ("trainig", "did you mean training?"),
        ("zzz", "lists all of them"),
        *((old, f"mean {new}?") for old, new in RENAMED.items()),
    ],
)
def test_an_unknown_name_gets_the_nearest_one(wanted, fix):
    with pytest.raises(InputError, match=re.escape(f"recipe {wanted}: no such field or table")) as caught:
        select(read_recipe()[0], wanted)
    assert fix in str(caught.value)


def test_values_of_the_competition_stand_beside_the_defaults(toml, capsys):
    show(load_config(toml, ["training.epochs=4", "model.name=linear"]))
    shown = capsys.readouterr().out
    assert 'training.epochs: whole number, 1 or more, or "auto"; default "auto"; here 4\n    How many' in shown
    assert 'default "bilstm"; here "linear"\n' in shown
    assert shown.count("; here ") == 2
    assert "\x1b" not in shown
    show(load_config(toml, ["members.a.seeds=[1, 2]", "members.b.model.name=linear"]), "members")
    expected = 'here { a-s1 = { seed = 1 }, a-s2 = { seed = 2 }, b = { model = { name = "linear" } } }'
    assert expected in capsys.readouterr().out


def test_a_terminal_gets_lines_that_fit(toml, capsys, monkeypatch):
    for name, value in {"FORCE_COLOR": "1", "COLUMNS": "80", "TERM": "xterm"}.items():
        monkeypatch.setenv(name, value)
    show(load_config(toml, []))
    shown = capsys.readouterr().out
    assert "\x1b[" in shown
    lines = re.sub(r"\x1b\[[0-9;]*m", "", shown).splitlines()
    assert max(map(len, lines)) <= 80
