"""What must be the same on every node: Python, the packages that results depend on, and foldwise itself."""

from collections.abc import Callable, Mapping

Versions = dict[str, str]


def make_probe() -> Callable[[], Versions]:
    """A function that looks up versions, and needs nothing but Python itself where it runs.

    A function inside a function travels as code, not by name: a node without foldwise can run it, too.
    """

    def probe() -> Versions:
        import hashlib
        import importlib.metadata
        import importlib.util
        import platform
        from pathlib import Path

        found = {"python": platform.python_version()}
        for package in ("torch", "numpy", "scipy", "scikit-learn"):
            try:
                found[package] = importlib.metadata.version(package)
            except importlib.metadata.PackageNotFoundError:
                found[package] = "missing"
        spec = importlib.util.find_spec("foldwise")
        found["foldwise"] = "missing"
        if spec and spec.origin:
            folder, digest = Path(spec.origin).parent, hashlib.sha256()
            for path in sorted(folder.rglob("*.py")):
                digest.update(path.relative_to(folder).as_posix().encode() + b"\0" + path.read_bytes() + b"\0")
            found["foldwise"] = digest.hexdigest()[:16]
        return found

    return probe


def differing(here: Mapping[str, str], there: Mapping[str, str]) -> str:
    """How another machine's versions differ from this one's, "" if they do not.

    >>> differing({"torch": "2.13.0", "python": "3.11.9"}, {"torch": "2.12.1", "python": "3.11.9"})
    'torch 2.12.1 (here 2.13.0)'
    """
    return ", ".join(f"{name} {there.get(name)} (here {own})" for name, own in here.items() if there.get(name) != own)
