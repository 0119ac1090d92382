"""The code of a kernel: `script_template.py`, read as text, with settings, a docstring and packed files filled in."""

import base64
import hashlib
import lzma
import pprint
import re
import shlex
import textwrap
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

from foldwise.errors import InputError

TEMPLATE = Path(__file__).with_name("script_template.py")
LIMIT = 1_000_000  # bytes of a kernel's code; Kaggle takes no more
WIDTH = 120  # characters of a packed line; none of base 85 is a quote or a backslash


@dataclass(frozen=True)
class Kernel:
    """What a kernel does."""

    slug: str  # of the contest
    command: list[str]  # of foldwise, "all" or "infer", with options of its own
    settings: list[str] = field(default_factory=list)  # --set
    datasets: list[str] = field(default_factory=list)  # owner/name of those it needs; the trained model is in the first
    model_sha256: str = ""  # of the model's manifest; empty for a kernel that trains
    folds: dict[str, int] = field(default_factory=dict)  # how many of each member it trains, or finds trained
    title: str = ""  # of the contest
    built_by: str = ""  # the command that built it

    @property
    def trains(self) -> bool:
        """Whether it makes everything, or predicts with what was trained at home."""
        return not self.model_sha256

    @property
    def summary(self) -> str:
        """What it does, in one sentence."""
        folds = ", ".join(f"{n} of {name}" for name, n in self.folds.items())
        if not self.trains:
            return (
                f"It reads the test set that it finds, predicts it with folds trained at home ({folds}) and writes "
                "submission.csv."
            )
        budget = ", as far as its time budget goes" if "--time-budget" in self.command else ""
        return (
            f"It makes tokens of train and test, trains the folds ({folds}{budget}), combines them and writes "
            "submission.csv for the test set that it finds."
        )


@dataclass(frozen=True)
class Part:
    """Files that are packed and weighed together."""

    name: str
    files: dict[str, bytes]  # content by path, relative to where it is unpacked
    fix: str = ""  # how to make them smaller

    @cached_property
    def packed(self) -> bytes:
        """The contents one after the other, compressed."""
        return lzma.compress(b"".join(content for _, content in sorted(self.files.items()))) if self.files else b""

    @property
    def weight(self) -> int:
        """Bytes in the script: base 85 makes five characters of four bytes."""
        return -(-len(self.packed) * 5 // 4)


def pack(parts: Sequence[Part]) -> dict[str, str]:
    """The template's constants for the packed files, as Python."""
    rows = [
        f"    {name!r}: {(len(content), hashlib.sha256(content).hexdigest())},\n"
        for part in parts
        for name, content in sorted(part.files.items())
    ]
    packed = b"".join(part.packed for part in parts)  # compressed pieces in a row are one compressed piece
    text = base64.b85encode(packed).decode()
    lines = [text[start : start + WIDTH] + "\n" for start in range(0, len(text), WIDTH)]
    return {
        "FILES": f"{{\n{''.join(rows)}}}",
        "PAYLOAD_SHA256": repr(hashlib.sha256(packed).hexdigest()),
        "PAYLOAD": f'"""\n{"".join(lines)}"""',
    }


def fill_template(kernel: Kernel, parts: Sequence[Part]) -> dict[str, str]:
    """The template's cells by name, from one `# %% name` to the next, with its constants filled in."""
    values: dict[str, Any] = {
        "SLUG": kernel.slug,
        "COMMAND": kernel.command,
        "SETTINGS": kernel.settings,
        "DATASETS": kernel.datasets,
        "MODEL_SHA256": kernel.model_sha256,
    }
    code = {name: pprint.pformat(value, width=100) for name, value in values.items()} | pack(parts)
    pattern = re.compile(rf"^({'|'.join(code)})(?:: .*)? = .*$", re.MULTILINE)
    _, *pieces = re.split(r"^# %% (\w+)\n", TEMPLATE.read_text(encoding="utf-8"), flags=re.MULTILINE)
    filled = [pattern.sub(lambda found: f"{found[1]} = {code[found[1]]}", piece) for piece in pieces[1::2]]
    return dict(zip(pieces[::2], filled, strict=True))


def make_script(kernel: Kernel, parts: Sequence[Part]) -> str:
    """The text of kernel.py; the same input gives the same bytes."""
    purpose = "from the CSVs to submission.csv" if kernel.trains else "predicting with folds trained before"
    needs = " and ".join(["the contest's files", *(f"the dataset {name}" for name in kernel.datasets)])
    does = (
        f"{kernel.summary} Everything else is packed below, each file with its hash. The kernel's inputs are {needs}."
    )
    about = f"""{kernel.title}

foldwise, {purpose}. Built from a checkout by

    {kernel.built_by}

{textwrap.fill(does, 116)} What runs is

    {shlex.join(["python", "-m", "foldwise", *kernel.command, "-c", kernel.slug, *kernel.settings])}"""
    about = about.replace("\\", "\\\\").replace('"""', '\\"\\"\\"')
    cells = fill_template(kernel, parts)
    return f'"""{about}\n"""\n\n' + "".join(cells[name] for name in ("tools", "main", "payload", "start"))


def weigh(parts: Sequence[Part], total: int) -> list[str]:
    """A table of what weighs what, a line a part; `total` is the bytes of the finished code.

    Raises:
        InputError: they are too many; with the table, and how to make the heaviest part smaller.
    """
    lines = [f"{'part':<14}{'files':>6}{'bytes':>12}{'in the code':>14}"]
    for part in parts:
        if part.files:
            size = sum(map(len, part.files.values()))
            lines.append(f"{part.name:<14}{len(part.files):>6}{size:>12,}{part.weight:>14,}")
    rest = total - sum(part.weight for part in parts)
    lines += [f"{'code around it':<32}{rest:>14,}", f"{'together':<32}{total:>14,}"]
    if total > LIMIT:
        fix = max(parts, key=lambda part: part.weight).fix
        head = f"the kernel has {total:,} bytes, and Kaggle takes {LIMIT:,} at most:"
        raise InputError("\n  ".join([head, *lines, fix]))
    return lines
