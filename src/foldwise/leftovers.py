"""What killed runs leave behind: names of what is being written, and the sweep that removes or finishes it.

`.NAME.tmpPROCESS-START` lies beside NAME while that is written. Where NAME is a folder, the old one is for a moment
called `.NAME.tmpPROCESS-START.old`, since no folder is replaced in one step.
"""

import os
import re
import shutil
from collections.abc import Iterable
from pathlib import Path

LEFTOVER = re.compile(r"\.(?P<name>.+)\.tmp(?P<process>\d+)-(?P<start>\d*)(?P<old>\.old)?", re.DOTALL)


def temporary_name(path: Path) -> Path:
    """Where this process writes what becomes `path`."""
    return path.with_name(f".{path.name}.tmp{os.getpid()}-{start_of(os.getpid())}")


def start_of(process: int) -> str | None:
    """When a process began, since numbers are used again: ticks since boot, "" where no /proc tells; None of none."""
    try:
        os.kill(process, 0)
        state, *fields = Path(f"/proc/{process}/stat").read_bytes().rpartition(b")")[2].decode().split()
    except PermissionError:
        return ""  # another user's
    except (ProcessLookupError, OverflowError):
        return None
    except FileNotFoundError:
        return None if Path("/proc/self").exists() else ""
    return None if state == "Z" else fields[18]  # a killed process that its parent has not asked for yet


def is_leftover(path: Path) -> bool:
    """True of what another process, which has ended, was writing."""
    found = LEFTOVER.fullmatch(path.name)
    if not found:
        return False
    start = start_of(int(found["process"]))
    same = start is not None and found["start"] in ("", start)
    return not same or int(found["process"]) == os.getpid()


def sweep(folders: Iterable[Path], files: Iterable[Path] = (), apart: Iterable[Path] = ()) -> None:
    """Clear up what killed runs left in folders, at any depth, and beside files, also where these are links.

    Args:
        apart: folders that other runs write to; nothing in them is touched.
    """
    others_own = {Path(os.path.realpath(path)) for path in apart}
    for folder in folders:
        for place, names, others in os.walk(folder):
            for name in [*names, *others]:
                if (path := Path(place, name)).is_symlink():
                    target = Path(os.path.realpath(path))
                    if target.parent not in others_own:
                        clear(target.parent, target.name)
            names[:] = [
                name
                for name in names
                if not LEFTOVER.fullmatch(name) and Path(os.path.realpath(Path(place, name))) not in others_own
            ]
            clear(Path(place))
    for file in [*folders, *files]:
        clear(Path(os.path.realpath(file)).parent, Path(os.path.realpath(file)).name)


def clear(folder: Path, name: str = "") -> None:
    """Clear up what killed runs left directly in a folder; of one `name` alone, if that is given."""
    if not folder.is_dir():
        return
    for leftover in [path for path in folder.iterdir() if is_leftover(path)]:
        found = LEFTOVER.fullmatch(leftover.name)
        if found and name in ("", found["name"]):
            settle(leftover.with_name(leftover.name.removesuffix(".old")), folder / found["name"])


def settle(temporary: Path, path: Path) -> None:
    """Remove a temporary file or folder; if it was on its way to replace `path`, it is whole, and takes its place."""
    old = temporary.with_name(f"{temporary.name}.old")
    if old.exists() and not path.exists():
        (temporary if temporary.exists() else old).rename(path)
    for leftover in (temporary, old):
        if leftover.is_dir() and not leftover.is_symlink():
            shutil.rmtree(leftover, ignore_errors=True)
        else:
            leftover.unlink(missing_ok=True)
