"""What goes beside a kernel in a dataset: trained folds, and files of word vectors."""

import os
import shutil
from pathlib import Path

import numpy as np

from foldwise.errors import InputError
from foldwise.run import Run
from foldwise.vectors.files import VectorFile

GPU = "NvidiaTeslaT4"  # the accelerator of a kernel that trains, and of one that predicts as a GPU has trained


def pack_trained(run: Run, fold_of_row: np.ndarray, folder: Path) -> tuple[dict[str, int], bytes, bool, str]:
    """Pack the trained folds.

    Returns:
        How many of each member, their manifest, whether new words need files of vectors, and the accelerator: none
        where all folds were trained on a CPU, or are linear, for what a CPU has trained it also predicts in time.
    """
    # Another extension, and it loads torch: a kernel that trains is built without either.
    from foldwise.inference.bundle import MANIFEST, read_words, reads_vectors
    from foldwise.inference.pack import pack_model

    manifest = pack_model(run, fold_of_row, folder)
    trained = {name: len(member.folds) for name, member in manifest.members.items()}
    on_gpu = any(
        fold.device != "cpu" and run.config.recipe.of_member(name).model.name != "linear"
        for name, member in manifest.members.items()
        for fold in member.folds
    )
    accelerator = GPU if on_gpu else "none"
    return trained, (folder / MANIFEST).read_bytes(), reads_vectors(manifest, read_words(folder)), accelerator


def add_vectors(source: VectorFile, folder: Path) -> None:
    """Put a file of word vectors into the dataset, which must be flat; a link where possible, for it may be large."""
    for path in source.paths:
        target = folder / (source.file_name if source.member else path.name)
        if target.exists():
            raise InputError(
                f"recipe.tokens.vectors: {target.name} is also the name of another file of the dataset; rename it"
            )
        if source.member:
            with target.open("xb") as file:
                file.writelines(source.blocks())
            continue
        try:
            os.link(path.resolve(), target)
        except OSError:  # another disk, or one without links
            shutil.copyfile(path, target)
