import json
import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.numpy import save_file

from foldwise.errors import DamagedError, InputError, RunError
from foldwise.files import atomic_file, atomic_folder, read_json, usual_mode, write_json, write_record, write_text
from foldwise.hashing import hash_of
from foldwise.records import check_whole


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
    for name in ("fold1", f".fold1.tmp{ended}-", f".fold1.tmp{ended}-.old"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "old.txt").write_text("old")
    with atomic_folder(tmp_path / "fold1") as temporary:
        (temporary / "new.txt").write_text("new")
    assert files_in(tmp_path) == {"fold1/new.txt": "new"}


def test_leftovers_of_killed_files_go_and_those_of_living_processes_stay(tmp_path, ended):
    for process in (ended, os.getppid()):
        (tmp_path / f".a.txt.tmp{process}-").write_text("half")
    write_text(tmp_path / "a.txt", "new")
    assert files_in(tmp_path) == {f".a.txt.tmp{os.getppid()}-": "half", "a.txt": "new"}


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


def test_links_are_followed_and_stay(tmp_path):
    far = tmp_path / "far"
    for name in ("s.csv", "tokens", "new"):
        (tmp_path / name).symlink_to(far / name)
    (far / "tokens").mkdir(parents=True)
    (far / "tokens" / "old.txt").write_text("old")
    write_text(tmp_path / "s.csv", "a")
    for name in ("tokens", "new"):
        with atomic_folder(tmp_path / name) as temporary:
            (temporary / "new.txt").write_text("new")
    assert files_in(far) == {"s.csv": "a", "tokens/new.txt": "new", "new/new.txt": "new"}
    assert all((tmp_path / name).is_symlink() for name in ("s.csv", "tokens", "new"))


def test_what_is_of_another_kind_is_refused_and_stays(tmp_path):
    (tmp_path / "folder").mkdir()
    (tmp_path / "file").touch()
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "loop").symlink_to(tmp_path / "loop")
    (tmp_path / "null").symlink_to("/dev/null")
    with socket.socket(socket.AF_UNIX) as end:
        end.bind(str(tmp_path / "socket"))
    for name in ("folder", "pipe", "loop", "null", "socket"):
        with pytest.raises(InputError, match=f"{name}: a .*, where a file is to be written"):
            write_text(tmp_path / name, "")
    for name in ("file", "pipe", "loop", "null"):
        with (
            pytest.raises(InputError, match=f"{name}: a .*, where a folder is to be written"),
            atomic_folder(tmp_path / name),
        ):
            pass
    assert len(list(tmp_path.iterdir())) == 6


@pytest.mark.parametrize("umask", [0o022, 0o002, 0o077])
def test_the_umask_is_kept_whatever_a_library_does(tmp_path, umask):
    import numpy as np

    before = os.umask(umask)
    try:
        for _ in range(2):  # the second time over the first
            with atomic_file(tmp_path / "w.safetensors") as temporary, usual_mode(temporary):
                save_file({"a": np.zeros(3)}, temporary)
    finally:
        os.umask(before)
    assert (tmp_path / "w.safetensors").stat().st_mode & 0o777 == 0o666 & ~umask


def write_fold(folder: Path, **names: str) -> None:
    with atomic_folder(folder, "fold.json") as temporary:
        for name, content in names.items():
            (temporary / f"{name}.npy").write_text(content)
        write_record(temporary / "fold.json", {"inputs": {"a": 0.25}})


@pytest.mark.parametrize("record", [None, "", "[1]", '{"files": [1]}'])
def test_files_of_others_stay_in_a_folder_that_is_written_again(tmp_path, record):
    fold = tmp_path / "fold0"
    write_fold(fold, a="1", b="1")
    (fold / "notes.txt").write_text("mine")
    (fold / "deep").mkdir()
    (fold / "deep" / "a.npy").write_text("mine")
    (fold / "link").symlink_to("nowhere")
    (fold / "mine.npy").write_text("mine")
    assert check_whole(fold / "fold.json")  # which has nothing to say of these
    if record is not None:  # it cannot tell what is whose
        (fold / "fold.json").write_text(record)
        (fold / "mine.npy").unlink()
    write_fold(fold, a="2")
    kept = {"notes.txt": "mine", "deep/a.npy": "mine", **({} if record is not None else {"mine.npy": "mine"})}
    found = files_in(fold)
    assert "fold.json" in found
    assert found == {"fold.json": found["fold.json"], "a.npy": "2", **kept}
    assert (fold / "link").is_symlink()
    assert check_whole(fold / "fold.json")


@settings(max_examples=50)
@given(st.data())
def test_no_flipped_bit_of_a_record_or_of_what_it_vouches_for_is_passed_over(tmp_path_factory, data):
    folder = tmp_path_factory.mktemp("folder")
    (folder / "a.npy").write_bytes(b"array")
    write_record(folder / "fold.json", {"best_epoch": 1.5, "inputs": {"name": "é", "n": [1, 2]}, "torch": "2.13"})
    whole = check_whole(folder / "fold.json")
    assert whole is not None
    path = folder / data.draw(st.sampled_from(["a.npy", "fold.json"]))
    content = bytearray(path.read_bytes())
    content[data.draw(st.integers(0, len(content) - 1))] ^= 1 << data.draw(st.integers(0, 7))
    path.write_bytes(content)
    try:
        found = check_whole(folder / "fold.json")
    except DamagedError:
        return
    assert path.name == "fold.json"
    assert found == whole  # only white space is another


def test_a_record_without_files_or_of_another_shape_is_damaged(tmp_path):
    for content in ("[1]", '{"files": {}}', json.dumps({"checksum": hash_of({})})):
        (tmp_path / "r.json").write_text(content)
        with pytest.raises(DamagedError, match=r"r\.json"):
            check_whole(tmp_path / "r.json")


def test_deep_json_counts_as_none(tmp_path):
    (tmp_path / "deep.json").write_text("[" * 10**5)
    assert read_json(tmp_path / "deep.json") is None


def test_a_folder_whose_last_step_fails_is_there_all_the_same(tmp_path, monkeypatch):
    write_fold(tmp_path / "fold0", a="old")
    rename = Path.rename
    failed: list[Path] = []

    def fail_once(self, target):
        if not self.name.endswith(".old") and Path(target).name == "fold0" and not failed:
            failed.append(self)
            raise OSError(5, "Input/output error", str(target))
        return rename(self, target)

    monkeypatch.setattr(Path, "rename", fail_once)
    with pytest.raises(RunError, match=r"fold0 cannot be written: its disk fails \(input/output error\)"):
        write_fold(tmp_path / "fold0", a="new")
    assert (tmp_path / "fold0" / "a.npy").read_text() == "new"
    assert [path.name for path in tmp_path.iterdir()] == ["fold0"]
