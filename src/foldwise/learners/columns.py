"""Whether the tables have what a member reads: asked at the start of every command, so no learner is loaded for it."""

from foldwise.config import ColumnsSection, Recipe
from foldwise.errors import InputError
from foldwise.learners import learner_for

# Which field of [columns] a learner cannot do without; of all others it is `text`.
NEEDED = {"convnet": "image", "external": ""}


def check_columns(recipe: Recipe, columns: ColumnsSection) -> None:
    """Raise an `InputError` where the tables have nothing that a member of this recipe reads."""
    name = recipe.model.name
    needed = NEEDED.get(name, "text")
    if not needed or getattr(columns, needed):
        return
    learner_for(recipe)  # that it is not there at all counts first
    if needed == "image":
        raise InputError(
            f"recipe.model.name = {name!r}: it reads images, and competition.toml names none; set [columns] image "
            "to the column of file names, or take another model"
        )
    raise InputError(
        f"recipe.model.name = {name!r}: it reads texts, and competition.toml names no column "
        "of texts; set [columns] text, or model.name to a model of what there is"
    )
