import os
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from foldwise import plugins
from foldwise.errors import RunError
from foldwise.hashing import digest_of, hash_of
from foldwise.inputs import (
    check_input,
    input_hash,
    known_inputs,
    made_input,
    read_input,
    same_inputs,
    sample_hash,
)
from foldwise.running.engine import Engine, find_engine


def replace_unseen(path: Path, old: str, new: str) -> None:
    """Change a file so that neither its size nor its time tells."""
    before = path.stat()
    text = path.read_text(encoding="utf-8")
    assert len(old) == len(new)
    assert old in text
    path.write_text(text.replace(old, new, 1), encoding="utf-8")
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))


def test_what_was_parsed_is_what_is_hashed(tmp_path):
    path = tmp_path / "train.csv"
    path.write_text("a,0")
    with same_inputs():
        of_first = hash_of(path)
        assert read_input(path) == b"a,0"
        replace_unseen(path, "0", "1")
        assert input_hash(path) == of_first
        with pytest.raises(RunError, match=r"train.csv: changed while this run was reading it; run the same command"):
            read_input(path)
    with same_inputs():
        assert input_hash(path) == hash_of(digest_of(path)) != of_first
        path.write_text("b,0")
        with pytest.raises(RunError, match="changed"):
            read_input(path)
    assert input_hash(path, "x") == hash_of(path, "x")  # outside of a command nothing is remembered
    path.write_text("c,0")
    assert read_input(path) == b"c,0"


def test_a_link_that_leads_elsewhere_is_a_change(tmp_path):
    for name in ("one", "two"):
        (tmp_path / name).write_text(name)
    link = tmp_path / "train.csv"
    link.symlink_to("one")
    with same_inputs():
        of_first = input_hash(link)
        link.unlink()
        link.symlink_to("two")
        assert input_hash(link) == of_first
        with pytest.raises(RunError, match="changed"):
            read_input(link)


def test_what_the_run_makes_itself_may_change(tmp_path):
    path, made = tmp_path / "folds.csv", tmp_path / "new"
    path.write_text("old")
    made.write_text("new")
    with same_inputs():
        read_input(path)
        made_input(path, made)
        made.replace(path)
        assert read_input(path) == b"new"


def test_what_other_libraries_read_is_looked_at_before_and_after(tmp_path):
    path = tmp_path / "vectors.txt"
    path.write_text("the 1 2")
    with same_inputs():
        check_input(path)  # nobody has recorded it yet
        sample_hash(path)
        check_input(path)
        replace_unseen(path, "1", "3")
        with pytest.raises(RunError, match=r"vectors.txt: changed"):
            check_input(path)


def test_a_worker_imports_the_code_that_its_parent_recorded(tmp_path, monkeypatch):
    path = tmp_path / "mine_changed.py"
    path.write_text("loss = 1\n")
    monkeypatch.syspath_prepend(tmp_path)
    with same_inputs():
        recorded = plugins.source_hash("mine_changed:loss")
        known = known_inputs()
    with same_inputs(known):
        assert plugins.load("mine_changed:loss", "training.loss") == 1
        replace_unseen(path, "1", "2")
        assert plugins.load("mine_changed:loss", "training.loss") == 1  # as it was, and is recorded
        assert plugins.source_hash("mine_changed:loss") == recorded
        assert not (tmp_path / "__pycache__").exists()
    del sys.modules["mine_changed"]
    with same_inputs(known), pytest.raises(RunError, match=r"mine_changed.py: changed"):
        plugins.load("mine_changed:loss", "training.loss")
    del sys.modules["mine_changed"]
    with same_inputs():
        assert plugins.load("mine_changed:loss", "training.loss") == 2
    del sys.modules["mine_changed"]


@pytest.mark.usefixtures("forked_workers")  # from a process that has torch, and none of the code
def test_code_that_changes_before_a_worker_process_imports_it(cli_here, workspace, monkeypatch):
    path = workspace / "mine_worker.py"
    path.write_text("import torch\n\n\nclass Loss(torch.nn.BCEWithLogitsLoss):\n    factor = 1\n")
    monkeypatch.syspath_prepend(workspace)
    monkeypatch.setattr("foldwise.running.placement.WORTH_PROCESSES", 0)
    monkeypatch.setattr("foldwise.running.placement.count_cores", lambda: 2)

    def find_later(workers: int) -> Engine:
        assert workers == 2
        replace_unseen(path, "1", "2")
        return find_engine(workers)

    line = ("all", "-c", "twin-binary", "--set", "model.name=bilstm", "--set", "training.loss=mine_worker:Loss")
    with monkeypatch.context() as changing:
        changing.setattr("foldwise.running.folds.find_engine", find_later)
        assert "mine_worker.py: changed while this run was reading it" in cli_here(*line, code=1).stderr
    assert "made submission.csv" in cli_here(*line).stdout


@given(st.lists(st.sampled_from(["one", "two", "read", "hash", "check"]), max_size=12))
def test_no_run_uses_two_contents(tmp_path_factory, steps):
    path = tmp_path_factory.mktemp("inputs") / "table.csv"
    path.write_text("one")
    used = set()
    try:
        with same_inputs():
            for step in steps:
                if step == "read":
                    used.add(hash_of(read_input(path)))
                elif step == "hash":
                    used.add(input_hash(path))
                elif step == "check":
                    check_input(path, digest_of)
                else:
                    path.write_text(step)
    except RunError:
        return
    digests = {hash_of(content): input_hash(whole) for content, whole in contents(path)}
    assert len({digests.get(value, value) for value in used}) <= 1


def contents(path: Path) -> list[tuple[bytes, Path]]:
    """Each content, and a file that has it."""
    files = [(name.encode(), path.with_name(name)) for name in ("one", "two")]
    for content, file in files:
        file.write_bytes(content)
    return files
