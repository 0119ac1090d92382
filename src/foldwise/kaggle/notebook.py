"""The notebook of a kernel: the script's functions and packed files in folded cells, the story of the run around."""

import sys
from collections.abc import Sequence
from typing import Literal, NamedTuple

from foldwise.errors import InputError
from foldwise.kaggle.script import Kernel, Part, constants, fill_template
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

    template = fill_template(constants(kernel, parts))
    cells = [
        text("title", f"# {kernel.title}\n\n{kernel.summary}\n\nBuilt from a checkout by `{kernel.built_by}`."),
        text("plan", "## The plan\n\n" + "\n".join(f"- {line}" for line in describe_recipe(run, kernel))),
        text("packed", PACKED),
        Cell("tools", tools(template), folded=True),
        Cell("payload", template["payload"].strip(), folded=True),
        Cell("unpack", "inputs = find_input()\nunpacked = unpack()"),
        *(TRAIN_CELLS if kernel.stage == "all" else INFER_CELLS),
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
    task, metric = config.competition.task, config.competition.metric.replace("_", " ")
    lines = [f"The task is {task}, scored by {metric}; texts: {', '.join(config.columns.text)}."]
    if kernel.stage == "all":
        lines.append(
            f"Training rows are dealt to {recipe.folds.n} folds, once. Each fold in turn is predicted by a model that "
            "has not seen it: how good these out-of-fold predictions are says what to expect of new rows."
        )
        vectors = ", ".join(recipe.tokens.vectors)
        lines.append(
            f"Words begin with random vectors of {recipe.tokens.dimension} numbers."
            if vectors == "none"
            else f"Words begin with the vectors {vectors}."
        )
    lines += [f"`{name}`: {learner_for(recipe.of_member(name)).describe(task)}." for name in kernel.folds]
    if kernel.stage == "all":
        lines.append(f"The folds' predictions are combined by {recipe.ensemble.method.replace('_', ' ')}.")
    return lines


# Nobody sees the rerun on the hidden test set, so that nothing which is only looked at may make it fail.
SHOWN = "None if is_rerun() else {}"
PACKED = "## Unpacking\n\nThe package and its settings are in the folded cells below, with a hash of each file."
RUN = Cell("run", "stream(command_of(inputs, unpacked), environment_of(unpacked))")
SCORES = """## Scores

Each fold's rows are predicted by the model that did not see them. Where predictions are cut into labels, each fold is
cut where the other folds are best, which is what new rows can expect."""
READ = f"""if not is_rerun():
    import json

    import pandas as pd

    sys.path.insert(0, str(unpacked / "src"))
    from foldwise.config import load_config
    from foldwise.data.token_store import TokenStore
    from foldwise.paths import resolve
    from foldwise.report.page import Picture, draw_curves, draw_lengths, draw_predictions, read_oof, score_rows
    from foldwise.run import Run

    paths = resolve(SLUG, inputs, unpacked / "folds", Path.cwd())
    settings = [value for option, value in zip(SETTINGS[::2], SETTINGS[1::2]) if option == "--set"]
    run = Run(load_config(unpacked / "input" / SLUG / "competition.toml", settings), paths)
    summary = json.loads((paths.output / "summary.json").read_text())
{SHOWN.format('pd.DataFrame(score_rows(summary), columns=["", summary["metric"], "time"])')}"""
CURVES = SHOWN.format("Picture(lambda axes: draw_curves(run, summary, axes), columns=2)")
LENGTHS = SHOWN.format("Picture(lambda axes: draw_lengths(TokenStore.open(run.paths.tokens).lengths, axes))")
PREDICTIONS = SHOWN.format("Picture(lambda axes: draw_predictions(run, read_oof(run), axes))")
HEAD = f"""if not is_rerun():
    import pandas as pd
{SHOWN.format('pd.read_csv("submission.csv", dtype=str).head()')}"""
SUBMISSION = (text("submission-text", "## The submission"), Cell("submission", HEAD))
TRAIN_CELLS = (
    text("run-text", "## Tokens, folds, ensemble\n\nA line for each evaluation of each fold."),
    RUN,
    text("scores-text", SCORES),
    Cell("scores", READ),
    text("curves-text", "## Learning curves\n\nThe dot marks the evaluation that was kept."),
    Cell("curves", CURVES),
    text("lengths-text", "## Lengths\n\nTokens of the texts; a batch takes texts of about one length."),
    Cell("lengths", LENGTHS),
    text("predictions-text", "## Out-of-fold predictions\n\nOf the training rows, for the first target."),
    Cell("predictions", PREDICTIONS),
    *SUBMISSION,
)
INFER_CELLS = (
    text("run-text", "## Predicting\n\nTokens of the test set, then every fold of every member."),
    RUN,
    *SUBMISSION,
)
