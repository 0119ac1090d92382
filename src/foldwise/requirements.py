"""Does this interpreter already have what foldwise needs? Standard library only, since it runs before set-up.

    python src/foldwise/requirements.py        exit code 0: yes; 1: no, and why

Reads the ranges of pyproject.toml. A Kaggle kernel or a GPU image that satisfies them is used as it is.
"""

import sys
import tomllib
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path


def unmet(pyproject: Path) -> list[str]:
    """The requirements this interpreter does not satisfy, each with what it has instead."""
    try:
        from packaging.requirements import Requirement  # matplotlib brings it, so without it something is missing
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


if __name__ == "__main__":
    reasons = unmet(Path(__file__).resolve().parents[2] / "pyproject.toml")
    print("\n".join(reasons) or "everything is there")
    sys.exit(1 if reasons else 0)
