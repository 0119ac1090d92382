"""What the sections of the report look at: a finished run's predictions beside the tables, put together once.

Letters: N training rows, of which n are predicted; M test rows; C outputs; K classes.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np

from foldwise.data.features import contents_of, join_texts
from foldwise.data.targets import Targets
from foldwise.data.token_store import TokenStore, read_vocabulary
from foldwise.data.tokenizer import UNK
from foldwise.ensembling.predictions import read_predictions
from foldwise.ensembling.submission import from_scale
from foldwise.ensembling.weights import Mixture, assemble_oof, to_ranks
from foldwise.metrics import score
from foldwise.paths import ALL_ROWS, FOLD_OOF, FOLD_TEST, VOCABULARY
from foldwise.records import Ensemble, read_checked
from foldwise.run import Run
from foldwise.tasks import HALF


class Problem(NamedTuple):
    """A question with one answer of K: which class, or whether a row has a label. Of the rows whose truth is known."""

    title: str  # the target or label; "" where there is only one
    names: list[str]  # K, of the classes
    rows: np.ndarray  # (p,) int64 places among the n predicted rows
    truth: np.ndarray  # (p,) int64 class numbers
    labels: np.ndarray  # (p,) int64 predicted ones
    chances: np.ndarray  # (p, K) float64 predicted probabilities; of classes in order NaN
    called: str = ""  # what the second of two classes is called outside of its own table
    threshold: float | None = None  # from where it is predicted


@dataclass(frozen=True)
class Results:
    """A run that has ended."""

    run: Run
    summary: dict[str, Any]  # of summary.json
    folds: np.ndarray  # (N,) int64 of oof.csv
    rows: np.ndarray  # (n,) int64 training rows that are predicted
    predicted: np.ndarray  # (n, C) out-of-fold predictions of the ensemble; of classes in order on the scale 0 … K - 1

    @property
    def targets(self) -> Targets:
        """Those of all training rows."""
        return self.run.competition.targets

    @cached_property
    def texts(self) -> Sequence[str]:
        """N texts, with the name of the image where rows have one."""
        return self.show(self.run.competition.train_texts)

    @cached_property
    def test_texts(self) -> Sequence[str]:
        """M texts."""
        return self.show(self.run.competition.test_texts)

    def show(self, columns: Sequence[Sequence[str]]) -> Sequence[str]:
        """One text a row; an image by its path below the competition's folder."""
        if self.has_images:
            folder = f"{self.run.paths.input.absolute()}/"
            columns = [*columns[:-1], [path.removeprefix(folder) for path in columns[-1]]]
        return join_texts(columns)

    @property
    def has_images(self) -> bool:
        """Whether each row has an image."""
        return self.run.competition.has_images

    @cached_property
    def contents(self) -> list[str]:
        """(N + M) texts by which rows are the same."""
        competition = self.run.competition
        test = contents_of(competition.test_texts, competition.has_images)
        return [*competition.contents, *test]

    @property
    def has_texts(self) -> bool:
        """Whether rows have texts, with or without an image."""
        return bool(self.run.config.columns.text)

    @property
    def ids(self) -> list[str]:
        """Of the training rows."""
        return self.run.competition.train_ids

    @property
    def ranked(self) -> bool:
        """Whether predictions are mean ranks and no probabilities."""
        return bool(self.summary["ensemble"]["method"] == "rank_mean")

    @cached_property
    def truth(self) -> np.ndarray:
        """(n,) class numbers or (n, C) float64, NaN where unknown; without subgroups."""
        truth = self.targets.truth[self.rows]
        return truth if truth.ndim == 1 else truth[:, : self.targets.outputs].astype(np.float64)

    @cached_property
    def thresholds(self) -> np.ndarray:
        """Where labels begin, on the scale of `predicted`: those of the submission, or neutral ones."""
        given = self.summary["ensemble"]["threshold"]
        if given is None:
            return self.targets.spec.neutral_thresholds(self.targets.truth, self.predicted)
        given = np.atleast_1d(np.array(given, dtype=np.float64))
        return from_scale(given, self.targets.names) if self.targets.spec.ordered else given

    @cached_property
    def ones(self) -> np.ndarray:
        """(n, C) of columns of 0 and 1, or of shares, whether a row counts as one, NaN where unknown."""
        from_here = self.run.config.competition.soft_cut or HALF
        return np.where(np.isnan(self.truth), np.nan, self.truth >= from_here)

    @cached_property
    def labels(self) -> np.ndarray:
        """(n,) class numbers, or (n, C) of 0 and 1, as predicted."""
        return self.targets.spec.to_labels(self.predicted, self.thresholds)

    @cached_property
    def problems(self) -> list[Problem]:
        """What was classified; nothing of values."""
        targets, spec, everything = self.targets, self.targets.spec, np.arange(len(self.rows))
        if spec.named:
            chances = np.full((len(self.rows), len(targets.names)), np.nan) if spec.ordered else self.predicted
            return [Problem("", targets.names, everything, self.truth, self.labels.astype(np.int64), chances)]
        if spec.y != "columns":
            return []
        found = []
        for place, name in enumerate(targets.names):
            known = np.flatnonzero(np.isfinite(self.ones[:, place]))
            names = ["no", "yes"] if len(targets.names) > 1 else list(targets.written)
            one, ones = self.predicted[known, place], self.ones[known, place]
            labels = self.labels[known, place].astype(np.int64)
            chances = np.column_stack([1 - one, one])
            title = name if len(targets.names) > 1 else ""
            about = (title or f"{name} = {names[1]}", float(self.thresholds[place]))
            found.append(Problem(title, names, known, ones.astype(np.int64), labels, chances, *about))
        return found

    @cached_property
    def errors(self) -> np.ndarray:
        """(n,) how wrong each row is: what the true class lacks, or the largest distance; of values in their stds."""
        if self.targets.spec.y == "classes":
            return 1 - self.predicted[np.arange(len(self.rows)), self.truth]
        return self.errors_of_outputs.max(axis=1)

    @cached_property
    def errors_of_outputs(self) -> np.ndarray:
        """(n, C) the distances of columns and values, 0 where the truth is unknown."""
        away = np.abs(self.predicted - self.truth.reshape(len(self.rows), -1))
        if self.targets.spec.truth == "values":
            std = np.nanstd(self.truth, axis=0)
            away = away / np.where(std > 0, std, 1)
        return np.nan_to_num(away)

    def score(self, some: np.ndarray) -> float:
        """Score of some of the n rows by the contest's metric, at the submission's thresholds; NaN where undefined."""
        if not len(some):
            return float("nan")
        with np.errstate(all="ignore"):
            truth = self.targets.truth[self.rows[some]]
            return score(self.run.metric, self.targets.task, truth, self.predicted[some], self.thresholds)

    @cached_property
    def members(self) -> dict[str, np.ndarray]:
        """(N, C) float64 out-of-fold predictions of each member, NaN outside of its folds; InputError as of reading."""
        found = {}
        for member in self.summary["members"]:
            parts = {}
            for fold in member["folds"]:
                ids = [self.ids[row] for row in np.flatnonzero(self.folds == fold).tolist()]
                parts[fold] = read_predictions(self.run.paths.fold(member["name"], fold) / FOLD_OOF, ids)
            found[member["name"]] = assemble_oof(parts, self.folds, self.summary["ensemble"]["method"])
        return found

    @cached_property
    def mixture(self) -> Mixture | None:
        """How members became the submission; None where that was not kept, or their folds are others by now."""
        made = read_checked(self.run.paths.ensemble, Ensemble)
        if made is None or made["weights"].keys() != self.members.keys():
            return None
        weights = np.array([made["weights"][name] for name in self.members])
        calibrations = [np.array(made["calibrations"][name]) for name in self.members if made["calibrations"]]
        mixture, oofs = Mixture(weights, calibrations), [oof[self.rows] for oof in self.members.values()]
        same = np.allclose(mixture.apply(self.targets.task, oofs), self.predicted, atol=1e-6)
        return mixture if same else None

    @cached_property
    def test(self) -> np.ndarray | None:
        """(M, C) predictions of the test rows, as in the submission; None where `mixture` is."""
        if self.mixture is None:
            return None
        ids, tests = self.run.competition.test_ids, []
        for member in self.summary["members"]:
            folds = [ALL_ROWS] if "epochs_on_all_rows" in member else member["folds"]
            paths = [self.run.paths.fold(member["name"], fold) / FOLD_TEST for fold in folds]
            parts = [read_predictions(path, ids) for path in paths]
            tests.append(np.mean([to_ranks(part) for part in parts] if self.ranked else parts, axis=0))
        return self.mixture.apply(self.targets.task, tests)

    @cached_property
    def store(self) -> TokenStore:
        """The tokens of training and test rows; whole texts where they are there."""
        return TokenStore.open(self.run.paths.tokens, whole=True)

    @cached_property
    def words(self) -> list[str]:
        """V words by their numbers."""
        return read_vocabulary(self.run.paths.tokens / VOCABULARY)

    @cached_property
    def ends(self) -> np.ndarray:
        """(N + M + 1,) where each row's tokens begin in the store, and where the last one's end."""
        rows = len(self.ids) + len(self.test_texts)
        return self.store.offsets[: rows * self.store.columns + 1 : self.store.columns]

    @cached_property
    def counts(self) -> Any:
        """(N + M, V) float32 sparse: how often each word stands in each row; unknown ones are left out."""
        from scipy import sparse

        tokens = self.store.tokens[: self.ends[-1]]
        ones = (tokens != UNK).astype(np.float32)
        # Copies: what follows sorts and merges in place, and other sections read the tokens.
        shape = len(self.ends) - 1, len(self.words)
        counts = sparse.csr_matrix((ones, np.array(tokens), self.ends.copy()), shape=shape)
        counts.sum_duplicates()
        counts.eliminate_zeros()
        return counts

    @cached_property
    def tfidf(self) -> Any:
        """(N + M, V) float32 sparse: TF-IDF with logarithmic counts, rows of length 1."""
        from sklearn.feature_extraction.text import TfidfTransformer

        return TfidfTransformer(sublinear_tf=True).fit_transform(self.counts).astype(np.float32)
