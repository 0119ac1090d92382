import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from foldwise.data.packed_folds import pack_folds, unpack_folds
from foldwise.errors import InputError


@given(folds=st.lists(st.integers(0, 120), min_size=1, max_size=50))
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
