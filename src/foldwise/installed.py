"""Whether this is an installed package or a checkout, and what its user calls it by."""

import sys
from pathlib import Path

PACKAGE = Path(__file__).resolve().parent
# pip leaves a record beside what it copies; not beside a checkout (`pip install -e`), nor in a Kaggle kernel.
IS_INSTALLED = any(PACKAGE.parent.glob("foldwise-*.dist-info"))
IN_CHECKOUT = "./run.sh"  # as all messages are written
PROGRAM = "foldwise" if IS_INSTALLED else IN_CHECKOUT


def add_own_modules() -> None:
    """Let what the user has written in src/ of the current folder be imported, as it is in a checkout."""
    folder = str(Path.cwd() / "src")
    if IS_INSTALLED and folder not in sys.path:
        sys.path.append(folder)


def as_called(message: str) -> str:
    """A message whose commands begin with what the user types here."""
    return message.replace(IN_CHECKOUT, PROGRAM)
