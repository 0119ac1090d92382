"""Hostile input for every parser: valid small files, with bytes changed at random.

    PYTHONPATH=src:tests python tests/reliability/fuzz.py --inputs 10000 [--seed 0] [--only tables] [--keep FOLDER]

A parser must give a result or raise `InputError` or `RunError`, within 10 seconds. A table that is read must hold the
rows that another, plain reader of the same bytes finds. `--keep` writes the inputs for which that is not so. No input
is made with knowledge of which code ran (no coverage guidance); the same seed makes the same inputs.
"""

import argparse
import contextlib
import io
import json
import random
import signal
import sys
import tempfile
import time
import traceback
from collections import Counter
from pathlib import Path
from typing import Any, NamedTuple

from foldwise.errors import InputError, RunError, cut_lines
from reliability.fuzz_targets import Lost, Target, targets

SECONDS = 10
# What breaks parsers: separators, signs that move a terminal's cursor or turn letters around, numbers, depths.
HOSTILE = [
    b"\0", b'"', b'""', b"'", b"\\", b"\r", b"\n", b"\r\n", b",", b";", b"\t", b"\xff", b"\xfe\xff", b"\xef\xbb\xbf",
    b"\x1b[31m", "\u202e".encode(), "\u2028".encode(), "\ue000".encode(), b"\\ud800", b"\xed\xa0\x80", b"NaN", b"1e999",
    b"-1", b"9" * 20, b"9" * 5000, b"[" * 600, b"{" * 600, b"]" * 600, b'{"a":' * 600, b"(" * 600, b"a" * 20_000,
    "中".encode() * 5_000, b"%s%n{0}", b"../../x", b"=1+1", b"null", b"true", b"[]", b"{}", b"inf", b"1_0",
]  # fmt: skip


class Failed(NamedTuple):
    """An input that a parser did not take well."""

    target: str
    number: int
    what: str


class Hang(BaseException):
    """It took too long; no parser catches this."""


def mutate(content: bytes, other: bytes, rng: random.Random) -> bytes:
    """One to eight changes; `other` is another valid file of the same kind."""
    for _ in range(rng.choice([1, 1, 1, 2, 3, 8])):
        at, end = sorted(rng.randrange(len(content) + 1) for _ in range(2))
        end = min(end, at + rng.choice([1, 2, 8, 64, 10_000]))
        kind = rng.choice([0, 0, 0, 1, 1, 2, 3, 4, 4, 5, 6, 6, 7])
        if kind == 0 and content:
            place = min(at, len(content) - 1)
            content = content[:place] + bytes([content[place] ^ 1 << rng.randrange(8)]) + content[place + 1 :]
        elif kind == 1:
            content = content[:at] + content[end:]
        elif kind == 2:
            content = content[:at] + content[at:end] * rng.choice([2, 3, 50]) + content[end:]
        elif kind == 3:
            content = content[:at]
        elif kind == 4:
            start = rng.randrange(len(other) + 1)
            content = content[:at] + other[start : start + rng.choice([1, 8, 100])] + content[end:]
        elif kind == 5:
            content = content[:at] + rng.randbytes(rng.choice([1, 4, 30])) + content[end:]
        else:
            content = content[:at] + rng.choice(HOSTILE) + content[at if kind == 6 else end :]
    return content


def try_input(target: Target, content: bytes, folder: Path) -> tuple[str, str]:
    """(what came of it, details): read, refused, or one of the three that must not be."""
    signal.alarm(SECONDS)
    try:
        with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
            target.parse(content, folder)
    except (InputError, RunError) as error:
        if any(sign in cut_lines(str(error)) for sign in "\x1b\r\0\u202e"):
            return "traceback", f"control characters in the message: {str(error)[:300]!r}"
        return "refused", ""
    except Lost as error:
        return "lost", str(error)
    except Hang:
        return "hang", traceback.format_exc(limit=-6)
    except BaseException:
        return "traceback", traceback.format_exc(limit=-8)
    finally:
        signal.alarm(0)
    return "read", ""


def fuzz(inputs: int, seed: int = 0, only: str = "", keep: Path | None = None) -> tuple[Counter[str], list[Failed]]:
    """Try so many inputs, spread over all parsers by their weights; → how many came to what, and the failures."""

    def stop(*_: Any) -> None:
        raise Hang

    signal.signal(signal.SIGALRM, stop)
    counts: Counter[str] = Counter()
    failed: list[Failed] = []
    with tempfile.TemporaryDirectory(prefix="foldwise-fuzz-") as name:
        chosen = [target for target in targets(Path(name)) if only in target.name]
        order = [target for target in chosen for _ in range(target.weight)]
        for number in range(inputs):
            target = order[number % len(order)]
            rng = random.Random(f"{seed} {number} {target.name}")
            content = mutate(rng.choice(target.seeds), rng.choice(target.seeds), rng)
            with tempfile.TemporaryDirectory(dir=name) as folder:
                outcome, details = try_input(target, content, Path(folder))
            counts[outcome] += 1
            counts[f"{target.name}: {outcome}"] += 1
            if outcome in ("lost", "hang", "traceback"):
                failed.append(Failed(target.name, number, f"{outcome}: {details}"))
                if keep:
                    keep.mkdir(parents=True, exist_ok=True)
                    (keep / f"{number}-{target.name.replace('/', '-')}").write_bytes(content)
    return counts, failed


def main() -> int:
    """As at the top."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--inputs", type=int, default=10_000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--only", default="")
    parser.add_argument("--keep", type=Path)
    given = parser.parse_args()
    began = time.monotonic()
    counts, failed = fuzz(given.inputs, given.seed, given.only, given.keep)
    different = {(one.target, one.what.splitlines()[-1][:200]): one for one in failed}
    for one in different.values():
        print(f"--- {one.target}, input {one.number}\n{one.what}")
    print(json.dumps(dict(sorted(counts.items())), indent=1))
    bad = {kind: counts[kind] for kind in ("traceback", "lost", "hang")}
    print(f"{given.inputs:,} inputs in {time.monotonic() - began:.0f} s: {bad}")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
