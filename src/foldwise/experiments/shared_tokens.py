"""Tokens that experiments share: `output/SLUG/experiments/tokens/HASH/`, made once, never copied.

HASH is that of what the tokens are made from. In the folder of an experiment `tokens` is a link there, and so is
`MEMBER/tokens` of a member that makes tokens of its own. A folder that no link leads to may be deleted; one that is
deleted all the same is made again.
"""

import os
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

from foldwise.console import say, warn
from foldwise.errors import RunError
from foldwise.experiments.names import SHARED
from foldwise.hashing import hash_of
from foldwise.leftovers import temporary_name
from foldwise.lock import lock
from foldwise.paths import EXPERIMENTS, Paths

LONGEST = 24 * 3600.0  # seconds to wait for tokens that another run makes; encoders take hours


@contextmanager
def share(paths: Paths, link: Path, inputs: dict[str, Any]) -> Iterator[None]:
    """Let `link` lead to the tokens of these inputs, and hold them: nobody else makes them while the block runs.

    A folder in the place of the link, such as in an experiment that was copied from elsewhere, stays: its own tokens.
    """
    shared = paths.home / EXPERIMENTS / SHARED / hash_of(inputs)
    if link.is_dir() and not link.is_symlink():
        yield
        return
    what, fix = f"another run makes {shared}", "wait for it, and run the same command again"
    with ExitStack() as held:
        path = shared.with_name(f".{shared.name}.lock")
        try:
            held.enter_context(lock(path, 0.0, what, fix))
        except RunError as busy:
            say("tokens", str(busy).replace(fix, "it is waited for"))
            held.enter_context(lock(path, LONGEST, what, fix))
        lead(link, shared)
        yield


def lead(link: Path, shared: Path) -> None:
    """Make `link` lead to a folder, which need not be there yet, in one step; on a disk without links a warning."""
    link.parent.mkdir(parents=True, exist_ok=True)
    where = os.path.relpath(os.path.realpath(shared), os.path.realpath(link.parent))  # the output may be moved
    if link.is_symlink() and str(link.readlink()) == where:
        return
    temporary = temporary_name(link)
    try:
        temporary.unlink(missing_ok=True)
        temporary.symlink_to(where, target_is_directory=True)
        temporary.replace(link)
    except OSError as error:
        temporary.unlink(missing_ok=True)
        warn(f"{link}: this disk has no links ({error.strerror}), so this experiment has tokens of its own")
