"""JSON of a wrong shape is a damaged file, also where its checksum is right."""

import json
from typing import Any

import pytest

from foldwise.errors import DamagedError
from foldwise.files import write_checked, write_record
from foldwise.freshness import differences
from foldwise.hashing import hash_of
from foldwise.records import FoldRecord, Summary, TokensRecord, check_whole, read_checked, read_or_warn, read_whole

FOLD: dict[str, Any] = {
    "inputs": {"folds": "a"},
    "fold": 0,
    "rows": {"train": 3},
    "runtime": {"device": "cpu", "precision": "fp32", "threads": 1},
    "torch": "2.13",
    "best_epoch": 1,
    "epochs": 2.0,
    "seconds": 1.5,
}


def test_what_was_written_comes_back_with_fields_that_no_model_names(tmp_path):
    content = {"a": 1, "b": (1, 2), "n": {1: 0.1 + 0.2}, "é": None}
    write_checked(tmp_path / "a.json", content)
    assert read_checked(tmp_path / "a.json", dict[str, Any]) == {"a": 1, "b": [1, 2], "n": {"1": 0.1 + 0.2}, "é": None}
    assert read_checked(tmp_path / "none.json", dict[str, Any]) is None


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({"best_epoch": "1"}, r"fold.json is damaged \(best_epoch: Input should be a valid number\)"),
        ({"runtime": {}}, r"\(runtime.device: Field required\)"),
        ({"inputs": [1]}, r"\(inputs: "),
        ({"fold": 1.5}, r"\(fold: "),
        ({"shortened": {"epochs": 1}}, r"\(shortened.of: "),
    ],
)
def test_a_wrong_shape_is_damage(tmp_path, change, expected):
    write_record(tmp_path / "fold.json", FOLD | change)
    with pytest.raises(DamagedError, match=expected):
        read_checked(tmp_path / "fold.json", FoldRecord)
    assert differences(tmp_path, "fold.json", FOLD["inputs"], FoldRecord)[0].startswith("fold.json is damaged (")


def test_each_damaged_file_of_a_folder_is_named(tmp_path):
    for name in ("a", "b", "c", "d"):
        (tmp_path / name).write_text(name)
    write_record(tmp_path / "fold.json", FOLD)
    (tmp_path / "mine").write_text("of the user")
    assert differences(tmp_path, "fold.json", FOLD["inputs"], FoldRecord) == []
    (tmp_path / "b").write_text("x")
    (tmp_path / "c").unlink()
    (tmp_path / "d").unlink()
    (tmp_path / "d").mkdir()
    phrases = ["b is damaged", "c is missing", "d is damaged"]
    assert differences(tmp_path, "fold.json", FOLD["inputs"], FoldRecord) == phrases
    with pytest.raises(DamagedError, match=f"^{tmp_path}: b is damaged; c is missing; d is damaged$"):
        check_whole(tmp_path / "fold.json", FoldRecord)
    assert differences(tmp_path, "fold.json", {"folds": "b"}, FoldRecord) == ["folds a → b"]


def test_a_record_of_an_earlier_version_and_none_say_so(tmp_path, capsys):
    (tmp_path / "tokens.json").write_text(json.dumps({"inputs": {}, "files": {"tokens.npy": 12}}))
    with pytest.raises(DamagedError, match=r"tokens.json has no checksum: damaged, or made by an earlier foldwise"):
        read_checked(tmp_path / "tokens.json", TokensRecord)
    with pytest.raises(DamagedError, match=r"summary.json is missing"):
        read_whole(tmp_path / "summary.json", Summary)
    assert differences(tmp_path, "fold.json", {}) == ["missing"]
    (tmp_path / "seconds.json").write_text(json.dumps({"a": "b", "checksum": hash_of({"a": "b"})}))
    assert read_or_warn(tmp_path / "seconds.json", dict[str, float], "all is forgotten") is None
    warning = capsys.readouterr().err
    assert "seconds.json is damaged (a: Input should be a valid number); all is forgotten" in warning
