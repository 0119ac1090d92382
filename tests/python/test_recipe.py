"""Fields by name, as `--set` has them."""

import tomllib

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import foldwise as fw
from foldwise.load_config import parse_setting
from foldwise.toml_text import to_toml

NUMBERS = st.integers(-(2**53), 2**53) | st.floats(allow_nan=False) | st.booleans()
VALUES = st.recursive(
    NUMBERS | st.text(st.characters(exclude_categories=["Cs"])),
    lambda part: st.lists(part, max_size=3) | st.dictionaries(st.text("ab.\"' \n", max_size=3), part, max_size=3),
    max_leaves=6,
)


@pytest.mark.parametrize(
    ("fields", "settings"),
    [
        ({"epochs": 4}, ["training.epochs=4"]),
        ({"training": {"epochs": 4}}, ["training.epochs=4"]),
        ({"training.epochs": np.int64(4)}, ["training.epochs=4"]),
        ({"encoder.epochs": 4}, ["encoder.epochs=4"]),
        ({"seed": 7, "hidden": 64, "size": 16}, ["seed=7", "model.hidden=64", "batches.size=16"]),
        ({"loss_arguments": {"gamma": 2.0}, "loss": "focal"}, ['training.loss="focal"', 'training.loss_arguments={ gamma = 2.0 }']),
        ({"vectors": ("glove",), "train_embedding": False}, ['tokens.vectors=["glove"]', "model.train_embedding=false"]),
        ({"members": {"deep": {"model.layers": 2}}}, ['members={ deep = { model = { layers = 2 } } }']),
        ({"ensemble": {"members": ["linear"]}}, ['ensemble.members=["linear"]']),
    ],
)  # fmt: skip
def test_fields_are_settings(fields, settings):
    assert fw.Recipe(**fields).settings == settings


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"epoch": 4}, r"epoch = 4: unknown key; did you mean .*\.epochs"),
        ({"min_count": 2}, "min_count may be tokens.min_count or linear.min_count; write it as tokens="),
        ({"training": {"epoch": 4}}, "training.epoch = 4: unknown key; did you mean epochs?"),
        ({"tokens": 5}, "tokens = 5: this is a table"),
        ({"epochs": "four"}, "training.epochs = 'four': give a whole number"),
        ({"epochs": None}, "training.epochs = None: give a number"),
        ({"epochs": 4, "training.epochs": 3}, "epochs is given twice"),
        ({"epochs": 4, "training.epochs.more": 4}, "training.epochs.more is given twice"),
    ],
)
def test_what_cannot_be_says_so(fields, message):
    with pytest.raises(fw.InputError, match=message):
        fw.Recipe(**fields)


@given(VALUES)
def test_every_value_is_read_as_it_was_given(value):
    assert tomllib.loads(f"value = {to_toml(value)}")["value"] == value
    assert parse_setting(f"training.loss_arguments={to_toml(value)}") == {"training": {"loss_arguments": value}}
