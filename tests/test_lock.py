import errno
import fcntl
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from conftest import command, environment
from foldwise import lock
from foldwise.errors import InputError, RunError
from foldwise.lock import only_maker, only_writer
from forked import start_programs

WRITERS = [
    *(["all"], ["folds"], ["tokens"], ["train", "--fold", "0"], ["ensemble"], ["report"], ["find-lr"]),
    *(["infer", "--weights", "none"], ["kernel", "build", "--user", "someone"]),
]
HOLDER = """
import multiprocessing, sys, time
from pathlib import Path
from foldwise.lock import only_writer

if __name__ == "__main__":
    with only_writer(Path(sys.argv[1])):
        worker = multiprocessing.get_context("spawn").Process(target=time.sleep, args=(60,))
        worker.start()
        print(worker.pid, flush=True)
        worker.join()
"""


def test_whatever_writes_is_refused_while_another_run_does_and_what_reads_is_not(cli_here, workspace):
    cli_here("all", "-c", "twin-binary")
    output = workspace / "output" / "twin-binary"
    before = {path: path.stat().st_mtime_ns for path in output.rglob("[!.]*")}
    linked = workspace / "elsewhere"
    linked.symlink_to(workspace / "output")
    with only_writer(linked / "twin-binary"):
        for writer in WRITERS:
            message = cli_here(*writer, "-c", "twin-binary", code=1).stderr
            assert f"error: another run writes to {output} (process {os.getpid()} on " in message
            assert message.endswith("wait for it, or give this one another --output\n")
        for reader in ("describe", "recipe"):
            cli_here(reader, "-c", "twin-binary")
        cli_here("tokens", "-c", "twin-binary", "--debug")  # another folder
        cli_here("tokens", "-c", "twin-multiclass")
    assert before == {path: path.stat().st_mtime_ns for path in output.rglob("[!.]*")}
    assert (output / ".lock").read_text() == ""
    assert "kept" in cli_here("tokens", "-c", "twin-binary").stdout


def test_a_dead_run_holds_nothing_though_a_worker_outlives_it(tmp_path):
    script = tmp_path / "holder.py"
    script.write_text(HOLDER)
    with subprocess.Popen(
        [sys.executable, script, tmp_path / "output"], env=environment(), stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout
        worker = int(process.stdout.readline())
        try:
            with pytest.raises(RunError, match=rf"process {process.pid} on .* since \d+-\d+-\d+ \d+:\d+: ./run.sh"):
                only_writer(tmp_path / "output").__enter__()
            process.kill()
            process.wait()
            with only_writer(tmp_path / "output"):
                os.kill(worker, 0)  # still there
                assert f"process {os.getpid()} on" in (tmp_path / "output" / ".lock").read_text()
        finally:
            os.kill(worker, signal.SIGKILL)


def test_a_lock_whose_holder_has_not_said_who_it_is(tmp_path, monkeypatch):
    monkeypatch.setattr(lock, "LOOKS", 1)
    with only_writer(tmp_path):
        (tmp_path / ".lock").write_bytes(b"")
        with pytest.raises(RunError, match="it does not say who it is"):
            only_writer(tmp_path).__enter__()
        (tmp_path / ".lock").write_bytes(b"\xff\0\n")
        with pytest.raises(RunError, match="another run writes to"):
            only_writer(tmp_path).__enter__()


def test_a_lock_is_no_link_and_its_place_may_have_none(tmp_path, monkeypatch, capsys):
    (tmp_path / "mine.txt").write_text("mine")
    (tmp_path / ".lock").symlink_to("mine.txt")
    with pytest.raises(OSError, match="symbolic link"):
        only_writer(tmp_path).__enter__()
    assert (tmp_path / "mine.txt").read_text() == "mine"
    (tmp_path / ".lock").unlink()

    def no_locks(*_: object) -> None:
        raise OSError(errno.ENOLCK, os.strerror(errno.ENOLCK))

    monkeypatch.setattr(fcntl, "flock", no_locks)
    with only_writer(tmp_path):
        pass
    assert "this place has no locks (No locks available); let only one run" in capsys.readouterr().err


def test_a_fold_file_is_locked_only_while_it_is_made(cli_here, workspace, monkeypatch):
    monkeypatch.setattr(lock, "LONGEST", 0.1)
    folds = workspace / "folds" / "twin-binary.csv"
    with only_maker(folds):
        message = cli_here("folds", "-c", "twin-binary", code=1).stderr
        assert f"error: another run makes {folds} (process {os.getpid()} on " in message
        assert "wait for it, or give this one another --folds" in message
    assert "made twin-binary.csv" in cli_here("folds", "-c", "twin-binary").stdout
    with only_maker(folds):
        assert "kept twin-binary.csv" in cli_here("folds", "-c", "twin-binary").stdout
        cli_here("folds", "-c", "twin-binary", "--force", code=1)


def test_of_two_runs_with_one_fold_file_one_makes_it_and_the_other_takes_it(workspace):
    lines = []
    for seed in ("1", "2"):
        line = command(workspace, "folds", "-c", "twin-binary", "--set", f"folds.seed={seed}")
        line[line.index("--output") + 1] = str(workspace / f"output{seed}")
        lines.append(line)
    codes, shown = zip(*(run.end() for run in start_programs(*lines)), strict=True)
    assert sorted(text.split()[1] for text in shown) == ["kept", "made"]
    assert codes == (0, 0)
    assert {path.name for path in Path(workspace / "folds").iterdir()} == {"twin-binary.csv", ".twin-binary.csv.lock"}


def test_what_is_no_file_in_its_place_is_named(tmp_path):
    (tmp_path / ".lock").mkdir()
    with (
        pytest.raises(InputError, match=r"\.lock: a folder, where a file is to be written; move it away"),
        only_writer(tmp_path),
    ):
        raise AssertionError
