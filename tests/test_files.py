import os
import subprocess
import sys
from pathlib import Path

import pytest

from foldwise.files import atomic_file, atomic_folder, hash_of, read_json, write_json, write_text


def files_in(folder: Path) -> dict[str, str]:
    return {str(path.relative_to(folder)): path.read_text() for path in sorted(folder.rglob("*")) if path.is_file()}


def test_a_failed_write_leaves_the_old_file(tmp_path):
    write_text(tmp_path / "a.txt", "old")
    with pytest.raises(RuntimeError), atomic_file(tmp_path / "a.txt") as temporary:
        temporary.write_text("half")
        raise RuntimeError
    assert files_in(tmp_path) == {"a.txt": "old"}


def test_a_failed_folder_leaves_the_old_folder(tmp_path):
    with atomic_folder(tmp_path / "fold0") as temporary:
        (temporary / "old.txt").write_text("old")
    with pytest.raises(RuntimeError), atomic_folder(tmp_path / "fold0") as temporary:
        (temporary / "new.txt").write_text("half")
        raise RuntimeError
    assert files_in(tmp_path) == {"fold0/old.txt": "old"}


@pytest.fixture
def ended() -> int:
    """The number of a process that has ended."""
    process = subprocess.Popen([sys.executable, "-c", ""])
    process.wait()
    return process.pid


def test_a_folder_is_replaced_whole_and_leftovers_of_a_kill_go(tmp_path, ended):
    for name in ("fold1", f".fold1.tmp{ended}", f".fold1.tmp{ended}.old"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "old.txt").write_text("old")
    with atomic_folder(tmp_path / "fold1") as temporary:
        (temporary / "new.txt").write_text("new")
    assert files_in(tmp_path) == {"fold1/new.txt": "new"}


def test_leftovers_of_killed_files_go_and_those_of_living_processes_stay(tmp_path, ended):
    for process in (ended, os.getppid()):
        (tmp_path / f".a.txt.tmp{process}").write_text("half")
    write_text(tmp_path / "a.txt", "new")
    assert files_in(tmp_path) == {f".a.txt.tmp{os.getppid()}": "half", "a.txt": "new"}


def test_unreadable_json_counts_as_none(tmp_path):
    assert read_json(tmp_path / "none.json") is None
    (tmp_path / "half.json").write_text('{"a": ')
    assert read_json(tmp_path / "half.json") is None
    write_json(tmp_path / "whole.json", {"a": "ä"})
    assert read_json(tmp_path / "whole.json") == {"a": "ä"}


def test_hash_sees_content_order_and_nothing_else(tmp_path):
    first, second = tmp_path / "first", tmp_path / "second"
    first.write_bytes(b"same")
    second.write_bytes(b"same")
    assert hash_of(first) == hash_of(second)
    assert hash_of({"a": 1, "b": 2}) == hash_of({"b": 2, "a": 1})
    assert hash_of("a", "b") != hash_of("b", "a")
    assert hash_of(["ab", "c"]) != hash_of(["a", "bc"])
    second.write_bytes(b"other")
    assert hash_of(first) != hash_of(second)
