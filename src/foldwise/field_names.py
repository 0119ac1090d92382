"""Which field of the recipe is meant by a name that is none: `lr`, `max_len`, `learning_rate` without its table."""

import re
from collections.abc import Iterable

SHOWN = 4  # fields at most
LONGEST = 200  # characters that are looked at
# Names in common use that no rule below finds.
ALIASES = {
    "clip": "training.max_grad_norm",
    "dim": "tokens.dimension",
    "embedding_dim": "tokens.dimension",
    "embed_dim": "tokens.dimension",
    "fp16": "training.precision",
    "bf16": "training.precision",
    "amp": "training.precision",
    "grad_clip": "training.max_grad_norm",
    "gradient_clipping": "training.max_grad_norm",
    "hidden_size": "model.hidden",
    "hidden_dim": "model.hidden",
    "num_layers": "model.layers",
    "n_layers": "model.layers",
    "num_epochs": "training.epochs",
    "n_epochs": "training.epochs",
    "label_smoothing": "training.loss_arguments",
    "max_tokens": "tokens.max_length",
    "early_stopping": "training.patience",
    "vocab_size": "tokens.max_size",
    "max_features": "tokens.max_size",
}
ONE_LEARNER = ("linear", "encoder")  # tables of one kind of learner: their fields come after those that all have
# How near a field's name is; a kind of `dropout` is `spatial_dropout`.
SAME, SHORT, KIND, WITH_TABLE = range(4)


def fields_meant(name: str, fields: Iterable[str]) -> list[str]:
    """The dotted fields that a name may mean, the likeliest first; none where only its letters are like one.

    >>> fields_meant("lr", ["encoder.learning_rate", "training.epochs", "training.learning_rate"])
    ['training.learning_rate', 'encoder.learning_rate']
    >>> fields_meant("dropout", ["model.spatial_dropout", "model.dropout"])
    ['model.dropout', 'model.spatial_dropout']
    """
    asked = words_of(name[:LONGEST])
    found: dict[int, list[str]] = {}
    for field in fields:
        if (rank := likeness(asked, field)) is not None:
            found.setdefault(rank, []).append(field)
    chosen = [SAME, SHORT] if SAME in found or SHORT in found else [min(found, default=KIND)]
    if len(found.get(SAME, [])) == 1 and SHORT not in found:
        chosen.append(KIND)
    meant = [(rank, field) for rank in chosen for field in found.get(rank, [])]
    meant.sort(key=lambda pair: (pair[0] >= KIND, pair[1].startswith(ONE_LEARNER)))
    return [field for _, field in meant[:SHOWN]]


def likeness(asked: list[str], field: str) -> int | None:
    """How near a field's name is to these words; None if it is not meant."""
    if not asked:
        return None
    last, whole = words_of(field.rpartition(".")[2]), words_of(field)
    if asked in (last, whole) or ALIASES.get("_".join(asked)) == field:
        return SAME
    initials = ["".join(word[0] for word in words) for words in (last, whole)]
    if (
        (len(asked[0]) > 1 and asked in ([initials[0]], [initials[1]]))
        or shortens(asked, last)
        or shortens(asked, whole)
    ):
        return SHORT
    if "arguments" in last:  # of what is named by another field
        return None
    if all(any(begins(part, word) for word in last) for part in asked):
        return KIND
    return WITH_TABLE if len(asked) > 1 and all(any(begins(part, word) for word in whole) for part in asked) else None


def words_of(name: str) -> list[str]:
    """`max_grad_norm` → max, grad, norm."""
    return [word for word in re.split(r"[^a-z0-9]+", name.lower()) if word]


def shortens(asked: list[str], words: list[str]) -> bool:
    """Whether each of the words begins as the one asked for in its place."""
    return len(asked) == len(words) and all(map(begins, asked, words))


def begins(part: str, word: str) -> bool:
    """Whether a word is this, or begins so."""
    return word == part or (len(part) > 2 and word.startswith(part))
