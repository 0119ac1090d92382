"""What foldwise is made of: every package with its checksums, its licence, and known holes.

    PYTHONPATH=src:tests python tests/reliability/supply_chain.py lock     writes requirements.lock.txt, with the program uv and a network
    PYTHONPATH=src:tests python tests/reliability/supply_chain.py audit    holds the lock and what is installed against supply_chain.toml

The lock has the files for CPython 3.11 to 3.14 on Linux (x86-64 and arm64, glibc) and on macOS (arm64).
"""

import re
import subprocess
import sys
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from importlib.metadata import Distribution, distributions
from pathlib import Path
from typing import Any

from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet
from packaging.tags import Tag
from packaging.utils import canonicalize_name, parse_wheel_filename
from packaging.version import Version

ROOT = Path(__file__).resolve().parents[2]
LOCK = ROOT / "requirements.lock.txt"
LISTS = Path(__file__).with_suffix(".toml")
INTERPRETERS = {"py3", *(f"cp3{minor}" for minor in range(11, 15))}
PLATFORM = re.compile(r"any|(many)?linux.*_(x86_64|aarch64)|macosx_.*_(arm64|universal2)")
HEAD = """\
# Every package that requirements*.txt may bring, and behind # the sha256 of its files; `run.sh` installs no other.
# Made by `python tests/reliability/supply_chain.py lock`.
"""


def write_lock() -> None:
    """Resolve all requirements for all platforms at once, and write version and checksums of each package."""
    lists = tomllib.loads(LISTS.read_text(encoding="utf-8"))
    command = ["uv", "pip", "compile", "--universal", "--format", "pylock.toml", "--no-header", "--quiet"]
    done = subprocess.run(
        [*command, "--python-version", "3.11", *map(str, requirement_files())],
        check=True,
        capture_output=True,
        text=True,
    )
    lines = []
    for package in tomllib.loads(done.stdout)["packages"]:
        marker = package.get("marker", "").replace("python_full_version >= '3.11' and ", "")
        marker = "" if marker == "python_full_version >= '3.11'" else f" ; {marker}"
        sums = sorted(checksums(package) + lists["further_files"].get(f"{package['name']}=={package['version']}", []))
        lines.append(f"{package['name']}=={package['version']}{marker}  # {' '.join(sums)}\n")
    LOCK.write_text(HEAD + "".join(lines), encoding="utf-8")
    print(f"{LOCK.name}: {len(lines)} packages")


def checksums(package: dict[str, Any]) -> list[str]:
    """sha256 of the wheels that one of the platforms takes; of the source where there is no wheel at all."""
    wheels = package.get("wheels", [])
    sums = [wheel["hashes"]["sha256"] for wheel in wheels if is_taken(wheel["url"].rpartition("/")[2])]
    return sums if wheels else [package["sdist"]["hashes"]["sha256"]]


def is_taken(name: str) -> bool:
    """Whether a wheel is for one of the platforms."""
    return any(fits(tag) for tag in parse_wheel_filename(name.replace("%2B", "+"))[3])


def fits(tag: Tag) -> bool:
    """Whether one of the interpreters takes a tag: its own, or an older stable one."""
    old = tag.abi == "abi3" and re.fullmatch(r"cp3\d+", tag.interpreter) and int(tag.interpreter[3:]) < 15
    own = tag.interpreter in INTERPRETERS and tag.abi in ("none", "abi3", tag.interpreter)
    return bool((own or old) and PLATFORM.fullmatch(tag.platform))


def locked() -> dict[str, list[Version]]:
    """The versions in the lock by name; several where Pythons differ."""
    found: dict[str, list[Version]] = {}
    for line in LOCK.read_text(encoding="utf-8").splitlines():
        if line and not line.startswith("#"):
            name, _, rest = line.partition("==")
            found.setdefault(name, []).append(Version(rest.split()[0]))
    return found


def audit() -> list[str]:
    """What is wrong with the lock and with what is installed, a line each."""
    lists, pinned = tomllib.loads(LISTS.read_text(encoding="utf-8")), locked()
    installed = {str(canonicalize_name(one.name)): one for one in distributions()}
    versions = [(name, version) for name, several in pinned.items() for version in several]
    versions += [(name, Version(one.version)) for name, one in installed.items() if name in pinned]
    there = {name: one for name, one in installed.items() if name in pinned}
    return [*odd_lines(), *odd_pins(pinned), *holes(lists["vulnerable"], versions), *licences(lists["licences"], there)]


def odd_lines() -> Iterator[str]:
    """Lines of the lock without a checksum, or with an address."""
    for line in LOCK.read_text(encoding="utf-8").splitlines():
        if not line.startswith("#") and not re.search(r"  #( [0-9a-f]{64})+$", line):
            yield f"{LOCK.name}: no checksum in {line!r}"
        if "//" in line:
            yield f"{LOCK.name}: an address in {line!r}"


def odd_pins(pinned: Mapping[str, Sequence[Version]]) -> Iterator[str]:
    """Versions of the lock that are outside of pyproject.toml's ranges, or not those of a requirements file."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    for text in [*project["dependencies"], *project["optional-dependencies"]["optimizers"]]:
        requirement = Requirement(text)
        for version in pinned.get(str(canonicalize_name(requirement.name)), []):
            if version not in requirement.specifier:
                yield f"{requirement.name} {version} is locked, and pyproject.toml says {requirement.specifier}"
    lines = [line for path in requirement_files() for line in path.read_text(encoding="utf-8").splitlines()]
    for requirement in (Requirement(line) for line in lines if line and not line.startswith("#")):
        if not any(version in requirement.specifier for version in pinned.get(canonicalize_name(requirement.name), [])):
            yield f"{requirement} is not in {LOCK.name}; make it anew"


def requirement_files() -> list[Path]:
    """All of them but the lock."""
    return sorted(path for path in ROOT.glob("requirements*.txt") if path != LOCK)


def holes(known: Sequence[Mapping[str, str]], versions: Sequence[tuple[str, Version]]) -> Iterator[str]:
    """The versions that have one of the known holes."""
    for hole in known:
        affected = SpecifierSet(hole["range"], prereleases=True)
        for name, version in sorted(set(versions)):
            if name == hole["package"] and affected.contains(version):
                yield f"{name} {version} has a known hole, {hole['advisory']}: {hole['what']}"


def licences(lists: Mapping[str, Any], installed: Mapping[str, Distribution]) -> Iterator[str]:
    """The installed packages whose licence is not in the list."""
    for name in sorted(set(installed) - set(lists["otherwise"])):
        licence = licence_of(installed[name])
        alternatives = [whole.split(" AND ") for whole in licence.split(" OR ")]
        if not any(set(parts) <= set(lists["allowed"]) for parts in alternatives):
            yield f"{name}: licence {licence!r} is not in the list of {LISTS.name}"


def licence_of(package: Distribution) -> str:
    """The licence that an installed package states: as an expression, by classifiers, or in a few words."""
    about: Any = package.metadata
    classifiers = [
        text.rpartition(" :: ")[2] for text in about.get_all("Classifier") or [] if text.startswith("License")
    ]
    return about.get("License-Expression") or " AND ".join(classifiers) or (about.get("License") or "").strip()[:60]


if __name__ == "__main__":
    if sys.argv[1:] == ["lock"]:
        write_lock()
    else:
        wrong = audit()
        print("\n".join(wrong) or f"{len(locked())} packages: checksums, ranges, licences and known holes are in order")
        sys.exit(bool(wrong))
