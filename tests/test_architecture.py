"""Imports point one way: cli → stages → (data, models, training, …) → config."""

import ast
from pathlib import Path

import foldwise

SOURCE = Path(foldwise.__file__).parent
# What each part may import of foldwise; itself always, and the table of tasks.
ALLOWED = {
    "errors": set(),
    "files": set(),
    "console": set(),
    "requirements": set(),
    "checking": {"errors"},
    "config": {"checking", "errors", "metrics", "tasks"},
    "load_config": {"checking", "config", "console", "errors"},
    "paths": {"errors"},
    "plugins": {"errors", "files"},
    "tasks": set(),
    "metrics": {"errors"},
    "data": {"config", "errors", "metrics", "paths"},
    "run": {"config", "console", "data", "errors", "files", "metrics", "paths", "time_budget"},
    "vectors": {"config", "console", "data", "errors", "files", "paths"},
    "freshness": {"config", "errors", "files", "plugins", "run", "vectors"},
    "models": {"config", "errors", "data", "plugins"},
    "training": {"config", "data", "errors", "files", "metrics", "models", "plugins", "time_budget"},
    "learners": {"config", "data", "errors", "metrics", "models", "time_budget", "training"},
    "running": {
        *(
            "config",
            "console",
            "data",
            "errors",
            "files",
            "freshness",
            "learners",
            "metrics",
            "training",
            "time_budget",
            "vectors",
        ),
    },
    "ensembling": {"config", "console", "data", "errors", "files", "freshness", "metrics", "run", "stages"},
    "stages": {
        *("config", "console", "data", "ensembling", "errors", "files", "freshness", "metrics", "paths", "plugins"),
        *("run", "running", "time_budget", "training", "vectors"),
    },
    # extensions
    "time_budget": {
        *("config", "console", "data", "ensembling", "errors", "files", "running", "run", "stages", "training"),
    },
    "inference": {
        *("checking", "config", "console", "data", "ensembling", "errors", "files", "learners", "models", "paths"),
        *("plugins", "run", "running", "training", "vectors"),
    },
    "kaggle": {
        *("config", "console", "data", "errors", "files", "inference", "load_config", "paths", "plugins", "run"),
        *("stages", "time_budget", "training", "vectors"),
    },
    "report": {
        *("config", "console", "data", "errors", "files", "freshness", "learners", "models", "run", "vectors"),
    },
    "competitions": {"errors", "load_config", "paths"},
    "cli": {
        *("competitions", "config", "errors", "freshness", "inference", "kaggle", "paths", "report", "run", "stages"),
        *("ensembling", "load_config", "show_recipe", "time_budget"),
    },
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
        assert imports_of(path) - {part, "tasks"} <= ALLOWED[part], path


def test_nothing_is_unpickled():
    for path in SOURCE.rglob("*.py"):
        source = path.read_text(encoding="utf-8")
        assert "torch.load(" not in source
        assert "allow_pickle=True" not in source
        assert "import pickle" not in source
