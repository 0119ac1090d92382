"""What a SIGKILL at any moment leaves, and what the next run makes of it."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

import foldwise
from foldwise.leftovers import LEFTOVER, is_leftover, start_of, sweep, temporary_name
from foldwise.records import check_whole


def tree(folder: Path) -> dict[str, str]:
    return {str(path.relative_to(folder)): path.read_text() for path in sorted(folder.rglob("*")) if path.is_file()}


@pytest.fixture
def dead() -> str:
    """The end of a temporary name of a process that has ended."""
    with subprocess.Popen([sys.executable, "-c", "import sys; sys.stdin.read()"], stdin=subprocess.PIPE) as process:
        return f"tmp{process.pid}-{start_of(process.pid)}"


def test_a_process_is_known_by_its_number_and_its_start(tmp_path):
    here = temporary_name(tmp_path / "a.b.csv")
    assert LEFTOVER.fullmatch(here.name)["name"] == "a.b.csv"
    parent, start = os.getppid(), start_of(os.getppid())
    assert start
    assert not is_leftover(tmp_path / f".a.tmp{parent}-{start}")
    assert not is_leftover(tmp_path / f".a.tmp{parent}")  # a name of somebody else's
    assert is_leftover(tmp_path / f".a.tmp{parent}-{int(start) - 1}")  # one with the same number, before
    assert is_leftover(tmp_path / ".a.tmp99999999-1.old")
    assert not is_leftover(tmp_path / ".a.tmpl")


def test_a_killed_child_that_nobody_has_asked_for_has_ended():
    with subprocess.Popen([sys.executable, "-c", "import sys; sys.stdin.read()"], stdin=subprocess.PIPE) as process:
        assert start_of(process.pid)
        process.send_signal(signal.SIGKILL)
        os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)
        assert start_of(process.pid) is None


def test_the_sweep_finds_leftovers_at_any_depth_beside_files_and_behind_links(tmp_path, dead):
    output, far = tmp_path / "output", tmp_path / "far"
    for folder in (output / "bilstm" / "fold0", far, output / "bilstm" / f".fold0.{dead}", far / f".tokens.{dead}"):
        folder.mkdir(parents=True)
        (folder / "a.txt").write_text("a")
    (far / "tokens").mkdir()
    (output / "tokens").symlink_to(far / "tokens")
    for path in (tmp_path / "x.csv", output / "bilstm" / "fold0" / "fold.json", far / "other"):
        path.with_name(f".{path.name}.{dead}").write_text("half")
    living = tmp_path / f".x.csv.tmp{os.getppid()}-{start_of(os.getppid())}"
    living.write_text("half")
    sweep([output, tmp_path / "none"], [tmp_path / "x.csv", tmp_path / "none" / "y.csv"])
    expected = {"output/bilstm/fold0/a.txt": "a", "far/a.txt": "a", living.name: "half", f"far/.other.{dead}": "half"}
    assert tree(tmp_path) == expected


@pytest.mark.parametrize(
    ("there", "expected"),
    [
        ({"old": "1", "": "2"}, "2"),  # cut between the two renames: the new one was whole
        ({"old": "1", "path": "2"}, "2"),  # cut before the old one was removed
        ({"": "half", "path": "1"}, "1"),  # cut while it was written
        ({"": "half"}, None),
    ],
)
def test_a_replacement_that_a_kill_cut_in_two_is_ended(tmp_path, dead, there, expected):
    names = {"old": f".fold0.{dead}.old", "": f".fold0.{dead}", "path": "fold0"}
    for name, content in there.items():
        (tmp_path / names[name]).mkdir()
        (tmp_path / names[name] / "a.txt").write_text(content)
    sweep([tmp_path])
    assert tree(tmp_path) == ({} if expected is None else {"fold0/a.txt": expected})


KILLED = """
import os, sys
from itertools import count
from pathlib import Path
from foldwise.files import atomic_folder, write_record

def write(place, content):
    with atomic_folder(place / "fold0", "fold.json") as temporary:
        (temporary / "a.txt").write_text(content)
        write_record(temporary / "fold.json", {"inputs": {}})

def work(place, left):
    write(place, "old")
    (place / "fold0" / "mine.txt").write_text("mine")
    def look(event, _):
        nonlocal left
        left -= event in ("open", "os.rename", "os.mkdir", "os.remove", "os.rmdir", "os.link")
        if not left:
            os.kill(os.getpid(), 9)
    sys.addaudithook(look)
    write(place, "new")
    os._exit(0)

for number in count(1):
    place = Path(sys.argv[1], f"{number:03}")
    place.mkdir()
    child = os.fork()
    if not child:
        work(place, number)
    if os.waitpid(child, 0)[1] == 0:
        break
"""


def test_a_kill_before_any_operation_leaves_the_old_or_the_new_folder_whole(tmp_path):
    """The writer is killed before its first, second … operation on files, until it gets through."""
    environment = {**os.environ, "PYTHONPATH": str(Path(foldwise.__file__).parents[1])}
    subprocess.run([sys.executable, "-c", KILLED, tmp_path], env=environment, check=True)
    seen = []
    for place in sorted(tmp_path.iterdir()):
        sweep([place])
        left = tree(place)
        assert left.pop("fold0/mine.txt") == "mine"
        assert left.pop("fold0/fold.json")
        seen.append(left.pop("fold0/a.txt"))
        assert not left
        assert check_whole(place / "fold0" / "fold.json")
    assert seen == sorted(seen, reverse=True)  # old, old, … new
    assert set(seen) == {"old", "new"}
    assert len(seen) > 20
