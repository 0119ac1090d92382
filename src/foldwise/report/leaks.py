"""Sections that look for leaks and shifts: train against test, duplicates, ids and the order of rows."""

import re
from itertools import product
from typing import Any

import numpy as np

from foldwise.metrics.formulas import area, correlation, levels_of, mean_ranks
from foldwise.report.charts import histogram
from foldwise.report.duplicates import Pair, find_pairs
from foldwise.report.markup import Markup, cut, element, join, note, table
from foldwise.report.results import Results
from foldwise.report.wording import describe_truth

ROWS = 10_000  # of each table that are told apart at most
SPLITS, WORDS = 3, 15
SURE, LEAST = 4.0, 0.02  # standard errors, and distance from chance, from which a leak is named
SHOWN = 100  # pairs that are listed
LENGTH = 160  # characters of their texts


def shift(results: Results) -> Markup:
    """Adversarial validation: how well a linear model tells training texts from test texts, and by which words."""
    rows, test = len(results.ids), len(results.test_texts)
    if not results.has_texts:
        return note("Skipped: there are no texts.")
    if min(rows, test) < SPLITS * 2:
        return note(f"Skipped: {min(rows, test)} rows in a table are too few to tell it from the other.")
    auc, deviation, words = tell_apart(results.tfidf, rows, results.words)
    said = "they are alike" if auc < 0.55 else "they differ somewhat" if auc < 0.7 else "they differ"
    known = np.asarray(results.counts[:rows].sum(axis=0)).ravel() > 0
    new = float(results.counts[rows:][:, ~known].sum() / max(float(results.counts[rows:].sum()), 1))
    text = f"AUC of telling test rows from training rows by their words: {auc:.3f} ± {deviation:.3f}: {said}."
    parts = [element("p", text), note(f"0.5 is chance. {new:.1%} of the test set's words stand in no training row.")]
    if auc >= 0.55:
        head = ["word", "more often in", "share of training rows", "share of test rows"]
        parts.append(table(head, words))
    lengths = results.store.lengths
    series = [("train", np.log10(lengths[:rows] + 1)), ("test", np.log10(lengths[rows : rows + test] + 1))]
    return join(*parts, histogram("lengths", "words in a text: 1 is 10, 2 is 100, 3 is 1,000", series))


def tell_apart(tfidf: Any, rows: int, words: list[str]) -> tuple[float, float, list[tuple[Any, ...]]]:
    """AUC and its sd over held-out parts, and the words that tell the first `rows` rows from the others."""
    from sklearn.linear_model import LogisticRegression

    rng = np.random.default_rng(0)
    some = [rng.permutation(rows)[:ROWS], rows + rng.permutation(tfidf.shape[0] - rows)[:ROWS]]
    chosen = np.concatenate(some)
    inputs, truth = tfidf[chosen], np.repeat([0, 1], [len(some[0]), len(some[1])])
    common = np.flatnonzero(inputs.getnnz(axis=0) >= 2)
    if not len(common):
        return 0.5, 0.0, []
    inputs = inputs[:, common]
    part = np.concatenate([np.arange(len(of_table)) % SPLITS for of_table in some])  # each has rows of both tables
    areas, weights = [], np.zeros(len(common))
    for held in range(SPLITS):
        inside = part == held
        # The dual is solved in a twentieth of the primal's time.
        settings = {"C": 4.0, "solver": "liblinear", "dual": True, "tol": 0.01, "max_iter": 1000}
        model = LogisticRegression(**settings, class_weight="balanced", random_state=0)
        model.fit(inputs[~inside], truth[~inside])
        levels = levels_of(model.decision_function(inputs[inside]))
        areas.append(area(levels, truth[inside] == 1, truth[inside] == 0))
        weights += model.coef_[0] / SPLITS
    shares = [np.asarray((inputs[truth == side] > 0).mean(axis=0)).ravel() for side in (0, 1)]
    force = weights * (shares[1] - shares[0])  # a heavy word that is everywhere alike tells nothing apart
    order, listed = np.argsort(-force, kind="stable"), []
    for side, called in ((1, "test"), (0, "train")):
        mine = [place for place in order if (weights[place] > 0) == bool(side) and force[place] > 0][:WORDS]
        listed += [(cut(words[common[p]], 40), called, float(shares[0][p]), float(shares[1][p])) for p in mine]
    return float(np.mean(areas)), float(np.std(areas)), listed


def repeated(results: Results) -> Markup:
    """Texts that come twice, or nearly, in training and test rows, most of all where their labels disagree."""
    pairs = find_pairs(results)
    if not pairs:
        return note("No text comes twice, nor nearly so.")
    counted = []
    for same, train in product((True, False), repeat=2):
        chosen = [pair for pair in pairs if (pair.same, pair.test) == (same, not train)]
        name = f"{'the same' if same else 'nearly the same'} text {'twice in train' if train else 'in train and test'}"
        rows = len({row for pair in chosen for row in pair[:2]})
        flags = [sum(pair.disagree for pair in chosen), sum(pair.apart for pair in chosen)] if train else ["", ""]
        counted.append((name, len(chosen), rows, *flags))
    order = sorted(pairs, key=lambda p: (not p.disagree, not p.same, not p.apart, p.test, -p.alike, p.first))
    head = ["id", "other id", "alike", "targets", "folds", "text", "other text"]
    listed = table(head, [pair_row(results, pair) for pair in order[:SHOWN]], "cards")
    how = (
        "Alike: words in common, of all words of both (Jaccard); from 0.8 on, found by MinHash. A text of many copies "
        "is paired with its first one. What disagrees limits every model; what is in different folds flatters the CV."
    )
    more = note(f"The first {SHOWN} of {len(pairs):,} pairs.") if len(pairs) > SHOWN else ""
    return join(
        note(how), table(["", "pairs", "rows", "targets disagree", "in different folds"], counted), listed, more
    )


def pair_row(results: Results, pair: Pair) -> tuple[Any, ...]:
    """A pair as a row of the table."""
    rows, ids, tests = len(results.ids), results.ids, results.run.competition.test_ids
    texts = [(results.texts[row] if row < rows else results.test_texts[row - rows]) for row in pair[:2]]
    names = [ids[row] if row < rows else f"{tests[row - rows]} (test)" for row in pair[:2]]
    targets = [cut(describe_truth(results, row), 60) for row in pair[:2] if row < rows]
    said = " / ".join(targets) if pair.disagree else targets[0]
    shown = element("span", said, "flag") if pair.disagree else said
    folds = " / ".join(str(results.folds[row]) for row in pair[:2] if row < rows)
    return (*names, float(pair.alike), shown, folds, *(cut(text, LENGTH) for text in texts))


def order(results: Results) -> Markup:
    """Whether the number of a row, or its id, tells its target: then the contest's data was not shuffled."""
    numbers = {"row number": np.arange(len(results.ids), dtype=np.float64), "id": numbers_of(results.ids)}
    targets = results.targets
    rows = []
    for name, values in numbers.items():
        if targets.spec.y == "values":
            columns = targets.truth.reshape(len(values), -1).astype(np.float64)[:, : targets.outputs]
            found = [(title, *rank_leak(values, true)) for title, true in zip(targets.columns, columns.T, strict=True)]
        else:
            levels = levels_of(values)
            found = [(title, *area_leak(levels, ones)) for title, ones in indicators(results)]
        known = [entry for entry in found if np.isfinite(entry[1])]
        for title, value, errors in sorted(known, key=lambda entry: -abs(entry[2]))[:3]:
            chance = 0.0 if targets.spec.y == "values" else 0.5
            leak = abs(errors) > SURE and abs(value - chance) > LEAST
            said = element("span", "tells the target", "flag") if leak else "no leak"
            rows.append((name, cut(title, 60), float(value), f"{errors:+.1f}", said))
    measure = "Spearman" if targets.spec.y == "values" else "AUC"
    how = "Of several classes or targets the three that stand out most. Beyond ±4 standard errors it is not by chance."
    return join(table(["by", "target", measure, "standard errors from chance", ""], rows), note(how))


def numbers_of(ids: list[str]) -> np.ndarray:
    """The last number in each id; where one has none, its place in the alphabet among the ids.

    >>> numbers_of(["a-7", "b-30"]), numbers_of(["b", "a"])
    (array([ 7., 30.]), array([1., 0.]))
    """
    found = [re.findall(r"[0-9]{1,18}", row_id) for row_id in ids]
    if all(found):
        return np.array([float(parts[-1]) for parts in found])
    place_of = {row_id: place for place, row_id in enumerate(sorted(set(ids)))}
    return np.array([float(place_of[row_id]) for row_id in ids])


def indicators(results: Results) -> list[tuple[str, np.ndarray]]:
    """Of each class or label 1 where a training row has it, 0 where not, NaN where that is unknown."""
    targets = results.targets
    if targets.spec.named:
        frequent = np.argsort(-np.bincount(targets.truth, minlength=len(targets.names)), kind="stable")[:500]
        return [(targets.names[place], (targets.truth == place).astype(float)) for place in frequent.tolist()]
    return list(zip(targets.names, targets.truth.astype(np.float64).T, strict=False))


def area_leak(levels: np.ndarray, ones: np.ndarray) -> tuple[float, float]:
    """AUC of places among values, and its distance from 0.5 in standard errors under chance (Mann and Whitney 1947)."""
    known = np.isfinite(ones)
    levels, ones = levels[known], ones[known] > 0.5
    up, down = float(ones.sum()), float((~ones).sum())
    if not up or not down:
        return float("nan"), 0.0
    auc = area(levels, ones, ~ones)
    return auc, (auc - 0.5) / np.sqrt((up + down + 1) / (12 * up * down))


def rank_leak(values: np.ndarray, true: np.ndarray) -> tuple[float, float]:
    """Spearman's correlation, and its size in standard errors under chance."""
    known = np.isfinite(true)
    if known.sum() < 3:
        return float("nan"), 0.0
    rho = correlation(mean_ranks(values[known]), mean_ranks(true[known]))
    return rho, rho * np.sqrt(known.sum() - 1)
