"""The lock, the audit of what is installed, and that nothing but Kaggle's commands and set-up uses a network."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from packaging.version import Version

from conftest import REPOSITORY, command, script_environment
from foldwise.requirements import LOCK, check, pins
from reliability.supply_chain import audit, holes, licences, locked, odd_pins

NO_NETWORK = Path(__file__).parent / "no_network"
# Commands, a line each of JSON, in one process, which loads torch once.
COMMANDS = """
import json, sys
from reliability.in_process import run_main

for line in sys.stdin:
    code, shown, errors = run_main(json.loads(line))
    assert code == 0, line + shown + errors
"""


def test_the_audit_finds_nothing():
    assert audit() == []


def test_the_audit_sees_holes_licences_and_ranges():
    known = [{"package": "torch", "range": "<2.6.0", "advisory": "CVE-2025-32434", "what": "torch.load runs code"}]
    versions = [("torch", Version("2.5.1+cpu")), ("torch", Version("2.6.0")), ("numpy", Version("2.0"))]
    assert list(holes(known, versions)) == ["torch 2.5.1+cpu has a known hole, CVE-2025-32434: torch.load runs code"]
    from importlib.metadata import distribution

    lists = {"allowed": ["MIT"], "otherwise": {}}
    assert len(list(licences(lists, {"numpy": distribution("numpy"), "pytest": distribution("pytest")}))) == 1
    found = list(odd_pins({**locked(), "torch": [Version("2.5.1")]}))
    assert found[0] == "torch 2.5.1 is locked, and pyproject.toml says <2.16,>=2.10"
    assert "torch==2.13.0 is not in requirements.lock.txt; make it anew" in found


def test_pip_is_given_the_versions_and_only_files_of_the_lock_pass():
    lock = LOCK.read_text(encoding="utf-8")
    assert "torch==2.13.0" in pins(lock)
    assert not any("#" in line for line in pins(lock))
    known = next(line for line in lock.splitlines() if line.startswith("click==")).rpartition(" ")[2]
    new = {
        "metadata": {"name": "click", "version": "8.5.1"},
        "download_info": {"archive_info": {"hashes": {"sha256": known}}},
    }
    old = {
        "metadata": {"name": "click", "version": "8.5.1"},
        "download_info": {"archive_info": {"hash": f"sha256={known}"}},
    }
    other = {
        "metadata": {"name": "evil", "version": "1"},
        "download_info": {"archive_info": {"hashes": {"sha256": "0" * 64}}},
    }
    folder = {"metadata": {"name": "mine", "version": "2"}, "download_info": {"dir_info": {}}}
    allowed, unknown = check({"install": [new, old, other, folder]}, lock)
    assert allowed == [f"click==8.5.1 --hash=sha256:{known}"] * 2
    assert unknown == [f"evil==1 --hash=sha256:{'0' * 64}", "mine==2 --hash=sha256:"]


@pytest.fixture
def wheels(tmp_path: Path) -> Path:
    """An index of one package, which the lock does not know."""
    folder = tmp_path / "wheels"
    folder.mkdir()
    import zipfile

    with zipfile.ZipFile(folder / "torch-2.13.0-py3-none-any.whl", "w") as wheel:
        wheel.writestr("torch.py", "raise SystemExit('run')\n")
        wheel.writestr("torch-2.13.0.dist-info/METADATA", "Metadata-Version: 2.1\nName: torch\nVersion: 2.13.0\n")
        wheel.writestr("torch-2.13.0.dist-info/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
        wheel.writestr("torch-2.13.0.dist-info/RECORD", "")
    return folder


def test_run_sh_installs_no_file_that_the_lock_does_not_know(tmp_path, wheels):
    base = Path(sys.base_prefix) / "bin" / "python3"
    if not base.exists():
        pytest.skip("no interpreter without packages here")
    clone = tmp_path / "clone"
    clone.mkdir()
    for name in ("run.sh", "pyproject.toml", "requirements.lock.txt"):
        shutil.copy(REPOSITORY / name, clone / name)
    (clone / "requirements.txt").write_text("torch==2.13.0\n", encoding="utf-8")
    shutil.copytree(REPOSITORY / "src", clone / "src", ignore=shutil.ignore_patterns("__pycache__"))
    variables = {"PIP_NO_INDEX": "1", "PIP_FIND_LINKS": str(wheels), "PIP_CONFIG_FILE": os.devnull}
    path = tmp_path / "bin"
    path.mkdir()
    (path / "python3").symlink_to(base)
    line = {"PATH": f"{path}:/usr/bin:/bin", "HOME": str(tmp_path), "TMPDIR": str(tmp_path), **variables}
    done = subprocess.run([str(clone / "run.sh"), "--help"], env=line, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert "not in requirements.lock.txt: torch==2.13.0 --hash=sha256:" in done.stderr
    assert "nothing is installed" in done.stderr
    assert not list((clone / ".venv").glob("lib/*/site-packages/torch*"))


def test_nothing_but_kaggle_and_set_up_uses_a_network(workspace, tmp_path):
    blocked = tmp_path / "blocked.txt"
    variables = script_environment()
    variables |= {"PYTHONPATH": f"{variables['PYTHONPATH']}:{NO_NETWORK}", "BLOCKED": str(blocked)}
    weights = str(workspace / "output" / "twin-binary" / "kernel-infer-dataset")
    asked = [["all"], ["report"], ["kernel", "build", "--infer", "--user", "someone"], ["infer", "--weights", weights]]
    more = ["-c", "twin-binary", "--set", "training.epochs=1"]
    lines = [command(workspace, *arguments, *more[: 2 if arguments[0] == "infer" else 4])[3:] for arguments in asked]
    done = subprocess.run(
        [sys.executable, "-c", COMMANDS],
        env=variables,
        input="\n".join(map(json.dumps, lines)),
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert not blocked.exists(), blocked.read_text(encoding="utf-8")
    # That it would be seen, also where a child of a child tries, as a worker is.
    tried = "import socket; socket.create_connection(('127.0.0.1', 9))"
    child = f"import subprocess, sys; sys.exit(subprocess.run([sys.executable, '-c', {tried!r}]).returncode)"
    done = subprocess.run([sys.executable, "-c", child], env=variables, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert "the network is blocked" in done.stderr
    assert blocked.read_text(encoding="utf-8").startswith("socket.getaddrinfo")
