"""The test set of stage infer as token numbers, with words that the vocabulary at home did not have."""

from dataclasses import replace
from pathlib import Path

import numpy as np

from foldwise.console import Progress, say
from foldwise.data.competition import ToPredict
from foldwise.data.features import features_of, texts_of
from foldwise.data.own_tokenizer import find_splitter
from foldwise.data.token_store import save_array
from foldwise.data.tokenizer import SPECIAL, UNK, tokenize_further
from foldwise.errors import InputError
from foldwise.files import write_text
from foldwise.inference.bundle import TOKENIZER, Manifest, networks, read_words, reads_vectors
from foldwise.inference.predict import NEW_VECTORS, WORDS
from foldwise.paths import FEATURES
from foldwise.run import Run
from foldwise.vectors.cache import read_tables
from foldwise.vectors.files import VectorFile, vector_sources
from foldwise.vectors.table import build_vectors, random_vectors


def prepare_tokens(run: Run, manifest: Manifest, asked: ToPredict, weights: Path, folder: Path) -> None:
    """Tokenize the test texts; write to `folder` what folds predict from: tokens, features, words and new vectors."""
    settings = run.config.recipe.tokens
    words, sources = read_words(weights), []
    if reads_vectors(manifest, words):
        try:  # before there is a need: what is missing should show at the first try, and not with the hidden test set
            sources = vector_sources(settings, run.paths)
        except InputError as error:
            need = "words that only this test set has need the vectors they would have had at home"
            raise InputError(f"{need}: {error}") from error
    texts, columns = texts_of(asked.test_texts, settings)
    with Progress("infer", 2 * len(texts), "texts") as shown:
        splitter = find_splitter(settings, [weights], TOKENIZER)
        store, new, counts = tokenize_further(texts, words, settings, shown.update, splitter=splitter)
    store = replace(store, columns=columns).save_cut(manifest.max_length, settings.cut, folder, manifest.whole)
    save_array(folder / FEATURES, features_of(asked.test_texts, asked.features, settings))
    write_text(folder / WORDS, "\n".join([*words, *new]))
    unknown, tokens = int((store.tokens == UNK).sum()), len(store.tokens)
    say("infer", f"{len(store):,} rows, {tokens:,} tokens, of these {unknown:,} <unk>; new words: {len(new):,}")
    vectors = np.empty((len(new), manifest.dimension), dtype=np.float32)  # where no built-in network looks at them
    if new and networks(manifest, own=False):
        vectors = vectors_of(run, manifest.dimension, words, (new, counts), sources)
    save_array(folder / NEW_VECTORS, vectors)
    if new and (own := networks(manifest, own=True)):
        keeps = "a model of your own keeps the vocabulary it was made with"
        say("infer", f"new words are <unk> to {', '.join(own)}: {keeps}")


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
    if vectors.shape[1] != dimension:
        raise InputError(
            f"recipe.tokens.vectors = {settings.vectors}: {', '.join(map(str, sources))}: vectors of "
            f"{vectors.shape[1]} numbers where the weights were trained with {dimension}; put the same files there"
        )
    found, exact = (round(share * len(added)) for share in (coverage.words, coverage.exact_words))
    say("infer", f"of the new words {found:,} have vectors in the files ({exact:,} as written), others get random ones")
    return vectors[len(SPECIAL) :]
