"""Stage report: `output/<slug>/report.html`, one file that shows how a run went.

    ./run.sh report -c SLUG

Scores, the plots of `PLOTS`, and the training rows that the models which had not seen them got most wrong: mislabelled
rows and missing knowledge show there first. Another plot is a function `draw(run, figure)` and a line in `PLOTS`.
"""

import base64
import html
import io
from collections.abc import Callable, Iterable
from typing import Any

import numpy as np
import pandas as pd
from matplotlib import rc_context
from matplotlib.figure import Figure

from foldwise.console import say
from foldwise.data.features import join_texts
from foldwise.data.token_store import TokenStore
from foldwise.errors import DamagedError, InputError, printable
from foldwise.files import write_text
from foldwise.hashing import hash_of
from foldwise.paths import TOKENS_RECORD
from foldwise.records import Content, Summary, TokensRecord, check_record, read_checked, read_whole
from foldwise.run import Run
from foldwise.running.fold_folder import read_history
from foldwise.tasks import HALF, TASKS

WORST = 15
STYLE = """main{font:15px/1.5 system-ui,sans-serif;max-width:60rem;margin:2rem auto;padding:0 1rem;color:#222}
main table{border-collapse:collapse;width:100%;font-variant-numeric:tabular-nums}main img{max-width:100%}
main td,main th{padding:.3rem .6rem;border-bottom:1px solid #ddd;text-align:left;vertical-align:top}"""

Draw = Callable[[Run, Figure], None]


class Rates(Content):
    """find-lr.json."""

    member: str
    suggested: float
    recipe: float
    rates: list[float]
    losses: list[float]
    smoothed: list[float]


def report(run: Run) -> None:
    """Write report.html from what the other stages left; InputError where no run has ended, or a file is damaged."""
    slug = html.escape(run.paths.slug)
    try:
        summary = read_made(run)
    except DamagedError as error:
        stage = "find-lr" if error.phrases[0].startswith(run.paths.rates.name) else "all"
        raise InputError(f"{error}; run `{run.hint(stage)}` to make it again") from error
    plots = [*PLOTS, *([RATES] if run.paths.rates.is_file() else [])]
    parts = [
        f"<!doctype html><meta charset=utf-8><title>foldwise: {slug}</title><style>{STYLE}</style><main>",
        f"<h1>{html.escape(run.config.competition.title) or slug}</h1>",
        table(["", summary["metric"], "time"], score_rows(summary)),
        *(f'<h2>{title}</h2>\n<img src="data:image/png;base64,{picture(draw, run)}">' for title, draw in plots),
        f"<h2>The {WORST} worst</h2>",
        table(["id", "true", "predicted", "text"], worst_rows(run)),
        "</main>",
    ]
    path = run.paths.output / "report.html"
    write_text(path, "\n".join(parts) + "\n")
    say("report", f"wrote {path}")


def read_made(run: Run) -> dict[str, Any]:
    """What summary.json says, after a check of all files that the page is made from."""
    summary = read_checked(run.paths.summary, Summary)
    if summary is None:
        raise InputError(f"{run.paths.output}: no summary.json; run `{run.hint('all')}` first")
    if not run.paths.oof.is_file() or hash_of(run.paths.oof) not in summary["outputs"]:
        raise DamagedError(run.paths.output, ["oof.csv is missing, damaged, or not of the run of summary.json"])
    check_record(run.paths.tokens / TOKENS_RECORD, TokensRecord)
    for member in summary["members"]:
        for fold in member["folds"]:
            read_history(run.paths.fold(member["name"], fold))
    read_checked(run.paths.rates, Rates)
    return summary


def read_oof(run: Run) -> tuple[pd.DataFrame, pd.DataFrame, pd.DataFrame]:
    """The predicted rows of oof.csv, in three parts: ids and targets as text; predictions (n, C); truth (n, C).

    The truth of a class is 1 in the rows that belong to it and 0 in the others.
    """
    several = run.config.columns.separator is not None
    known = run.competition.targets.names
    count = len(known if several else run.config.columns.target)
    # As text: 01 is another class than 1. By their places: names of columns are the user's, too.
    oof = pd.read_csv(run.paths.oof, dtype=str, keep_default_na=False)
    row_id, _, *others = oof.columns
    names, predicted = others[:count], others[count:]
    oof = oof[oof[predicted[0]] != ""]  # of folds that not all members have
    predictions, targets = oof[predicted].astype(float), oof[names]
    # Where one column has the class, each class has its predictions.
    if TASKS[run.config.competition.task].y == "classes" and count == 1:
        targets = pd.DataFrame({name: targets[names[0]] == label for name, label in zip(predicted, known, strict=True)})
    return oof[[row_id, *names]], predictions, targets.replace("", "nan").astype(float)


def score_rows(summary: dict[str, Any]) -> list[tuple[str, str, str]]:
    """What was scored, its score and its time."""
    rows = [(f"fold {fold['fold']}", f"{fold['score']:.4f}", f"{fold['seconds']:.1f} s") for fold in summary["folds"]]
    rows.append(("mean ± sd", f"{summary['cv']['mean']:.4f} ± {summary['cv']['std']:.4f}", ""))
    rows += [(f"member {member['name']}", f"{member['cv']:.4f}", "") for member in summary["members"]]
    rows.append(("ensemble, out of fold", f"{summary['cv']['pooled']:.4f}", f"{summary['seconds']['total']:.1f} s"))
    if "leaderboard" in summary:
        rows.append(("leaderboard", f"{summary['leaderboard']:.4f}", ""))
    return rows


def worst_rows(run: Run) -> list[tuple[str, str, str, str]]:
    """The rows with the largest error: id, truth, prediction and the beginning of the text."""
    rows, predictions, truth = read_oof(run)
    error = np.nan_to_num(np.abs(predictions.to_numpy() - truth.to_numpy())).max(axis=1)
    text_of = dict(zip(run.competition.train_ids, join_texts(run.competition.train_texts), strict=True))
    worst = []
    for row in np.argsort(-error, kind="stable")[:WORST].tolist():
        row_id, *true = rows.iloc[row]
        predicted = ", ".join(f"{value:.3f}" for value in predictions.iloc[row])
        worst.append((row_id, ", ".join(true), predicted, text_of[row_id][:400]))
    return worst


def table(header: list[str], rows: Iterable[Iterable[str]]) -> str:
    """A table in HTML."""
    lines = ["<tr>" + "".join(f"<td>{html.escape(printable(cell))}" for cell in row) for row in rows]
    return f"<table><tr>{''.join(f'<th>{html.escape(printable(name))}' for name in header)}{''.join(lines)}</table>"


def picture(draw: Draw, run: Run) -> str:
    """A plot as a PNG in base 64."""
    figure, buffer = Figure(figsize=(9, 3.2), layout="constrained"), io.BytesIO()
    with rc_context({"text.parse_math": False}):  # names are the user's: `$x^{$` is no formula
        draw(run, figure)
        figure.savefig(buffer, format="png", dpi=120)
    return base64.b64encode(buffer.getvalue()).decode()


def draw_curves(run: Run, figure: Figure) -> None:
    """Training loss and validation score over epochs, a line a fold; the kept evaluation marked."""
    summary = read_whole(run.paths.summary, Summary)
    left, right = figure.subplots(1, 2)
    folds = [(member["name"], fold) for member in summary["members"] for fold in member["folds"]]
    for number, (member, fold) in enumerate(folds):
        history = pd.DataFrame(read_history(run.paths.fold(member, fold)))  # a row an evaluation
        best, colour = history[history["best"]].iloc[-1], f"C{number % 10}"
        left.plot(history["epoch"], history["loss"], color=colour)
        right.plot(history["epoch"], history["score"], color=colour, label=f"{member} {fold}")
        right.plot(best["epoch"], best["score"], "o", color=colour)
    left.set(xlabel="epoch", ylabel="training loss")
    right.set(xlabel="epoch", ylabel=f"{summary['metric']} on the fold")
    right.legend(frameon=False, fontsize="small")


def draw_lengths(run: Run, figure: Figure) -> None:
    """Histogram of tokens a text."""
    lengths = TokenStore.open(run.paths.tokens).lengths
    axes = figure.subplots()
    axes.hist(lengths, bins=min(60, int(lengths.max()) + 1), color="C0")
    axes.set(xlabel="tokens in a text", ylabel="texts (train and test)")


def draw_predictions(run: Run, figure: Figure) -> None:
    """Of the first target or class: prediction against truth, or how predictions spread over rows of 0 and of 1."""
    _, predictions, truth = read_oof(run)
    predicted, true = predictions.iloc[:, 0], truth.iloc[:, 0]
    axes = figure.subplots()
    if TASKS[run.config.competition.task].y == "values":
        axes.scatter(true, predicted, s=4, alpha=0.3)
        axes.set(xlabel=printable(f"true {true.name}"), ylabel="predicted")
        return
    ones = true >= (run.config.competition.soft_cut or HALF)
    for label, rows in (("0", ~ones), ("1", ones)):
        axes.hist(predicted[rows], bins=40, range=(0, 1), alpha=0.6, label=label)
    axes.set(xlabel=printable(str(predicted.name)), ylabel="training rows")
    axes.legend(title="truth", frameon=False)


def draw_rates(run: Run, figure: Figure) -> None:
    """Training loss by the learning rate as `find-lr` raised it, with what it suggests."""
    found = read_whole(run.paths.rates, Rates)
    axes = figure.subplots()
    axes.plot(found["rates"], found["losses"], ".", markersize=2, color="C0", alpha=0.4)
    axes.plot(found["rates"], found["smoothed"], color="C0")
    for number, name in enumerate(("suggested", "recipe"), start=1):
        axes.axvline(found[name], color=f"C{number}", label=f"{name}: {found[name]:.1e}")
    lowest, first = min(found["smoothed"]), found["smoothed"][0]  # what comes after is many times as high
    axes.set(xscale="log", xlabel=f"learning rate ({found['member']})", ylabel="training loss")
    axes.set_ylim(lowest - (first - lowest) / 2, first + 2 * (first - lowest))
    axes.legend(frameon=False)


RATES: tuple[str, Draw] = ("Learning-rate range test", draw_rates)  # where there was one
PLOTS: list[tuple[str, Draw]] = [
    ("Learning curves", draw_curves),
    ("Lengths", draw_lengths),
    ("Out-of-fold predictions", draw_predictions),
]
