"""Damage every file of a finished run in turn, and look whether foldwise ever passes over it in silence.

    PYTHONPATH=src:tests python tests/reliability/damage.py --cases 500

A case is a file below `output/` or `folds/`, a kind of damage, and a command that runs next. It is well if the command
ends as it would have without the damage, with the same bytes in what it makes, or with exit code 2 and a message that
names the file; for the fold file, which people may edit, also if a line names it. After each a plain `all` must bring
the first submission back, unless it, too, names the file. Without `--cases`: all of them (an hour).
"""

import argparse
import json
import random
import shutil
import tempfile
import traceback
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

from conftest import COMPETITIONS, command
from foldwise import hashing
from reliability.in_process import run_main

SLUG = "twin-binary"
RECIPE = """tokens.vectors = ["tiny"]
tokens.max_length = 12
members.bilstm.model.name = "bilstm"
members.linear.model.name = "linear"
"""
VECTORS = "the 1 0 0 0 0 0 0 0\nof 0 1 0 0 0 0 0 0\nand 0 0 1 0 0 0 0 0\n"
COMMANDS = {
    "all": ("all", "-c", SLUG),
    "fold": ("train", "-c", SLUG, "--fold", "0"),
    "seed": ("all", "-c", SLUG, "--seed", "1"),
    "report": ("report", "-c", SLUG),
    "kernel": ("kernel", "build", "-c", SLUG, "--infer", "--user", "ada"),
}
MAKES = {  # what each command makes, below output/SLUG
    "all": ["submission.csv", "oof.csv"],
    "fold": [],
    "seed": ["submission.csv", "oof.csv"],
    "report": ["report.html"],
    "kernel": ["kernel-infer", "kernel-infer-dataset"],
}


def flip(place: float) -> Callable[[bytes], bytes]:
    """One bit of one byte, at a share of the length."""

    def change(content: bytes) -> bytes:
        at = min(int(place * len(content)), len(content) - 1)
        return content[:at] + bytes([content[at] ^ 1]) + content[at + 1 :]

    return change


def of_another_type(content: bytes) -> bytes:
    """JSON of another type."""
    return b"[1]" if content[:1] == b"{" else b'{"a": 1}'


DAMAGE: dict[str, Callable[[bytes], bytes] | None] = {
    **{f"flipped at {place:.0%}": flip(place) for place in (0.0, 0.07, 0.4, 0.8, 0.99)},
    "cut": lambda content: content[: len(content) // 2],
    "emptied": lambda _: b"",
    "of another type": of_another_type,
    "a folder": None,
}


def call(root: Path, *arguments: str) -> tuple[int, str]:
    """Exit code and output of a command in this process, as another process would run it: nothing is remembered."""
    hashing.digest_of_file.cache_clear()
    try:
        code, shown, errors = run_main(command(root, *arguments)[3:])
    except BaseException:
        return 1, f"this is a fault of foldwise {traceback.format_exc()}"
    return code, shown + errors


def run(root: Path, *arguments: str) -> str:
    """The output of a command that must end well."""
    code, shown = call(root, *arguments)
    assert code == 0, shown
    return shown


def make_place(root: Path, encoder: bool) -> None:
    """A contest whose run has left every kind of file."""
    shutil.copytree(COMPETITIONS / SLUG, root / "input" / SLUG)
    (root / "input" / "embeddings").mkdir()
    (root / "input" / "embeddings" / "tiny.txt").write_text(VECTORS)
    recipe = RECIPE
    if encoder:
        from encoders.tiny import make_encoder

        path = make_encoder(root / "tiny-encoder")
        recipe += f'members.frozen.model.name = "encoder"\nmembers.frozen.encoder.path = "{path}"\n'
    config = root / "input" / SLUG / "competition.toml"
    lines = [line for line in config.read_text().splitlines() if "tokens.vectors" not in line]
    config.write_text("\n".join(lines) + f"\n{recipe}")
    run(root, "all", "-c", SLUG, "--time-budget", "24h")
    run(root, "find-lr", "-c", SLUG)
    run(root, *COMMANDS["report"])
    run(root, *COMMANDS["kernel"])


def contents(root: Path, names: list[str]) -> dict[str, bytes]:
    """The files of these names, or in folders of these names, below output/SLUG."""
    output = root / "output" / SLUG
    paths = [path for name in names for path in [output / name, *(output / name).rglob("*")] if path.is_file()]
    return {str(path.relative_to(output)): path.read_bytes() for path in paths}


class Soak:
    """A place to damage again and again."""

    def __init__(self, root: Path, encoder: bool = False) -> None:
        self.root, self.saved = root / "place", root / "saved"
        make_place(self.root, encoder)
        for name in ("output", "folds"):
            shutil.copytree(self.root / name, self.saved / name)
        self.expected: dict[str, dict[str, bytes]] = {}
        self.paths = [path.relative_to(self.saved) for path in sorted(self.saved.rglob("*")) if path.is_file()]

    def restore(self) -> None:
        """The place as the first run left it."""
        for name in ("output", "folds"):
            shutil.rmtree(self.root / name)
            shutil.copytree(self.saved / name, self.root / name)

    def expect(self, name: str) -> dict[str, bytes]:
        """What a command makes where nothing is damaged."""
        if name not in self.expected:
            self.restore()
            run(self.root, *COMMANDS[name])
            self.expected[name] = contents(self.root, MAKES[name])
        return self.expected[name]

    def cases(self) -> list[tuple[Path, str, str]]:
        """File, damage and command."""
        return [(path, damage, name) for path in self.paths for damage in DAMAGE for name in COMMANDS]

    def check(self, path: Path, damage: str, name: str) -> str:
        """What came of a case: "whole", "named", or what is wrong."""
        expected = {"all": self.expect("all"), name: self.expect(name)}
        self.restore()
        place, change = self.root / path, DAMAGE[damage]
        if change is None:
            place.unlink()
            place.mkdir()
        elif (content := place.read_bytes()) or damage == "of another type":
            place.write_bytes(change(content))
        told = False
        for arguments, makes in ((COMMANDS[name], name), (COMMANDS["all"], "all")):
            code, shown = call(self.root, *arguments)
            if "fault of foldwise" in shown or "Traceback" in shown or code not in (0, 2):
                return f"exit {code}: {shown[-600:]}"
            told = told or (path.name in shown and "damaged" in shown)
            if code == 2:
                return "named" if path.name in shown.partition("error: ")[2] else f"not named: {shown[-600:]}"
            if contents(self.root, MAKES[makes]) != expected[makes]:
                return "named" if told and path.parts[0] == "folds" else f"silent: {shown[-600:]}"
        return "whole, and named" if told else "whole"


def soak(root: Path, cases: int | None, seed: int = 0, encoder: bool = False) -> Iterator[tuple[str, str]]:
    """Case and outcome of so many cases, drawn at random; of all where None."""
    place = Soak(root, encoder)
    chosen = place.cases()
    random.Random(seed).shuffle(chosen)
    for path, damage, name in chosen[:cases]:
        yield f"{path} {damage}, then {name}", place.check(path, damage, name)


def parse() -> argparse.Namespace:
    """The options."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--cases", type=int, help="how many, drawn at random; all if left out")
    parser.add_argument("--seed", type=int, default=0, help="of the drawing")
    parser.add_argument("--encoder", action="store_true", help="with a member that makes tokens of its own")
    return parser.parse_args()


if __name__ == "__main__":
    options, counts = parse(), Counter[str]()
    with tempfile.TemporaryDirectory() as folder:
        for case, outcome in soak(Path(folder), options.cases, options.seed, options.encoder):
            counts[kind := outcome.partition(":")[0]] += 1
            if sum(counts.values()) % 100 == 0:
                print(dict(counts), flush=True)
            if kind not in ("whole", "whole, and named", "named"):
                print(f"{case}: {outcome}", flush=True)
    print(json.dumps(counts, indent=1))
