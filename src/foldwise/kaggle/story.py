"""What a built kernel says about itself: the text at the top of the script, and the notebook's cells."""

import shlex
import textwrap

from foldwise.config import LINEAR, Recipe
from foldwise.kaggle.notebook import Cell
from foldwise.kaggle.script import Job
from foldwise.run import Run

WIDTH = 116  # characters of a line


def about(run: Run, job: Job, members: dict[str, int], command: str) -> str:
    """The script's docstring.

    Args:
        members: how many folds of each the kernel trains or has.
        command: that built it.
    """
    datasets = f" and the dataset{'s' * (len(job.datasets) > 1)} {', '.join(job.datasets)}" if job.datasets else ""
    does = (
        f"{what_it_does(job, members)} Everything but the data is packed below, each file with its hash. What runs is"
    )
    needs = f"with the contest's files{datasets} among the kernel's inputs, and without internet."
    return f"""{title_of(run)}

foldwise, {purpose(job)}. Built from a checkout by

    {command}

{textwrap.fill(does, WIDTH)}

    {shlex.join(["python", "-m", "foldwise", job.stage, "-c", job.slug, *job.settings])}

{textwrap.fill(needs, WIDTH)}"""


def title_of(run: Run) -> str:
    """The contest's title, in one line."""
    return " ".join((run.config.competition.title or run.paths.slug).split())


def purpose(job: Job) -> str:
    """In a few words."""
    return "from the CSVs to submission.csv" if job.stage == "all" else "predicting with folds trained before"


def what_it_does(job: Job, members: dict[str, int]) -> str:
    """One sentence."""
    folds = ", ".join(f"{n} of {name}" for name, n in members.items())
    if job.stage == "infer":
        return (
            f"It reads the test set that it finds, predicts it with folds trained at home ({folds}) and writes "
            "submission.csv."
        )
    budget = ", as far as its time budget goes" if "--time-budget" in job.settings else ""
    return (
        f"It makes tokens of train and test, trains the folds ({folds}{budget}), combines them and writes "
        "submission.csv for the test set that it finds."
    )


def story(run: Run, job: Job, members: dict[str, int], command: str) -> tuple[list[Cell], list[Cell]]:
    """The notebook's cells: those before what is packed, and those that work with it.

    Args:
        members: how many folds of each the kernel trains or has.
        command: that built it.
    """
    title = f"# {title_of(run)}\n\n{what_it_does(job, members)}\n\nBuilt from a checkout of foldwise by `{command}`."
    plan = "## The plan\n\n" + "\n".join(f"- {line}" for line in plan_of(run, job, list(members)))
    head = [text("title", title), text("plan", plan), text("packed", PACKED)]
    unpack = Cell("unpack", "inputs = find_input()\ncheck_mounts(inputs)\nunpacked = unpack_apart()")
    return head, [unpack, *(train_cells() if job.stage == "all" else infer_cells())]


def text(name: str, source: str) -> Cell:
    """A cell of text."""
    return Cell(name, source, kind="markdown")


def plan_of(run: Run, job: Job, members: list[str]) -> list[str]:
    """The recipe in a few sentences."""
    config, recipe = run.config, run.config.recipe
    metric = config.competition.metric.replace("_", " ")
    lines = [f"The task is {config.competition.task}, scored by {metric}; texts: {', '.join(config.columns.text)}."]
    if job.stage == "all":
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
    lines += [f"`{name}`: {model_of(recipe.of_member(name))}." for name in members]
    if job.stage == "all":
        lines.append(f"The folds' predictions are combined by {recipe.ensemble.method.replace('_', ' ')}.")
    return lines


def model_of(recipe: Recipe) -> str:
    """A member's model in a phrase."""
    if recipe.model.name == LINEAR:
        return "n-grams in a linear model"
    training = recipe.training
    stops = f"stopped after {training.patience} validations without a better one"
    return f"the network {recipe.model.name}, up to {training.epochs} epochs, {stops}"


def train_cells() -> list[Cell]:
    """Training, scores and plots."""
    return [
        text("run-text", "## Tokens, folds, ensemble\n\nA line for each evaluation of each fold."),
        Cell("run", RUN),
        text("scores-text", SCORES),
        Cell("scores", READ),
        text("curves-text", "## Learning curves\n\nThe dot marks the evaluation that was kept."),
        Cell("curves", SHOWN.format("Picture(lambda axes: draw_curves(run, summary, axes), columns=2)")),
        text("lengths-text", "## Lengths\n\nTokens of the texts; a batch takes texts of about one length."),
        Cell(
            "lengths",
            SHOWN.format("Picture(lambda axes: draw_lengths(TokenStore.open(run.paths.tokens).lengths, axes))"),
        ),
        text("predictions-text", "## Out-of-fold predictions\n\nOf the training rows, for the first target."),
        Cell("predictions", SHOWN.format("Picture(lambda axes: draw_predictions(run, read_oof(run), axes))")),
        *SUBMISSION,
    ]


def infer_cells() -> list[Cell]:
    """Predicting, and what came out."""
    return [
        text("run-text", "## Predicting\n\nTokens of the test set, then every fold of every member."),
        Cell("run", RUN),
        *SUBMISSION,
    ]


# Nobody sees the rerun on the hidden test set, so that nothing which is only looked at may make it fail.
SHOWN = "None if is_rerun() else {}"
PACKED = "## Unpacking\n\nThe package and its settings are in the folded cells below, with a hash of each file."
RUN = "stream(command_of(inputs, unpacked), environment_of(unpacked))"
SCORES = """## Scores

Each fold's rows are predicted by the model that did not see them. Where predictions are cut into labels, each fold is
cut where the other folds are best, which is what new rows can expect."""
READ = f"""if not is_rerun():
    import json

    import pandas as pd

    sys.path.insert(0, str(unpacked / "src"))
    from foldwise.data.token_store import TokenStore
    from foldwise.load_config import load_config
    from foldwise.paths import resolve
    from foldwise.report.page import Picture, draw_curves, draw_lengths, draw_predictions, read_oof, score_rows
    from foldwise.run import Run

    paths = resolve(SLUG, inputs, unpacked / "folds", Path.cwd())
    settings = [value for option, value in zip(SETTINGS[::2], SETTINGS[1::2]) if option == "--set"]
    run = Run(load_config(unpacked / "input" / SLUG / "competition.toml", settings), paths)
    summary = json.loads((paths.output / "summary.json").read_text())
{SHOWN.format('pd.DataFrame(score_rows(summary), columns=["", summary["metric"], "time"])')}"""
HEAD = f"""if not is_rerun():
    import pandas as pd
{SHOWN.format('pd.read_csv("submission.csv", dtype=str).head()')}"""
SUBMISSION = (text("submission-text", "## The submission"), Cell("submission", HEAD))
