"""Folders as a kernel finds them on Kaggle, and a built script that runs there, alone and without network."""

import csv
import os
import shutil
import subprocess
import sys
from functools import cache
from pathlib import Path

# Gives `input` to nobody to write, root included, and takes the network away.
SEALED = 'mount --bind "$1" "$1" && mount -o remount,bind,ro "$1" && shift && exec "$@"'


@cache
def can_seal() -> bool:
    """True where the machine lets a user have namespaces of their own."""
    probe = ["unshare", "-rnm", "sh", "-c", "mount --bind /tmp /tmp"]
    return bool(shutil.which("unshare")) and subprocess.run(probe, capture_output=True, check=False).returncode == 0


def lay_out(root: Path, tables: Path, slug: str, datasets: dict[str, Path] | None = None, old: bool = False) -> Path:
    """`input`, `working` and `temp` below `root`; → `working`.

    Args:
        tables: folder with the contest's CSVs; its competition.toml stays away, for Kaggle has none.
        datasets: folder of each owner/name.
        old: mounts as they were before 2025.
    """
    inputs = root / "input"
    target = inputs / slug if old else inputs / "competitions" / slug
    shutil.copytree(tables, target, ignore=shutil.ignore_patterns("competition.toml"))
    for name, folder in (datasets or {}).items():
        there = inputs / name.partition("/")[2] if old else inputs / "datasets" / name
        shutil.copytree(folder, there, ignore=shutil.ignore_patterns("dataset-metadata.json"))
    for name in ("working", "temp"):
        (root / name).mkdir()
    for path in [inputs, *inputs.rglob("*")]:
        path.chmod(0o555 if path.is_dir() else 0o444)
    return root / "working"


def run_alone(script: Path, working: Path, python: Path | str = sys.executable) -> subprocess.CompletedProcess[str]:
    """Run a copy of the script in the working folder, in an environment that knows nothing of this checkout."""
    alone = working.parent / script.name
    shutil.copyfile(script, alone)
    sealed = ["unshare", "-rnm", "sh", "-c", SEALED, "sh", str(working.parent / "input")] if can_seal() else []
    environment = {"PATH": "/usr/bin:/bin", "HOME": str(working.parent), "TMPDIR": str(working.parent / "temp")}
    # Where a machine is told which kernels its linear algebra takes, others would give other last bits; and where the
    # driver of its GPU lies, the script needs it.
    told = ("OPENBLAS_", "LD_LIBRARY_PATH")
    environment |= {name: value for name, value in os.environ.items() if name.startswith(told)}
    return subprocess.run(
        [*sealed, str(python), str(alone)],
        cwd=working,
        env=environment,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )


def ids_of(path: Path) -> list[str]:
    """The first column of a CSV."""
    with path.open(encoding="utf-8", newline="") as file:
        return [row[0] for row in csv.reader(file)][1:]


def write_hidden(tables: Path, rows: int) -> list[str]:
    """Replace a twin's test and sample by a hidden test set: other ids, unseen words, empty texts; → the sample's ids."""
    with (tables / "sample_submission.csv").open(encoding="utf-8", newline="") as file:
        header = next(csv.reader(file))
    ids = [f"hidden-{number}" for number in range(rows)]
    texts = ["", " ", "zyxwv quuxly 🂡", "a film that is great", "NA"]
    with (tables / "test.csv").open("w", encoding="utf-8", newline="") as file:
        csv.writer(file).writerows([["id", "text"], *((name, texts[row % 5]) for row, name in enumerate(ids))])
    with (tables / "sample_submission.csv").open("w", encoding="utf-8", newline="") as file:
        csv.writer(file).writerows([header, *([name, *[0] * (len(header) - 1)] for name in reversed(ids))])
    return ids[::-1]
