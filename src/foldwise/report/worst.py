"""Sections of single rows: the most wrong ones with what explains them, and those whose label is probably wrong."""

from typing import Any

import numpy as np

from foldwise.report.markup import SHOWN, Markup, cut, details, element, join, note, table
from foldwise.report.results import Problem, Results
from foldwise.report.wording import describe_predicted, describe_truth, example, name_examples
from foldwise.report.words import explain

WORST, SUSPECTS = 100, 100
NEAREST = 3  # training rows beside each of the worst ones
SEARCH = Markup('<p><input type="search" data-table="{0}" placeholder="search these rows" aria-label="search"></p>')


def worst_places(results: Results) -> list[int]:
    """Places among the n predicted rows of those with the largest error, the largest first."""
    return np.argsort(-results.errors, kind="stable")[:WORST].tolist()


def worst_rows(results: Results) -> Markup:
    """The rows with the largest error: predicted class by name, the nearest training rows, and telling words."""
    places = worst_places(results)
    if not places:
        return Markup("")
    near = nearest(results, results.rows[places])
    explained, why_not = explain(results, places) if results.has_texts else ({}, [])
    rows = []
    for number, place in enumerate(places):
        row = int(results.rows[place])
        quotes = []
        for other, alike in near[number]:
            lead = f"{results.ids[other]}, {cut(describe_truth(results, other), 100)}, {alike:.2f} alike: "
            quotes.append(element("blockquote", lead + cut(results.texts[other], 200)))
        parts = [details("nearest training rows", join(*quotes))] if quotes else []
        parts += [details("telling words", join(*explained[place]))] if explained.get(place) else []
        text = join(example(results, row, SHOWN), *parts)
        true, predicted = cut(describe_truth(results, row), 100), cut(describe_predicted(results, place), 200)
        ids = (cut(results.ids[row], 60), int(results.folds[row]))
        rows.append((number + 1, *ids, true, predicted, float(results.errors[place]), text))
    how = "Mislabelled rows and missing knowledge show here first."
    if results.has_texts:
        how += " Nearest: by TF-IDF, 1 is the same words."
    if any(explained.values()):
        how += " Telling words: blue ones raise what is named before them, orange ones lower it."
    shown = table(["#", "id", "fold", "true", "predicted", "error", name_examples(results)], rows, "cards")
    search = Markup(SEARCH.format("worst"))
    return join(note(how), *map(note, why_not), search, element("div", shown, "worst", id="worst"))


def nearest(results: Results, rows: np.ndarray) -> list[list[tuple[int, float]]]:
    """Of each training row its three nearest other ones by the cosine of their TF-IDF, with it."""
    train = results.tfidf[: len(results.ids)]
    found = []
    for row in rows.tolist():
        alike = (train @ train[row].T).toarray().ravel()
        alike[row] = -1.0
        best = np.argsort(-alike, kind="stable")[:NEAREST] if len(alike) <= 1000 else top(alike)
        found.append([(int(other), float(alike[other])) for other in best if alike[other] > 0])
    return found


def top(values: np.ndarray) -> np.ndarray:
    """Places of the largest values, the largest first, of equal ones the first."""
    least = np.partition(values, len(values) - NEAREST)[len(values) - NEAREST]
    among = np.flatnonzero(values >= least)
    return among[np.argsort(-values[among], kind="stable")][:NEAREST]


def suspects(results: Results) -> Markup:
    """Rows whose label is probably wrong, by confident learning, the least believed first."""
    if results.targets.spec.y == "values" or not results.problems:
        return Markup("")
    if results.ranked:
        return note("Skipped: the ensemble is a mean of ranks, which are no probabilities.")
    doubted: list[tuple[float, Problem, int, int]] = []
    total = 0
    for problem in results.problems:
        places, others = confident_errors(problem.truth, problem.chances)
        total += len(places)
        for place, other in zip(places[:SUSPECTS], others, strict=False):
            doubted.append((float(problem.chances[place, problem.truth[place]]), problem, place, other))
    doubted.sort(key=lambda found: found[0])
    rows = [suspect(results, *found[1:]) for found in doubted[:SUSPECTS]]
    how = (
        f"{total:,} labels where models that have not seen them are as sure of another class as of its own rows "
        "(confident learning: Northcutt et al. 2021). Read them before you believe it."
    )
    head = ["id", "given", "probably", "probability of that", "of the given", name_examples(results)]
    shown = table(head, rows, "cards")
    if not rows:
        return note("None by confident learning (Northcutt et al. 2021).")
    return join(note(how), Markup(SEARCH.format("suspects")), element("div", shown, id="suspects"))


def suspect(results: Results, problem: Problem, place: int, other: int) -> tuple[Any, ...]:
    """A row of the table."""
    row, given = int(results.rows[problem.rows[place]]), int(problem.truth[place])
    label = f"{problem.title}: " * bool(problem.title)
    names = [cut(f"{label}{problem.names[index]}", 80) for index in (given, other)]
    chances = [float(problem.chances[place, index]) for index in (other, given)]
    return (cut(results.ids[row], 60), *names, *chances, example(results, row, 300))


def confident_errors(labels: np.ndarray, chances: np.ndarray) -> tuple[list[int], list[int]]:
    """Rows off the diagonal of the confident joint, and the class that each is counted as.

    A class's threshold is the mean probability of it among the rows that have its label. A row is counted as the most
    probable of the classes that reach theirs; where that is another than its label, and so is the most probable one of
    all, the label is in doubt. The rows whose own label has the smallest probability come first. (Northcutt, Jiang and
    Chuang 2021, "Confident learning", equations 1 and 2, ranked by self-confidence; cleanlab's `find_label_issues` with
    filter_by="confident_learning" gives the same rows.)

    Args:
        labels: (n,) class numbers.
        chances: (n, K) out-of-fold probabilities.
    """
    counts = np.bincount(labels, minlength=chances.shape[1])
    own = chances[np.arange(len(labels)), labels]
    thresholds = np.bincount(labels, own, minlength=chances.shape[1]) / np.maximum(counts, 1)
    reached = np.where((chances >= thresholds) & (counts > 0), chances, -1.0)
    counted = reached.argmax(axis=1)
    doubted = (counted != labels) & (chances.argmax(axis=1) != labels)
    wrong = np.flatnonzero((reached.max(axis=1) >= 0) & doubted)
    wrong = wrong[np.argsort(own[wrong], kind="stable")]
    return wrong.tolist(), counted[wrong].tolist()
