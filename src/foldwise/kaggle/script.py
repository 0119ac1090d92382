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
    stage: str  # command of foldwise
    settings: list[str] = field(default_factory=list)  # its options, folders aside
    datasets: list[str] = field(default_factory=list)  # owner/name of those it needs; the trained model is in the first
    model_sha256: str = ""  # of the model's manifest; empty for a kernel that trains
    folds: dict[str, int] = field(default_factory=dict)  # how many of each member it trains, or finds trained
    title: str = ""  # of the contest
    built_by: str = ""  # the command that built it

    @property
    def summary(self) -> str:
        """What it does, in one sentence."""
        folds = ", ".join(f"{n} of {name}" for name, n in self.folds.items())
        if self.stage == "infer":
            return (
                f"It reads the test set that it finds, predicts it with folds trained at home ({folds}) and writes "
                "submission.csv."
            )
        budget = ", as far as its time budget goes" if "--time-budget" in self.settings else ""
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


def pack(parts: Sequence[Part]) -> dict[str, Any]:
    """The template's constants for the packed files.

    Returns:
        FILES: bytes and sha256 of each file, by path, in the order in which they are packed.
        PAYLOAD: their contents, compressed, in lines of base 85.
        PAYLOAD_SHA256: of the compressed bytes.
    """
    files = {
        name: (len(content), hashlib.sha256(content).hexdigest())
        for part in parts
        for name, content in sorted(part.files.items())
    }
    packed = b"".join(part.packed for part in parts)  # compressed pieces in a row are one compressed piece
    text = base64.b85encode(packed).decode()
    lines = [text[start : start + WIDTH] for start in range(0, len(text), WIDTH)]
    return {"FILES": files, "PAYLOAD_SHA256": hashlib.sha256(packed).hexdigest(), "PAYLOAD": "\n".join(lines)}


def constants(kernel: Kernel, parts: Sequence[Part]) -> dict[str, Any]:
    """All constants of the template."""
    return {
        "SLUG": kernel.slug,
        "STAGE": kernel.stage,
        "SETTINGS": kernel.settings,
        "DATASETS": kernel.datasets,
        "MODEL_SHA256": kernel.model_sha256,
        **pack(parts),
    }


def fill_template(values: dict[str, Any]) -> dict[str, str]:
    """The template's cells by name, from one `# %% name` to the next, with these values of its constants."""
    _, *pieces = re.split(r"^# %% (\w+)\n", TEMPLATE.read_text(encoding="utf-8"), flags=re.MULTILINE)
    pattern = re.compile(rf"^({'|'.join(values)})(?:: .*)? = .*$", re.MULTILINE)
    filled = [pattern.sub(lambda found: assignment(found[1], values[found[1]]), text) for text in pieces[1::2]]
    return dict(zip(pieces[::2], filled, strict=True))


def assignment(name: str, value: Any) -> str:
    """A statement that gives a constant its value."""
    if name == "PAYLOAD":
        return f'PAYLOAD = """\n{value}\n"""'
    if name == "FILES":
        rows = [f"    {path!r}: {entry!r},\n" for path, entry in value.items()]
        return f"FILES = {{\n{''.join(rows)}}}"
    return f"{name} = {pprint.pformat(value, width=100)}"


def make_script(kernel: Kernel, parts: Sequence[Part]) -> str:
    """The text of kernel.py; the same input gives the same bytes."""
    cells = fill_template(constants(kernel, parts))
    about = describe_script(kernel).replace("\\", "\\\\").replace('"""', '\\"\\"\\"')
    return f'"""{about}\n"""\n\n' + "".join(cells[name] for name in ("tools", "main", "payload", "start"))


def describe_script(kernel: Kernel) -> str:
    """The script's docstring."""
    purpose = "from the CSVs to submission.csv" if kernel.stage == "all" else "predicting with folds trained before"
    does = f"{kernel.summary} Everything but the data is packed below, each file with its hash. What runs is"
    names = ", ".join(kernel.datasets)
    datasets = f" and the dataset{'s' * (len(kernel.datasets) > 1)} {names}" if kernel.datasets else ""
    needs = f"with the contest's files{datasets} among the kernel's inputs, and without internet."
    return f"""{kernel.title}

foldwise, {purpose}. Built from a checkout by

    {kernel.built_by}

{textwrap.fill(does, 116)}

    {shlex.join(["python", "-m", "foldwise", kernel.stage, "-c", kernel.slug, *kernel.settings])}

{textwrap.fill(needs, 116)}"""


def weigh(parts: Sequence[Part], total: int) -> list[str]:
    """A table of what weighs what, a line a part; `total` is the bytes of the finished code."""
    lines = [f"{'part':<14}{'files':>6}{'bytes':>12}{'in the code':>14}"]
    for part in parts:
        if part.files:
            size = sum(map(len, part.files.values()))
            lines.append(f"{part.name:<14}{len(part.files):>6}{size:>12,}{part.weight:>14,}")
    rest = total - sum(part.weight for part in parts)
    return [*lines, f"{'code around it':<32}{rest:>14,}", f"{'together':<32}{total:>14,}"]


def check_size(parts: Sequence[Part], total: int) -> None:
    """Refuse a kernel that is too large.

    Raises:
        InputError: with what weighs what, and how to make the heaviest part smaller.
    """
    if total <= LIMIT:
        return
    heaviest = max(parts, key=lambda part: part.weight)
    table = "\n  ".join(weigh(parts, total))
    raise InputError(
        f"the kernel has {total:,} bytes, and Kaggle takes {LIMIT:,} at most:\n  {table}\n  {heaviest.fix}"
    )
