"""Imports point one way, and the core does without its extensions."""

import ast
from collections.abc import Iterator
from graphlib import TopologicalSorter
from pathlib import Path

import foldwise

SOURCE = Path(foldwise.__file__).parent
# What each part may import of foldwise, beside itself and the table of tasks. The core turns CSVs into a submission.
CORE = {
    "__init__": "",
    "field_names": "",
    "installed": "",
    "errors": "field_names installed",
    "hashing": "",
    "machine": "errors",
    "leftovers": "",
    "files": "errors hashing leftovers machine",
    "inputs": "errors hashing",
    "screen": "interrupts",
    "console": "errors installed screen",
    "lock": "console errors files leftovers paths",
    "records": "console errors files",
    "clock": "",
    "interrupts": "",
    "streams": "screen",
    "events": "",
    "tracking": "events",
    "extensions": "errors",
    "requirements": "",
    "tasks": "",
    "toml_text": "",
    "arguments": "errors",
    "paths": "errors files installed",
    "plugins": "errors hashing inputs",
    "metrics": "arguments errors plugins",
    "config": "errors metrics",
    "load_config": "config console errors inputs toml_text",
    "data": "config errors extensions files hashing inputs machine metrics paths plugins",
    "auto": "config",
    "vectors": "config console data errors files hashing inputs leftovers paths",
    "models": "config errors plugins",
    "training": "arguments clock config data errors events files hashing interrupts machine metrics models paths"
    " plugins records",
    "learners": "clock config data errors events extensions files hashing inputs metrics models paths plugins"
    " records training",
    "run": "auto config console data errors extensions files learners metrics paths plugins records tracking",
    "options": "console errors extensions inputs installed interrupts load_config machine paths run",
    "freshness": "data errors extensions files hashing inputs learners paths plugins records run vectors",
    "ensembling": "config console data errors files freshness hashing metrics paths records run",
    "running": "clock config console data ensembling errors events extensions files freshness hashing inputs"
    " interrupts learners machine metrics paths plugins records run streams training",
    "stages": "auto clock config console data ensembling errors extensions files freshness hashing inputs learners"
    " leftovers lock machine metrics paths records run running vectors toml_text",
    "pipeline": "ensembling freshness lock run stages",
    "cli": "config data errors extensions installed lock options paths pipeline run stages",
    "__main__": "cli clock installed interrupts screen streams",
}
# Each a folder that may be deleted; the command line, and what trains folds, find them by name.
EXTENSIONS = {
    "time_budget": "clock console ensembling errors events files freshness hashing learners records run running"
    " training",
    "inference": "clock config console data ensembling errors files hashing inputs learners lock metrics models options"
    " paths plugins records run running training vectors",
    "kaggle": "cli console data errors files hashing inference inputs installed learners lock options paths plugins"
    " records run stages training vectors",
    "report": "clock config console data ensembling errors extensions field_names files freshness hashing learners load_config"
    " lock metrics models paths records run running training vectors toml_text",
    "competitions": "console errors installed load_config options paths",
    "experiments": "config console ensembling errors events files freshness hashing inputs leftovers load_config lock"
    " options paths plugins records run stages tracking toml_text",
    "search": "auto cli clock config console errors events files hashing learners load_config lock options paths records"
    " report run running stages toml_text",
    "rate_finder": "console data errors files freshness learners lock run running stages training",
    "teaching": "config data ensembling errors freshness hashing learners paths run running training",
    "external": "clock config console data ensembling errors events learners paths",
    "cluster": "clock console errors events files hashing inputs interrupts learners paths plugins running training",
    "distributed": "data errors inputs interrupts learners machine running training",
    "python": "cli clock config console data errors extensions files hashing inputs installed interrupts lock machine"
    " options paths pipeline records run running stages toml_text",
    "images": "clock config console data errors files hashing inputs learners machine metrics models paths plugins training",
    "encoders": "clock config console data errors events files freshness inputs installed learners lock metrics models options"
    " paths plugins run running training",
}
ALLOWED = {part: set(names.split()) for part, names in (CORE | EXTENSIONS).items()}


def modules() -> Iterator[tuple[Path, str]]:
    """Every module and its source."""
    for path in SOURCE.rglob("*.py"):
        yield path, path.read_text(encoding="utf-8")


def imports_of(source: str) -> set[str]:
    """The modules of foldwise that are imported anywhere in a source, but for types alone."""
    tree = ast.parse(source)
    for node in ast.walk(tree):
        if isinstance(node, ast.If) and isinstance(node.test, ast.Name) and node.test.id == "TYPE_CHECKING":
            node.body = []
    found = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and node.module == "foldwise":
            found |= {f"foldwise.{name.name}" for name in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            found.add(node.module)
        elif isinstance(node, ast.Import):
            found |= {name.name for name in node.names}
    return {name for name in found if name.startswith("foldwise.")}


def test_imports_point_one_way():
    TopologicalSorter(ALLOWED).prepare()  # raises an error that names a circle
    for path, source in modules():
        part = path.relative_to(SOURCE).parts[0].removesuffix(".py")
        assert part in ALLOWED, f"{path}: a new part needs its place in the order of imports"
        parts = {name.split(".")[1] for name in imports_of(source)}
        assert parts - {part, "tasks"} <= ALLOWED[part], path


def test_the_core_imports_no_extension():
    assert {path.parent.name for path in SOURCE.glob("*/__init__.py")} <= set(ALLOWED)
    for part in CORE:
        assert not ALLOWED[part] & set(EXTENSIONS), part


def test_no_stage_imports_another():
    for path, source in modules():
        if path.parent.name == "stages":
            assert not any(name.startswith("foldwise.stages") for name in imports_of(source)), path


def test_modules_stay_short():
    for path, source in modules():
        assert path.name == "config.py" or len(source.splitlines()) <= 250, path


def test_nothing_is_unpickled():
    for path, source in modules():
        for unsafe in ("torch.load(", "allow_pickle=True", "import pickle"):
            assert unsafe not in source, path
