"""Rows that were not there at training, as the members of an ensemble read them."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from foldwise.config import Tokens
from foldwise.data.features import features_of, only_texts, texts_of
from foldwise.data.own_tokenizer import Splitter
from foldwise.data.token_store import TokenStore, save_array
from foldwise.data.tokenizer import tokenize_further
from foldwise.files import write_text
from foldwise.inference.bundle import Source
from foldwise.learners import NewRows, learner_for
from foldwise.paths import FEATURES

WORDS, NEW_VECTORS = "words.txt", "new_vectors.npy"  # beside the tokens; words in id order, the new ones last
NewVectors = Callable[[list[str], np.ndarray], np.ndarray]  # V' new words and their counts → (V', E)


@dataclass(frozen=True)
class Rows:
    """M rows."""

    cut: TokenStore  # texts of at most `max_length` tokens
    whole: TokenStore  # as they are, where members see whole texts; else the same
    features: np.ndarray  # (M, D) float64
    words: list[str]  # V + V', the new ones last
    new_vectors: np.ndarray  # (V', E)

    def save(self, folder: Path) -> None:
        """Write them for other processes."""
        self.whole.save_beside(self.cut, folder)
        save_array(folder / FEATURES, self.features)
        write_text(folder / WORDS, "\n".join(self.words))
        save_array(folder / NEW_VECTORS, self.new_vectors)

    @classmethod
    def open(cls, folder: Path) -> "Rows":
        """Map saved ones into memory."""
        words = (folder / WORDS).read_text(encoding="utf-8").split("\n")
        stores = TokenStore.open(folder), TokenStore.open(folder, whole=True)
        return cls(*stores, np.load(folder / FEATURES), words, np.load(folder / NEW_VECTORS))

    def of_member(self, source: Source, member: str, own: Path | None) -> NewRows:
        """As a member reads them; `own` is the folder of the tokens of its own, where it makes some."""
        learner, trained = learner_for(source.manifest.config.recipe.of_member(member)), source.trained(member)
        store = TokenStore.open(own) if own else self.whole if learner.sees_whole_texts else self.cut
        return NewRows(
            store=store,
            words=self.words,
            features=self.features if trained.shape.features else None,
            new_vectors=self.new_vectors,
            trained=trained,
            own=own,
        )


def read_rows(
    source: Source,
    texts: Sequence[Sequence[str]],
    features: np.ndarray,
    settings: Tokens,
    splitter: Splitter | None,
    find_vectors: NewVectors,
    progress: Callable[[int], object],
) -> Rows:
    """Tokenize the texts of M rows.

    Args:
        texts: of each column that is read the M cells.
        features: (M, d) of the columns given as features.
        settings: of the recipe; what it says of the vocabulary decides which new words there are.
        find_vectors: gives the vectors of these.
        progress: called with the number of texts done; twice over all texts.
    """
    manifest = source.manifest
    texts = only_texts(texts, manifest.config.columns)
    joined, columns = texts_of(texts, settings)
    store, new, counts = tokenize_further(joined, source.words, settings, progress, splitter=splitter)
    store = replace(store, columns=columns)
    cut = store.cut(manifest.max_length, settings.cut)
    beside = features_of(texts, features, settings)
    words = [*source.words, *new]
    return Rows(cut, store if manifest.whole else cut, beside, words, find_vectors(new, counts))
