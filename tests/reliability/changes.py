"""Input files that change at a moment of a run: noticed then, or made anew by the next run; never kept.

    PYTHONPATH=src:tests python tests/reliability/changes.py              50 moments
    PYTHONPATH=src:tests python tests/reliability/changes.py --moments 6

A run opens some hundred files. Just before one of them is opened, an input gets another content of the same size and
time: a label of train.csv, a word of test.csv, a number of competition.toml, of the word vectors or of a loss of one's
own, or two rows of the fold file, in place or by another file of that name. Half of the moments are just before or
after that input is opened itself. The run may end with a message that names the file; the next one must give every
byte that a clean run on the final inputs gives.
"""

import argparse
import importlib
import os
import random
import shutil
import sys
import tempfile
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

from reliability.in_process import results, run_main

COMPETITIONS = Path(__file__).resolve().parents[1] / "data" / "competitions"
SLUG = "twin-binary"
LOSS = "import torch\n\n\nclass Loss(torch.nn.BCEWithLogitsLoss):\n    def forward(self, z, y):\n        return super().forward(z, y) * 1.0\n"
# Of each input: its path, and what stands there before and after.
CHANGES = {
    "train": (f"input/{SLUG}/train.csv", 'control.",0', 'control.",1'),
    "test": (f"input/{SLUG}/test.csv", " the ", " and "),
    "toml": (f"input/{SLUG}/competition.toml", "model.hidden = 4", "model.hidden = 5"),
    "vectors": ("input/embeddings/tiny.txt", "the 0.5", "the 0.9"),
    "code": ("code/own_changing.py", "* 1.0", "* 3.0"),
    "folds": (f"folds/{SLUG}.csv", "", ""),  # two rows change places
}
ARRAYS = ("**/*.safetensors", "**/*.npy")
Watch = Callable[[str], None]
WATCHING: list[Watch] = []  # an audit hook cannot be taken away, but it can have nothing to do


def on_audit(event: str, arguments: tuple[Any, ...]) -> None:
    """Tell who watches of each file that is opened."""
    if event == "open" and WATCHING and isinstance(arguments[0], str | os.PathLike):
        WATCHING[0](os.fspath(arguments[0]))


def make_workspace(root: Path) -> None:
    """The contest with word vectors and a loss of one's own, and its fold file."""
    shutil.copytree(COMPETITIONS / SLUG, root / "input" / SLUG)
    toml = root / "input" / SLUG / "competition.toml"
    content = toml.read_text().replace('vectors = "none"', 'vectors = "tiny"').replace("tokens.dimension = 8\n", "")
    toml.write_text(f'{content}training.loss = "own_changing:Loss"\n')
    for name, text in (
        ("input/embeddings/tiny.txt", "the 0.5 0.1\nand 0.2 0.3\nof 0.4 0.7\n"),
        ("code/own_changing.py", LOSS),
    ):
        (root / name).parent.mkdir()
        (root / name).write_text(text)
    assert run(root, "folds")[0] == 0


def run(root: Path, command: str, output: str = "output") -> tuple[int, str]:
    """A command in this process; exit code and all that it wrote."""
    sys.modules.pop("own_changing", None)
    importlib.invalidate_caches()
    sys.path.insert(0, str(root / "code"))
    folders = [part for name in ("input", "folds") for part in (f"--{name}", str(root / name))]
    try:
        code, shown, errors = run_main([command, "-c", SLUG, *folders, "--output", str(root / output)])
    finally:
        sys.path.remove(str(root / "code"))
    return code, shown + errors


def change(root: Path, name: str, in_place: bool) -> None:
    """Give one input another content of the same size and time."""
    place, old, new = CHANGES[name]
    path, before = root / place, (root / place).stat()
    text = path.read_text(encoding="utf-8")
    if name == "folds":
        header, *rows = text.splitlines()
        at = {fold: next(place for place, row in enumerate(rows) if row.endswith(f",{fold}")) for fold in "01"}
        rows[at["0"]], rows[at["1"]] = rows[at["0"]][:-1] + "1", rows[at["1"]][:-1] + "0"
        changed = "\n".join([header, *rows, ""])
    else:
        changed = text.replace(old, new, 1)
    assert changed != text, name
    target = path if in_place else path.with_name("another")
    target.write_text(changed, encoding="utf-8")
    os.utime(target, ns=(before.st_atime_ns, before.st_mtime_ns))
    target.replace(path)


def fresh(made: Path, root: Path) -> None:
    """A copy of the workspace, times and all, at a place that is the same for every try."""
    shutil.rmtree(root, ignore_errors=True)
    shutil.copytree(made, root)


def try_moment(root: Path, name: str, moment: int, in_place: bool, expected: dict[str, bytes]) -> str:
    """How a run and the one after it took a change; an AssertionError says what is wrong."""
    left = [moment]

    def watch(path: str) -> None:
        if path.startswith(str(root)):
            left[0] -= 1
            if left[0] < 0:
                WATCHING.clear()
                change(root, name, in_place)

    WATCHING.append(watch)
    code, shown = run(root, "all")
    WATCHING.clear()
    assert left[0] < 0, f"the run opened only {moment - left[0]} files"
    if code:
        assert code == 1, shown
        assert f"{root / CHANGES[name][0]}: changed while this run was reading it" in shown, shown
    before = results(root / "output" / SLUG, *ARRAYS) if not code else None
    again, shown_again = run(root, "all")
    assert again == 0, shown_again
    found = results(root / "output" / SLUG, *ARRAYS)
    wrong = [file for file in expected if found.get(file) != expected[file]]
    assert not wrong, f"{name} changed at moment {moment}: {wrong} are of no clean run\n{shown}\n{shown_again}"
    outcome = "noticed by the run" if code else "made anew by the next" if before != found else "used as it became"
    return f"{name}: {outcome}"


def try_moments(count: int, seed: int = 0) -> Counter[str]:
    """How many moments ended in which way."""
    if not WATCHING:
        sys.addaudithook(on_audit)
    sys.dont_write_bytecode = True  # as foldwise itself does for code of the user's own
    rng, counts = random.Random(seed), Counter[str]()
    with tempfile.TemporaryDirectory(prefix="foldwise-changes-") as folder:
        made, root = Path(folder) / "made", Path(folder) / "tried"
        make_workspace(made)
        fresh(made, root)
        opened: list[str] = []
        WATCHING.append(lambda path: opened.append(path) if path.startswith(str(root)) else None)
        code, shown = run(root, "all")
        WATCHING.clear()
        assert code == 0, shown
        original, clean = results(root / "output" / SLUG, *ARRAYS), {}
        for name in CHANGES:
            fresh(made, root)
            change(root, name, in_place=True)
            code, shown = run(root, "all")
            assert code == 0, shown
            clean[name] = results(root / "output" / SLUG, *ARRAYS)
            assert clean[name] != original, name
        for number in range(count):
            name = list(CHANGES)[number % len(CHANGES)]
            own = [place for place, path in enumerate(opened) if path == str(root / CHANGES[name][0])]
            near = [min(place + after, len(opened) - 1) for place in own for after in (0, 1)]
            moment = rng.choice(near if number // len(CHANGES) % 2 else range(len(opened)))
            in_place = rng.random() < 0.5
            fresh(made, root)
            counts[try_moment(root, name, moment, in_place, clean[name])] += 1
        print(f"{count} moments among {len(opened)} openings: {dict(sorted(counts.items()))}", flush=True)
    return counts


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--moments", type=int, default=50)
    try_moments(parser.parse_args().moments)
