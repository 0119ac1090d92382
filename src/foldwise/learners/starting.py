"""Earlier weights that a network starts from: the file they are in, and what of it a new model takes.

They may be of a member (`output/SLUG/bilstm`: each fold starts from the fold of its number), of one fold of it, or in
what `kernel build --infer` packed. Weights that have seen the rows of a fold would make its score too good: where they
come from the same training table, only those of the same fold are taken.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from foldwise.config import Recipe
from foldwise.data.token_store import read_vocabulary
from foldwise.errors import DamagedError, InputError, list_names
from foldwise.events import Noted
from foldwise.files import is_checked, read_json
from foldwise.hashing import digest_of, hash_of, sha256_of
from foldwise.inputs import check_input, input_hash
from foldwise.paths import ALL_ROWS, FOLD_RECORD, TOKENS_RECORD, VOCABULARY, find_project, fold_folder_name
from foldwise.records import Content, Record, check_files, read_checked

if TYPE_CHECKING:  # loading torch takes seconds, which a run that keeps every fold should not pay
    from torch import nn

    from foldwise.training.fold_data import FoldData

KEY = "recipe.training.start_from"
PACKED, PACKED_WORDS = "model.json", "vocabulary.txt"  # as `foldwise.inference.bundle` writes them


class PackedFold(Content):
    """A fold in packed weights."""

    fold: int
    weights: list[str]
    targets: str
    folds: str


class PackedMember(Content):
    """A member in packed weights."""

    folds: list[PackedFold]


class Packed(Content):
    """model.json of packed weights."""

    members: dict[str, PackedMember]
    parts: dict[str, dict[str, Any]]


@dataclass(frozen=True)
class Start:
    """Files to start from."""

    weights: Path
    words: Path | None  # of the rows of a table of word vectors; None where they are not known

    @property
    def content(self) -> str:
        """A hash of what is in them."""
        return input_hash(self.weights, self.words or "")

    def read_words(self) -> list[str]:
        """In id order."""
        if self.words is None:
            raise InputError(
                f"{KEY}: {self.weights}: its tokens/{VOCABULARY} is not there, or was made anew since, so the "
                "words of its vectors are not known; train that member again, or start from packed weights"
            )
        packed = self.words.name == PACKED_WORDS
        words = self.words.read_text(encoding="utf-8").split("\n") if packed else read_vocabulary(self.words)
        check_input(self.words, digest_of)
        return words


def learnt_part(token_inputs: dict[str, Any]) -> dict[str, Any]:
    """What training depends on of the tokens' inputs: all but the test table, where no word is taken from it."""
    if token_inputs["tokens"]["vocabulary"] != "train":
        return token_inputs
    return {key: value for key, value in token_inputs.items() if key != "test"}


def find_folder(given: str) -> Path:
    """The folder that `training.start_from` names, from here or from the repository on; it may not be there."""
    return Path(given) if Path(given).exists() else find_project() / given


def find_start(given: str, member: str, fold: int, own: Mapping[str, Any]) -> Start:
    """The files for one fold of a member.

    Args:
        given: `training.start_from`.
        own: what this fold depends on; `targets` and `folds` tell whether the earlier weights have seen its rows.

    Raises:
        InputError: no weights there, or some that have seen the rows of this fold.
    """
    folder = find_folder(given).resolve()
    if not folder.is_dir():
        raise InputError(f"{KEY} = {given!r}: no such folder")
    if (folder / FOLD_RECORD).is_file():
        return start_of_fold(folder, fold, own)
    if (folder / PACKED).is_file():
        return start_of_packed(folder, member, fold, own)
    there = sorted(path.parent for path in folder.glob(f"*/{FOLD_RECORD}"))
    if not there:
        raise InputError(
            f"{KEY} = {given!r}: no weights there; give a member's folder (output/SLUG/bilstm), one of its folds, or "
            "the folder that `kernel build --infer` packed"
        )
    same = folder / fold_folder_name(fold)
    return start_of_fold(same if same in there else there[-1 if fold == ALL_ROWS else 0], fold, own)


def start_of_fold(folder: Path, fold: int, own: Mapping[str, Any]) -> Start:
    """The files of a trained fold."""
    record, inputs = read_source(folder / FOLD_RECORD, "weights.safetensors")
    if fold != ALL_ROWS and inputs.get("targets") == own["targets"]:
        what = f"{KEY}: {folder}: trained on rows of this training table by which fold {fold} is scored"
        if inputs.get("folds") != own["folds"]:
            raise InputError(f"{what}, as it had other folds; take weights of the same folds, or of other rows")
        if record.get("fold") != fold:
            raise InputError(f"{what}; give {folder.parent}, so that each fold starts from the one of its number")
    weights = folder / "weights.safetensors"
    if not weights.is_file():
        raise InputError(f"{KEY}: {weights}: not there; train that fold again")
    tokens = folder.parents[1] / "tokens"
    _, made_of = read_source(tokens / TOKENS_RECORD, VOCABULARY)
    known = bool(made_of) and hash_of(learnt_part(made_of)) == inputs.get("tokens")
    return Start(weights, tokens / VOCABULARY if known else None)


def read_source(path: Path, name: str) -> tuple[dict[str, Any], dict[str, Any]]:
    """The record of a folder to start from, and what it was made from, both empty if there is none.

    `InputError` if it, or the file `name` of the folder, is damaged.
    """
    try:
        record = read_checked(path, Record) or {"inputs": {}, "files": {}}
        check_files(path.parent, {file: checksum for file, checksum in record["files"].items() if file == name})
    except DamagedError as error:
        raise InputError(f"{KEY}: {error}; make it again, or take other weights") from error
    return record, record["inputs"]


def start_of_packed(folder: Path, member: str, fold: int, own: Mapping[str, Any]) -> Start:
    """The files of packed weights: of the member of this name, or of the only one that is not linear."""
    content = read_packed(folder)
    members = content["members"]
    names = [member] if member in members else [name for name in members if name != "linear"]
    if len(names) != 1:
        raise InputError(f"{KEY}: {folder}: no member {member!r}; it has {list_names(members, quoted=False)}")
    folds = {packed["fold"]: packed for packed in members[names[0]]["folds"]}
    packed = folds.get(fold) or next(iter(folds.values()))
    if fold != ALL_ROWS and packed.get("targets") == own["targets"]:
        if fold not in folds:
            raise InputError(
                f"{KEY}: {folder}: has no fold {fold} of {names[0]}, and others have seen the rows it is scored by"
            )
        if packed.get("folds") != own["folds"]:
            raise InputError(
                f"{KEY}: {folder}: trained on rows of this training table by which fold {fold} is scored, as it had "
                "other folds; take weights of the same folds, or of other rows"
            )
    for name in (packed["weights"][0], PACKED_WORDS):
        if sha256_of(folder / name) != content["parts"].get(name, {}).get("sha256"):
            raise InputError(f"{KEY}: {folder / name}: damaged or missing; take that folder anew, or other weights")
    return Start(folder / packed["weights"][0], folder / PACKED_WORDS)


def read_packed(folder: Path) -> dict[str, Any]:
    """What packed weights say of themselves; `InputError` if that is damaged."""
    content = read_json(folder / PACKED) or {}
    try:
        if not is_checked(content):
            raise ValueError("another checksum")
        Packed.model_validate(content)
    except ValueError as error:  # also pydantic's, of several lines
        reason = str(error).splitlines()[0]
        raise InputError(f"{KEY}: {folder / PACKED}: damaged ({reason}); take that folder anew") from error
    return content


def build_started(
    start: Start, report: Callable[[Any], object], data: "FoldData", recipe: Recipe, seed: int
) -> "nn.Module":
    """A `BuildModel`: the recipe's model with the earlier weights; reports what it took."""
    from foldwise.training.trainer import build_from_vectors

    model = build_from_vectors(data, recipe, seed)
    report(Noted(take_weights(model, start, data.words)))
    return model


def take_weights(model: "nn.Module", start: Start, words: Sequence[str]) -> str:
    """Give a model all earlier weights that have its names, vectors by their words; → what was taken.

    Weights that do not train stay: they are not among those that a fold keeps.

    Args:
        words: of the model's table of word vectors, in id order.

    Raises:
        InputError: an array of another shape, or nothing to take.
    """
    import torch
    from safetensors.torch import load_file
    from torch import nn

    earlier = load_file(start.weights)
    check_input(start.weights, digest_of)
    trains = {name for name, weight in model.named_parameters() if weight.requires_grad}
    trains |= {name for name, _ in model.named_buffers()}
    state = {name: value for name, value in model.state_dict().items() if name in trains}
    embeddings = [(name, module) for name, module in model.named_modules() if isinstance(module, nn.Embedding)]
    tables = {f"{name}.weight" for name, module in embeddings if module.num_embeddings == len(words)}
    both, notes = [name for name in state if name in earlier], []
    for name in both:
        here, there = state[name], earlier[name]
        first = 1 if name in tables else 0  # a table may have other words
        if here.ndim != there.ndim or here.shape[first:] != there.shape[first:]:
            raise InputError(
                f"{KEY}: {start.weights}: {name} is {tuple(there.shape)} there and {tuple(here.shape)} here; it takes "
                "the same model, word vectors, features and outputs"
            )
        with torch.no_grad():
            if name not in tables:
                here.copy_(there)
                continue
            row_of = {word: row for row, word in enumerate(start.read_words())}
            pairs = [(row, row_of[word]) for row, word in enumerate(words) if word in row_of]
            rows, rows_there = torch.tensor(pairs, dtype=torch.int64).reshape(-1, 2).T
            here[rows] = there[rows_there].to(here.dtype)
            notes.append(f"vectors of {len(pairs):,} of {len(words):,} words")
    if not both:
        raise InputError(f"{KEY}: {start.weights}: nothing in it has a name of this model; it takes the same model")
    notes += (
        [f"not there: {list_names(lacking, quoted=False)}"]
        if (lacking := [n for n in state if n not in earlier])
        else []
    )
    notes += (
        [f"not taken: {list_names(more, quoted=False)}"] if (more := [n for n in earlier if n not in state]) else []
    )
    return "; ".join([f"starts from {start.weights}: {len(both)} of {len(state)} arrays", *notes])
