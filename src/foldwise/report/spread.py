"""Sections on how predictions spread: residuals of values, test beside out-of-fold, scores of kinds of rows."""

import numpy as np

from foldwise.data.table import number_values
from foldwise.data.tokenizer import UNK
from foldwise.metrics.formulas import mean_ranks, r2
from foldwise.report.charts import chart, dots, histogram, line, span
from foldwise.report.markup import Markup, cut, element, join, note, some, table
from foldwise.report.results import Results
from foldwise.report.wording import at_thresholds, say_folds_are_others

POINTS, MANY = 2000, 300  # of a scatter plot, and from how many on they are faint
GROUPS = 30  # listed, the largest ones
KINDS = 5  # of rows by length, and by share of unknown words


def residuals(results: Results) -> Markup:
    """Of each target of values: prediction against truth, errors by prediction, and the usual figures of the error."""
    if results.targets.spec.y != "values" and results.targets.of_classes:
        return Markup("")
    parts, rows = [], []
    names = results.targets.columns if results.targets.spec.ordered else results.targets.names
    columns = results.truth.reshape(len(results.rows), -1).astype(np.float64)
    for name, of_column, made in zip(names, columns.T, results.predicted.T, strict=True):
        known = np.flatnonzero(np.isfinite(of_column))
        if not len(known):
            continue
        true, predicted = of_column[known], made[known]
        error = predicted - true
        varied = np.ptp(true) > 0 and np.ptp(predicted) > 0
        order = float(np.corrcoef(mean_ranks(true), mean_ranks(predicted))[0, 1]) if varied else float("nan")
        explained = r2(true[:, None], predicted[:, None])
        squared = float(np.sqrt((error**2).mean()))
        sizes = (float(np.abs(error).mean()), squared, float(error.mean()), float(error.std()))
        rows.append((cut(name, 60), len(known), *sizes, explained, order))
        shown = np.random.default_rng(0).permutation(len(known))[:POINTS]
        x, y = span("truth", true), span("prediction", predicted)
        both = [max(x.low, y.low), min(x.high, y.high)]
        css = "a many" if len(shown) > MANY else "a"
        marks = [dots(x, y, true[shown], predicted[shown], css), line(x, y, both, both, "even dashed")]
        parts.append(chart(f"{cut(name, 40)}: prediction against truth", x, y, marks))
        x, y = span("prediction", predicted), span("prediction − truth", error)
        marks = [
            dots(x, y, predicted[shown], error[shown], css),
            line(x, y, [x.low, x.high], [0, 0], "even dashed"),
        ]
        parts.append(chart(f"{cut(name, 40)}: residuals", x, y, marks))
        parts.append(histogram(f"{cut(name, 40)}: residuals", "prediction − truth", [("rows", error)]))
    head = ["target", "rows", "MAE", "RMSE", "mean error", "sd of error", "R²", "Spearman"]
    return join(table(head, rows), some(parts, 6, "charts")) if rows else Markup("")


def test_beside(results: Results) -> Markup:
    """Predictions of the test rows beside those out of fold: where they differ, so will the leaderboard from the CV."""
    test, oof, targets = results.test, results.predicted, results.targets
    if test is None:
        return note(say_folds_are_others(results))
    if not len(test):
        return Markup("")
    names, series = targets.columns, [("out of fold", 0), ("test", 1)]
    parts, rows = [], []
    if targets.spec.named:
        labels = [targets.spec.to_labels(part, results.thresholds).astype(int) for part in (oof, test)]
        given = [results.truth, *labels]
        shares = [np.bincount(part, minlength=len(targets.names)) / len(part) for part in given]
        for place in np.argsort(-shares[0], kind="stable")[:500].tolist():
            rows.append((cut(targets.names[place], 60), *(float(share[place]) for share in shares)))
        kinds = ["class", "share of truth", "predicted out of fold", "predicted in test"]
        parts.append(table(kinds, rows))
    elif targets.spec.y == "columns":
        for place, problem in enumerate(results.problems):
            ones = [float((part[:, place] >= results.thresholds[place]).mean()) for part in (oof, test)]
            truth = float(problem.truth.mean()) if len(problem.rows) else float("nan")
            rows.append((cut(problem.called, 60), truth, *ones))
        parts.append(table(["label", "share of truth", "predicted out of fold", "predicted in test"], rows))
    if targets.spec.y == "classes":
        best = [part.max(axis=1) for part in (oof, test)]
        charts = [histogram("the predicted class", "probability", [(name, best[i]) for name, i in series])]
    else:
        both = (oof, test)
        charts = [
            histogram(cut(name, 40), "prediction", [(called, both[i][:, place]) for called, i in series])
            for place, name in enumerate(names)
        ]
    return join(*parts, some(charts, 6, "charts"))


def kinds_of_rows(results: Results) -> Markup:
    """The contest's score by length, by share of words that the fold's models never saw, by group and by fold."""
    lengths, unknown = results.store.lengths[results.rows], unknown_shares(results)
    folds = results.folds[results.rows]
    metric = results.run.config.competition.metric
    of_texts = {
        "by length in words": quantiles(lengths, "{:,.0f}\u00a0to\u00a0{:,.0f}"),
        "by share of words that no other fold has": quantiles(100 * unknown, "{:.1f}\u00a0to\u00a0{:.1f}%"),
    }
    parts = [
        *(kinds(title, metric, results, groups) for title, groups in of_texts.items() if results.has_texts),
        kinds("by fold", metric, results, [(f"fold {fold}", folds == fold) for fold in np.unique(folds).tolist()]),
    ]
    if results.run.competition.groups is not None:
        place, names = number_values([results.run.competition.groups[row] for row in results.rows.tolist()])
        largest = np.argsort(-np.bincount(place), kind="stable")[:GROUPS].tolist()
        shown = [(cut(names[index], 60), place == index) for index in largest]
        parts.append(kinds("by group", metric, results, shown))
        parts.append(note(f"The {GROUPS} largest of {len(names):,} groups.") if len(names) > GROUPS else Markup(""))
    how = f"{at_thresholds(results)} A dash: all of these rows have the same target, or there are too few."
    return join(note(how), element("div", join(*parts), "charts"))


def kinds(title: str, metric: str, results: Results, groups: list[tuple[str, np.ndarray]]) -> Markup:
    """A table of kinds of rows and their scores."""
    rows = []
    for name, among in groups:
        some_rows = np.flatnonzero(among)
        mean = float(results.errors[some_rows].mean()) if len(some_rows) else float("nan")
        rows.append((name, len(some_rows), results.score(some_rows), mean))
    return element("div", join(element("h3", title), table(["", "rows", metric, "mean error"], rows)))


def quantiles(values: np.ndarray, name: str) -> list[tuple[str, np.ndarray]]:
    """About equally many rows from small to large values, equal ones together."""
    edges = np.unique(np.quantile(values, np.linspace(0, 1, KINDS + 1)[1:-1], method="inverted_cdf"))
    place = np.searchsorted(edges, values, side="left")
    groups = [(values[place == index], place == index) for index in range(int(place.max(initial=0)) + 1)]
    return [(name.format(part.min(), part.max()), among) for part, among in groups if len(part)]


def unknown_shares(results: Results) -> np.ndarray:
    """(n,) share of each predicted row's tokens whose word stands in no training row outside of its own fold."""
    rows = len(results.ids)
    seen = results.counts[:rows].astype(bool)
    numbers = np.unique(results.folds)
    in_fold = np.stack([seen[results.folds == fold].getnnz(axis=0) > 0 for fold in numbers])  # (folds, V)
    lone = in_fold & (in_fold.sum(axis=0) == 1)  # words of one fold alone
    ends = results.ends[: rows + 1]
    tokens = results.store.tokens[: ends[-1]]
    place = np.repeat(np.searchsorted(numbers, results.folds), np.diff(ends))
    new = lone[place, tokens] | (tokens == UNK)
    sums = np.concatenate([[0], np.cumsum(new)])
    shares = (sums[ends[1:]] - sums[ends[:-1]]) / np.maximum(np.diff(ends), 1)
    return shares[results.rows]
