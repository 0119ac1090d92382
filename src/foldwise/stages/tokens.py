"""Stage tokens: texts to one flat token array, a vocabulary and its vectors, in `output/<slug>/tokens/`.

./run.sh tokens -c SLUG
"""

import time
from dataclasses import asdict, replace
from itertools import chain
from typing import Any

import numpy as np

from foldwise.auto import tell
from foldwise.console import Progress, duration, say, warn, working
from foldwise.data.features import features_of, only_texts, texts_of
from foldwise.data.own_tokenizer import find_splitter
from foldwise.data.token_store import MOST_WHOLE, TokenStore, save_array
from foldwise.data.tokenizer import length_limit, tokenize
from foldwise.files import atomic_folder, write_json, write_record
from foldwise.freshness import shared, token_differences, token_inputs, why_make_tokens
from foldwise.machine import check_room
from foldwise.paths import FEATURES, TOKENS_RECORD, VECTORS, VOCABULARY
from foldwise.records import TokensRecord, read_whole
from foldwise.run import Run
from foldwise.vectors.cache import read_tables
from foldwise.vectors.files import sources_for
from foldwise.vectors.table import Coverage, build_vectors, random_vectors

FEW_TOKENS = 2  # of the median text
LOW_COVERAGE = 0.2  # of the tokens


@working("tokens", "comparing and making them")
def tokens(run: Run) -> None:
    """Make the tokens unless those there were made from the same input and settings."""
    if choices := run.decided[1]:
        say("recipe", tell(choices))
    inputs = token_inputs(run)
    with shared(run, run.paths.tokens, inputs):
        update_tokens(run, inputs)


def update_tokens(run: Run, inputs: dict[str, Any]) -> None:
    """Make them unless they were made from these `inputs`."""
    folder, why = run.paths.tokens, why_make_tokens(run, token_differences(run, inputs))
    if not why:
        record = read_whole(folder / TOKENS_RECORD, TokensRecord)
        if not run.config.columns.text:
            return say("tokens", "there are no texts to split")
        there = f"{record['tokens']:,} tokens, {record['words']:,} words"
        return say("tokens", f"kept {there}: input and settings are the same")
    competition, settings = run.competition, run.config.recipe.tokens
    start = time.perf_counter()
    parts = [competition.train_texts, competition.test_texts]
    if competition.extra:
        parts.append(competition.extra.texts)
    together = only_texts([list(chain(*tables)) for tables in zip(*parts, strict=True)], run.config.columns)
    texts, columns = texts_of(together, settings)
    with Progress("tokens", 2 * len(texts), "texts") as shown:
        splitter = find_splitter(settings, run.paths.own_files)
        whole, words, counts = tokenize(texts, columns * len(competition.train_ids), settings, shown.update, splitter)
    whole = replace(whole, columns=columns)
    limit, few = length_limit(settings, whole, columns * len(competition.train_ids)), len(whole.tokens) <= MOST_WHOLE
    features = features_of(together, competition.features, settings)
    if sources := sources_for(run.config, run.paths):
        tables = read_tables(sources, words, run.paths.vector_cache, "tokens")
        vectors, coverage = build_vectors(words, counts, tables, settings.combine)
    else:
        vectors, coverage = random_vectors(len(words), settings.dimension), None
    seconds = time.perf_counter() - start
    check_room(folder, least_bytes(whole, limit, few, vectors, features), "the tokens")
    with atomic_folder(folder, TOKENS_RECORD) as temporary:
        store = whole.cut(limit, settings.cut)
        (whole if few else store).save_beside(store, temporary)
        save_array(temporary / VECTORS, vectors)
        save_array(temporary / FEATURES, features)
        write_json(temporary / VOCABULARY, {word: index for index, word in enumerate(words)})
        counted = {"rows": len(store), "tokens": len(store.tokens), "words": len(words)}
        found = {"limit": limit, "whole": few, "coverage": asdict(coverage) if coverage else None}
        write_record(temporary / TOKENS_RECORD, {"inputs": inputs, **counted, **found})
    run.record_seconds("tokens", seconds)
    if not run.config.columns.text:
        return say("tokens", "there are no texts to split")
    lengths = store.lengths
    say("tokens", f"made {len(store.tokens):,} tokens, {len(words):,} words, in {duration(seconds)} ({why})")
    say("tokens", f"row lengths: median {np.median(lengths):.0f}, longest {whole.lengths.max()}, limit {limit}")
    if features.shape[1]:
        names = ", ".join([*settings.features, *run.config.columns.features])
        say("tokens", f"{features.shape[1]} features beside the text: {names}")
    for line in coverage.lines() if coverage else []:
        say("tokens", line)
    warn_of_odd_tokens(lengths, coverage)
    return None


def least_bytes(whole: TokenStore, limit: int, few: bool, vectors: np.ndarray, features: np.ndarray) -> int:
    """Bytes of the arrays that are written."""
    size = whole.tokens.itemsize
    cut = int(np.minimum(np.diff(whole.offsets), limit).sum()) * size
    return cut + (few and cut < whole.tokens.nbytes) * whole.tokens.nbytes + vectors.nbytes + features.nbytes


def warn_of_odd_tokens(lengths: np.ndarray, coverage: Coverage | None) -> None:
    """Say where texts seem not to have been split, or word vectors to be of another language."""
    if np.median(lengths) <= FEW_TOKENS:
        warn(
            f"half of the texts have at most {FEW_TOKENS} tokens; if they are longer, their language may need a "
            "tokenizer of its own: see recipe.tokens.tokenizer"
        )
    if coverage and coverage.tokens < LOW_COVERAGE:
        warn(
            f"word vectors cover {coverage.tokens:.1%} of the tokens, others start from random ones; take vectors of "
            'the texts\' language (input/README.md), or recipe.tokens.vectors = "none", about the same and smaller'
        )
