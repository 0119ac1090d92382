"""The notebook of a kernel: the script's functions and packed files in folded cells, the story of the run around."""

import json
from collections.abc import Sequence
from typing import Any

from foldwise.kaggle.script import Kernel, Part, fill_template
from foldwise.learners import learner_for
from foldwise.run import Run

FOLDED = {"_kg_hide-input": True, "jupyter": {"source_hidden": True}}  # as Kaggle's editor and as Jupyter know it
METADATA = {
    "kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"},
    "language_info": {"name": "python"},
}


def make_notebook(run: Run, kernel: Kernel, parts: Sequence[Part]) -> str:
    """The text of kernel.ipynb; the same input gives the same bytes."""
    template = fill_template(kernel, parts)
    cells = [
        text("title", f"# {kernel.title}\n\n{kernel.summary}\n\nBuilt from a checkout by `{kernel.built_by}`."),
        text("plan", "## The plan\n\n" + "\n".join(f"- {line}" for line in describe_recipe(run, kernel))),
        text("packed", PACKED),
        code("tools", tools(template), FOLDED),
        code("payload", template["payload"].strip(), FOLDED),
        code("unpack", "inputs = find_input()\nunpacked = unpack()"),
        *(TRAIN_CELLS if kernel.trains else INFER_CELLS),
    ]
    notebook = {"cells": cells, "metadata": METADATA, "nbformat": 4, "nbformat_minor": 5}
    return json.dumps(notebook, indent=1, ensure_ascii=False) + "\n"


def text(name: str, source: str) -> dict[str, Any]:
    """A cell of text; `name` is its id."""
    return {"cell_type": "markdown", "id": name, "metadata": {}, "source": source}


def code(name: str, source: str, metadata: dict[str, Any] | None = None) -> dict[str, Any]:
    """A cell of code that was not run yet."""
    unrun: dict[str, Any] = {"execution_count": None, "outputs": []}
    return {"cell_type": "code", "id": name, "metadata": metadata or {}, "source": source, **unrun}


def tools(template: dict[str, str]) -> str:
    """The script's settings and functions, and what only a notebook has."""
    return (template["tools"] + template["notebook"]).strip()


def describe_recipe(run: Run, kernel: Kernel) -> list[str]:
    """The recipe in a few sentences."""
    config, recipe = run.config, run.config.recipe
    metric = config.competition.metric.replace("_", " ")
    task = f"The task is {config.competition.task}, scored by {metric}; texts: {', '.join(config.columns.text)}."
    members = [
        f"`{name}`: {learner_for(recipe.of_member(name)).describe(config.competition.task)}." for name in kernel.folds
    ]
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
RUN = code("run", "stream(command_of(inputs, unpacked), environment_of(unpacked))")
# Nobody sees the rerun on the hidden test set, so that nothing which is only looked at may make it fail.
REPORT = """if not is_rerun():
    from IPython.display import HTML

    report = command_of(inputs, unpacked, ["report"])
    subprocess.run(report, env=environment_of(unpacked), check=True)
None if is_rerun() else HTML(Path(SLUG, "report.html").read_text(encoding="utf-8"))"""
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
