"""Which words carried a prediction, by the very model that made it out of fold.

Of a network each word is taken out in turn, of a long text a run of words: what the prediction loses, it carried. Of
the linear learner what each n-gram adds to the score is read off its coefficients. The heaviest of each kind is asked.
"""

from collections.abc import Sequence
from dataclasses import replace
from itertools import pairwise
from typing import Any

import numpy as np
from scipy import sparse
from scipy.special import logit

from foldwise.clock import Clock
from foldwise.config import Recipe
from foldwise.data.token_store import TokenStore, open_array
from foldwise.ensembling.calibration import TINY
from foldwise.errors import InputError
from foldwise.hashing import hash_of
from foldwise.learners import LEARNERS, Learner, NewRows, Trained, learner_for
from foldwise.learners.linear_model import LinearFacts, Ngrams
from foldwise.learners.ngrams import Words, count_characters, count_words, join_characters, weigh_ngrams
from foldwise.learners.starting import learnt_part
from foldwise.paths import FEATURES, FOLD_RECORD, TOKENS_RECORD, VECTORS
from foldwise.records import FoldRecord, TokensRecord, read_whole
from foldwise.report.markup import Markup, cut, element, escape, figure, join
from foldwise.report.results import Results

SECONDS = 20.0  # after which no further fold is asked
PLACES = 8_000  # tokens that a network reads to explain a row
NGRAMS = 10  # shown of a linear model

Explained = dict[int, list[Markup]]  # of places among the n predicted rows


def explain(results: Results, places: Sequence[int]) -> tuple[Explained, list[str]]:
    """What explains predictions, by the places of rows among the n predicted ones, and why others have nothing."""
    explained: Explained = {place: [] for place in places}
    names, reasons = heaviest(results)
    end = Clock.now() + SECONDS
    for name in names:
        folds = next(member["folds"] for member in results.summary["members"] if member["name"] == name)
        for fold in folds:
            mine = [place for place in places if results.folds[results.rows[place]] == fold]
            if not mine:
                continue
            if Clock.now() > end:
                reasons.append(f"Telling words of {name} are left out for some rows: the time for them was used up.")
                break
            try:
                found = explain_fold(results, name, fold, mine)
            except InputError as error:
                reasons.append(f"Telling words of {name} are left out: {error}")
                break
            for place, shown in found.items():
                explained[place].append(shown)
    return explained, reasons


def heaviest(results: Results) -> tuple[list[str], list[str]]:
    """The network and the linear learner that weigh most, if they weigh anything, and why others are not asked."""
    weights = results.summary["ensemble"]["weights"]
    found: dict[str, str] = {}
    others = []
    for name in sorted(weights, key=lambda name: -weights[name]):
        model = trained_recipe(results, name).get("model", {}).get("name")
        kind = model if model in LEARNERS else "network"
        if weights[name] > 0 and kind in ("network", "linear"):
            found.setdefault(kind, name)
        elif weights[name] > 0:
            others.append(f"{name} has no telling words: it does not read the tokens that members share.")
    return list(found.values()), others


def trained_recipe(results: Results, member: str) -> dict[str, Any]:
    """What of the recipe a member's folds were trained with, whatever today's is."""
    fold = next(of["folds"][0] for of in results.summary["members"] if of["name"] == member)
    record = read_whole(results.run.paths.fold(member, fold) / FOLD_RECORD, FoldRecord)
    return dict(record["inputs"].get("recipe", {}))


def explain_fold(results: Results, member: str, fold: int, places: list[int]) -> dict[int, Markup]:
    """Explain rows of one fold by its model; InputError where that cannot be used any more."""
    from foldwise.training.checkpoint import find_checkpoint

    folder = results.run.paths.fold(member, fold)
    record = read_whole(folder / FOLD_RECORD, FoldRecord)
    tokens = read_whole(results.run.paths.tokens / TOKENS_RECORD, TokensRecord)
    if record["inputs"].get("tokens") != hash_of(learnt_part(tokens["inputs"])):
        raise InputError("the tokens were made anew since its folds were trained")
    learner = learner_for(Recipe.model_validate(trained_recipe(results, member)))
    checkpoint = find_checkpoint(folder, record["files"])
    if learner.recipe.model.name == "linear":
        return explain_linear(results, member, checkpoint, places)
    return explain_network(results, member, learner, checkpoint, places)


def output_of(results: Results, place: int) -> tuple[int, str]:
    """The output that a row's prediction is explained by, and its name: the class it got, or the most wrong label."""
    targets = results.targets
    if targets.spec.y == "classes":
        return int(results.labels[place]), targets.names[int(results.labels[place])]
    output = int(results.errors_of_outputs[place].argmax())
    if len(targets.columns) > 1:
        return output, targets.columns[output]
    return output, targets.written[1] if targets.spec.y == "columns" else "the value"


def explain_linear(results: Results, member: str, checkpoint: Any, places: list[int]) -> dict[int, Markup]:
    """The n-grams that add most to the score of an output, and those that take most away."""
    arrays = checkpoint.read_arrays({"coef": 2, "intercept": 1, "idf": 1})
    facts = checkpoint.read_facts(LinearFacts)
    texts = [" ".join([results.words[token] for token in results.store.row(row)]) for row in results.rows[places]]
    parts, terms, columns, start = [], [], [], 0
    for grams in facts.ngrams:
        counts, there = count_ngrams(texts, grams)  # of these few texts: the model has a million n-grams
        place_of = {term: place for place, term in enumerate(grams.terms)}
        known = [place for place, term in enumerate(there) if term in place_of]
        chosen = np.array([start + place_of[there[place]] for place in known], dtype=np.int64)
        parts.append(weigh_ngrams(counts[:, known], arrays["idf"][chosen])[0] if known else counts[:, known])
        columns.append(chosen)
        terms += [there[place] if grams.analyzer == "word" else f"“{there[place]}”" for place in known]
        start += len(grams.terms)
    inputs, coef = sparse.hstack(parts).tocsr(), arrays["coef"][:, np.concatenate(columns)]
    if facts.link == "softmax":
        coef = coef - coef.mean(axis=0)  # only differences between classes say anything
    shown = {}
    for number, place in enumerate(places):
        output, name = output_of(results, place)
        row = inputs[number]
        adds = row.data * coef[output][row.indices]
        order = np.argsort(-np.abs(adds), kind="stable")[:NGRAMS]
        largest = float(np.abs(adds).max(initial=0))
        marks = [mark(f"{terms[row.indices[i]]} {adds[i]:+.2g}", adds[i] / (largest or 1)) for i in order]
        shown[place] = element("p", join(f"{member}, for {cut(name, 60)}: ", *marks, between=" "))
    return shown


def count_ngrams(texts: list[str], grams: Ngrams) -> tuple[Any, list[str]]:
    """(n, G) counts of all n-grams of these texts that are of the kind of `grams`, and the n-grams."""
    if not any(text.split() for text in texts):
        return sparse.csr_matrix((len(texts), 0)), []
    if grams.analyzer == "word":
        return count_words(Words.of(texts), grams.lengths[1], 1)
    return count_characters(Words.of(join_characters(texts)), grams.lengths, 1)


def explain_network(
    results: Results, member: str, learner: Learner, checkpoint: Any, places: list[int]
) -> dict[int, Markup]:
    """The text as the network read it, each word coloured by what the prediction loses without it."""
    import torch

    from foldwise.training.precision import Runtime

    targets, rows = results.targets, results.rows[places].tolist()
    store = TokenStore.open(results.run.paths.tokens, learner.sees_whole_texts)
    parts = [parts_of(len(store.row(row))) for row in rows]
    new = versions_of(results, store, rows, parts)
    runtime = Runtime(torch.device("cpu"), "fp32", 1)  # more threads take ten times the time where others are busy
    predicted = learner.predict(replace(checkpoint, weights=checkpoint.weights[:1]), new, runtime, lambda _: None)
    shown, start = {}, 0
    for place, row, cuts in zip(places, rows, parts, strict=True):
        output, name = output_of(results, place)
        made = predicted[start : start + 1 + len(cuts), output].astype(np.float64)
        start += 1 + len(cuts)
        of_values = targets.spec.y == "values"
        scores = made if of_values else logit(np.clip(made, TINY, 1 - TINY))  # a probability near 1 hardly moves
        carried = scores[0] - scores[1:]
        largest = float(np.abs(carried).max(initial=0))
        words = [results.words[token] for token in store.row(row)]
        marks = [
            mark(" ".join(words[first:last]), loss / (largest or 1))
            for (first, last), loss in zip(cuts, carried, strict=True)
        ]
        unit = "" if of_values else " of log odds"
        lead = f"{member}, for {cut(name, 60)} ({figure(made[0], 3)}; the strongest carries {largest:.2g}{unit}): "
        shown[place] = element("p", join(lead, *marks, between=" "))
    return shown


def versions_of(results: Results, store: TokenStore, rows: list[int], parts: list[list[tuple[int, int]]]) -> NewRows:
    """Of each row its texts as they are, and then without each of its parts."""
    from foldwise.models import Shape

    tokens, targets = results.run.paths.tokens, results.targets
    features = open_array(tokens / FEATURES, np.float64, 2)
    texts: list[np.ndarray] = []
    chosen: list[int] = []
    for row, cuts in zip(rows, parts, strict=True):
        for start, stop in [(0, 0), *cuts]:
            texts += row_without(store, row, start, stop)
        chosen += [row] * (1 + len(cuts))
    dimension = open_array(tokens / VECTORS, np.float32, 2).shape[1]
    shape = Shape(targets.outputs + targets.auxiliary_outputs, store.columns, features.shape[1])
    return NewRows(
        store=TokenStore(np.concatenate(texts), np.cumsum([0, *map(len, texts)]), store.columns),
        words=results.words,
        features=features[chosen] if features.shape[1] else None,
        new_vectors=np.empty((0, dimension), np.float32),
        trained=Trained(len(results.words), tokens / VECTORS, dimension, shape, targets),
    )


def parts_of(length: int) -> list[tuple[int, int]]:
    """Where a text of so many tokens is cut: into single ones, of a long text into as many runs as `PLACES` allows.

    >>> parts_of(2), len(parts_of(300))
    ([(0, 1), (1, 2)], 26)
    """
    count = min(length, max(1, PLACES // max(length, 1)))
    edges = np.linspace(0, length, count + 1).round().astype(int).tolist()
    return list(pairwise(edges))


def row_without(store: TokenStore, row: int, start: int, stop: int) -> list[np.ndarray]:
    """The texts of a row without the tokens from `start` to `stop`, counted over all of its texts."""
    first = store.offsets[row * store.columns]
    texts = []
    for text in range(row * store.columns, (row + 1) * store.columns):
        tokens = np.asarray(store.tokens[store.offsets[text] : store.offsets[text + 1]])
        place = np.arange(len(tokens)) + store.offsets[text] - first
        texts.append(tokens[(place < start) | (place >= stop)])
    return texts


def mark(text: str, share: float) -> Markup:
    """A word coloured by its share of the strongest one's effect: blue raises the prediction, orange lowers it."""
    level = int(np.ceil(4 * min(abs(share), 1.0) - 0.2))  # the weakest stay as they are
    if level < 1:
        return Markup(escape(text))
    return element("mark", text, f"{'u' if share > 0 else 'd'}{level}")
