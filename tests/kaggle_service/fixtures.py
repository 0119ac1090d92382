"""The real client, the project's real command line, and a service on 127.0.0.1."""

import json
import os
import pty
import signal
import subprocess
import sys
import tarfile
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from types import SimpleNamespace

import pytest

from foldwise.cli import main
from foldwise.kaggle import client, script
from kaggle_service import quick_client
from kaggle_service.loopback import Service, serving

REPOSITORY = Path(__file__).resolve().parents[2]
SECRET = "kaggle-key-that-nobody-may-see"


@dataclass
class Done:
    """How a command ended."""

    code: int
    stdout: str
    stderr: str


Foldwise = Callable[..., Done]


@pytest.fixture
def quick_packing(monkeypatch: pytest.MonkeyPatch) -> None:
    """A kernel is packed in a sixth of the time, and a fifth larger."""
    quick = SimpleNamespace(open=partial(tarfile.open, preset=1), TarInfo=tarfile.TarInfo)
    monkeypatch.setattr(script, "tarfile", quick)


@pytest.fixture(scope="session")
def program() -> Iterator[Path]:
    """A program that is the real client, quick to start."""
    with tempfile.TemporaryDirectory() as folder:  # short: the address of a socket has 100 characters at most
        address = f"{folder}/socket"
        command = [sys.executable, quick_client.__file__, address]
        with subprocess.Popen(command, stdout=subprocess.PIPE) as server:
            assert server.stdout is not None
            assert server.stdout.readline() == b"ready\n"
            yield quick_client.write_program(Path(folder), address)
            server.kill()


@pytest.fixture
def service(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, program: Path) -> Iterator[Service]:
    """The service; the environment sends the client there, with credentials and a home of its own."""
    monkeypatch.setattr(client, "find_client", lambda *_: str(program))
    home = tmp_path / "home"
    home.mkdir()
    for name in list(os.environ):
        if name.startswith("KAGGLE_") or name.lower().endswith("_proxy"):
            monkeypatch.delenv(name)
    with serving(Service()) as running:
        proxy = f"http://127.0.0.1:{running.port}"
        values = {"KAGGLE_API_ENVIRONMENT": "LOCALHOST", "http_proxy": proxy, "https_proxy": proxy, "HOME": str(home)}
        for name, value in {**values, "KAGGLE_USERNAME": "ada", "KAGGLE_KEY": SECRET}.items():
            monkeypatch.setenv(name, value)
        yield running


@pytest.fixture
def foldwise(tmp_path: Path, service: Service, monkeypatch: pytest.MonkeyPatch, capfd) -> Iterator[Foldwise]:
    """Run the project's command line in this process, which saves the start of another one."""
    handler = signal.getsignal(signal.SIGTERM)

    def run(*arguments: str, code: int = 0) -> Done:
        monkeypatch.setattr(sys, "argv", command(tmp_path, *arguments)[2:])
        with pytest.raises(SystemExit) as ended:
            main()
        shown = capfd.readouterr()
        done = Done(int(ended.value.code or 0), shown.out, shown.err)
        check(done, code)
        return done

    yield run
    signal.signal(signal.SIGTERM, handler)


@pytest.fixture
def foldwise_process(tmp_path: Path, service: Service) -> Foldwise:
    """The same as a process of its own, as `run.sh` starts it, with the client as `pip` installed it."""

    def run(*arguments: str, code: int = 0) -> Done:
        environment = {**os.environ, "PYTHONPATH": str(REPOSITORY / "src"), "COLUMNS": "120"}
        ended = subprocess.run(
            command(tmp_path, *arguments), env=environment, capture_output=True, text=True, timeout=120, check=False
        )
        done = Done(ended.returncode, ended.stdout, ended.stderr)
        check(done, code)
        return done

    return run


@pytest.fixture
def foldwise_start(tmp_path: Path, service: Service) -> Iterator[Callable[..., tuple[subprocess.Popen[bytes], int]]]:
    """Start the command line on a terminal; gives the process and the terminal's other end."""
    ours, theirs = pty.openpty()
    started: list[subprocess.Popen[bytes]] = []

    def run(*arguments: str) -> tuple[subprocess.Popen[bytes], int]:
        environment = {**os.environ, "PYTHONPATH": str(REPOSITORY / "src")}
        line = command(tmp_path, *arguments)
        started.append(subprocess.Popen(line, env=environment, stdin=theirs, stdout=theirs, stderr=theirs))
        os.close(theirs)
        return started[0], ours

    yield run
    for process in started:
        process.kill()
        process.wait()
    os.close(ours)


def command(root: Path, *arguments: str) -> list[str]:
    """`./run.sh …` with its folder below `root`."""
    name = "input" if arguments[0] == "download" else "output"
    return [sys.executable, "-m", "foldwise", *arguments, f"--{name}", str(root / name)]


def check(done: Done, code: int) -> None:
    """The exit code, one clear line for an error, and no credentials."""
    assert done.code == code, f"exit {done.code}\n{done.stdout}\n{done.stderr}"
    both = done.stdout + done.stderr
    assert "Traceback" not in both
    assert SECRET not in both
    assert "Signature" not in both
    if code:
        *warnings, error = done.stderr.splitlines()
        assert error.startswith("error: ")
        assert all(line.startswith("warning: ") for line in warnings)


@pytest.fixture
def kernel(tmp_path: Path) -> Path:
    """The folder of a built kernel."""
    folder = tmp_path / "output" / "spooky" / "kernel"
    folder.mkdir(parents=True)
    (folder / "kernel.py").write_text("print('hello')\n")
    metadata = {
        **{"id": "ada/foldwise-spooky", "title": "foldwise spooky", "code_file": "kernel.py", "language": "python"},
        **{"kernel_type": "script", "is_private": True, "enable_gpu": True, "enable_internet": False},
        **{"competition_sources": ["spooky"], "dataset_sources": ["ada/weights"], "machine_shape": "NvidiaTeslaT4"},
    }
    (folder / "kernel-metadata.json").write_text(json.dumps(metadata))
    return folder
