"""Names of fields as other programs have them."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from foldwise.field_names import ALIASES, SHOWN, fields_meant
from foldwise.report.recipe import read_recipe

FIELDS = [field.name for field in read_recipe()[0]]


def test_other_names_stand_for_fields_that_there_are():
    assert set(ALIASES.values()) <= set(FIELDS)
    assert not set(ALIASES) & set(FIELDS)


@pytest.mark.parametrize(
    ("name", "first"),
    [
        ("lr", "training.learning_rate"),
        ("wd", "training.weight_decay"),
        ("bs", "batches.size"),
        ("Learning-Rate", "training.learning_rate"),
        ("hidden_dim", "model.hidden"),
        ("max_tokens", "tokens.max_length"),
        ("ngram", "linear.word_ngrams"),
    ],
)
def test_short_names_and_those_in_common_use(name, first):
    assert fields_meant(name, FIELDS)[0] == first


@pytest.mark.parametrize("field", [field for field in FIELDS if "." in field and "NAME" not in field])
def test_a_field_is_found_without_its_table(field):
    last = field.partition(".")[2]
    same = [other for other in FIELDS if other.partition(".")[2] == last]
    assert set(fields_meant(last, FIELDS)) >= set(same[:SHOWN])


@given(st.text())
def test_any_text_is_answered(name):
    assert set(fields_meant(name, FIELDS)) <= set(FIELDS)
