"""A pretrained encoder's three files: where they are looked for, and what they become in memory.

Nothing is downloaded, no code beside the weights is run and nothing is unpickled: transformers sees a folder with
links to these three files and nothing else.
"""

import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from foldwise.config import Encoder
from foldwise.errors import InputError
from foldwise.inputs import check_input
from foldwise.installed import PACKAGE
from foldwise.paths import Paths, find_project
from foldwise.plugins import as_input_error

if TYPE_CHECKING:  # loading torch takes seconds, which a run that keeps every fold should not pay
    from torch import nn

CONFIG, WEIGHTS, TOKENIZER = "config.json", "model.safetensors", "tokenizer.json"
FILES = (CONFIG, WEIGHTS, TOKENIZER)
REQUIREMENTS = "requirements-encoders.txt"


def find_encoder(settings: Encoder, paths: Paths, given_as: str = "") -> dict[str, Path]:
    """The three files of `encoder.path`, by their names; `given_as` begins errors, where it is not of a recipe.

    A folder is looked for as it is written (from the repository on, unless absolute), by its last part in encoders/ of
    the input folder, and then among the data sets that Kaggle mounts, as one of that name or inside of one.

    Raises:
        InputError: no such folder, or not with all of the files.
    """
    key, given = given_as or f"recipe.encoder.path = {settings.path!r}", Path(settings.path)
    if not given.name:
        raise InputError(
            f"{key}: name the folder of the encoder, with {', '.join(FILES)}, such as input/encoders/all-MiniLM-L6-v2"
        )
    inputs = [embeddings.parent for embeddings in paths.embeddings if embeddings.parent != PACKAGE]
    folders = [find_project() / given, *(folder / "encoders" / given.name for folder in inputs)]
    named = [mount for mount in paths.mounts if mount.name.casefold() == given.name.casefold()]
    mounted = [*named, *(mount / given.name for mount in paths.mounts)]
    folder = next((folder for folder in (*folders, *mounted) if folder.is_dir()), None)
    if folder is None:
        places = " or ".join(map(str, dict.fromkeys(folders)))
        raise InputError(f"{key}: no such folder; put {', '.join(FILES)} of the encoder into {places}")
    missing = [name for name in FILES if not (folder / name).is_file()]
    if WEIGHTS in missing and (shards := sorted(folder.glob("model-*.safetensors"))):
        raise InputError(f"{key}: {folder} has its weights in {len(shards)} files; save them as one {WEIGHTS}")
    if WEIGHTS in missing and (pickled := sorted(path.name for path in folder.glob("*.bin"))):
        raise InputError(
            f"{key}: {folder} has its weights as {pickled[0]} only, a pickle, which can run any code when it is "
            f"read; take a version of the encoder with {WEIGHTS}"
        )
    if missing:
        raise InputError(f"{key}: {folder} has no {' and no '.join(missing)}; put it there, from where the others are")
    return {name: folder / name for name in FILES}


def import_transformers() -> Any:
    """The library, without its bars and notes; an `InputError` where it is not installed."""
    try:
        import transformers
    except ImportError as error:
        raise InputError(
            f"an encoder needs transformers: {error}; install it: pip install -r {REQUIREMENTS}"
        ) from error
    transformers.utils.logging.set_verbosity_error()
    transformers.utils.logging.disable_progress_bar()
    return transformers


@contextmanager
def as_folder(files: Mapping[str, Path]) -> Iterator[Path]:
    """A folder with links to these files alone: a packed encoder has other names, and one at home other files."""
    with tempfile.TemporaryDirectory(prefix="foldwise-") as name:
        for file, path in files.items():
            (Path(name) / file).symlink_to(path.resolve())
        yield Path(name)


def load_body(files: Mapping[str, Path], pretrained: bool = True) -> "nn.Module":
    """The encoder, float32, without a head; its weights those of the file, or random ones that are to be replaced.

    Raises:
        InputError: files that transformers cannot read, or of a model that does not encode texts.
    """
    transformers, where = import_transformers(), f"{files[CONFIG].parent}: transformers cannot load it: "
    safe, missing = {"local_files_only": True, "trust_remote_code": False}, []
    with as_folder(files) as folder:
        with as_input_error(where):
            config = transformers.AutoConfig.from_pretrained(folder, **safe)
        check_kind(config, files[CONFIG])
        if hasattr(config, "reference_compile"):  # ModernBERT would be compiled, which takes minutes
            config.reference_compile = False
        with as_input_error(where):
            if pretrained:
                options = {**safe, "use_safetensors": True, "output_loading_info": True}
                body, found = transformers.AutoModel.from_pretrained(folder, config=config, **options)
                missing = [name for name in found["missing_keys"] if not name.startswith("pooler.")]
            else:
                body = transformers.AutoModel.from_config(config, trust_remote_code=False)
    for path in files.values():
        check_input(path)
    if missing:
        raise InputError(f"{files[WEIGHTS]}: lacks {len(missing)} weights of the model, such as {min(missing)}")
    if getattr(body, "pooler", None) is not None:  # not used, and not in every file
        body.pooler = None
    whole: nn.Module = body.float().eval()
    for weights in (*whole.parameters(), *whole.buffers()):
        weights.data = weights.data.clone()  # they may lie in the mapped file, at places that last bits depend on
    return whole


def check_kind(config: Any, path: Path) -> None:
    """Raise an `InputError` for a model that does not read a text from both sides, which has no masked form."""
    from transformers.models.auto.modeling_auto import MODEL_FOR_MASKED_LM_MAPPING_NAMES as ENCODERS

    decodes = getattr(config, "is_decoder", False) or getattr(config, "is_encoder_decoder", False)
    if decodes or config.model_type not in ENCODERS:
        raise InputError(
            f"{path}: model_type {config.model_type!r} is not an encoder, which reads a text from both sides; take one "
            "such as bert, roberta, xlm-roberta, deberta-v2 or modernbert"
        )
