"""A trained ensemble for Python: labels, probabilities and vectors of any texts.

    model = Model.load("output/my-contest")
    model.predict(["a text", "another one"])               # labels of the contest
    model.predict(["a text", "another one"], proba=True)   # (2, C) float64
    model.embed(["a text", "another one"])                 # (2, D) float32

The same numbers as `./run.sh predict`. The folds are loaded at the first call that needs them, and stay.
"""

from pathlib import Path
from typing import Any, Literal

import numpy as np

from foldwise.ensembling.probabilities import as_written
from foldwise.inference.bundle import MANIFEST, Source, open_manifest
from foldwise.inference.given import Given, as_table, labels_of, take_columns
from foldwise.inference.home import open_trained
from foldwise.inference.predictor import Predictor
from foldwise.paths import Paths, resolve
from foldwise.training.fold import torch_left_alone


class Model:
    """What `load` gives."""

    def __init__(self, predictor: Predictor) -> None:
        self.predictor = predictor
        manifest = predictor.source.manifest
        self.config, self.targets = manifest.config, manifest.targets
        self.thresholds = np.array(manifest.thresholds)

    @classmethod
    def load(
        cls,
        folder: str | Path,
        input: str | Path | None = None,
        device: Literal["auto", "cpu", "cuda"] = "auto",
    ) -> "Model":
        """The ensemble of an output folder, such as output/my-contest, or of one that `kernel build --infer` packed.

        Nothing is written there, and nothing fetched.

        Args:
            input: the folder of the competitions, where it is not input/ beside the code; word vectors, an encoder and
                a tokenizer that the recipe names are looked for there.

        Raises:
            InputError: folds or tokens are missing, damaged, or not those that the submission was made of.
        """
        # As they are now: folds are read at the first call, and where the program is by then may be another place.
        source, paths = find_source(Path(folder).absolute(), None if input is None else Path(input).absolute())
        return cls(Predictor(source, paths, device))

    @property
    def task(self) -> str:
        """binary, multiclass, multilabel, regression or ordinal."""
        return self.targets.task

    @property
    def names(self) -> list[str]:
        """The C targets, or the classes."""
        return self.targets.names

    def predict(self, texts: Any, proba: bool = False) -> Any:
        """Predict n texts.

        Args:
            texts: a list of str; where the competition has several text columns, or numbers beside the text, a
                DataFrame or a dict of these columns. None and NaN are empty texts.
            proba: probabilities instead of labels.

        Returns:
            With `proba` (n, C) float64 probabilities, or values (those of an ordinal task on the scale of its labels).
            Else labels: of classes, and of a binary target of two words, an array of str; of one target of 0 and 1
            (n,) int64, of several (n, C); of several labels in a cell a list of lists; of a regression (n,) or (n, C)
            float64.

        Raises:
            InputError: a column is missing, or something is no text.
        """
        given = self.take(texts)
        with torch_left_alone():
            predictions = self.predictor.predict(given.texts, given.features)
        if proba:
            return as_written(self.targets, predictions)
        return labels_of(self.config, self.targets, predictions, self.thresholds)

    def embed(self, texts: Any) -> np.ndarray:
        """(n, D) float32 vectors of n texts, given as for `predict`: what the head of a network reads of each.

        Of the first member that has such vectors, a network or an encoder, the mean over its folds.
        """
        given = self.take(texts)
        with torch_left_alone():
            return self.predictor.embed(given.texts, given.features)

    def take(self, texts: Any) -> Given:
        """What is given, as the members read it."""
        return take_columns(self.config, as_table(self.config, texts))

    def __repr__(self) -> str:
        members = ", ".join(
            f"{name} {member.models}" for name, member in self.predictor.source.manifest.members.items()
        )
        return f"Model({self.config.competition.slug}, {self.task}: {members})"


def find_source(folder: Path, input_: Path | None) -> tuple[Source, Paths]:
    """What a folder holds: packed weights, or the results of a run."""
    if not (folder / MANIFEST).is_file():
        return open_trained(folder, input_)
    manifest = open_manifest(folder)
    return Source.packed(folder, manifest), resolve(manifest.config.competition.slug, input_, None, None)
