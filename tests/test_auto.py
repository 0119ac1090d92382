"""What "auto" becomes by the tables, and that it is decided everywhere and once."""

import math
import tomllib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from foldwise.auto import LARGE_BATCH, LONG_EPOCH, RULES, decide, tell
from foldwise.config import Config
from test_load_config import MINIMAL


def config_with(**recipe) -> Config:
    return Config.model_validate({**tomllib.loads(MINIMAL), "recipe": recipe})


def decide_for(rows: int, **recipe):
    return decide(config_with(**recipe), lambda: rows)


@given(st.integers(1, 3_000_000))
def test_batches_are_as_small_as_a_bounded_epoch_allows(rows):
    recipe = decide_for(rows)[0].recipe
    size = recipe.batches.size
    assert size in (32, 64, 128, 256, 512)
    assert rows / size <= LONG_EPOCH or size == LARGE_BATCH
    assert size == 32 or rows / (size / 2) > LONG_EPOCH
    assert recipe.training.learning_rate == pytest.approx(2e-3 * math.sqrt(size / 32), rel=0.02)
    assert recipe.training.learning_rate == recipe.training.embedding_learning_rate
    assert recipe.training.epochs in (3, 4, 6)


def test_nothing_is_left_open_and_what_is_written_stays():
    config, choices = decide_for(8_469)
    assert choices.keys() == RULES.keys()
    assert tell(choices) == (
        "auto: batches.size = 32, training.epochs = 6, training.r_drop = 1.0 (8,469 rows); training.learning_rate = 0.002, "
        "training.embedding_learning_rate = 0.002 (batches of 32)"
    )
    left = [config.recipe.model_dump()[table][name] for table, name in (field.split(".") for field in RULES)]
    assert "auto" not in left
    written = {
        "batches": {"size": 7},
        "training": {"epochs": 2, "learning_rate": 1e-4, "embedding_learning_rate": 1, "r_drop": 2},
    }

    def ask():
        raise AssertionError("the tables are read")

    config = config_with(**written)
    assert decide(config, ask) == (config, {})


def test_rates_go_with_batches_that_are_chosen_by_the_rows():
    def rates(**recipe):
        decided = decide_for(1_800_000, **recipe)[0].recipe
        return {name: decided.of_member(name).training.learning_rate for name in decided.members}

    assert rates() == {"bilstm": 8e-3, "linear": 8e-3}
    assert rates(batches={"size": 32}) == rates(batches={"tokens": 2048}) == {"bilstm": 2e-3, "linear": 2e-3}
    members = {"own": {"batches": {"size": 64}}, "usual": {}, "chosen": {"training": {"learning_rate": 1e-4}}}
    assert rates(members=members) == {"own": 2e-3, "usual": 8e-3, "chosen": 1e-4}


def test_members_may_be_open_where_the_recipe_is_not():
    members = {"deep": {"batches": {"size": "auto"}, "training": {"epochs": 9}}, "plain": {}}
    recipe = decide_for(100_000, batches={"size": 16}, training={"epochs": "auto"}, members=members)[0].recipe
    assert [recipe.of_member(name).batches.size for name in ("deep", "plain")] == [128, 16]
    assert [recipe.of_member(name).training.epochs for name in ("deep", "plain")] == [9, 6]
