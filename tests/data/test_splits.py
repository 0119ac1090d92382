from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from sklearn.model_selection import StratifiedKFold

from foldwise.data.splits import (
    HIDDEN,
    check_sizes,
    check_units,
    counting_strata,
    hide_weightless,
    make_folds,
    missing_classes,
    normalise,
    number_folds,
    split_rows,
    units_of,
)
from foldwise.data.table import Table
from foldwise.data.targets import Targets
from foldwise.errors import InputError


def counts(folds: np.ndarray, labels: np.ndarray, n_folds: int) -> np.ndarray:
    return np.array(
        [[labels[folds == fold, column].sum() for column in range(labels.shape[1])] for fold in range(n_folds)]
    )


@given(
    classes=st.lists(st.integers(0, 3), min_size=10, max_size=200), n_folds=st.integers(2, 5), seed=st.integers(0, 99)
)
def test_as_even_as_scikit_learn(classes, n_folds, seed):
    y = np.unique(np.array(classes), return_inverse=True)[1]
    labels = np.eye(y.max() + 1, dtype=np.uint8)[y]
    folds = make_folds(labels, np.arange(len(y)), n_folds, seed)
    ours = counts(folds, labels, n_folds)
    assert (np.ptp(ours, axis=0) <= 1).all()  # every class within one row of even
    assert np.ptp(np.bincount(folds, minlength=n_folds)) <= labels.shape[1]
    if np.bincount(y).min() >= n_folds:
        theirs = np.empty_like(y)
        for fold, (_, rows) in enumerate(StratifiedKFold(n_folds, shuffle=True, random_state=seed).split(y, y)):
            theirs[rows] = fold
        assert np.ptp(ours, axis=0).max() <= max(np.ptp(counts(theirs, labels, n_folds), axis=0).max(), 1)


@given(
    units=st.lists(st.integers(0, 30), min_size=40, max_size=120),
    labels=st.lists(st.tuples(st.booleans(), st.booleans(), st.booleans()), min_size=120, max_size=120),
)
def test_a_unit_never_parts_and_folds_stay_even(units, labels):
    assume(len(set(units)) >= 3)
    units, indicators = np.array(units), np.array(labels[: len(units)], dtype=np.uint8)
    folds = make_folds(indicators, units, 3, seed=0)
    assert all(len(set(folds[units == unit])) == 1 for unit in set(units.tolist()))
    largest = np.bincount(units).max()
    assert np.ptp(np.bincount(folds, minlength=3)) <= 2 * largest + 3


def test_multilabel_spreads_rare_labels():
    rng = np.random.default_rng(0)
    labels = (rng.random((1000, 6)) < [0.5, 0.3, 0.1, 0.05, 0.02, 0.01]).astype(np.uint8)
    spread = counts(make_folds(labels, np.arange(1000), 5, seed=1), labels, 5)
    assert (np.ptp(spread, axis=0) <= 4).all()
    assert spread[:, 5].min() >= 1


def test_regression_by_quantile():
    y = np.random.default_rng(0).exponential(size=(1000, 1))
    folds = make_folds(Targets("regression", y, y, ["y"]).strata, np.arange(1000), 5, seed=0)
    tail = y[:, 0] >= np.quantile(y, 0.9)
    assert np.bincount(folds[tail]).tolist() == [20] * 5
    assert np.bincount(folds).tolist() == [200] * 5


def test_seed_decides():
    labels = np.eye(2, dtype=np.uint8)[np.arange(100) % 2]
    first, again, other = (make_folds(labels, np.arange(100), 5, seed) for seed in (1, 1, 2))
    assert (first == again).all()
    assert (first != other).any()


def test_same_text_whatever_case_space_and_form():
    assert normalise("  Ｇood\u00a0 Film\n") == normalise("good film")
    assert normalise("good film!") != normalise("good film")
    units = units_of(["A b", "a  B", "c", "d"], None)
    assert units[0] == units[1]
    assert len(set(units.tolist())) == 3


def test_texts_and_groups_join_through_each_other():
    # rows 0 and 1 share a text, 1 and 2 a group, 3 shares nothing
    units = units_of(["x", "X", "y", "z"], ["g1", "g2", "g2", "g3"])
    assert units[0] == units[1] == units[2] != units[3]


def test_fewer_texts_than_folds():
    with pytest.raises(InputError, match="there are 2"):
        make_folds(np.ones((4, 1), dtype=np.uint8), np.array([0, 0, 1, 1]), 3, seed=0)


def test_folds_that_part_a_text_are_refused(tmp_path):
    units = np.array([0, 0, 1, 1, 2])
    check_units(tmp_path, np.array([0, 0, 1, 1, 0]), units, "again")
    with pytest.raises(InputError, match="2 texts or groups stand in more than one fold"):
        check_units(tmp_path, np.array([0, 1, 1, 0, 0]), units, "again")


def test_a_text_of_a_validated_row_must_not_be_among_those_always_trained_on(tmp_path):
    with pytest.raises(InputError, match="1 texts or groups stand in more than one fold"):
        check_units(tmp_path, np.array([0, 1, -1]), np.array([0, 1, 1]), "again")


def class_targets(labels: list[int]) -> Targets:
    y = np.array(labels)
    return Targets("multiclass", y, y, [f"class{number}" for number in range(max(labels) + 1)])


@given(labels=st.lists(st.integers(0, 12), min_size=12, max_size=60), seed=st.integers(0, 9))
def test_only_rows_alone_in_their_class_are_never_validated(labels, seed):
    labels = np.unique(labels, return_inverse=True)[1].tolist()
    counts = np.bincount(labels)
    assume((counts[counts > 1]).sum() >= 3)
    folds = split_rows(class_targets(labels), np.arange(len(labels)), 3, seed)
    assert (folds == -1).tolist() == (counts[labels] == 1).tolist()
    assert set(folds[folds >= 0].tolist()) == {0, 1, 2}
    if counts.min() > 1:
        assert (folds == make_folds(class_targets(labels).strata, np.arange(len(labels)), 3, seed)).all()


def test_a_row_alone_in_its_class_stays_with_its_group():
    targets = class_targets([0, 0, 1, 1, 2, 3])
    folds = split_rows(targets, np.array([0, 1, 2, 3, 3, 4]), 2, 0)
    assert folds[3] == folds[4] >= 0
    assert folds[5] == -1
    few = class_targets([0, 1, 2, 3])
    assert set(split_rows(few, np.arange(4), 2, 0).tolist()) == {0, 1}  # nothing else is left to validate


def test_classes_that_folds_lack_are_named_in_short_lines():
    targets = class_targets([0, 0, 0, 1, 1, 2])
    lacking = missing_classes(np.array([0, 1, 2, 0, 1, -1]), targets, ["a" * 100, "b", "c", "d" * 100, "e", "f"])
    assert lacking == [
        f"class class1 has 2 rows ({'d' * 39}…, e) and none in fold 2",
        "class class2 has 1 row (f), trained on in every fold and never validated",
    ]


@given(
    folds=st.lists(st.integers(-1, 3), min_size=4, max_size=40),
    first=st.integers(0, 1),
    written=st.sampled_from([str, lambda fold: f"{fold}.0", lambda fold: f" {fold}"]),
)
def test_folds_numbered_from_0_or_1_are_the_same_folds(folds, first, written):
    folds = [*folds, 0, 1, 2, 3]
    column = [written(fold + first * (fold >= 0)) for fold in folds]
    table = Table(Path("train.csv"), pd.DataFrame({"fold": column}, dtype=object), np.arange(len(folds)) + 2)
    assert number_folds(table, "fold", 4, "correct it").tolist() == folds


def test_rows_of_weight_0_are_in_no_fold_and_do_not_move_the_others_shares():
    y = (np.arange(60) % 3 == 0).astype(np.float32)[:, None]
    weights = (np.arange(60) < 30).astype(np.float32)
    targets = Targets("binary", y, y, ["y"], weights=weights)
    folds = make_folds(counting_strata(targets), np.arange(60), 5, seed=0)
    counting = hide_weightless(folds, targets)
    assert (counting[30:] == HIDDEN).all()
    assert np.bincount(counting[:30]).tolist() == [6] * 5
    assert [y[counting == fold].sum() for fold in range(5)] == [2] * 5
    whole = Targets("binary", y, y, ["y"], weights=np.ones(60, np.float32))
    assert counting_strata(whole).tolist() == whole.strata.tolist()
    assert hide_weightless(folds, whole).tolist() == folds.tolist()


def test_folds_without_a_row_that_counts_are_refused(tmp_path):
    folds = np.array([0, 0, 1, HIDDEN])
    assert check_sizes(tmp_path, folds, np.arange(4), 2) == ""
    with pytest.raises(InputError, match="no row with a weight above 0 in fold 2 of 3"):
        check_sizes(tmp_path, folds, np.arange(4), 3)
