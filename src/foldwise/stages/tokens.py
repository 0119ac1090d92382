"""Stage tokens: texts to one flat token array, a vocabulary and its vectors, in `output/<slug>/tokens/`.

./run.sh tokens -c SLUG
"""

import time
from collections.abc import Sequence
from dataclasses import asdict, replace
from typing import Any

import numpy as np

from foldwise.config import Tokens
from foldwise.console import bar, duration, say
from foldwise.data.competition import join_texts
from foldwise.data.embeddings import build_vectors, random_vectors
from foldwise.data.features import text_features
from foldwise.data.tokenizer import SEPARATOR, tokenize
from foldwise.errors import InputError
from foldwise.files import atomic_folder, hash_of, read_json, sizes_of, write_json
from foldwise.stages.run import Run, differences
from foldwise.stages.vectors import read_tables, vector_hashes


def inputs_of(run: Run) -> dict[str, Any]:
    """What the tokens depend on; when any of it changes they are made again."""
    settings, files = run.config.recipe.tokens, run.config.files
    return {
        "train": hash_of(run.paths.table("train")),
        "test": hash_of(run.paths.table("test")),
        "columns": run.config.columns.model_dump(include={"id", "text", "features"}),
        "files": {"quotes": files.quotes, "numbered": sorted({"train", "test"} & set(files.numbered))},
        "tokens": settings.model_dump(),
        "vectors": vector_hashes(run),
        "debug": run.debug,
    }


def are_current(run: Run) -> bool:
    """True if the tokens there were made from the same input and settings."""
    return not differences(run.paths.tokens, "tokens.json", inputs_of(run))


def tokens(run: Run) -> None:
    """Make the tokens unless those there were made from the same input and settings."""
    folder, inputs = run.paths.tokens, inputs_of(run)
    record = read_json(folder / "tokens.json")
    reasons = differences(folder, "tokens.json", inputs)
    if not reasons and not run.force:
        say("tokens", f"kept {record['tokens']:,} tokens, {record['words']:,} words: input and settings are the same")
        return
    why = "there were none" if reasons == ["missing"] else "; ".join(reasons) or "--force"
    competition, settings = run.competition, run.config.recipe.tokens
    start = time.perf_counter()
    both = [[*train, *test] for train, test in zip(competition.train_texts, competition.test_texts, strict=True)]
    texts, columns = texts_of(both, settings)
    with bar("tokens", 2 * len(texts), "texts") as shown:
        store, words, counts = tokenize(texts, columns * len(competition.train_ids), settings, shown.update)
    store = replace(store, columns=columns)
    features = features_of(both, competition.features, settings)
    if settings.vectors == ["none"]:
        vectors, coverage = random_vectors(len(words), settings.dimension), None
    else:
        vectors, coverage = build_vectors(words, counts, read_tables(run, words), settings.combine)
    seconds = time.perf_counter() - start
    with atomic_folder(folder) as temporary:
        store.save(temporary)
        np.save(temporary / "vectors.npy", vectors)
        np.save(temporary / "features.npy", features)
        write_json(temporary / "vocab.json", {word: index for index, word in enumerate(words)})
        summary = {"rows": len(store), "tokens": len(store.tokens), "words": len(words)}
        facts = {"coverage": asdict(coverage) if coverage else None, "files": sizes_of(temporary)}
        write_json(temporary / "tokens.json", {"inputs": inputs, **summary, **facts})
    run.record_seconds("tokens", seconds)
    lengths = store.lengths
    say("tokens", f"made {len(store.tokens):,} tokens, {len(words):,} words, in {duration(seconds)} ({why})")
    say("tokens", f"row lengths: median {np.median(lengths):.0f}, longest {lengths.max()}, limit {settings.max_length}")
    if features.shape[1]:
        names = ", ".join([*settings.features, *run.config.columns.features])
        say("tokens", f"{features.shape[1]} features beside the text: {names}")
    for line in coverage.lines() if coverage else []:
        say("tokens", line)


def texts_of(columns: Sequence[Sequence[str]], settings: Tokens) -> tuple[list[str], int]:
    """The texts to tokenize, row after row, and how many of them a row has.

    Args:
        columns: of each text column the texts of the rows.
    """
    if settings.columns == "apart":
        return [text for row in zip(*columns, strict=True) for text in row], len(columns)
    return list(join_texts(columns, f" {SEPARATOR} ")), 1


def texts_and_features(run: Run) -> tuple[int, int]:
    """K texts of a row that are encoded apart, and D numbers beside them."""
    columns, settings = run.config.columns, run.config.recipe.tokens
    texts = len(columns.text) if settings.columns == "apart" else 1
    return texts, len(columns.features) + len(settings.features)


def features_of(columns: Sequence[Sequence[str]], given: np.ndarray, settings: Tokens) -> np.ndarray:
    """(n, D) float64: numbers from the texts, then those from columns of the tables.

    Args:
        columns: of each text column the texts of n rows.
        given: (n, …) float64 from columns of the tables.
    """
    if not settings.features:
        return given
    return np.hstack([text_features(join_texts(columns), settings.features), given])


def check_tokens(run: Run) -> str:
    """The hash of up-to-date tokens, which trained folds record.

    Raises:
        InputError: there are none, or they were made from other input or settings.
    """
    inputs = inputs_of(run)
    reasons = differences(run.paths.tokens, "tokens.json", inputs)
    again = f"run `{run.hint('tokens')}`, or `all` for every stage"
    if reasons == ["missing"]:
        raise InputError(f"{run.paths.tokens}: no tokens yet; {again}")
    if reasons:
        raise InputError(f"{run.paths.tokens}: out of date ({'; '.join(reasons)}); {again}")
    return hash_of(inputs)
