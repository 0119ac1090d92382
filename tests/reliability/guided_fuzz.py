"""Hostile input for every parser, with changes that are steered by which code of foldwise ran (atheris, libFuzzer).

    pip install atheris
    PYTHONPATH=src:tests python tests/reliability/guided_fuzz.py --inputs 2000 [--only tables] [--keep FOLDER]

So many inputs for each parser, from the same valid files and held to the same rules as in `fuzz.py`; a parser stops at
its first failure, whose input `--keep` writes. Each parser has a process of its own, because libFuzzer ends its process.
"""

import argparse
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

SHOWN = 12  # last lines of a failed process
UNITS = re.compile(r"stat::number_of_executed_units: (\d+)")
COVERED = re.compile(r"cov: (\d+)")


def fuzz_one(name: str, inputs: int, folder: Path) -> None:
    """Try so many inputs on one parser. Does not return: libFuzzer ends the process, with an error after a failure."""
    import atheris  # type: ignore[import-untyped, import-not-found, unused-ignore]

    with atheris.instrument_imports(include=["foldwise"]):  # so nothing of foldwise may be imported before
        from reliability.fuzz import Hang, try_input
        from reliability.fuzz_targets import targets

    def stop(*_: Any) -> None:
        raise Hang

    (corpus := folder / "corpus").mkdir()
    target = next(one for one in targets(folder) if one.name == name)
    for number, seed in enumerate(target.seeds):
        (corpus / str(number)).write_bytes(seed)

    def try_bytes(content: bytes) -> None:
        with tempfile.TemporaryDirectory(dir=folder) as place:
            outcome, details = try_input(target, content, Path(place))
        if outcome not in ("read", "refused"):
            raise RuntimeError(f"{outcome}: {details}")

    signal.signal(signal.SIGALRM, stop)
    limits = ["-handle_alrm=0", "-rss_limit_mb=0", "-max_len=20000", "-seed=1", "-print_final_stats=1"]
    atheris.Setup([name, f"-runs={inputs}", *limits, f"-artifact_prefix={folder}/", str(corpus)], try_bytes)
    atheris.Fuzz()


def main() -> int:
    """As at the top."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--inputs", type=int, default=2_000)
    parser.add_argument("--only", default="")
    parser.add_argument("--keep", type=Path)
    parser.add_argument("--target", help=argparse.SUPPRESS)
    parser.add_argument("--folder", type=Path, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.target:
        fuzz_one(given.target, given.inputs, given.folder)
    from reliability.fuzz_targets import targets

    with tempfile.TemporaryDirectory() as scratch:
        names = [target.name for target in targets(Path(scratch)) if given.only in target.name]
    failed, tried, began = 0, 0, time.monotonic()
    for name in names:
        with tempfile.TemporaryDirectory(prefix="foldwise-fuzz-") as folder:
            command = [sys.executable, __file__, f"--target={name}", "--inputs", str(given.inputs), "--folder", folder]
            done = subprocess.run(command, capture_output=True, text=True, errors="replace", check=False)
            units, covered = UNITS.findall(done.stderr), COVERED.findall(done.stderr)
            tried += int(units[-1]) if units else 0
            print(
                f"{name}: exit {done.returncode}, inputs {units[-1:]}, branches covered {covered[:1]} → {covered[-1:]}",
                flush=True,
            )
            if done.returncode:
                failed += 1
                print("\n".join(done.stderr.splitlines()[-SHOWN:]), flush=True)
            if given.keep and (found := [path for path in Path(folder).glob("*-*") if path.is_file()]):
                given.keep.mkdir(parents=True, exist_ok=True)
                for path in found:
                    shutil.copyfile(path, given.keep / f"{name.replace('/', '-')}-{path.name[:16]}")
    print(f"{tried:,} inputs for {len(names)} parsers in {time.monotonic() - began:.0f} s: {failed} parsers failed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
