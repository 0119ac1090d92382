import tomllib
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from conftest import COMPETITIONS
from experiments.conftest import SLUG, settings
from experiments.test_compare import change
from foldwise.config import Config, Recipe
from foldwise.errors import InputError
from foldwise.experiments.edit_toml import edit_recipe, split_statements, written_recipe
from foldwise.experiments.restore import write_with_copy
from foldwise.files import read_json
from foldwise.toml_text import to_toml
from reliability.in_process import results

PLAIN = (COMPETITIONS / SLUG / "competition.toml").read_text(encoding="utf-8").partition("[recipe]")[0]
RECIPES_IN_FILES = [
    "",
    "[recipe]\n",
    "[recipe]\ntraining.epochs = 3 # few\n\n# why not\nmodel.hidden = 4\n",
    "[recipe.training]\nepochs = 3\nloss = 'a # b' # c\n[recipe.members.old]\nmodel.layers = 2\n[recipe.members.linear]\n",
    "[recipe]\ntraining = { epochs = 3, patience = 2 }\nensemble.members = [\n  'bilstm', # the one\n]\n",
    '[recipe]\nmembers.bilstm = {}\n"seed" = 3\ntokens.vectors = "none"\n[recipe.ensemble]\nweights = { bilstm = 2.0 }\n',
]
ENDS = ["", "\n[files]\ntrain = 'train' # as it is\n", "\n[ submission . extra ]\n"]
WRITTEN = st.fixed_dictionaries(
    {},
    optional={
        "seed": st.integers(0, 99),
        "training": st.fixed_dictionaries(
            {},
            optional={
                "epochs": st.integers(1, 9),
                "learning_rate": st.floats(1e-5, 1.0),
                "loss": st.text(st.characters(exclude_categories=["Cs"]), max_size=6),
                "loss_arguments": st.dictionaries(st.text(max_size=4), st.booleans(), max_size=2),
                "max_grad_norm": st.sampled_from([1.0, 0.5, float("inf")]),
            },
        ),
        "tokens": st.just({"vectors": ["none"]}) | st.just({"vectors": ["a", 'b"\\']}),
        "members": st.dictionaries(
            st.sampled_from(["bilstm", "linear", "deep-2", "7"]),
            st.sampled_from([{}, {"model": {"name": "linear"}}, {"seed": 3, "folds": [0, 1]}]),
            min_size=1,
        ),
    },
)


@given(WRITTEN, st.sampled_from(RECIPES_IN_FILES), st.sampled_from(ENDS[:2]))
def test_the_recipe_is_replaced_and_nothing_else(written, before, end):
    text, recipe = PLAIN + before + end, Recipe.model_validate(written)
    edited = edit_recipe(text, written_recipe(recipe))
    content, old = tomllib.loads(edited), tomllib.loads(text)
    assert Config.model_validate(content).recipe.model_dump() == recipe.model_dump()
    assert {key: value for key, value in content.items() if key != "recipe"} == {
        key: value for key, value in old.items() if key != "recipe"
    }
    assert edited.startswith(PLAIN.rstrip("\n"))
    assert end.strip() in edited
    assert edit_recipe(edited, written_recipe(recipe)) == edited


@given(st.recursive(st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(), st.lists, max_leaves=5))
def test_a_value_reads_back(value):
    assert tomllib.loads(f"x = {to_toml({'y': value})}")["x"]["y"] == value


@pytest.mark.parametrize("text", RECIPES_IN_FILES)
def test_statements_are_the_text(text):
    assert "".join(statement.text for statement in split_statements(PLAIN + text)) == PLAIN + text


def test_comments_and_lines_that_stay(foldwise, trained):
    path = trained / "input" / SLUG / "competition.toml"
    path.write_text(f"# mine\n{path.read_text()}training.patience = 9 # long\nensemble.members = ['linear'] # one\n")
    before = path.read_text()
    said = foldwise("restore", "net")
    text = path.read_text()
    assert text.startswith("# mine\n")
    assert 'ensemble.members = ["bilstm"]  # one\n' in text
    assert 'tokens.vectors = "none"\n' in text
    assert "patience" not in text
    assert path.with_name("competition.toml.before").read_text() == before
    assert "restore   training.epochs 2 → 1\n" in said
    assert "has the recipe of net already" in foldwise("restore", "net")
    foldwise("restore", "lin")
    assert path.with_name("competition.toml.before-2").read_text() == text
    assert path.with_name("competition.toml.before").read_text() == before


def test_all_then_makes_the_same_bytes(foldwise, output):
    foldwise("restore", "both")
    assert "kept submission.csv" in foldwise("all", "--name", "both")
    foldwise("all", "--force")
    assert results(output, "*/fold*/*.safetensors") == results(output / "experiments" / "both", "*/fold*/*.safetensors")
    assert "has the recipe of unnamed already" in foldwise("restore", "unnamed")


def test_a_recipe_written_in_a_way_that_new_lines_do_not_go_with(foldwise, trained):
    path = trained / "input" / SLUG / "competition.toml"
    odd = path.read_text().replace("[recipe]\n", "").replace("\nfolds.n", "\nrecipe.folds.n")
    head, recipe = odd.split("recipe.folds.n")
    lines = "".join(f"recipe.{line}\n" for line in f"folds.n{recipe}".splitlines() if line)
    path.write_text(f"# mine\n{lines}recipe.members.old.model.layers = 2\n{head}")
    foldwise("restore", "lin")
    assert path.read_text().startswith("# mine\n")
    assert "members.old" not in path.read_text()
    assert "has the recipe of lin already" in foldwise("restore", "lin")


def test_line_ends_stay(foldwise, trained):
    path = trained / "input" / SLUG / "competition.toml"
    before = path.read_bytes().replace(b"\n", b"\r\n")
    path.write_bytes(before)
    foldwise("restore", "net")
    assert path.with_name("competition.toml.before").read_bytes() == before
    head = before.partition(b"[recipe]")[0]
    assert path.read_bytes().startswith(head)


def test_numbers_that_json_does_not_have(foldwise, trained):
    odd = ["--set", "training.max_grad_norm=inf", "--set", "training.schedule_arguments={a=nan, b=-inf}"]
    foldwise("all", "--name", "odd", *settings("lin"), *odd)
    foldwise("restore", "odd")
    text = (trained / "input" / SLUG / "competition.toml").read_text()
    assert "training.max_grad_norm = inf\n" in text
    assert "kept submission.csv" in foldwise("all", "--name", "odd")
    assert "training.max_grad_norm 1.0 → (inf)" in foldwise("compare")
    foldwise("blend", "odd", "net")


def test_a_contest_known_by_name_gets_a_file_of_its_own(foldwise, trained, output):
    own = trained / "input" / "spooky-author-identification"
    (trained / "input" / SLUG).rename(own)
    output.rename(output.with_name(own.name))
    (own / "competition.toml").unlink()
    summary = output.with_name(own.name) / "experiments" / "net" / "summary.json"
    assert "made with other settings" in foldwise("restore", "net", "-c", own.name)
    assert "competition.toml.before" not in [path.name for path in own.iterdir()]
    content = Config.model_validate(tomllib.loads((own / "competition.toml").read_text()))
    assert content.competition.slug == own.name
    assert content.recipe.training.epochs == 1
    assert read_json(summary) is not None


def test_what_cannot_be_restored(foldwise, output):
    assert "did you mean both?" in foldwise("restore", "boht", code=2)
    assert "'../net': no such experiment" in foldwise("restore", "../net", code=2)
    path = output / "experiments" / "net" / "summary.json"
    configuration = read_json(path)["configuration"]
    configuration["asked"]["recipe"]["nothing"] = 1
    change(path, configuration=configuration)
    assert "the recipe of net: 1 error\n  nothing = 1: unknown key" in foldwise("restore", "net", code=2)
    change(path, configuration=None)
    assert "kept no recipe" in foldwise("restore", "net", code=2)
    path.unlink()
    assert "summary.json is missing; run `./run.sh all" in foldwise("restore", "net", code=2)


def test_other_settings_and_folds_are_told(foldwise, trained):
    path = trained / "input" / SLUG / "competition.toml"
    path.write_text(path.read_text().replace('metric = "f1"', 'metric = "accuracy"'))
    (trained / "folds" / f"{SLUG}.csv").write_text("id,fold\n")
    said = foldwise("restore", "net")
    assert "competition.metric accuracy → f1" in said
    assert "not the folds that net was trained with" in said
    assert 'metric = "accuracy"' in path.read_text()


def test_a_recipe_that_is_none_is_replaced_too(foldwise, trained):
    path = trained / "input" / SLUG / "competition.toml"
    path.write_text(path.read_text() + "training.epohcs = 3\n")
    foldwise("restore", "net")
    assert "epohcs" not in path.read_text()


def test_a_place_where_nothing_can_be_written():
    with pytest.raises(InputError, match=r"/proc/competition\.toml: cannot be written .* with --input"):
        write_with_copy(Path("/proc/competition.toml"), "")
