"""The code of a kernel, from its template: a module that is read as text, so that it is linted like any other."""

import ast
import pprint
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from foldwise.kaggle.payload import Payload

TEMPLATE = Path(__file__).with_name("script_template.py")


@dataclass(frozen=True)
class Job:
    """What a kernel does.

    Attributes:
        slug: the contest.
        stage: command of foldwise.
        settings: its options, folders aside.
        datasets: owner/name of those that it needs; the trained model is in the first, if there is one.
        model_sha256: of the model's manifest, "" of a kernel that trains.
    """

    slug: str
    stage: str
    settings: list[str]
    datasets: list[str]
    model_sha256: str = ""


def values_of(job: Job, payload: Payload) -> dict[str, Any]:
    """The template's constants."""
    return {
        "SLUG": job.slug,
        "STAGE": job.stage,
        "SETTINGS": job.settings,
        "DATASETS": job.datasets,
        "MODEL_SHA256": job.model_sha256,
        "FILES": payload.files,
        "PAYLOAD_SHA256": payload.sha256,
        "PAYLOAD": payload.text,
    }


def fill(about: str, values: dict[str, Any]) -> str:
    """The script.

    Args:
        about: its docstring.
        values: of the template's constants.
    """
    escaped = about.replace("\\", "\\\\").replace('"""', '\\"\\"\\"')
    pieces = [f'"""{escaped}\n"""\n']
    for node, before, text in statements():
        name = constant(node)
        pieces.append(before + (f"{assignment(name, values[name])}\n" if name else text))
    return "".join(pieces)


def statements() -> list[tuple[ast.stmt, str, str]]:
    """The template's statements behind its docstring; of each the lines before it, blank or comments, and its own."""
    source = TEMPLATE.read_text(encoding="utf-8")
    lines = source.splitlines(keepends=True)
    found, end = [], 0
    for node in ast.parse(source).body:
        start, first, end = end, node.lineno - 1, node.end_lineno or 0
        found.append((node, "".join(lines[start:first]), "".join(lines[first:end])))
    return found[1:]


def constant(node: ast.stmt) -> str:
    """The name that a statement gives a value to, "" of any other statement."""
    target = (
        node.target if isinstance(node, ast.AnnAssign) else node.targets[0] if isinstance(node, ast.Assign) else None
    )
    return target.id if isinstance(target, ast.Name) else ""


def assignment(name: str, value: Any) -> str:
    """A statement that gives a constant its value."""
    if name == "PAYLOAD":
        return f'PAYLOAD = """\n{value}\n"""'
    if name == "FILES":
        rows = [f"    {path!r}: {entry!r},\n" for path, entry in value.items()]
        return f"FILES = {{\n{''.join(rows)}}}"
    return f"{name} = {pprint.pformat(value, width=100)}"
