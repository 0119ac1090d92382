"""The notebook of a kernel: the script's functions and payload in folded cells, the story of the run around them."""

import ast
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

from foldwise.errors import InputError
from foldwise.kaggle.script import assignment, constant, statements

INSTALL = f"{sys.executable} -m pip install nbformat==5.11.1"  # into the Python that runs this
FOLDED = {"_kg_hide-input": True, "jupyter": {"source_hidden": True}}  # as Kaggle's editor and as Jupyter know it
KERNELSPEC = {"display_name": "Python 3", "language": "python", "name": "python3"}
CARRIED = ("FILES", "PAYLOAD_SHA256", "PAYLOAD")
STREAM = '''

def stream(command: list[str], environment: dict[str, str]) -> None:
    """Run a command, print its lines as they come, where the notebook shows them, and check the submission."""
    before, output = when_written(), {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT}
    with subprocess.Popen(command, env=environment, text=True, encoding="utf-8", errors="replace", **output) as process:
        for line in process.stdout or ():
            print(line, end="", flush=True)
    if code := finish(process.returncode, before):
        raise KernelError(f"foldwise ended with exit code {code}; its last lines say why")
'''


@dataclass(frozen=True)
class Cell:
    """A cell.

    Attributes:
        name: its id.
        source: its text.
        kind: what it holds.
        folded: not shown until asked for.
    """

    name: str
    source: str
    kind: Literal["code", "markdown"] = "code"
    folded: bool = False


def notebook(head: Sequence[Cell], work: Sequence[Cell], values: dict[str, Any]) -> str:
    """The .ipynb file's text; the same cells give the same bytes.

    Args:
        head: the first cells, before the script's functions and what is packed.
        work: the cells behind them, which use them.
        values: of the constants of the script's template.

    Raises:
        InputError: nbformat is not installed.
    """
    try:
        import nbformat
    except ImportError:
        raise InputError(f"--notebook needs nbformat, which is not installed; run `{INSTALL}`") from None
    from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook

    cells = []
    for cell in [
        *head,
        Cell("tools", tools(values), folded=True),
        Cell("payload", payload(values), folded=True),
        *work,
    ]:
        make = new_code_cell if cell.kind == "code" else new_markdown_cell
        cells.append(make(cell.source, id=cell.name, metadata=FOLDED if cell.folded else {}))
    made = new_notebook(cells=cells, metadata={"kernelspec": KERNELSPEC, "language_info": {"name": "python"}})
    nbformat.validate(made)
    return str(nbformat.writes(made)) + "\n"


def tools(values: dict[str, Any]) -> str:
    """The script's settings and functions, without what only a script has."""
    pieces = []
    for node, before, text in statements():
        name = constant(node)
        if name in CARRIED or isinstance(node, ast.If) or (isinstance(node, ast.FunctionDef) and node.name == "main"):
            continue
        pieces.append(before + (f"{assignment(name, values[name])}\n" if name else text))
    return "".join([*pieces, STREAM]).strip()


def payload(values: dict[str, Any]) -> str:
    """What is packed."""
    return "\n".join(assignment(name, values[name]) for name in CARRIED)
