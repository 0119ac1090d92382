import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from foldwise.data.fold_file import pack_folds, read_folds, unpack_folds, write_folds
from foldwise.data.splits import TRAIN_ONLY
from foldwise.errors import InputError


@given(folds=st.lists(st.integers(-1, 120), min_size=1, max_size=50))
def test_any_number_of_folds_comes_back(folds, tmp_path_factory):
    path = tmp_path_factory.mktemp("folds") / "x.packed.json"
    ids = [f"id {number}" for number in range(len(folds))]
    path.write_text(pack_folds(np.array(folds), ids))
    assert unpack_folds(path, ids).tolist() == folds


def test_ten_folds_take_one_digit_a_row_and_no_id(tmp_path):
    packed = json.loads(pack_folds(np.arange(1000) % 10, [f"qid-{row}" for row in range(1000)]))
    assert packed["folds"] == "0123456789" * 100
    assert "qid" not in json.dumps(packed)


@pytest.mark.parametrize("ids", [["a", "b"], ["a", "c", "b"], ["a", "b", "d"], ["a", "b,c", ""], ["ab", "", "c"]])
def test_other_rows_are_refused(tmp_path, ids):
    path = tmp_path / "x.packed.json"
    path.write_text(pack_folds(np.array([0, 1, 0]), ["a", "b", "c"]))
    expected = rf"x\.packed\.json: made for a train\.csv of 3 rows, and the one here has {len(ids)}, not the same ids"
    with pytest.raises(InputError, match=expected):
        unpack_folds(path, ids)


def test_a_fold_file_that_does_not_match_is_refused_with_numbers(tmp_path):
    path = tmp_path / "x.csv"
    path.write_text("id,fold\na,0\nb,1\nc,0\n")
    assert read_folds(path, ["b", "a", "c"], 2, "./run.sh folds -c x --force").tolist() == [1, 0, 0]
    with pytest.raises(
        InputError, match=r"1 of its 3 ids are missing here, 1 of 3 here are not in it.*folds -c x --force"
    ):
        read_folds(path, ["a", "b", "new"], 2, "./run.sh folds -c x --force")
    with pytest.raises(InputError, match=r"holds 2 folds where recipe.folds.n = 3; set folds.n = 2"):
        read_folds(path, ["a", "b", "c"], 3, "again")
    path.write_text("id,fold\na,0\nb,2\nc,0\n")
    with pytest.raises(InputError, match=r"no rows in fold 1 of 3"):
        read_folds(path, ["a", "b", "c"], 3, "again")
    path.write_text("id,fold\na,0\nb,7\nc,9\n")
    with pytest.raises(InputError, match="2 errors") as caught:
        read_folds(path, ["a", "b", "c"], 2, "./run.sh folds -c x --force")
    assert "line 3, column fold: '7' is not a fold from 0 to 1, or -1" in str(caught.value)


def test_rows_of_fold_minus_1_are_read_and_written(tmp_path):
    path = tmp_path / "x.csv"
    write_folds(path, ["a", "b", "c"], np.array([0, -1, 1]))
    assert path.read_text() == "id,fold\na,0\nb,-1\nc,1\n"
    assert read_folds(path, ["a", "b", "c"], 2, "again").tolist() == [0, TRAIN_ONLY, 1]
