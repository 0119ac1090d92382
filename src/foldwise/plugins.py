"""Functions and classes of the user's own, named in the recipe as `module:attribute`."""

import importlib

from foldwise.errors import InputError


def load(spec: str, key: str) -> object:
    """Import what `spec` names.

    Args:
        spec: `module:attribute`.
        key: of the recipe, for the message.

    Raises:
        InputError: no such module or attribute, or importing it failed.
    """
    module_name, _, attribute = spec.partition(":")
    try:
        module = importlib.import_module(module_name)
    except Exception as error:
        raise InputError(
            f"{key} = {spec!r}: importing {module_name} failed, {type(error).__name__}: {error}; "
            "put the module into the folder that you run from, or on PYTHONPATH"
        ) from error
    if not hasattr(module, attribute):
        raise InputError(f"{key} = {spec!r}: {module_name} has no {attribute!r}; write it as module:Class")
    return getattr(module, attribute)
