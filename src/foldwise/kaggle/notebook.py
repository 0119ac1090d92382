"""The notebook of a kernel: the script's functions and packed files in folded cells, the story of the run around."""

import json
from typing import Any

from foldwise.errors import printable
from foldwise.kaggle.script import Kernel, fill_template
from foldwise.learners import learner_for
from foldwise.run import Run

FOLDED = {"_kg_hide-input": True, "jupyter": {"source_hidden": True}}  # as Kaggle's editor and as Jupyter know it
METADATA = {
    "kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"},
    "language_info": {"name": "python"},
}


def make_notebook(run: Run, kernel: Kernel, files: dict[str, bytes]) -> str:
    """The text of kernel.ipynb; the same input gives the same bytes."""
    template = fill_template(kernel, files)
    cells = [
        text("title", f"# {kernel.title}\n\n{kernel.summary}\n\nBuilt from a checkout by `{kernel.built_by}`."),
        text("plan", f"## The plan\n\n{describe_recipe(run, kernel)}"),
        text("packed", "## Unpacking\n\nThe package and its settings are in the folded cells below."),
        code("tools", tools(template), FOLDED),
        code("payload", template["payload"].strip(), FOLDED),
        code("unpack", "inputs = find_input()\nunpacked = unpack()"),
        *(INFER_CELLS if kernel.model_sha256 else TRAIN_CELLS),
    ]
    notebook = {"cells": cells, "metadata": METADATA, "nbformat": 4, "nbformat_minor": 5}
    return json.dumps(notebook, indent=1, ensure_ascii=False) + "\n"


def text(name: str, source: str) -> dict[str, Any]:
    """A cell of text; `name` is its id."""
    return {"cell_type": "markdown", "id": name, "metadata": {}, "source": printable(source)}


def code(name: str, source: str, metadata: dict[str, Any] | None = None) -> dict[str, Any]:
    """A cell of code that was not run yet."""
    unrun: dict[str, Any] = {"execution_count": None, "outputs": []}
    return {"cell_type": "code", "id": name, "metadata": metadata or {}, "source": source, **unrun}


def tools(template: dict[str, str]) -> str:
    """The script's settings and functions, and what only a notebook has."""
    return (template["tools"] + template["notebook"]).strip()


def describe_recipe(run: Run, kernel: Kernel) -> str:
    """The recipe as a list."""
    config, recipe = run.config, run.config.recipe
    task, metric = config.competition.task, config.competition.metric.replace("_", " ")
    members = [f"`{name}`: {learner_for(recipe.of_member(name)).describe(task)}." for name in kernel.folds]
    lines = [
        f"The task is {task}, scored by {metric}; columns read: {', '.join(config.columns.read)}; word vectors: "
        f"{', '.join(recipe.tokens.vectors)}.",
        *members,
        f"Predictions of {recipe.folds.n} folds are combined by {recipe.ensemble.method.replace('_', ' ')}.",
    ]
    return "\n".join(f"- {line}" for line in lines)


RUN = code("run", "stream(command_of(inputs, unpacked))")
# Nobody sees the rerun on the hidden test set, so that nothing which is only looked at may make it fail.
REPORT = """if not is_rerun():
    from html import escape

    from IPython.display import HTML

    subprocess.run(command_of(inputs, unpacked, ["report"]), check=True)
    # A page of its own within this one, whose looks it would change otherwise.
    page = escape(Path(SLUG, "report.html").read_text(encoding="utf-8"))
None if is_rerun() else HTML(f'<iframe srcdoc="{page}" width="100%" height="800"></iframe>')"""
HEAD = """if not is_rerun():
    import pandas as pd
None if is_rerun() else pd.read_csv("submission.csv", dtype=str).head()"""
SUBMISSION = (text("submission-text", "## The submission"), code("submission", HEAD))
TRAIN_CELLS = (
    text("run-text", "## Tokens, folds, ensemble\n\nA line for each evaluation of each fold."),
    RUN,
    text("report-text", "## Scores and plots\n\nEach row is predicted by the model that did not see it."),
    code("report", REPORT),
    *SUBMISSION,
)
INFER_CELLS = (
    text("run-text", "## Predicting\n\nTokens of the test set, then every fold of every member."),
    RUN,
    *SUBMISSION,
)
