"""Texts to the numbers that an encoder reads, by its own tokenizer.json, special tokens and all.

Two text columns are encoded as a pair, as the tokenizer does it; more are joined by its separator. Which part of a pair
a token is from (its type) stands in the bits above its number, so that rows are one array of numbers like any others.
"""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from tokenizers import Tokenizer

from foldwise.console import Progress
from foldwise.data.features import join_texts
from foldwise.data.token_store import TokenStore
from foldwise.errors import InputError
from foldwise.inputs import check_input
from foldwise.plugins import as_input_error

TYPE_BIT = 24  # no vocabulary has so many tokens
CHUNK = 8192  # rows between two steps of the progress bar


def load_tokenizer(path: Path, max_length: int, pair: bool) -> Tokenizer:
    """The tokenizer, which cuts to `max_length` tokens (the longer text of a pair first) and does not pad."""
    try:
        tokenizer = Tokenizer.from_file(str(path))
    except Exception as error:  # the library raises no other class
        raise InputError(f"{path}: not a tokenizer.json ({error}); take the encoder's own") from error
    check_input(path)
    special = tokenizer.num_special_tokens_to_add(pair)
    if max_length <= special:
        raise InputError(f"recipe.encoder.max_length = {max_length}: {special} of these are special tokens; raise it")
    tokenizer.no_padding()
    tokenizer.enable_truncation(max_length, strategy="longest_first")
    return tokenizer


def find_separator(tokenizer: Tokenizer) -> str:
    """The token that ends a text, or a line break where there is none."""
    tokens = tokenizer.encode("").tokens
    return f" {tokens[-1]} " if tokens else "\n"


def encode_rows(columns: Sequence[Sequence[str]], tokenizer: Tokenizer) -> TokenStore:
    """The rows of these text columns; a text without tokens, where the tokenizer adds none, becomes the number 0."""
    told = "the encoder's tokenizer.json cannot split texts: "
    with as_input_error(told):
        rows = list(zip(*columns, strict=True)) if len(columns) == 2 else join_texts(columns, find_separator(tokenizer))
    parts, lengths = [np.empty(0, np.int32)], [np.zeros(1, np.int64)]
    with Progress("tokens", len(rows), "texts") as shown:
        for start in range(0, len(rows), CHUNK):
            with as_input_error(told):
                encodings = tokenizer.encode_batch_fast(list(rows[start : start + CHUNK]))
            texts = [np.array([row.ids, row.type_ids] if row.ids else [[0], [0]]) for row in encodings]
            numbers, types = np.concatenate(texts, axis=1)
            parts.append((numbers | types << TYPE_BIT).astype(np.int32))
            lengths.append(np.array([text.shape[1] for text in texts]))
            shown.update(len(encodings))
    return TokenStore(np.concatenate(parts), np.cumsum(np.concatenate(lengths)))
