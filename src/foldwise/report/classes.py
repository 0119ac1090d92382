"""Sections on classes and labels: which are taken for which, how well each is found, thresholds, calibration."""

from collections.abc import Iterator
from itertools import pairwise

import numpy as np

from foldwise.metrics.confusion import ratio
from foldwise.metrics.formulas import area, average_precision, levels_of
from foldwise.report.charts import Axis, chart, dots, line, upright
from foldwise.report.markup import Markup, cut, details, element, figure, join, note, some, table
from foldwise.report.results import Problem, Results
from foldwise.report.wording import at_thresholds, example

MATRIX = 15  # classes up to which there is a whole matrix
PAIRS, LISTED = 60, 8  # pairs of classes with examples, and those of them that are listed at once
EXAMPLES, LENGTH = 3, 200  # examples of each pair, and characters of their texts
CLASSES = 200  # listed one by one, the most frequent ones
BINS = 10  # of calibration


def counts_of(problem: Problem) -> dict[tuple[int, int], int]:
    """How often each pair of true class and label occurs, the most frequent first; only pairs that do."""
    k = len(problem.names)
    pairs, counts = np.unique(problem.truth * k + problem.labels, return_counts=True)
    order = np.argsort(-counts, kind="stable")
    return {(int(pairs[i]) // k, int(pairs[i]) % k): int(counts[i]) for i in order}


def confusion(results: Results) -> Markup:
    """The confusion matrix, or of many classes the most frequent pairs, with examples of each cell."""
    parts = []
    known = [problem for problem in results.problems if len(problem.rows)]
    for number, problem in enumerate(known[:PAIRS]):
        counts, k, body = counts_of(problem), len(problem.names), []
        if k <= MATRIX:
            body.append(matrix(problem, counts, number))
        wrong = [pair for pair in counts if pair[0] != pair[1]]
        right = [pair for pair in counts if pair[0] == pair[1]] if k <= MATRIX else []
        cells = [examples(results, problem, pair, counts[pair], number) for pair in (wrong + right)[:PAIRS]]
        listed = LISTED + (len(cells) == LISTED + 1)
        body += cells[:listed]
        if more := cells[listed:]:
            body.append(details(f"{len(more)} more cells", join(*more)))
        if len(wrong) > PAIRS:
            rest = sum(counts[pair] for pair in wrong[PAIRS:])
            body.append(note(f"{len(wrong) - PAIRS:,} more pairs, of {rest:,} rows together, are left out."))
        shown = join(*body)
        ones = int(problem.truth.sum()) if k == 2 else 0
        title = f"{problem.title}: {ones:,} of {len(problem.rows):,} rows, {sum(counts[p] for p in wrong):,} wrong"
        opened = {"open": ""} if number < 3 else {}
        parts.append(details(element("b", title), shown, **opened) if problem.title else shown)
    if not parts:
        return Markup("")
    left_out = note(f"{len(known) - PAIRS:,} more labels are left out.") if len(known) > PAIRS else ""
    how = "Rows by true class, columns by predicted class"
    if len(results.problems[0].names) > MATRIX:
        how = "True class → predicted class, the most frequent mistakes first"
    how = f"{how}; a click shows examples, the surest first. {at_thresholds(results)}"
    return join(note(how), *parts, left_out)


def matrix(problem: Problem, counts: dict[tuple[int, int], int], number: int) -> Markup:
    """A table of counts, darker the larger their share of the true class; each links to its examples."""
    sizes = np.bincount(problem.truth, minlength=len(problem.names))
    lines = [Markup("<tr>"), element("th", "true \\ predicted")]
    lines += [element("th", cut(name, 24)) for name in problem.names]
    for true, name in enumerate(problem.names):
        lines += [Markup("</tr><tr>"), element("th", cut(name, 24), scope="row")]
        for label in range(len(problem.names)):
            count = counts.get((true, label), 0)
            level = int(np.ceil(4 * count / sizes[true])) if count else 0
            classes = f"h{level}" * bool(level) + " right" * (true == label)
            link = element("a", f"{count:,}", href=f"#cell-{number}-{true}-{label}") if count else "·"
            lines.append(element("td", link, classes.strip()))
    return element("div", element("table", join(*lines, Markup("</tr>"), between=""), "matrix"), "scroll")


def examples(results: Results, problem: Problem, pair: tuple[int, int], count: int, number: int) -> Markup:
    """Rows of a cell, the surest first."""
    true, label = pair
    rows = np.flatnonzero((problem.truth == true) & (problem.labels == label))
    sure = np.argsort(-np.nan_to_num(problem.chances[rows, label]), kind="stable")[:EXAMPLES]
    share = count / max(int((problem.truth == true).sum()), 1)
    quotes = []
    for place in rows[sure].tolist():
        row = int(results.rows[problem.rows[place]])
        chance = problem.chances[place, label]
        said = f"{results.ids[row]} ({chance:.3f}): " if np.isfinite(chance) else f"{results.ids[row]}: "
        quotes.append(element("blockquote", example(results, row, LENGTH, said)))
    names = [cut(problem.names[index], 60) for index in pair]
    what = f"{names[0]} → {names[1]}: {count:,} row{'s' * (count != 1)}, {share:.1%} of {names[0]}"
    return details(what, join(*quotes), id=f"cell-{number}-{true}-{label}")


def per_class(results: Results) -> Markup:
    """Precision, recall, F1 and support of each class or label, and areas where there are probabilities."""
    parts = []
    if results.problems and (results.targets.spec.named):
        (problem,) = results.problems
        if len(problem.names) > CLASSES:
            parts.append(note(f"The {CLASSES} most frequent of {len(problem.names):,} classes."))
        head = ["class", "precision", "recall", "F1", "support", "predicted"]
        head += ["AUC"] * bool(np.isfinite(problem.chances).all())
        return join(*parts, table(head, class_rows(problem)))
    head = ["label", "precision", "recall", "F1", "support", "predicted", "AUC", "average precision", "threshold"]
    rows = []
    for problem in results.problems:
        if not len(problem.rows):
            continue
        hits = float(((problem.truth == 1) & (problem.labels == 1)).sum())
        truth, called = float(problem.truth.sum()), float(problem.labels.sum())
        one, ones = problem.chances[:, 1], problem.truth == 1
        precise = average_precision(problem.truth[:, None], one[:, None])
        auc = area(levels_of(one), ones, ~ones)
        name = problem.called
        figures = [float(part) for part in fractions(hits, truth, called)]
        rows.append((cut(name, 60), *figures, int(truth), int(called), auc, precise, problem.threshold))
    return table(head, rows)


def fractions(hits: np.ndarray | float, truth: np.ndarray | float, called: np.ndarray | float) -> list[np.ndarray]:
    """Precision, recall and F1 of counts; 0 where nothing is called so, or is so."""
    hits, truth, called = np.broadcast_arrays(*(np.asarray(part, dtype=np.float64) for part in (hits, truth, called)))
    return [ratio(hits, called), ratio(hits, truth), ratio(2 * hits, truth + called)]


def class_rows(problem: Problem) -> Iterator[tuple[object, ...]]:
    """A row of the table for each class, the most frequent first."""
    k = len(problem.names)
    truth, called = (np.bincount(part, minlength=k) for part in (problem.truth, problem.labels))
    hits = np.bincount(problem.truth[problem.truth == problem.labels], minlength=k)
    precision, recall, f1 = fractions(hits, truth, called)
    for place in np.argsort(-truth, kind="stable")[:CLASSES].tolist():
        own = problem.truth == place
        chances = problem.chances[:, place]
        auc = [area(levels_of(chances), own, ~own)] if np.isfinite(chances).all() else []
        figures = (float(precision[place]), float(recall[place]), float(f1[place]))
        yield (cut(problem.names[place], 60), *figures, int(truth[place]), int(called[place]), *auc)


def thresholds(results: Results) -> Markup:
    """Precision, recall, F1 and the contest's own score of one label by the threshold, the chosen one marked."""
    if results.targets.spec.y != "columns":
        return rising_thresholds(results)
    parts = [threshold_curve(results, problem) for problem in results.problems if problem.truth.sum() > 0]
    how = "Dashed: the submission's threshold. Curves are of the very rows it was chosen on, and flatter a little."
    if results.summary["ensemble"]["threshold"] is None:
        how = "Dashed: 0.5; the submission needs no threshold."
    return join(note(how), some([part for part in parts if part], 6, "labels")) if any(parts) else Markup("")


def threshold_curve(results: Results, problem: Problem) -> Markup:
    """The chart of one label."""
    one, order = problem.chances[:, 1], np.argsort(problem.chances[:, 1], kind="stable")
    grid = np.unique(np.quantile(one, np.linspace(0, 1, 101)))
    if len(grid) < 2:
        return Markup("")
    below = np.searchsorted(one[order], grid)  # rows under each threshold
    ones = np.append(np.cumsum(problem.truth[order][::-1])[::-1], 0)
    precision, recall, f1 = fractions(ones[below], ones[0], len(one) - below)
    x, y = Axis("threshold", 0.0, 1.0), Axis("", 0.0, 1.0)
    marks = [line(x, y, grid, part, css) for part, css in ((precision, "a"), (recall, "b"), (f1, "c"))]
    legend = [("a", "precision"), ("b", "recall"), ("c", "F1")]
    metric = results.run.metric
    formula = metric.function if results.targets.spec.truth == "column" else metric.of_column
    if metric.prediction_type == "label" and formula and not metric.own:
        hits, called = ones[below], len(one) - below
        called_right = np.stack([below - (ones[0] - hits), ones[0] - hits], axis=1)  # labelled 0: true 0, true 1
        confusions = np.stack([called_right, np.stack([called - hits, hits], axis=1)], axis=2)
        own = formula(confusions)
        if not np.allclose(own, f1, atol=1e-9, equal_nan=True):
            marks.append(line(x, y, grid, own, "d"))
            legend.append(("d", results.run.config.competition.metric))
    if problem.threshold is not None:
        marks.append(upright(x, problem.threshold))
    title = cut(problem.called, 40)
    at = "" if problem.threshold is None else f" at {figure(problem.threshold)}"
    return chart(f"{title}{at}", x, y, marks, legend)


def rising_thresholds(results: Results) -> Markup:
    """Of classes in order: what each gets of the scale."""
    if not results.targets.spec.ordered:
        return Markup("")
    names, cuts = results.targets.names, results.thresholds.tolist()
    between = [f"{low} | {high}" for low, high in pairwise(names)]
    rows = [(pair, cut_, place + 0.5) for place, (pair, cut_) in enumerate(zip(between, cuts, strict=False))]
    how = "On the scale of class numbers, 0 for the first class."
    return join(note(how), table(["between", "threshold", "halfway"], rows))


def calibration(results: Results) -> Markup:
    """Of rows that got a probability of 0.7, are 70% so? For the predicted class, and for each class or label."""
    spec = results.targets.spec
    if spec.y == "values" or not results.problems:
        return Markup("")
    if results.ranked:
        return note("Skipped: the ensemble is a mean of ranks, which are no probabilities.")
    parts = []
    if spec.named:
        (problem,) = results.problems
        parts.append(reliability("the predicted class", problem.chances.max(axis=1), problem.truth == problem.labels))
        frequent = np.argsort(-np.bincount(problem.truth, minlength=len(problem.names)), kind="stable")
        for place in frequent[: 60 if len(problem.names) > 2 else 0].tolist():
            name = cut(problem.names[place], 40)
            parts.append(reliability(name, problem.chances[:, place], problem.truth == place))
    for problem in [] if spec.named else results.problems:
        if len(problem.rows):
            name = problem.called
            parts.append(reliability(cut(name, 40), problem.chances[:, 1], problem.truth == 1))
    how = "Dots: tenths of the rows by predicted probability. On the line probabilities are right; below, too high."
    return join(note(how), some(parts, 6, "charts"))


def reliability(title: str, chances: np.ndarray, right: np.ndarray) -> Markup:
    """Predicted probability against the share of rows that are so, and the mean distance of the two (ECE)."""
    order = np.argsort(chances, kind="stable")
    bins = [part for part in np.array_split(order, BINS) if len(part)]
    predicted, seen = (np.array([values[part].mean() for part in bins]) for values in (chances, right))
    error = float(np.average(np.abs(predicted - seen), weights=[len(part) for part in bins]))
    x, y = Axis("predicted probability", 0.0, 1.0), Axis("share that is so", 0.0, 1.0)
    marks = [line(x, y, [0, 1], [0, 1], "even dashed"), line(x, y, predicted, seen), dots(x, y, predicted, seen)]
    return chart(f"{title}, error {error:.3f}", x, y, marks)
