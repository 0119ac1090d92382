"""What tests share: the 20-row competitions and the real command line."""

import importlib
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import settings

from foldwise.cli import main
from foldwise.config import Config

# A busy machine is slow; that says nothing about the code.
settings.register_profile("foldwise", deadline=None)
settings.load_profile("foldwise")
# Threads of tensors this small only wait for each other, in loops: with two on two busy cores that is most of the time.
torch.set_num_threads(1)

pytest_plugins = ["kaggle_service.fixtures", "inference.twins", "forked"]
# on PYTHONPATH of programs that a test starts; a script that runs when it is imported
collect_ignore = ["reliability/no_network", "python/plain_loop.py"]
REPOSITORY = Path(__file__).resolve().parents[1]
COMPETITIONS = REPOSITORY / "tests" / "data" / "competitions"
CASES = REPOSITORY / "tests" / "data" / "cases"

Cli = Callable[..., subprocess.CompletedProcess[str]]


def command(root: Path, *arguments: str) -> list[str]:
    """`./run.sh …` with every folder below `root`, in this interpreter."""
    folders = [part for name in ("input", "folds", "output") for part in (f"--{name}", str(root / name))]
    no_folds = [*folders[:2], *folders[4:]]
    fewer = {"init": folders[:2], "competitions": folders[:2], "infer": no_folds, "predict": no_folds}
    fewer["compare"] = folders[4:]
    where = fewer.get(arguments[0], folders)
    return [sys.executable, "-m", "foldwise", *arguments, *where]


def environment() -> dict[str, str]:
    """As `run.sh` sets it; a test may have put modules of its own on PYTHONPATH."""
    paths = [str(REPOSITORY / "src"), os.environ.get("PYTHONPATH", "")]
    return {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, paths)), "COLUMNS": "120"}


def script_environment() -> dict[str, str]:
    """The same for a script that imports from the tests, too."""
    known = environment()
    return {**known, "PYTHONPATH": os.pathsep.join([known["PYTHONPATH"], str(REPOSITORY / "tests")])}


@pytest.fixture
def workspace(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    """A copy of the 20-row competitions, or of the case that the test names, with nothing made yet."""
    case = request.node.get_closest_marker("case")
    shutil.copytree(CASES / case.args[0] if case else COMPETITIONS, tmp_path / "input")
    return tmp_path


@pytest.fixture
def cli(workspace: Path) -> Cli:
    """Run the real command line in the workspace; `code` is the exit code that is expected."""

    def run(*arguments: str, code: int = 0) -> subprocess.CompletedProcess[str]:
        done = subprocess.run(
            command(workspace, *arguments), env=environment(), capture_output=True, text=True, timeout=300, check=False
        )
        assert done.returncode == code, f"exit {done.returncode}\n{done.stdout}\n{done.stderr}"
        assert "Traceback" not in done.stderr
        return done

    return run


@pytest.fixture
def cli_here(workspace: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> Iterator[Cli]:
    """As `cli`, but `main()` runs in this process: loading torch takes longer than training a 20-row competition.

    Modules of the workspace are imported anew each time, as another process would.
    """
    threads = torch.get_num_threads()
    monkeypatch.setenv("COLUMNS", "120")
    monkeypatch.setattr(sys, "dont_write_bytecode", True)  # it would hide a change within the same second

    def run(*arguments: str, code: int = 0) -> subprocess.CompletedProcess[str]:
        line = command(workspace, *arguments)
        monkeypatch.setattr(sys, "argv", ["foldwise", *line[3:]])
        forget_modules(workspace)
        capfd.readouterr()
        try:
            with pytest.raises(SystemExit) as ended:
                main()
        finally:
            torch.set_num_threads(threads)
            torch.use_deterministic_algorithms(False)  # what a stage needs of it, it must ask for
        shown = capfd.readouterr()
        assert ended.value.code == code, f"exit {ended.value.code}\n{shown.out}\n{shown.err}"
        assert "Traceback" not in shown.err
        return subprocess.CompletedProcess(line, code, shown.out, shown.err)

    yield run
    forget_modules(workspace)


def forget_modules(folder: Path) -> None:
    """Forget what was imported from below `folder`, and what was looked up there."""
    for name, module in sys.modules.copy().items():
        if Path(getattr(module, "__file__", None) or "").is_relative_to(folder):
            del sys.modules[name]
    importlib.invalidate_caches()


def make_config(task: str, metric: str, target: Sequence[str] = ("y",), soft_cut: float | None = None, **columns: Any):
    """A configuration of columns `id`, `text` and `target`, for tests of what reads tables."""
    kinds = {"regression": "value", "multiclass": "label", "ordinal": "label"}
    content = {
        "competition": {"slug": "x", "task": task, "metric": metric, "soft_cut": soft_cut},
        "files": columns.pop("files", {}),
        "columns": {"id": "id", "text": ["text"], "target": list(target), **columns},
        "submission": {"kind": kinds.get(task, "probability")},
    }
    return Config.model_validate(content)
