"""Stage report: `output/<slug>/report.html`, one file that shows how a run went.

    ./run.sh report -c SLUG

Learning curves of every fold, lengths of the texts, how predictions spread over the targets, and the training rows
that the model which had not seen them got most wrong: mislabelled rows and missing knowledge show there first.
"""

import base64
import html
import io
from collections.abc import Callable
from typing import Any

import matplotlib as mpl
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from foldwise.console import say
from foldwise.data.features import join_texts
from foldwise.data.token_store import TokenStore
from foldwise.errors import InputError
from foldwise.files import read_json, write_text
from foldwise.run import Run
from foldwise.running.fold_folder import read_history
from foldwise.tasks import TASKS

WORST = 15
STYLE = """body{font:15px/1.5 system-ui,sans-serif;max-width:60rem;margin:2rem auto;padding:0 1rem;color:#222}
table{border-collapse:collapse;width:100%}
td,th{padding:.3rem .6rem;border-bottom:1px solid #ddd;text-align:left;vertical-align:top}
td.n{text-align:right;font-variant-numeric:tabular-nums;white-space:nowrap}img{max-width:100%}"""


def report(run: Run) -> None:
    """Write report.html from what the other stages left.

    Raises:
        InputError: there is no finished run to report on.
    """
    summary = read_json(run.paths.output / "summary.json")
    if summary is None:
        raise InputError(f"{run.paths.output}: no summary.json; run `{run.hint('all')}` first")
    oof = read_oof(run)
    lengths = TokenStore.open(run.paths.tokens).lengths
    parts = [
        f"<h1>{html.escape(run.config.competition.title or run.paths.slug)}</h1>",
        overview(summary),
        "<h2>Learning curves</h2>",
        plot(lambda axes: draw_curves(run, summary, axes), columns=2),
        "<h2>Lengths</h2>",
        plot(lambda axes: draw_lengths(lengths, axes)),
        "<h2>Out-of-fold predictions</h2>",
        plot(lambda axes: draw_predictions(run, oof, axes)),
        f"<h2>The {WORST} worst</h2>",
        worst_rows(run, oof),
    ]
    title = html.escape(run.paths.slug)
    head = f"<!doctype html><meta charset=utf-8><title>foldwise: {title}</title><style>{STYLE}</style>"
    path = run.paths.output / "report.html"
    write_text(path, "\n".join([head, *parts]) + "\n")
    say("report", f"wrote {path}")


def read_oof(run: Run) -> pd.DataFrame:
    """The rows of oof.csv that were predicted, with ids and labels as strings."""
    labels = run.config.columns.target if TASKS[run.config.competition.task].named else []
    strings = dict.fromkeys(["id", *labels], str)  # 01 is another class than 1
    oof = pd.read_csv(run.paths.output / "oof.csv", dtype=strings, keep_default_na=False)
    predicted = [name for name in oof if name.startswith("prediction")]
    return oof[oof[predicted[0]].astype(str) != ""].astype(dict.fromkeys(predicted, float))  # a time budget drops folds


def score_rows(summary: dict[str, Any]) -> list[tuple[str, str, str]]:
    """What was scored, its score and its time."""
    rows = [(f"fold {fold['fold']}", f"{fold['score']:.4f}", f"{fold['seconds']:.1f} s") for fold in summary["folds"]]
    rows.append(("mean ± sd", f"{summary['cv']['mean']:.4f} ± {summary['cv']['std']:.4f}", ""))
    rows += [(f"member {member['name']}", f"{member['cv']:.4f}", "") for member in summary["members"]]
    rows.append(("ensemble, out of fold", f"{summary['cv']['pooled']:.4f}", f"{summary['seconds']['total']:.1f} s"))
    if "leaderboard" in summary:
        rows.append(("leaderboard", f"{summary['leaderboard']:.4f}", ""))
    return rows


def overview(summary: dict[str, Any]) -> str:
    """Scores as a table."""
    rows = score_rows(summary)
    cells = "".join(f"<tr><td>{name}<td class=n>{score}<td class=n>{seconds}" for name, score, seconds in rows)
    return f"<table><tr><th><th>{html.escape(summary['metric'])}<th>time{cells}</table>"


class Picture:
    """A drawing as a PNG, which a notebook shows where a cell ends with it.

    Args:
        draw: takes the axes, or a list of them.
        columns: number of axes beside each other.
    """

    def __init__(self, draw: Callable[..., None], columns: int = 1) -> None:
        with mpl.rc_context({"axes.spines.top": False, "axes.spines.right": False, "svg.hashsalt": "foldwise"}):
            figure = Figure(figsize=(9, 3.2), layout="constrained")
            axes = [figure.add_subplot(1, columns, column + 1) for column in range(columns)]
            draw(axes if columns > 1 else axes[0])
            buffer = io.BytesIO()
            figure.savefig(buffer, format="png", dpi=120)
        self.png = buffer.getvalue()

    def _repr_png_(self) -> bytes:
        return self.png


def plot(draw: Callable[..., None], columns: int = 1) -> str:
    """A drawing as an image inside the page; arguments as of `Picture`."""
    return f'<img src="data:image/png;base64,{base64.b64encode(Picture(draw, columns).png).decode()}">'


def draw_curves(run: Run, summary: dict[str, Any], axes: list[Axes]) -> None:
    """Training loss and validation score over epochs, a line a fold; the kept evaluation marked."""
    for colour, (member, fold) in enumerate(
        (member["name"], fold["fold"]) for member in summary["members"] for fold in summary["folds"]
    ):
        history = read_history(run.paths.fold(member, fold))
        epochs = [record["epoch"] for record in history]
        best = [record for record in history if record["best"]][-1]
        axes[0].plot(epochs, [record["loss"] for record in history], color=f"C{colour % 10}")
        axes[1].plot(epochs, [record["score"] for record in history], color=f"C{colour % 10}", label=f"{member} {fold}")
        axes[1].plot(best["epoch"], best["score"], "o", color=f"C{colour % 10}")
    axes[0].set(xlabel="epoch", ylabel="training loss")
    axes[1].set(xlabel="epoch", ylabel=f"{summary['metric']} on the fold")
    axes[1].legend(frameon=False, fontsize="small")


def draw_lengths(lengths: np.ndarray, axes: Axes) -> None:
    """Histogram of tokens a text."""
    axes.hist(lengths, bins=min(60, int(lengths.max()) + 1), color="C0")
    axes.set(xlabel="tokens in a text", ylabel="texts (train and test)")


def draw_predictions(run: Run, oof: pd.DataFrame, axes: Axes) -> None:
    """First target: predictions of each class of rows, or prediction against truth for a regression."""
    target, prediction = oof[run.config.columns.target[0]], oof[oof.columns[2 + len(run.config.columns.target)]]
    cut = run.config.competition.soft_cut
    if cut is not None:
        target = (target >= cut).astype(int).rename(target.name)
    if run.config.competition.task == "ordinal":
        target = target.astype(float)
    if run.config.competition.task in ("regression", "ordinal"):
        axes.scatter(target, prediction, s=4, alpha=0.3)
        axes.set(xlabel=f"true {target.name}", ylabel="predicted")
        return
    if run.config.competition.task == "multiclass":
        target = np.where(
            target.astype(str) == str(prediction.name).removeprefix("prediction_"), "this class", "another"
        )
    for value in sorted(set(target)):
        axes.hist(prediction[target == value], bins=40, range=(0, 1), alpha=0.6, label=str(value))
    axes.set(xlabel=str(prediction.name), ylabel="training rows")
    axes.legend(frameon=False)


def worst_rows(run: Run, oof: pd.DataFrame) -> str:
    """The rows with the largest error, with their text."""
    targets = oof[run.config.columns.target]
    predictions = oof[oof.columns[2 + len(run.config.columns.target) :]]
    if run.config.competition.task == "multiclass":
        of_class = [f"prediction_{label}" for label in targets.iloc[:, 0].astype(str)]
        places = predictions.columns.get_indexer(of_class)
        error = 1 - predictions.to_numpy()[np.arange(len(oof)), places]
    elif run.config.competition.task == "ordinal":
        error = np.abs(predictions.iloc[:, 0] - targets.iloc[:, 0].astype(float)).to_numpy()
    else:
        error = np.abs(predictions.to_numpy() - targets.to_numpy(dtype=float)).max(axis=1)
    text_of = dict(zip(run.competition.train_ids, join_texts(run.competition.train_texts), strict=True))
    rows = []
    for row in np.argsort(-error, kind="stable")[:WORST].tolist():
        row_id = oof["id"].iloc[row]
        true = ", ".join(map(str, targets.iloc[row]))
        predicted = ", ".join(f"{value:.3f}" for value in predictions.iloc[row])
        cells = [html.escape(row_id), html.escape(true), predicted, html.escape(text_of[row_id][:400])]
        rows.append("<tr>" + "".join(f"<td>{cell}" for cell in cells))
    return f"<table><tr><th>id<th>true<th>predicted<th>text{''.join(rows)}</table>"
