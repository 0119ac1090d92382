"""Rows as a person sees them: targets and predictions in words, texts and images."""

from base64 import b64encode

import numpy as np

from foldwise.extensions import load_extension
from foldwise.report.markup import Markup, cut, element, escape, join
from foldwise.report.results import Results
from foldwise.tasks import HALF


def example(results: Results, row: int, length: int, lead: str = "") -> Markup:
    """What a training row shows: its image, small, inside the page, and the beginning of its text."""
    image = Markup("")
    if results.has_images:
        draw = load_extension("foldwise.images.reading:draw_small", "columns.image")
        jpeg = b64encode(draw(results.run.competition.train_texts[-1][row])).decode()
        alt = escape(results.texts[row])
        image = Markup(f'<img class="picture" alt="{alt}" src="data:image/jpeg;base64,{jpeg}">')
    return join(image, element("div", lead + cut(results.texts[row], length), "lines"))


def name_examples(results: Results) -> str:
    """What a column of examples is called."""
    return " and ".join(["image"] * results.has_images + ["text"] * results.has_texts)


def describe_truth(results: Results, row: int) -> str:
    """The target of a training row."""
    targets = results.targets
    if targets.spec.named:
        return targets.names[int(targets.truth[row])]
    return describe(results, targets.y[row], targets.truth[row])


def describe_predicted(results: Results, place: int) -> str:
    """What one of the n rows was predicted, with its probability or value."""
    targets, predicted = results.targets, results.predicted[place]
    if targets.spec.ordered:
        return f"{targets.names[int(results.labels[place])]} ({predicted[0]:.2f} of 0 … {len(targets.names) - 1})"
    if targets.spec.named:
        label, true = int(results.labels[place]), int(results.truth[place])
        rest = "" if label == true else f", the true one {predicted[true]:.3f}"
        return f"{targets.names[label]} ({predicted[label]:.3f}{rest})"
    labels = results.labels[place] if targets.spec.y == "columns" else predicted
    return describe(results, predicted, labels, exact=True)


def describe(results: Results, values: np.ndarray, labels: np.ndarray, exact: bool = False) -> str:
    """Columns of 0 and 1, or values; `exact`: with the numbers beside labels."""
    targets = results.targets
    several = len(targets.names) > 1
    if targets.spec.y == "values":
        shown = [f"{value:.4g}" for value in values]
        named = [f"{name} {value}" for name, value in zip(targets.names, shown, strict=True)]
        return ", ".join(named) if several else shown[0]
    if not several:
        name = "unknown" if np.isnan(labels[0]) else targets.written[int(labels[0] >= HALF)]
        return f"{name} ({values[0]:.3f})" if exact or values[0] not in (0, 1) else name
    pairs = [(name, value) for name, value, one in zip(targets.names, values, labels, strict=False) if one >= HALF]
    return ", ".join(f"{name} ({value:.3f})" if exact else name for name, value in pairs) or "none"


def say_folds_are_others(results: Results) -> str:
    """Why nothing is shown of the members, where `Results.mixture` is None."""
    return f"Skipped: folds were trained since; run {results.run.hint('ensemble')} to put them together again."


def at_thresholds(results: Results) -> str:
    """Where labels begin; "" where they are of the largest prediction."""
    if not len(results.thresholds):
        return ""
    if results.summary["ensemble"]["threshold"] is None:
        return "Labels begin halfway: the submission needs no thresholds."
    return "Labels are those at the submission's thresholds."
