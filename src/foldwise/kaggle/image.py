"""Whether the code that a recipe names is there in a kernel: packed with it, or in Kaggle's image."""

from collections.abc import Sequence

from foldwise.errors import InputError
from foldwise.learners import check_new_rows, learner_for
from foldwise.paths import find_project
from foldwise.plugins import is_own
from foldwise.run import Run

# What a recipe may name of Kaggle's image.
IMAGE = (
    *("torch", "numpy", "scipy", "sklearn", "pandas", "tokenizers", "safetensors", "pydantic", "typer", "rich", "tqdm"),
    *("matplotlib", "pyarrow", "torchvision", "timm", "transformers"),
)


def check_modules(run: Run, members: Sequence[str], infer: bool, datasets: Sequence[str] = ()) -> None:
    """Check that a kernel has code and files that the members' recipes name; one that predicts, code of models.

    Args:
        members: that it trains or predicts with.
        datasets: on Kaggle, that the user names.

    Raises:
        InputError: naming the field, and the fix.
    """
    if not infer:
        check_new_rows(run.config.recipe, members)
        check_module("competition.metric", run.config.competition.metric)
    check_module("recipe.tokens.tokenizer", run.config.recipe.tokens.tokenizer)
    for member in members:
        learner = learner_for(run.config.recipe.of_member(member))
        for field, name in learner.own_parts().items():
            if not infer or not field.startswith("training"):
                check_module(f"recipe.{field}", name)
        if not infer and not datasets and (files := learner.find_files(run.paths)):
            folder = next(iter(files.values())).parent
            name = folder.name.lower()
            raise InputError(
                f"member {member} reads {folder}, which a kernel that trains must find on Kaggle: make a dataset "
                f"called {name} of its {len(files)} files, and name it with --dataset OWNER/{name}, as one of the word "
                "vectors; or train here and build with --infer, which packs what is needed"
            )


def check_module(key: str, name: str) -> None:
    """Check that what `name` means lies in src/, from where it is packed, or in the image."""
    if is_own(name):
        module = name.partition(":")[0]
    elif key == "recipe.training.optimizer" and name != "AdamW":  # the default needs no torch to be checked
        from foldwise.training.optimizers import find_optimizer

        module = find_optimizer(name).__module__
    else:
        return
    top, source = module.partition(".")[0], find_project() / "src"
    if top not in IMAGE and not (source / top).is_dir() and not (source / f"{top}.py").is_file():
        raise InputError(
            f"{key} = {name!r}: the module {top} is neither in {source} nor in Kaggle's image; copy it into src/, from "
            "where it is packed"
        )
