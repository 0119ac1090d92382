"""Pairs of runs at once, with different settings, in one folder: no mixture, and the second says why it ends.

    PYTHONPATH=src:tests python tests/reliability/pairs.py              100 pairs
    PYTHONPATH=src:tests python tests/reliability/pairs.py --rounds 4

The second begins with the first, or once the first has printed a line, another one each time. Afterwards every file of
results must be that of one run alone, the one that went through, and the same command must keep all of it. Each run is
a process of its own, forked from this one, which has loaded torch already, so the two really meet.
"""

import argparse
import importlib
import io
import multiprocessing
import os
import random
import re
import shutil
import sys
import tempfile
from collections import Counter
from dataclasses import dataclass
from multiprocessing.process import BaseProcess
from pathlib import Path

from foldwise.cli import main
from reliability.in_process import results

LOADED = ("torch._dynamo", "sklearn.linear_model", "scipy.stats", "foldwise.running.folds")  # what takes seconds
COMPETITIONS = Path(__file__).resolve().parents[1] / "data" / "competitions"
SLUG = "twin-binary"
SETTINGS = ("seed=1", "training.epochs=1", "tokens.min_count=2", "model.hidden=6")
LINES = 12  # that the first run prints before the second begins, at most
ARRAYS = ("**/*.safetensors", "**/*.npy")
REFUSED = re.compile(r"another run writes to .* \(process (\d+) on \S+ since .*: ./run\.sh all .*\); wait for it")
STAGE = re.compile(r"^(folds|tokens|train|ensemble) .*$", re.MULTILINE)
FORK = multiprocessing.get_context("fork")


@dataclass
class Started:
    """A run in a process of its own."""

    process: BaseProcess
    lines: io.TextIOWrapper  # its standard output
    errors: Path

    def end(self) -> tuple[int | None, str, str]:
        """Exit code, and what else it wrote to standard output and error."""
        shown = self.lines.read()
        self.process.join(300)
        return self.process.exitcode, shown, self.errors.read_text()


def start(root: Path, setting: str, output: str = "output") -> Started:
    """`all` with one setting, below `root`."""
    folders = [part for name in ("input", "folds") for part in (f"--{name}", str(root / name))]
    arguments = ["all", "-c", SLUG, *folders, "--output", str(root / output), "--set", setting]
    read, write = os.pipe()
    handle, name = tempfile.mkstemp(prefix="errors", dir=root)
    os.close(handle)
    errors = Path(name)
    process = FORK.Process(target=run_here, args=(arguments, write, errors))
    process.start()
    os.close(write)
    return Started(process, os.fdopen(read), errors)


def run_here(arguments: list[str], output: int, errors: Path) -> None:
    """The command line, in this process, which it ends."""
    os.dup2(output, 1)
    with errors.open("w") as file:
        os.dup2(file.fileno(), 2)
    sys.argv = ["foldwise", *arguments]
    main()


def run_pair(root: Path, settings: tuple[str, str], lines: int, alone: dict[str, dict[str, bytes]]) -> str:
    """What came of one pair; an AssertionError says what is wrong."""
    first = start(root, settings[0])
    for _ in range(lines):
        first.lines.readline()
    runs = [first, start(root, settings[1])]
    codes, _, errors = zip(*(run.end() for run in runs), strict=True)
    assert sorted(codes) in ([0, 0], [0, 1]), (codes, errors)
    through = max(place for place, code in enumerate(codes) if code == 0)
    if 1 in codes:
        found = REFUSED.search(errors[codes.index(1)])
        assert found, errors
        assert int(found[1]) == runs[through].process.pid, errors
    found_files, expected = results(root / "output" / SLUG, *ARRAYS), alone[settings[through]]
    assert found_files == expected, [name for name in expected if found_files.get(name) != expected[name]]
    code, shown, error = start(root, settings[through]).end()
    assert code == 0, error
    stages = [line[0] for line in STAGE.finditer(shown)]
    assert len(stages) == 5, shown
    assert all(" kept " in line for line in stages), shown
    return "one after the other" if 1 not in codes else f"the {('first', 'second')[codes.index(1)]} was refused"


def run_pairs(rounds: int, seed: int = 0) -> Counter[str]:
    """How many pairs ended in which way."""
    for module in LOADED:
        importlib.import_module(module)
    rng, counts = random.Random(seed), Counter[str]()
    with tempfile.TemporaryDirectory(prefix="foldwise-pairs-") as name:
        root = Path(name)
        shutil.copytree(COMPETITIONS, root / "input")
        alone = {}
        for number, setting in enumerate(SETTINGS):
            code, _, error = start(root, setting, f"alone{number}").end()
            assert code == 0, error
            alone[setting] = results(root / f"alone{number}" / SLUG, *ARRAYS)
        assert len({tuple(files.items()) for files in alone.values()}) == len(alone)  # they do differ
        for pair in range(rounds):
            one, other = rng.sample(list(alone), 2)
            counts[run_pair(root, (one, other), pair % LINES, alone)] += 1
            print(f"{pair + 1} pairs: {dict(counts)}", flush=True)
    return counts


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--rounds", type=int, default=100)
    run_pairs(parser.parse_args().rounds)
