"""Texts to tokens, split the way GloVe's own corpus was: lower case, punctuation apart, contractions cut (do n't).

Scripts that put no blanks between words, such as Chinese and Thai, are split into characters.

Splitting is done by Hugging Face `tokenizers` in Rust, on all cores, but of each run between white space only once:
24 million tokens of questions are made of a few hundred thousand different runs, and looking one up is ten times
faster than splitting it again. Texts are then put together from the runs by numpy, chunk by chunk.
"""

from array import array
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from itertools import chain

import numpy as np
from tokenizers import Regex, Tokenizer, normalizers
from tokenizers.models import WordLevel
from tokenizers.normalizers import NFKC, Lowercase, Replace
from tokenizers.pre_tokenizers import Split
from tokenizers.trainers import WordLevelTrainer

from foldwise.config import Tokens
from foldwise.data.own_tokenizer import Splitter
from foldwise.data.token_store import TokenStore

PAD, UNK = 0, 1
SPECIAL = ["<pad>", "<unk>"]
SEPARATOR = "<sep>"  # the token between text columns that are read as one text
CHUNK = 8192  # texts between two steps of the progress bar
LONGEST_RUN = 1_000_000  # characters without white space; a longer run is cut, as the splitter gives up on 10 million

# Scripts without blanks between words, their digits left out; as a class of characters for regular expressions.
UNSPACED = "".join(
    [
        "\u2e80-\u2fdf\u3005-\u3007\u3021-\u3029\u3038-\u303b\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff",  # Han
        "\U00020000-\U0003ffff",  # more of it
        "\u3041-\u3096\u3099-\u309f\u30a1-\u30fa\u30fc-\u30ff\u31f0-\u31ff\U0001b000-\U0001b16f",  # Kana
        "\u0e01-\u0e3a\u0e40-\u0e4e\u0e81-\u0ecf\u0edc-\u0edf",  # Thai, Lao
        "\u1780-\u17d3\u17d7\u17dc\u17dd",  # Khmer
        "\u1000-\u103f\u1050-\u108f\u109a-\u109f\ua9e0-\ua9ef\uaa60-\uaa7f",  # Burmese
    ]
)
LETTER = rf"[\p{{L}}\p{{M}}\p{{N}}_&&[^{UNSPACED}]]"
# With the joiners inside, which spelling needs in Persian or Malayalam.
WORD = rf"{LETTER}[\p{{L}}\p{{M}}\p{{N}}_\u200c\u200d&&[^{UNSPACED}]]*"
PICTURE = "\\p{Extended_Pictographic}[\ufe0f\u20e3\U0001f3fb-\U0001f3ff\U000e0020-\U000e007f]*"

# Penn Treebank style, as GloVe 6B: "don't" → do n't, "it's" → it 's; numbers and hyphenated words stay whole.
TOKEN = "|".join(
    [
        SEPARATOR,
        # Of letters without blanks between words only the first looks how the run ends: all do so in the same time.
        rf"(?<![\p{{L}}&&[{UNSPACED}]])\p{{L}}+?(?=n't(?!\p{{L}}))",
        r"n't(?!\p{L})",
        r"'(?:s|m|d|ll|re|ve)(?!\p{L})",
        "[0-9#*]\ufe0f?\u20e3",  # a key
        rf"\p{{N}}+(?:[.,:]\p{{N}}+)*(?!{LETTER})",
        rf"{WORD}(?:-{WORD})*",
        rf"[{UNSPACED}][\p{{M}}\ufe0f]*",
        r"\p{Regional_Indicator}{2}",  # a flag
        rf"{PICTURE}(?:\u200d{PICTURE})*",
        r"\.{2,}",
        r"[^\s]",
    ]
)


def build_tokenizer(settings: Tokens, vocabulary: dict[str, int]) -> Tokenizer:
    """A tokenizer that knows `vocabulary` (word → id)."""
    tokenizer = Tokenizer(WordLevel(vocabulary, unk_token=SPECIAL[UNK]))
    quotes = [Replace(Regex("[’‘`´]"), "'"), Replace("''", '"'), Replace(Regex("[“”]"), '"')]
    case = [Lowercase()] if settings.case == "lower" else []
    tokenizer.normalizer = normalizers.Sequence([*quotes, NFKC(), *case])  # NFKC would part ´ into a space and a mark
    tokenizer.pre_tokenizer = Split(Regex(TOKEN), behavior="removed", invert=True)
    return tokenizer


def tokenize(
    texts: Sequence[str],
    n_train: int,
    settings: Tokens,
    progress: Callable[[int], object],
    splitter: Splitter | None = None,
) -> tuple[TokenStore, list[str], np.ndarray]:
    """Tokenize all texts, the first `n_train` of which are training texts, and make the vocabulary.

    Args:
        progress: called with the number of texts done; twice over all texts.
        splitter: of the user's own (`foldwise.data.own_tokenizer`).

    Returns:
        The token store of whole texts; the V words in id order, most frequent first after `<pad>` and `<unk>`; (V,)
        int64 counts of each in the rows the vocabulary was made from.
    """
    store, words, counts = tokenize_further(texts, SPECIAL, settings, progress, n_train, splitter)
    seen = store.offsets[n_train] if settings.vocabulary == "train" else len(store.tokens)
    return store, [*SPECIAL, *words], np.concatenate([[0, seen - counts.sum()], counts])


def tokenize_further(
    texts: Sequence[str],
    words: Sequence[str],
    settings: Tokens,
    progress: Callable[[int], object],
    n_train: int = 0,
    splitter: Splitter | None = None,
) -> tuple[TokenStore, list[str], np.ndarray]:
    """Tokenize texts by a vocabulary, and add the most frequent words that it lacks; what else it lacks is `<unk>`.

    Words are added from the training texts alone or from all texts, as `vocabulary` says.

    Args:
        words: V words in id order, `<pad>` and `<unk>` first.

    Returns:
        The token store of whole texts; the V' new words, whose ids follow, most frequent first, ties by word; (V',)
        int64 counts.
    """
    store, word_of = split_texts(texts, settings, progress, splitter)
    id_of = {word: number for number, word in enumerate(words) if number >= len(SPECIAL)}  # no text means padding
    new_id = np.array([id_of.get(word, UNK) for word in word_of], dtype=np.int32)
    seen = store.tokens[: store.offsets[n_train]] if settings.vocabulary == "train" else store.tokens
    counts = np.bincount(seen, minlength=len(word_of))
    counts[new_id != UNK] = 0  # known, and not to be chosen again
    counts[: len(SPECIAL)] = 0
    by_word = np.array(sorted(range(len(word_of)), key=word_of.__getitem__), dtype=np.int64)
    order = by_word[np.argsort(-counts[by_word], kind="stable")]
    room = settings.max_size - (len(words) - len(SPECIAL))
    added = order[counts[order] >= settings.min_count][:room]
    new_id[added] = np.arange(len(words), len(words) + len(added), dtype=np.int32)
    return replace(store, tokens=new_id[store.tokens]), [word_of[number] for number in added.tolist()], counts[added]


def split_texts(
    texts: Sequence[str], settings: Tokens, progress: Callable[[int], object], splitter: Splitter | None
) -> tuple[TokenStore, list[str]]:
    """Whole texts as numbers of words, and the words by number, in no order, `<pad>` and `<unk>` first."""
    if splitter:  # it may split at other places than white space, so that each text is one run
        words, word_of = split_whole(splitter, texts, progress)
        runs = TokenStore(np.arange(len(texts), dtype=np.int32), np.arange(len(texts) + 1))
    else:
        forms, runs = number_runs(texts, progress)
        tokenizer = build_tokenizer(settings, {})
        tokenizer.train_from_iterator(
            chunks(forms), WordLevelTrainer(vocab_size=2**31 - 1, special_tokens=SPECIAL, show_progress=False)
        )
        words, vocabulary = encode(tokenizer, forms), tokenizer.get_vocab()
        word_of = sorted(vocabulary, key=vocabulary.__getitem__)
    return expand_runs(words, runs, progress), word_of


def split_whole(
    splitter: Splitter, texts: Sequence[str], progress: Callable[[int], object]
) -> tuple[TokenStore, list[str]]:
    """The tokens of whole texts as numbers of words, and the words by number; columns that were joined stay apart."""
    number_of = {word: number for number, word in enumerate(SPECIAL)}
    numbers, lengths = array("i"), array("q", [0])
    for chunk in chunks(texts):
        columns = [text.split(f" {SEPARATOR} ") for text in chunk]
        parts = iter(splitter(list(chain.from_iterable(columns))))
        for row in columns:
            tokens = next(parts)
            for _ in row[1:]:
                tokens = [*tokens, SEPARATOR, *next(parts)]
            numbers.extend(number_of.setdefault(token, len(number_of)) for token in tokens)
            lengths.append(len(tokens))
        progress(len(chunk))
    return TokenStore(np.frombuffer(numbers, dtype=np.int32), np.cumsum(lengths, dtype=np.int64)), list(number_of)


def length_limit(settings: Tokens, store: TokenStore, n_train: int) -> int:
    """`max_length` in tokens; a share such as "95%" is one of the whole texts of a store's training rows."""
    if isinstance(settings.max_length, int):
        return settings.max_length
    lengths, share = np.diff(store.offsets[: n_train + 1]), float(settings.max_length[:-1]) / 100
    return max(1, int(np.quantile(lengths, share, method="inverted_cdf")))


def number_runs(texts: Sequence[str], progress: Callable[[int], object]) -> tuple[list[str], TokenStore]:
    """Runs between white space, which no token crosses: the different ones, and the texts as their numbers.

    White space is Python's: the separators U+001C to U+001F count too, and are no tokens.
    """
    number: defaultdict[str, int] = defaultdict()
    number.default_factory = number.__len__
    runs, lengths = array("i"), array("q", [0])
    for chunk in chunks(texts):
        for text in chunk:
            parts = text.split()
            if len(text) > LONGEST_RUN:
                parts = [part[i : i + LONGEST_RUN] for part in parts for i in range(0, len(part), LONGEST_RUN)]
            runs.extend(map(number.__getitem__, parts))
            lengths.append(len(parts))
        progress(len(chunk))
    offsets = np.cumsum(np.frombuffer(lengths, dtype=np.int64))
    return list(number), TokenStore(np.frombuffer(runs, dtype=np.int32), offsets)


def encode(tokenizer: Tokenizer, forms: Sequence[str]) -> TokenStore:
    """The tokens of each run of `forms`."""
    parts, lengths = [np.empty(0, dtype=np.int32)], [0]
    for chunk in chunks(forms):
        rows = [encoding.ids for encoding in tokenizer.encode_batch_fast(chunk)]
        lengths += [len(row) for row in rows]
        parts.append(np.fromiter(chain.from_iterable(rows), dtype=np.int32))
    return TokenStore(np.concatenate(parts), np.cumsum(lengths, dtype=np.int64))


def expand_runs(words: TokenStore, runs: TokenStore, progress: Callable[[int], object]) -> TokenStore:
    """Put the tokens of each run (`words`) where it stands in the texts (`runs`)."""
    sizes = words.lengths
    parts, lengths = [np.empty(0, dtype=np.int32)], [np.zeros(1, dtype=np.int64)]
    for first in range(0, len(runs), CHUNK):
        bounds = runs.offsets[first : first + CHUNK + 1]
        chosen = runs.tokens[bounds[0] : bounds[-1]]
        ends = np.append(0, np.cumsum(sizes[chosen]))  # of each run's tokens among the chunk's
        # Token j of a run lies j places behind the run's first, among the words' tokens as in the chunk.
        parts.append(words.tokens[np.repeat(words.offsets[chosen] - ends[:-1], sizes[chosen]) + np.arange(ends[-1])])
        lengths.append(np.diff(ends[bounds - bounds[0]]))
        progress(len(bounds) - 1)
    return TokenStore(np.concatenate(parts), np.cumsum(np.concatenate(lengths)))


def chunks(texts: Sequence[str]) -> Iterator[list[str]]:
    """The texts in lists of `CHUNK`."""
    for start in range(0, len(texts), CHUNK):
        yield list(texts[start : start + CHUNK])
