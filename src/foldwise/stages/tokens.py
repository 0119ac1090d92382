"""Stage tokens: texts to one flat token array, a vocabulary and its vectors, in `output/<slug>/tokens/`.

./run.sh tokens -c SLUG
"""

import time
from dataclasses import asdict
from typing import Any

import numpy as np

from foldwise.console import bar, duration, say
from foldwise.data.embeddings import build_vectors, random_vectors
from foldwise.data.tokenizer import tokenize
from foldwise.errors import InputError
from foldwise.files import atomic_folder, hash_of, read_json, sizes_of, write_json
from foldwise.stages.run import Run, differences
from foldwise.stages.vectors import read_tables, vector_hashes


def inputs_of(run: Run) -> dict[str, Any]:
    """What the tokens depend on; when any of it changes they are made again."""
    settings = run.config.recipe.tokens
    return {
        "train": hash_of(run.paths.table("train")),
        "test": hash_of(run.paths.table("test")),
        "columns": {"id": run.config.columns.id, "text": run.config.columns.text},
        "tokens": settings.model_dump(),
        "vectors": vector_hashes(run),
        "debug": run.debug,
    }


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
    texts = competition.train_texts + competition.test_texts
    with bar("tokens", 2 * len(texts), "texts") as shown:
        store, words, counts = tokenize(texts, len(competition.train_ids), settings, shown.update)
    if settings.vectors == ["none"]:
        vectors, coverage = random_vectors(len(words), settings.dimension), None
    else:
        vectors, coverage = build_vectors(words, counts, read_tables(run, words), settings.combine)
    seconds = time.perf_counter() - start
    with atomic_folder(folder) as temporary:
        store.save(temporary)
        np.save(temporary / "vectors.npy", vectors)
        write_json(temporary / "vocab.json", {word: index for index, word in enumerate(words)})
        summary = {"rows": len(store), "tokens": len(store.tokens), "words": len(words)}
        facts = {"coverage": asdict(coverage) if coverage else None, "files": sizes_of(temporary)}
        write_json(temporary / "tokens.json", {"inputs": inputs, **summary, **facts})
    run.record_seconds("tokens", seconds)
    lengths = store.lengths
    say("tokens", f"made {len(store.tokens):,} tokens, {len(words):,} words, in {duration(seconds)} ({why})")
    say("tokens", f"row lengths: median {np.median(lengths):.0f}, longest {lengths.max()}, limit {settings.max_length}")
    for line in coverage.lines() if coverage else []:
        say("tokens", line)


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
