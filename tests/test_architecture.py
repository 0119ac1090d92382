"""Imports point one way: cli → stages → (data, models, training, …) → config."""

import ast
from pathlib import Path

import foldwise

SOURCE = Path(foldwise.__file__).parent
# What each part may import of foldwise; itself always.
ALLOWED = {
    "errors": set(),
    "files": set(),
    "console": set(),
    "budget": {"errors"},
    "requirements": set(),
    "config": {"errors"},
    "paths": {"errors"},
    "plugins": {"errors", "files"},
    "metrics": {"config", "errors"},
    "ensembling": {"config", "metrics"},
    "data": {"config", "errors", "paths"},
    "models": {"config", "errors", "data", "plugins"},
    "submission": {"config", "errors", "files", "metrics", "data"},
    "training": {"budget", "config", "errors", "files", "plugins", "metrics", "data", "models"},
    "kernel": {"config", "console", "errors", "files", "paths"},
    "stages": {
        *("budget", "config", "console", "errors", "files", "paths", "plugins"),
        *("data", "models", "training", "metrics", "ensembling", "submission", "kernel"),
    },
    "cli": {"budget", "config", "errors", "paths", "stages"},
    "__main__": {"cli"},
    "__init__": set(),
}


def imports_of(path: Path) -> set[str]:
    """The parts of foldwise that a file imports anywhere in it."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom) and node.module and node.module.startswith("foldwise."):
            found.add(node.module.split(".")[1])
        elif isinstance(node, ast.Import):
            found |= {name.name.split(".")[1] for name in node.names if name.name.startswith("foldwise.")}
    return found


def test_imports_point_one_way():
    for path in SOURCE.rglob("*.py"):
        part = path.relative_to(SOURCE).parts[0].removesuffix(".py")
        assert part in ALLOWED, f"{path}: a new part needs its place in the order of imports"
        assert imports_of(path) - {part} <= ALLOWED[part], path


def test_nothing_is_unpickled():
    for path in SOURCE.rglob("*.py"):
        source = path.read_text(encoding="utf-8")
        assert "torch.load(" not in source
        assert "allow_pickle=True" not in source
        assert "import pickle" not in source
