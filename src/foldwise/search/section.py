"""The report's section on a search: scores of its trials in their order, and which fields matter."""

import numpy as np

from foldwise.report.charts import chart, dots, line, span
from foldwise.report.markup import Markup, element, join, note, table
from foldwise.report.results import Results
from foldwise.search.figures import Unseen, read_figures


def searched(results: Results) -> Markup:
    """History, importance and trials of the competition's last search; nothing where there was none."""
    figures = read_figures(results.run.paths)
    finished = [trial for trial in figures["trials"] if trial["score"] is not None] if figures else []
    if figures is None or not finished:
        return Markup("")
    numbers, scores = ([trial[key] for trial in finished] for key in ("number", "score"))
    best = (np.maximum if figures["greater_is_better"] else np.minimum).accumulate(scores)
    x, y = span("trial", [0], numbers), span(figures["metric"], scores)
    marks = [dots(x, y, numbers, scores), line(x, y, numbers, best, "b")]
    parts = [chart("", x, y, marks, [("a", "finished trials"), ("b", "the best so far")])]
    shares = sorted(figures["importance"].items(), key=lambda pair: -pair[1])
    if shares:
        parts += [element("h3", "which fields matter"), table(["field", "share of how scores differ"], shares)]
        parts.append(note("By a random forest over the finished trials (fANOVA); of few trials it is a hint."))
    listed = sorted(figures["trials"], key=lambda trial: trial["number"])
    rows = [
        (trial["name"], trial["state"], *(number(trial[key]) for key in ("score", "seconds")), ", ".join(trial["set"]))
        for trial in listed
    ]
    head = ["trial", "state", f"{figures['metric']}, mean of folds {', '.join(map(str, figures['folds']))}"]
    parts += [element("h3", "trials"), table([*head, "seconds", "set"], rows)]
    parts.append(note(f"Trial 0 is the recipe as it was. The best is {figures['best']}, chosen by these folds."))
    if figures.get("unseen_folds"):
        parts.append(note(f"The best: {Unseen(**figures['unseen_folds']).tell(figures['metric'])}."))
    return join(*parts)


def number(value: float | None) -> float | str:
    """A cell of a number; an empty one where there is none."""
    return "" if value is None else float(value)
