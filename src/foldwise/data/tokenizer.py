"""Texts to tokens, split the way GloVe's own corpus was: lower case, punctuation apart, contractions cut (do n't).

The work is done by Hugging Face `tokenizers` in Rust, on all cores, chunk by chunk so that progress can be shown.
"""

from collections.abc import Callable, Iterator, Sequence
from itertools import chain

import numpy as np
from tokenizers import Regex, Tokenizer
from tokenizers.models import WordLevel
from tokenizers.normalizers import NFKC, Lowercase, Replace
from tokenizers.normalizers import Sequence as NormalizerSequence
from tokenizers.pre_tokenizers import Split
from tokenizers.trainers import WordLevelTrainer

from foldwise.config import Tokens
from foldwise.data.token_store import TokenStore

PAD, UNK = 0, 1
SPECIAL = ["<pad>", "<unk>"]
CHUNK = 8192  # texts between two steps of the progress bar

# Penn Treebank style, as GloVe 6B: "don't" → do n't, "it's" → it 's; numbers and hyphenated words stay whole.
TOKEN = "|".join(
    [
        r"\p{L}+?(?=n't(?!\p{L}))",
        r"n't(?!\p{L})",
        r"'(?:s|m|d|ll|re|ve)(?!\p{L})",
        r"\p{N}+(?:[.,:]\p{N}+)*(?![\p{L}\p{N}])",
        r"[\p{L}\p{M}\p{N}_]+(?:-[\p{L}\p{M}\p{N}_]+)*",
        r"\.{2,}",
        r"[^\s]",
    ]
)


def build_tokenizer(settings: Tokens, vocabulary: dict[str, int]) -> Tokenizer:
    """A tokenizer that knows `vocabulary` (word → id); every other token becomes `<unk>`."""
    tokenizer = Tokenizer(WordLevel(vocabulary, unk_token=SPECIAL[UNK]))
    quotes = [Replace(Regex("[’‘`´]"), "'"), Replace("''", '"'), Replace(Regex("[“”]"), '"')]
    case = [Lowercase()] if settings.case == "lower" else []
    tokenizer.normalizer = NormalizerSequence([NFKC(), *quotes, *case])
    tokenizer.pre_tokenizer = Split(Regex(TOKEN), behavior="removed", invert=True)
    return tokenizer


def tokenize(
    texts: Sequence[str], n_train: int, settings: Tokens, progress: Callable[[int], object]
) -> tuple[TokenStore, list[str], np.ndarray]:
    """Tokenize all texts and make the vocabulary.

    Args:
        texts: N training texts followed by M test texts.
        n_train: N.
        settings: case, vocabulary policy, `min_count`, `max_size`, `max_length`.
        progress: called with the number of texts done; twice over all texts.

    Returns:
        The token store of the N + M texts; the V words in id order, most frequent first after `<pad>` and `<unk>`;
        (V,) int64 counts of each in the rows the vocabulary was made from.
    """
    tokenizer = build_tokenizer(settings, {})
    tokenizer.train_from_iterator(
        chunks(texts, progress), WordLevelTrainer(vocab_size=2**31 - 1, special_tokens=SPECIAL, show_progress=False)
    )
    flat, lengths = encode(tokenizer, texts, settings.max_length, progress)
    offsets = np.concatenate([np.zeros(1, dtype=np.int64), np.cumsum(lengths, dtype=np.int64)])
    seen = flat[: offsets[n_train]] if settings.vocabulary == "train" else flat
    counts = np.bincount(seen, minlength=tokenizer.get_vocab_size())
    # Most frequent first, ties as the trainer left them (by word), so that a cut by size is the same everywhere.
    order = len(SPECIAL) + np.argsort(-counts[len(SPECIAL) :], kind="stable")
    kept = order[counts[order] >= settings.min_count][: settings.max_size]
    new_id = np.full(len(counts), UNK, dtype=np.int32)
    new_id[kept] = np.arange(len(SPECIAL), len(SPECIAL) + len(kept), dtype=np.int32)
    word_of = {number: word for word, number in tokenizer.get_vocab().items()}
    words = SPECIAL + [word_of[number] for number in kept.tolist()]
    unknown = counts.sum() - counts[kept].sum()
    return TokenStore(new_id[flat], offsets), words, np.concatenate([[0, unknown], counts[kept]])


def encode(
    tokenizer: Tokenizer, texts: Sequence[str], max_length: int, progress: Callable[[int], object]
) -> tuple[np.ndarray, np.ndarray]:
    """(S,) int32 token ids of all texts end to end, and (N,) int64 lengths; longer texts lose their tail."""
    parts, lengths = [], []
    for chunk in chunks(texts, progress):
        rows = [encoding.ids[:max_length] for encoding in tokenizer.encode_batch_fast(chunk)]
        lengths += [len(row) for row in rows]
        parts.append(np.fromiter(chain.from_iterable(rows), dtype=np.int32))
    return np.concatenate(parts), np.array(lengths, dtype=np.int64)


def chunks(texts: Sequence[str], progress: Callable[[int], object]) -> Iterator[list[str]]:
    """The texts in lists of `CHUNK`, reporting each list once it has been taken in."""
    for start in range(0, len(texts), CHUNK):
        chunk = list(texts[start : start + CHUNK])
        yield chunk
        progress(len(chunk))
