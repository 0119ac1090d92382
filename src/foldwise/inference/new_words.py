"""Words that the vocabulary of the training has not: which there are of them, and their vectors."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from foldwise.console import Progress, say
from foldwise.data.competition import ToPredict
from foldwise.data.own_tokenizer import find_splitter
from foldwise.data.tokenizer import SPECIAL, UNK
from foldwise.errors import InputError
from foldwise.inference.bundle import Source, networks, reads_vectors
from foldwise.inference.rows import read_rows
from foldwise.paths import Paths
from foldwise.run import Run
from foldwise.vectors.cache import read_tables
from foldwise.vectors.files import VectorFile, vector_sources
from foldwise.vectors.reading import VectorTable, read_vectors
from foldwise.vectors.table import RANDOM_STD, build_vectors, draw_by_word, random_vectors, wanted_words

KEPT = 100_000  # words whose vectors stay in memory
LARGE = 1 << 30  # bytes of a file of word vectors that is read anew where words need it


def prepare_tokens(run: Run, source: Source, asked: ToPredict, folder: Path) -> None:
    """Tokenize the test texts; write to `folder` what folds predict from: tokens, features, words and new vectors."""
    settings, manifest = run.config.recipe.tokens, source.manifest
    # before there is a need: what is missing should show at the first try, and not with the hidden test set
    sources = find_sources(source, run.paths)

    def find_vectors(new: list[str], counts: np.ndarray) -> np.ndarray:
        if new and networks(manifest, own=False):
            return vectors_of(run, manifest.dimension, source.words, (new, counts), sources)
        return np.empty((len(new), manifest.dimension), dtype=np.float32)  # no built-in network looks at them

    texts = len(asked.test_ids) * (len(asked.test_texts) if settings.columns == "apart" else 1)
    with Progress("infer", 2 * texts, "texts") as shown:
        splitter = find_splitter(settings, source.tokenizers, source.before)
        rows = read_rows(source, asked.test_texts, asked.features, settings, splitter, find_vectors, shown.update)
    rows.save(folder)
    unknown, tokens, new = int((rows.cut.tokens == UNK).sum()), len(rows.cut.tokens), len(rows.new_vectors)
    say("infer", f"{len(rows.cut):,} rows, {tokens:,} tokens, of these {unknown:,} <unk>; new words: {new:,}")
    if new and (own := networks(manifest, own=True)):
        keeps = "a model of your own keeps the vocabulary it was made with"
        say("infer", f"new words are <unk> to {', '.join(own)}: {keeps}")


def find_sources(source: Source, paths: Paths) -> list[VectorFile]:
    """The files that new words have their vectors from; none where they need none, or all vectors are random."""
    if not reads_vectors(source.manifest, source.words):
        return []
    try:
        return vector_sources(source.manifest.config.recipe.tokens, paths)
    except InputError as error:
        need = "words that only this test set has need the vectors they would have had at home"
        raise InputError(f"{need}: {error}") from error


def vectors_of(
    run: Run, dimension: int, words: list[str], new: tuple[list[str], np.ndarray], sources: list[VectorFile]
) -> np.ndarray:
    """(V', E) float32 vectors of the V' new words: those they would have had at home, where no one learns them either.

    Args:
        words: V words that are not new.
        new: the words and their (V',) counts.
        sources: files of word vectors; none where all are random.
    """
    settings, (added, counts) = run.config.recipe.tokens, new
    if not sources:
        return random_vectors(len(words) + len(added), dimension)[len(words) :]  # a longer draw begins as a shorter one
    listed = [*SPECIAL, *added]
    tables = read_tables(sources, listed, run.paths.vector_cache, "infer")
    # Another seed than at home: a word without a vector must not get that of another such word.
    seed, of_all = len(tables), np.concatenate([np.zeros(len(SPECIAL), dtype=np.int64), counts])
    vectors, coverage = build_vectors(listed, of_all, tables, settings.combine, seed)
    check_dimension(vectors, dimension, settings.vectors, sources)
    found, exact = (round(share * len(added)) for share in (coverage.words, coverage.exact_words))
    say("infer", f"of the new words {found:,} have vectors in the files ({exact:,} as written), others get random ones")
    return vectors[len(SPECIAL) :]


class WordVectors:
    """Vectors of words that the training did not know, of each word the same whatever texts it is in.

    Those of the files of word vectors, as `infer` has them; of a word that is not there random ones, drawn from the
    word itself. What was looked up stays in memory.
    """

    def __init__(self, source: Source, paths: Paths) -> None:
        self.manifest, self.paths, self.source = source.manifest, paths, source
        self.used = bool(networks(source.manifest, own=False))
        self.known: dict[str, np.ndarray] = {}
        self.tables: dict[VectorFile, VectorTable] = {}

    def __call__(self, new: list[str], counts: np.ndarray) -> np.ndarray:  # noqa: ARG002
        """(V', E) float32 of V' new words, however often they occur."""
        if not self.used or not new:
            return np.empty((len(new), self.manifest.dimension), dtype=np.float32)
        if len(self.known) > KEPT:
            self.known.clear()
        if missing := [word for word in new if word not in self.known]:
            self.known |= dict(zip(missing, self.look_up(missing), strict=True))
        return np.stack([self.known[word] for word in new])

    def look_up(self, words: list[str]) -> np.ndarray:
        """(V', E) float32."""
        settings, dimension = self.manifest.config.recipe.tokens, self.manifest.dimension
        sources = find_sources(self.source, self.paths)
        if not sources:
            return draw_by_word(words, dimension) * RANDOM_STD
        listed = [*SPECIAL, *words]
        tables = [self.read_table(source, listed) for source in sources]
        vectors, _ = build_vectors(listed, np.ones(len(listed), np.int64), tables, settings.combine, seed=None)
        check_dimension(vectors, dimension, settings.vectors, sources)
        return vectors[len(SPECIAL) :]

    def read_table(self, source: VectorFile, words: list[str]) -> VectorTable:
        """The rows of a file that words can use; a file that is not large is read once, and all of it kept."""
        if source.size > LARGE:
            return read_vectors(source, wanted_words(words))
        if source not in self.tables:
            self.tables[source] = read_vectors(source, None)
        return self.tables[source]


def check_dimension(vectors: np.ndarray, dimension: int, named: Sequence[str], sources: Sequence[VectorFile]) -> None:
    """Refuse files whose vectors are not as long as those of the training."""
    if vectors.shape[1] != dimension:
        raise InputError(
            f"recipe.tokens.vectors = {named}: {', '.join(map(str, sources))}: vectors of "
            f"{vectors.shape[1]} numbers where the weights were trained with {dimension}; put the same files there"
        )
