"""The command line in this process, which is quick, and what a run has made."""

import contextlib
import io
import sys
from collections.abc import Sequence
from pathlib import Path

PREDICTIONS = ("submission.csv", "oof.csv")


def run_main(arguments: Sequence[str]) -> tuple[int, str, str]:
    """Exit code, standard output and standard error of a command, after which this process is as before."""
    import torch  # here: who only compares files, and starts processes, does without

    from foldwise.cli import main

    shown, errors, given, threads = io.StringIO(), io.StringIO(), sys.argv, torch.get_num_threads()
    sys.argv = ["foldwise", *arguments]
    try:
        with contextlib.redirect_stdout(shown), contextlib.redirect_stderr(errors):
            main()
    except SystemExit as ended:
        return int(ended.code or 0), shown.getvalue(), errors.getvalue()
    finally:
        sys.argv = given
        torch.set_num_threads(threads)
        torch.use_deterministic_algorithms(False)
    raise AssertionError("a command ends by SystemExit")


def results(folder: Path, *patterns: str) -> dict[str, bytes]:
    """Content of submission.csv, oof.csv and the files of some patterns below output/SLUG, by name."""
    paths = sorted(path for pattern in (*PREDICTIONS, *patterns) for path in folder.glob(pattern))
    return {str(path.relative_to(folder)): path.read_bytes() for path in paths}
