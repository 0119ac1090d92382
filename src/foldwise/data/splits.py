"""Folds: made once, by id, and kept in a file that training only filters.

Rows that must not part (the same text, the same group) form a unit. Units with the same make-up are dealt to the
folds in equal numbers; what is left over goes, largest first, to the fold that it brings closest to its share. For
rows that stand alone this is stratification exact to one row per class and fold; with labels of several columns it
is stratification by label set, then by label (compare Sechidis et al. 2011, "On the stratification of multi-label
data"); with groups it is what scikit-learn's StratifiedGroupKFold does.
"""

import unicodedata
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from foldwise.data.targets import Targets
from foldwise.errors import InputError

NAMED = 5  # rows that a message names
# Folds of rows that are never validated: trained on in every fold, or out of sight in every one.
TRAIN_ONLY, HIDDEN = -1, -2


def normalise(text: str) -> str:
    """What makes two texts the same text: compatibility forms, case and white space do not count."""
    return " ".join(unicodedata.normalize("NFKC", text).casefold().split())


def units_of(texts: Sequence[str], groups: Sequence[str] | None, same_text: bool = True) -> np.ndarray:
    """(N,) int64 unit numbers: rows with one text (if `same_text`) or one group, also through others, share one."""
    n = len(texts)
    keys = [normalise(text) for text in texts] if same_text else range(n)
    unit, different = pd.factorize(np.array(keys, dtype=object))
    if groups is None:
        return unit
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    group, names = pd.factorize(np.array(groups, dtype=object))
    # Rows are edges between a text and a group; connected texts and groups are one unit.
    size = len(different) + len(names)
    edges = coo_array((np.ones(n, dtype=np.int8), (unit, len(different) + group)), shape=(size, size))
    _, component = connected_components(edges, directed=False)
    return component[unit].astype(np.int64)


def make_folds(labels: np.ndarray, units: np.ndarray, n_folds: int, seed: int) -> np.ndarray:
    """(N,) int64 fold numbers, 0 … K-1; `InputError` where there are fewer units than folds.

    Args:
        labels: (N, L) 0/1 indicators that the folds share evenly, as `Targets.strata`.
        units: (N,) int64; rows of one unit get one fold.
    """
    _, units = np.unique(units, return_inverse=True)
    n_units = int(units.max()) + 1
    if n_units < n_folds:
        raise InputError(
            f"{n_folds} folds need at least {n_folds} texts or groups that differ, and there are {n_units}; "
            "lower recipe.folds.n"
        )
    rng = np.random.default_rng(seed)
    # (U, 1 + L): how many rows a unit has, and how many of each label.
    content = np.zeros((n_units, 1 + labels.shape[1]), dtype=np.int64)
    np.add.at(content, units, np.column_stack([np.ones(len(labels), dtype=np.int64), labels]))
    fold_of_unit = np.full(n_units, -1, dtype=np.int64)

    # Interchangeable units: equal shares by dealing, the remainder (fewer than K of each kind) kept back.
    _, kind, counts = np.unique(content, axis=0, return_inverse=True, return_counts=True)
    order = rng.permutation(n_units)
    order = order[np.argsort(kind.reshape(-1)[order], kind="stable")]
    place = np.arange(n_units) - np.repeat(np.cumsum(counts) - counts, counts)  # of a unit among its kind
    dealt = place < np.repeat(counts - counts % n_folds, counts)
    fold_of_unit[order[dealt]] = place[dealt] % n_folds

    # The rest one by one, largest first and rarest label first among equals.
    totals = content.sum(axis=0)
    share = np.maximum(totals / n_folds, 1e-9)
    filled = np.zeros((n_folds, content.shape[1]))
    np.add.at(filled, fold_of_unit[order[dealt]], content[order[dealt]])
    rest = order[~dealt]
    rarity = (content[rest] / np.maximum(totals, 1)).max(axis=1)
    for unit in rest[np.lexsort((-rarity, -content[rest, 0]))]:
        missing_before = ((filled - share) / share) ** 2
        missing_after = ((filled + content[unit] - share) / share) ** 2
        cost = (missing_after - missing_before).sum(axis=1)
        best = np.flatnonzero(cost <= cost.min() + 1e-12)
        chosen = best[np.argmin(filled[best, 0])]
        fold_of_unit[unit] = chosen
        filled[chosen] += content[unit]
    return fold_of_unit[units]


def check_units(path: Path, folds: np.ndarray, units: np.ndarray, remake: str) -> None:
    """Refuse folds that part rows of one text or group: what is learnt from one half would be scored on the other."""
    pairs = np.unique(np.column_stack([units, folds]), axis=0)
    if parted := (np.bincount(pairs[:, 0]) > 1).sum():
        raise InputError(
            f"{path}: {parted} texts or groups stand in more than one fold, which leaks from training into validation; "
            f"run `{remake}` to make folds that keep them together"
        )


def missing_classes(folds: np.ndarray, targets: Targets, ids: Sequence[str]) -> list[str]:
    """A phrase for each class that a fold has no row of: it could not be scored there, nor learnt without it."""
    if not targets.of_classes:
        return []
    labels = targets.strata.astype(bool)
    kinds = [(name, labels[:, place]) for place, name in enumerate(targets.names)]
    if not targets.spec.named:
        kinds = [(f"{name} = {value}", has == bool(value)) for name, has in kinds for value in (0, 1)]
    phrases = []
    for name, has in kinds:
        lacking = sorted(set(folds[folds >= 0].tolist()) - set(folds[has].tolist()))
        if lacking:
            rows = [ids[row] for row in np.flatnonzero(has).tolist()]
            named = ", ".join(rows[:NAMED]) + (", …" if len(rows) > NAMED else "")
            without = ", ".join(map(str, lacking))
            phrases.append(f"class {name} has {len(rows)} rows ({named}) and none in fold {without}")
    return phrases
