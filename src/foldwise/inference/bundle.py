"""The file format of packed weights, a flat folder for a dataset on Kaggle to hold as it is.

    model.json                 the manifest: what is here, and all that predicting needs to know
    vocabulary.txt             words in id order, one a line
    vectors.npy                (V, E) float32, as training began with them, where a member's weights do not hold them
    MEMBER-foldK.safetensors   weights; of further snapshots MEMBER-foldK-2.safetensors, …; of a model on all rows
                               MEMBER-all-rows.safetensors
    MEMBER-foldK.json          the learner's own facts (`foldwise.training.checkpoint`)
    MEMBER-FILE                what a learner reads in any fold, such as the tokenizer of an encoder
    tokenizer-NAME.json        the tokenizer of `tokens.tokenizer`, where it is a file

`foldwise.inference.pack` writes it, the command infer reads it.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any, Literal

import numpy as np

from foldwise.config import Config, Section
from foldwise.console import Progress
from foldwise.data.targets import Targets
from foldwise.data.tokenizer import SPECIAL
from foldwise.ensembling.weights import Mixture
from foldwise.errors import InputError, check, shorten
from foldwise.files import is_checked, read_json, with_infinity
from foldwise.hashing import digest_of
from foldwise.learners import Trained, learner_for
from foldwise.models import Shape
from foldwise.paths import ALL_ROWS
from foldwise.training.checkpoint import Checkpoint

FORMAT = 7  # of the folder; another one once it is read in another way
MANIFEST, VOCABULARY, VECTORS = "model.json", "vocabulary.txt", "vectors.npy"
TOKENIZER = "tokenizer-"  # before the name of the file of `tokens.tokenizer`


class PackedFold(Section):
    """One trained fold: its files, and what it ran on."""

    fold: int  # or `paths.ALL_ROWS`
    weights: list[str]  # best snapshot first
    facts: str
    device: str
    precision: Literal["fp32", "bf16", "fp16"]
    threads: int
    targets: str  # hash of the training table
    folds: str  # hash of its folds

    @classmethod
    def of(cls, record: dict[str, Any], weights: list[str], facts: str) -> "PackedFold":
        """The fold of a `FoldRecord`, with these files."""
        runtime = {key: record["runtime"][key] for key in ("device", "precision", "threads")}
        made_of = {key: record["inputs"][key] for key in ("targets", "folds")}
        return cls(fold=record["fold"], weights=weights, facts=facts, **runtime, **made_of)


class PackedMember(Section):
    """One member of the ensemble."""

    own: str | None  # hash of the code of a model of the user's own
    folds: list[PackedFold]
    files: dict[str, str]  # what all folds read, by the learner's names

    @property
    def models(self) -> str:
        """The models that there are, for a message."""
        numbers = [fold.fold for fold in self.folds]
        return "on all rows" if numbers == [ALL_ROWS] else f"folds {', '.join(map(str, numbers))}"


class PackedFile(Section):
    """What tells whether a file is whole and the one that belongs here."""

    size: int
    sha256: str


class Manifest(Section):
    """All that is needed to predict, beside the files it names, the test table and the sample."""

    format: int
    config: Config  # as the members were trained
    names: list[str]  # the C outputs, or the classes of an ordinal task
    written: list[str]  # what stands for 0 and 1 in a binary target
    shape: dict[str, int]  # of `foldwise.models.Shape`; outputs with those of auxiliary targets
    dimension: int  # E, numbers of a word's vector
    tokenizer: str  # hash of the user's own, its code or its file; empty where there is none
    max_length: int  # tokens; a share such as "95%" is one of the training texts
    whole: bool  # whether members that see whole texts do
    weights: dict[str, float]  # of the members below, exactly as fitted
    calibrations: dict[str, list[list[float]]]  # slopes and offsets of each; empty where not fitted
    thresholds: list[float]
    members: dict[str, PackedMember]  # those with a weight above 0
    parts: dict[str, PackedFile]

    @property
    def mixture(self) -> Mixture:
        """How the members become one prediction."""
        calibrations = [np.array(self.calibrations[name]) for name in self.members if self.calibrations]
        return Mixture(np.array([self.weights[name] for name in self.members]), calibrations)

    @property
    def targets(self) -> Targets:
        """What the training table gave, without its rows."""
        zero, one = self.written
        return Targets(self.config.competition.task, np.empty(0), np.empty(0), self.names, written=(zero, one))


@dataclass(frozen=True)
class Source:
    """Trained folds to predict with, and where their files lie: packed into one folder, or as they were trained."""

    manifest: Manifest
    folder: Path  # below which the files lie that the manifest names
    words: list[str]  # V, in id order
    vectors: Path  # file with their (V, E) vectors
    tokenizers: Sequence[Path]  # folders where the tokenizer.json of `tokens.tokenizer` lies
    before: str  # what its name there begins with
    ranked: Mapping[tuple[str, int], Path] = field(default_factory=dict)  # files of folds' predictions of the test rows
    others: Mapping[str, Callable[[], PackedMember]] = field(default_factory=dict)  # members without weight

    @classmethod
    def packed(cls, folder: Path, manifest: Manifest) -> "Source":
        """Of a packed folder."""
        return cls(manifest, folder, read_words(folder), folder / VECTORS, [folder], TOKENIZER)

    @cached_property
    def opened(self) -> dict[str, PackedMember]:
        """The members with weight, and others once they were asked for."""
        return dict(self.manifest.members)

    def member(self, name: str) -> PackedMember:
        """A member; one without weight is looked at when it is first asked for."""
        if name not in self.opened:
            self.opened[name] = self.others[name]()
        return self.opened[name]

    def files(self, member: str) -> dict[str, Path]:
        """What all folds of a member read, by the learner's names."""
        return {name: self.folder / packed for name, packed in self.member(member).files.items()}

    def checkpoint(self, fold: PackedFold) -> Checkpoint:
        """The files of one fold."""
        return Checkpoint([self.folder / name for name in fold.weights], self.folder / fold.facts)

    def trained(self, member: str) -> Trained:
        """What the folds of a member need to know of their training."""
        manifest = self.manifest
        return Trained(
            words=len(self.words),
            vectors=self.vectors,
            dimension=manifest.dimension,
            shape=Shape(**manifest.shape),
            targets=manifest.targets,
            files=self.files(member),
        )


def networks(manifest: Manifest, own: bool) -> list[str]:
    """Members that look words up in a table: models of the user's own, or built-in ones."""
    learners = {name: learner_for(manifest.config.recipe.of_member(name)) for name in manifest.members}
    named = [name for name, member in manifest.members.items() if (member.own is not None) == own]
    return [name for name in named if learners[name].uses_vectors]


def reads_vectors(manifest: Manifest, words: list[str]) -> bool:
    """True if words that only the test set has get vectors from files: `words` has room for them, and they a use."""
    settings = manifest.config.recipe.tokens
    room = settings.vocabulary == "train+test" and len(words) - len(SPECIAL) < settings.max_size
    return room and bool(networks(manifest, own=False))


def read_words(folder: Path) -> list[str]:
    """The packed vocabulary in id order."""
    return (folder / VOCABULARY).read_text(encoding="utf-8").split("\n")


def describe_file(path: Path) -> PackedFile:
    """Size and hash of a file."""
    return PackedFile(size=path.stat().st_size, sha256=digest_of(path).hex())


def open_manifest(folder: Path, slug: str | None = None) -> Manifest:
    """Read model.json, of competition `slug`, and hold every file against it; what differs is an `InputError`."""
    path, again = folder / MANIFEST, "build the kernel again (`kernel build --infer`) and take all of its weights"
    if not path.is_file():
        raise InputError(f"{folder}: no {MANIFEST}; give --weights the folder that `kernel build --infer` packed")
    content = read_json(path)
    found = content and content.get("format")
    if found not in (None, FORMAT):
        raise InputError(f"{path}: format {shorten(found)}, and this foldwise reads {FORMAT}; {again}")
    if content is None or not is_checked(content):
        raise InputError(f"{path}: cut short or damaged; {again}")
    manifest = check(Manifest, {**content, "config": with_infinity(content.get("config"))}, str(path))
    if slug and (packed := manifest.config.competition.slug) != slug:
        raise InputError(f"{path}: weights of {packed!r}, and -c says {slug!r}; change one of them")
    with Progress("infer", sum(part.size for part in manifest.parts.values()), "bytes") as shown:
        for name, part in manifest.parts.items():
            file = folder / name
            if not file.is_file():
                raise InputError(f"{file}: missing; {again}")
            if (size := file.stat().st_size) != part.size:
                raise InputError(f"{file}: {size:,} bytes, not the {part.size:,} that were packed; {again}")
            if describe_file(file) != part:
                raise InputError(f"{file}: not the file that was packed with {MANIFEST}; {again}")
            shown.update(size)
    return manifest
