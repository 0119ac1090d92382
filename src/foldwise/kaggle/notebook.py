"""The notebook of a kernel: the script's functions and packed files in folded cells, the story of the run around."""

import sys
from collections.abc import Sequence
from typing import Literal, NamedTuple

from foldwise.errors import InputError
from foldwise.kaggle.script import Kernel, Part, fill_template
from foldwise.learners import learner_for
from foldwise.run import Run

INSTALL = f"{sys.executable} -m pip install nbformat==5.11.1"  # into the Python that runs this
FOLDED = {"_kg_hide-input": True, "jupyter": {"source_hidden": True}}  # as Kaggle's editor and as Jupyter know it
KERNELSPEC = {"display_name": "Python 3", "language": "python", "name": "python3"}


class Cell(NamedTuple):
    """A cell of a notebook."""

    name: str  # its id
    source: str
    kind: Literal["code", "markdown"] = "code"
    folded: bool = False  # not shown until asked for


def make_notebook(run: Run, kernel: Kernel, parts: Sequence[Part]) -> str:
    """The text of kernel.ipynb; the same input gives the same bytes.

    Raises:
        InputError: nbformat is not installed.
    """
    try:
        import nbformat
    except ImportError:
        raise InputError(f"--notebook needs nbformat, which is not installed; run `{INSTALL}`") from None
    from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook

    template = fill_template(kernel, parts)
    cells = [
        text("title", f"# {kernel.title}\n\n{kernel.summary}\n\nBuilt from a checkout by `{kernel.built_by}`."),
        text("plan", "## The plan\n\n" + "\n".join(f"- {line}" for line in describe_recipe(run, kernel))),
        text("packed", PACKED),
        Cell("tools", tools(template), folded=True),
        Cell("payload", template["payload"].strip(), folded=True),
        Cell("unpack", "inputs = find_input()\nunpacked = unpack()"),
        *(TRAIN_CELLS if kernel.trains else INFER_CELLS),
    ]
    made = []
    for cell in cells:
        make = new_code_cell if cell.kind == "code" else new_markdown_cell
        made.append(make(cell.source, id=cell.name, metadata=FOLDED if cell.folded else {}))
    notebook = new_notebook(cells=made, metadata={"kernelspec": KERNELSPEC, "language_info": {"name": "python"}})
    nbformat.validate(notebook)
    return str(nbformat.writes(notebook)) + "\n"


def text(name: str, source: str) -> Cell:
    """A cell of text."""
    return Cell(name, source, kind="markdown")


def tools(template: dict[str, str]) -> str:
    """The script's settings and functions, and what only a notebook has."""
    return (template["tools"] + template["notebook"]).strip()


def describe_recipe(run: Run, kernel: Kernel) -> list[str]:
    """The recipe in a few sentences."""
    config, recipe = run.config, run.config.recipe
    metric = config.competition.metric.replace("_", " ")
    task = f"The task is {config.competition.task}, scored by {metric}; texts: {', '.join(config.columns.text)}."
    members = [f"`{name}`: {learner_for(recipe.of_member(name)).phrase}." for name in kernel.folds]
    if not kernel.trains:
        return [task, *members]
    return [
        task,
        f"Training rows are dealt to {recipe.folds.n} folds, once. Each fold in turn is predicted by a model that has "
        "not seen it: how good these out-of-fold predictions are says what to expect of new rows.",
        f"Word vectors: {', '.join(recipe.tokens.vectors)}.",
        *members,
        f"The folds' predictions are combined by {recipe.ensemble.method.replace('_', ' ')}.",
    ]


PACKED = "## Unpacking\n\nThe package and its settings are in the folded cells below, with a hash of each file."
RUN = Cell("run", "stream(command_of(inputs, unpacked), environment_of(unpacked))")
# Nobody sees the rerun on the hidden test set, so that nothing which is only looked at may make it fail.
REPORT = """if not is_rerun():
    from IPython.display import HTML

    report = command_of(inputs, unpacked, ["report"])
    subprocess.run(report, env=environment_of(unpacked), check=True)
None if is_rerun() else HTML(Path(SLUG, "report.html").read_text(encoding="utf-8"))"""
HEAD = """if not is_rerun():
    import pandas as pd
None if is_rerun() else pd.read_csv("submission.csv", dtype=str).head()"""
SUBMISSION = (text("submission-text", "## The submission"), Cell("submission", HEAD))
TRAIN_CELLS = (
    text("run-text", "## Tokens, folds, ensemble\n\nA line for each evaluation of each fold."),
    RUN,
    text("report-text", "## Scores and plots\n\nEach row is predicted by the model that did not see it."),
    Cell("report", REPORT),
    *SUBMISSION,
)
INFER_CELLS = (
    text("run-text", "## Predicting\n\nTokens of the test set, then every fold of every member."),
    RUN,
    *SUBMISSION,
)
