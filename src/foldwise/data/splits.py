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

from foldwise.data.table import Table, number_values
from foldwise.data.targets import Targets, parse_number
from foldwise.errors import InputError, list_names, shorten

NAMED, LONGEST = 5, 40  # rows that a message names, and their characters
# Folds of rows that are never validated: trained on in every fold, or out of sight in every one.
TRAIN_ONLY, HIDDEN = -1, -2
MOST_FOLDS = 1_000_000  # whatever is larger is no number of a fold
LOPSIDED = 1.5  # times an even share, from which a fold is too large not to say so


def normalise(text: str) -> str:
    """What makes two texts the same text: compatibility forms, case and white space do not count."""
    return " ".join(unicodedata.normalize("NFKC", text).casefold().split())


def units_of(texts: Sequence[str], groups: Sequence[str] | None, same_text: bool = True) -> np.ndarray:
    """(N,) int64 unit numbers: rows with one text (if `same_text`) or one group, also through others, share one."""
    n = len(texts)
    unit, different = number_values([normalise(text) if same_text else str(row) for row, text in enumerate(texts)])
    if groups is None:
        return unit
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    group, names = number_values(groups)
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
        fix = "lower recipe.folds.n" if n_units > 1 else "is columns.text, or columns.group, the right column of train?"
        raise InputError(
            f"{n_folds} folds need at least {n_folds} texts or groups that differ, and there are {n_units}; {fix}"
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


def split_rows(targets: Targets, units: np.ndarray, n_folds: int, seed: int) -> np.ndarray:
    """(N,) int64 folds of the training rows, as `make_folds`; `TRAIN_ONLY` for a row that is alone in its class.

    Validated, it would be scored by a model that never saw its class, and no model would learn it from all it can.
    Where too few other rows are left all rows get a fold.
    """
    alone = only_of_class(targets) & (np.bincount(units)[units] == 1)
    rest = np.flatnonzero(~alone)
    if not alone.any() or len(np.unique(units[rest])) < n_folds:
        return make_folds(counting_strata(targets), units, n_folds, seed)
    folds = np.full(len(units), TRAIN_ONLY, dtype=np.int64)
    folds[rest] = make_folds(counting_strata(targets.take(rest)), units[rest], n_folds, seed)
    return folds


def only_of_class(targets: Targets) -> np.ndarray:
    """(N,) bool: rows whose class no other row that counts has; none where a row may have several labels, or values."""
    if not targets.spec.named:
        return np.zeros(len(targets.truth), dtype=bool)
    counts = np.ones(len(targets.truth)) if targets.weights is None else targets.weights > 0
    return np.bincount(targets.truth, counts, minlength=len(targets.names))[targets.truth] == 1


def number_folds(table: Table, column: str, n_folds: int, fix: str) -> np.ndarray:
    """(n,) int64 folds of a table's rows, 0 … K-1 or `TRAIN_ONLY`, from a column that counts from 0 or from 1.

    Args:
        fix: what to do where other folds are there, for messages.
    """
    places, values = number_values(table.column(column))
    numbers = {value: parse_number(value) for value in values}
    what = f"is not a whole number; number folds from 0 or 1, and {TRAIN_ONLY} for rows that are only trained on"
    odd = [
        value
        for value, number in numbers.items()
        if number is None or not number.is_integer() or abs(number) > MOST_FOLDS
    ]
    table.refuse({column: {value: f"{shorten(value)} {what}" for value in odd}})
    folds = np.array([numbers[value] for value in values], dtype=np.int64)
    there = np.unique(folds[folds != TRAIN_ONLY])
    check_count(f"{table.path}: column {column}", there, n_folds, fix)
    first = int(n_folds in there and 0 not in there)
    legal = [TRAIN_ONLY, *range(first, first + n_folds)]
    outside = f"is not a fold from {first} to {legal[-1]}, or {TRAIN_ONLY}"
    wrong = [value for value, fold in zip(values, folds, strict=True) if fold not in legal]
    table.refuse({column: {value: f"{shorten(value)} {outside}" for value in wrong}})
    if empty := sorted({*legal[1:]} - {*there.tolist()}):
        raise InputError(
            f"{table.path}: column {column}: no rows in fold {', '.join(map(str, empty))} of {n_folds}; {fix}"
        )
    return np.where(folds == TRAIN_ONLY, folds, folds - first)[places]


def check_count(where: str, there: np.ndarray, n_folds: int, fix: str) -> None:
    """An `InputError` where folds are numbered without a gap, and are not as many as the recipe has."""
    count = len(there)
    if count == n_folds or not np.array_equal(there - there[:1], np.arange(count)) or (there[:1] > 1).any():
        return
    fix = f"set folds.n = {count}, or {fix}"
    if count < 2:
        fix = "for one split number its other rows 1, set folds.n = 2 and let members train folds = [0]"
    raise InputError(f"{where}: holds {count} fold{'s' * (count != 1)} where recipe.folds.n = {n_folds}; {fix}")


def hide_weightless(folds: np.ndarray, targets: Targets) -> np.ndarray:
    """The (N,) folds with `HIDDEN` for rows of weight 0: they are neither trained on nor scored."""
    return folds if targets.weights is None else np.where(targets.weights == 0, HIDDEN, folds)


def counting_strata(targets: Targets) -> np.ndarray:
    """(N, L) what folds share evenly: `Targets.strata`; rows of weight 0 have a column for themselves instead."""
    if targets.weights is None or (targets.weights > 0).all():
        return targets.strata
    counts = targets.weights > 0
    return np.column_stack([targets.strata * counts[:, None], ~counts])


def check_sizes(path: Path, folds: np.ndarray, units: np.ndarray, n_folds: int) -> str:
    """A warning where folds are of very unlike sizes, else ""; an `InputError` where one has no row that counts."""
    validated = folds >= 0
    sizes = np.bincount(folds[validated], minlength=n_folds)
    if empty := np.flatnonzero(sizes == 0).tolist():
        numbers = ", ".join(map(str, empty))
        raise InputError(f"{path}: no row with a weight above 0 in fold {numbers} of {n_folds}; lower folds.n")
    share, largest = validated.sum() / n_folds, np.bincount(units[validated]).max()
    if sizes.max() <= LOPSIDED * share + 1:
        return ""
    why = f"; {largest:,} rows are of one text or group, which never part" if largest > share else ""
    return (
        f"{path}: folds of {sizes.min():,} to {sizes.max():,} rows, where an even share is {share:,.0f}{why}; scores "
        "of folds this unlike say little; try fewer folds (folds.n) or a finer columns.group"
    )


def check_units(path: Path, folds: np.ndarray, units: np.ndarray, fix: str) -> None:
    """Refuse folds that part rows of one text or group: what is learnt from one half would be scored on the other."""
    pairs = np.unique(np.column_stack([units, folds]), axis=0)
    if parted := (np.bincount(pairs[:, 0]) > 1).sum():
        raise InputError(
            f"{path}: {parted} texts or groups stand in more than one fold, which leaks from training into validation; "
            f"{fix}"
        )


def missing_classes(folds: np.ndarray, targets: Targets, ids: Sequence[str]) -> list[str]:
    """A phrase for each class that a fold has no row of: it could not be scored there, nor learnt without it."""
    if not targets.of_classes:
        return []
    labels = targets.strata.astype(bool)
    kinds = [(name, labels[:, place]) for place, name in enumerate(targets.names)]
    if not targets.spec.named:
        known = dict(zip(targets.names, np.isfinite(targets.truth).T, strict=False))
        kinds = [(f"{name} = {value}", known[name] & (has == bool(value))) for name, has in kinds for value in (0, 1)]
    phrases, every = [], set(np.unique(folds[folds >= 0]).tolist())
    for name, of_class in kinds:
        has = of_class & (folds != HIDDEN)
        there = set(np.unique(folds[has]).tolist())
        if not (lacking := every - there):
            continue
        ids_of = [cut(ids[row]) for row in np.flatnonzero(has)[: NAMED + 1].tolist()]
        named = ", ".join(ids_of[:NAMED]) + (", …" if len(ids_of) > NAMED else "")
        rows = f"class {cut(name)} has {has.sum():,} {'row' if has.sum() == 1 else 'rows'} ({named})"
        if there == {TRAIN_ONLY}:
            phrases.append(f"{rows}, trained on in every fold and never validated")
        else:
            phrases.append(f"{rows} and none in fold {list_names(map(str, sorted(lacking)), quoted=False)}")
    return phrases


def cut(name: str) -> str:
    """A name for a message of one line."""
    return name if len(name) <= LONGEST else name[: LONGEST - 1] + "…"
