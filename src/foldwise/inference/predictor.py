"""An ensemble in memory, which predicts any texts: each row gets the same whatever rows stand beside it."""

import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from functools import cached_property
from pathlib import Path

import numpy as np
from safetensors.numpy import load_file

from foldwise.config import Tokens
from foldwise.console import warn
from foldwise.data.own_tokenizer import find_splitter
from foldwise.data.tokenizer import SPECIAL
from foldwise.ensembling.blend import combine_test
from foldwise.ensembling.predictions import check_predictions
from foldwise.errors import InputError
from foldwise.inference.bundle import PackedFold, Source
from foldwise.inference.machine import check_own, choose_runtime, warn_of_precision
from foldwise.inference.new_words import WordVectors
from foldwise.inference.rows import Rows, read_rows
from foldwise.learners import Loaded, WriteTokens, learner_for
from foldwise.paths import Paths
from foldwise.running.engine import do_nothing
from foldwise.running.placement import count_cores
from foldwise.training.precision import Runtime, choose_device

Texts = Sequence[Sequence[str]]  # of each text column the texts of n rows
ANY_NUMBER = 2**31 - 1  # of new words


class Predictor:
    """The folds of an ensemble, each loaded when it is first asked for.

    Args:
        paths: of the competition, where files of word vectors are looked for.
        device: "auto", "cpu" or "cuda".
    """

    def __init__(self, source: Source, paths: Paths, device: str = "auto") -> None:
        check_own(source.manifest)
        self.source, self.recipe = source, source.manifest.config.recipe
        self.device, warning = choose_device(device)  # type: ignore[arg-type]
        if warning:
            warn(warning)
        chosen = [(fold, self.runtime_of(fold)) for member in source.manifest.members.values() for fold in member.folds]
        warn_of_precision(chosen)
        self.threads = max(runtime.threads for _, runtime in chosen)
        self.settings = settings_of_words(source)
        self.splitter = find_splitter(self.settings, source.tokenizers, source.before)
        self.find_vectors = WordVectors(source, paths)
        self.loaded: dict[str, list[Loaded]] = {}
        self.ranked: dict[tuple[str, int], np.ndarray] = {}
        self.readers: dict[str, WriteTokens] = {}

    def runtime_of(self, fold: PackedFold) -> Runtime:
        """What a fold runs on."""
        return choose_runtime(fold, self.recipe.folds.n, self.device)

    def folds_of(self, member: str) -> list[Loaded]:
        """The folds of a member, in memory from now on."""
        if member not in self.loaded:
            learner, trained = learner_for(self.recipe.of_member(member)), self.source.trained(member)
            self.loaded[member] = [
                learner.load(self.source.checkpoint(fold), trained, self.runtime_of(fold))
                for fold in self.source.member(member).folds
            ]
        return self.loaded[member]

    def predict(self, texts: Texts, features: np.ndarray, on_rows: Callable[[int], object] = do_nothing) -> np.ndarray:
        """(n, C) float64 probabilities, or values, of the ensemble.

        Args:
            features: (n, d) of the columns given as features.
            on_rows: called with numbers of rows that a fold has done.
        """
        manifest = self.source.manifest
        targets = manifest.targets
        count = len(texts[0])
        if not count:
            return np.empty((0, targets.outputs))
        parts: dict[str, list[np.ndarray]] = {}
        with self.read(texts, features, list(manifest.members)) as (rows, own):
            for name in manifest.members:
                given = rows.of_member(self.source, name, own.get(name))
                found = [fold.predict(given, on_rows).astype(np.float64) for fold in self.folds_of(name)]
                for part in found:
                    check_predictions(f"member {name}", list(map(str, range(1, count + 1))), part)
                parts[name] = [self.to_ranks(name, place, part) for place, part in enumerate(found)]
        return combine_test(parts, "mean", targets.task, manifest.mixture)

    def to_ranks(self, member: str, place: int, predictions: np.ndarray) -> np.ndarray:
        """With mean ranks, those that a fold's predictions would have among its predictions of the test rows."""
        if self.recipe.ensemble.method != "rank_mean":
            return predictions
        key = member, self.source.manifest.members[member].folds[place].fold
        if key not in self.source.ranked:
            raise InputError(
                "recipe.ensemble.method = 'rank_mean': ranks are those among the test rows, which packed weights have "
                "not; give the output folder instead"
            )
        if key not in self.ranked:
            self.ranked[key] = np.sort(load_file(self.source.ranked[key])["predictions"].astype(np.float64), axis=0)
        return ranks_among(self.ranked[key], predictions)

    def embed(self, texts: Texts, features: np.ndarray, on_rows: Callable[[int], object] = do_nothing) -> np.ndarray:
        """(n, D) float32 vectors of the texts: what the head of the first member that has one reads, folds' mean."""
        if not len(texts[0]):
            nothing = [[""] for _ in texts]
            return self.embed(nothing, np.zeros((1, features.shape[1])))[:0]
        name = self.embedder
        found = [fold.embed for fold in self.folds_of(name) if fold.embed]
        with self.read(texts, features, [name]) as (rows, own):
            given = rows.of_member(self.source, name, own.get(name))
            parts = [embed(given, on_rows) for embed in found]
        return np.asarray(np.mean(parts, axis=0, dtype=np.float32))

    @cached_property
    def embedder(self) -> str:
        """The first member that has vectors of texts, with weight or without; an `InputError` where none has."""
        names = list(self.source.others or self.source.manifest.members)
        for name in names:
            before = name in self.loaded
            if self.folds_of(name)[0].embed:
                return name
            if not before:
                del self.loaded[name]
        raise InputError(
            f"no member has vectors of texts, only {', '.join(names)}; train a network or an encoder beside it"
        )

    def passes(self, what: str) -> int:
        """Through how many models each row goes."""
        members = [self.embedder] if what == "embed" else self.source.manifest.members
        return sum(len(fold.weights) for name in members for fold in self.source.member(name).folds)

    @contextmanager
    def read(
        self, texts: Texts, features: np.ndarray, members: Sequence[str]
    ) -> Iterator[tuple[Rows, Mapping[str, Path]]]:
        """The rows as members read them, and the folders of those tokens that some make of their own."""
        rows = read_rows(self.source, texts, features, self.settings, self.splitter, self.find_vectors, do_nothing)
        with tempfile.TemporaryDirectory(prefix="foldwise-") as folder:
            yield rows, {name: path for name in members if (path := self.own_tokens(name, texts, Path(folder)))}

    def own_tokens(self, member: str, texts: Texts, folder: Path) -> Path | None:
        """Let a member that reads the texts itself make its tokens of them; None where it does not."""
        learner, source = learner_for(self.recipe.of_member(member)), self.source
        if not learner.reads_texts:
            return None
        chosen = learner.choose_columns(texts, source.manifest.config.columns)
        if member not in self.readers:
            all_cores = replace(self.runtime_of(source.member(member).folds[0]), threads=count_cores())
            self.readers[member] = learner.open_texts(source.files(member), len(chosen), all_cores)
        (own := folder / member).mkdir()
        self.readers[member](chosen, [len(chosen[0])], own)
        return own


def ranks_among(others: np.ndarray, predictions: np.ndarray) -> np.ndarray:
    """(n, C) ranks in (0, 1] as `to_ranks` gives them, but among the (M, C) sorted `others`.

    >>> ranks_among(np.array([[1.0], [2.0], [2.0], [3.0]]), np.array([[2.0], [2.5]])).tolist()
    [[0.625], [0.875]]
    """
    columns = []
    for sorted_column, column in zip(others.T, predictions.T, strict=True):
        below, up_to = (np.searchsorted(sorted_column, column, side) for side in ("left", "right"))
        columns.append((below + up_to + 1) / 2)
    return np.stack(columns, axis=1) / len(others)


def settings_of_words(source: Source) -> Tokens:
    """The recipe's tokens, so that whether a word is known does not depend on the texts beside it.

    The vocabulary of the training took words from the test texts too, up to `max_size` and down to `min_count`. Where
    it took every word there was, so are new words taken; where it left some out, or saw training texts alone, other
    words are `<unk>`, as they were then.
    """
    settings = source.manifest.config.recipe.tokens
    room = len(source.words) - len(SPECIAL) < settings.max_size
    if settings.vocabulary == "train+test" and room and settings.min_count == 1:
        return settings.model_copy(update={"max_size": ANY_NUMBER})
    return settings.model_copy(update={"vocabulary": "train"})
