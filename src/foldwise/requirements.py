"""What foldwise needs, and what `run.sh` may install for it. Standard library only, since it runs before set-up.

    python src/foldwise/requirements.py               exit code 0: this interpreter has all of it; 1: no, and why
    python src/foldwise/requirements.py pins          the versions of requirements.lock.txt, as constraints for pip
    python src/foldwise/requirements.py check PLAN    what `pip install --dry-run --report PLAN` would install, each
                                                      with its checksum, as requirements for pip; exit code 1 and why
                                                      where a checksum is not in requirements.lock.txt

The first reads the ranges of pyproject.toml. A Kaggle kernel or a GPU image that satisfies them is used as it is.

A line of the lock is a version, and behind # the sha256 of each of its files. pip's own `--require-hashes` alone will
not do: it would want the CUDA libraries of torch's build for GPUs also where the index has the build for CPUs.
"""

import json
import re
import sys
import tomllib
from importlib.metadata import PackageNotFoundError, distribution, version
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
LOCK = ROOT / "requirements.lock.txt"


def unmet(pyproject: Path) -> list[str]:
    """The requirements this interpreter does not satisfy, each with what it has instead."""
    try:
        from packaging.requirements import Requirement  # tokenizers brings it, so without it something is missing
    except ImportError:
        return ["packaging is not installed"]
    missing = []
    for line in tomllib.loads(pyproject.read_text(encoding="utf-8"))["project"]["dependencies"]:
        requirement = Requirement(line)
        try:
            if not requirement.specifier.contains(version(requirement.name), prereleases=True):
                missing.append(f"{line} but {version(requirement.name)} is installed")
        except PackageNotFoundError:
            missing.append(f"{line} is not installed")
    return missing


def pins(lock: str) -> list[str]:
    """The lock's lines without checksums; without packages of the image below this environment, which stay."""
    lines = [line.partition("#")[0].strip() for line in lock.splitlines()]
    return [line for line in lines if line and not is_below(line.partition("==")[0])]


def is_below(name: str) -> bool:
    """Whether a package is installed, and not in this environment but in the one that it lies on top of."""
    try:
        return not Path(str(distribution(name).locate_file(""))).is_relative_to(sys.prefix)
    except PackageNotFoundError:
        return False


def check(plan: dict[str, Any], lock: str) -> tuple[list[str], list[str]]:
    """Of pip's plan a line for each package with its checksum, and the packages whose checksum is not in the lock."""
    known = set(re.findall(r"\b[0-9a-f]{64}\b", lock))
    allowed: list[str] = []
    unknown: list[str] = []
    for package in plan["install"]:
        archive = package["download_info"].get("archive_info", {})
        # Before pip 23.1 the report had one checksum, as "sha256=…".
        checksum = archive.get("hashes", {}).get("sha256") or archive.get("hash", "").removeprefix("sha256=")
        name = "{name}=={version}".format(**package["metadata"])
        (allowed if checksum in known else unknown).append(f"{name} --hash=sha256:{checksum}")
    return allowed, unknown


def main(arguments: list[str]) -> int:
    """As at the top."""
    if not arguments:
        reasons = unmet(ROOT / "pyproject.toml")
        print("\n".join(reasons) or "everything is there")
        return 1 if reasons else 0
    lock = LOCK.read_text(encoding="utf-8")
    if arguments[0] == "pins":
        print("\n".join(pins(lock)))
        return 0
    allowed, unknown = check(json.loads(Path(arguments[1]).read_text(encoding="utf-8")), lock)
    print("\n".join(allowed))
    if unknown:
        print(f"not in requirements.lock.txt: {', '.join(unknown)}", file=sys.stderr)
    return 1 if unknown else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
