"""The code of a kernel: `script_template.py`, read as text, with settings, a docstring and packed files filled in."""

import base64
import hashlib
import io
import lzma
import pprint
import re
import shlex
import tarfile
import textwrap
from dataclasses import dataclass, field
from pathlib import Path

from foldwise.errors import InputError, printable

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
    def summary(self) -> str:
        """What it does, in one sentence."""
        folds = ", ".join(f"{n} of {name}" for name, n in self.folds.items())
        if self.model_sha256:
            return (
                f"It reads the test set that it finds, predicts it with folds trained at home ({folds}) and writes "
                "submission.csv."
            )
        budget = ", as far as its time budget goes" if "--time-budget" in self.command else ""
        return (
            f"It makes tokens of train and test, trains the folds ({folds}{budget}), combines them and writes "
            "submission.csv for the test set that it finds."
        )


def pack(files: dict[str, bytes]) -> str:
    """Lines of base 85 of a .tar.xz; the same files, content by path, give the same lines."""
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w:xz") as archive:
        for name, content in sorted(files.items()):
            entry = tarfile.TarInfo(name)
            entry.size = len(content)
            archive.addfile(entry, io.BytesIO(content))
    text = base64.b85encode(packed.getvalue()).decode()
    return "".join(text[start : start + WIDTH] + "\n" for start in range(0, len(text), WIDTH))


def fill_template(kernel: Kernel, files: dict[str, bytes]) -> dict[str, str]:
    """The template's cells by name, from one `# %% name` to the next, with its constants filled in."""
    payload = f"\n{pack(files)}"
    values = {
        "SLUG": kernel.slug,
        "COMMAND": kernel.command,
        "SETTINGS": kernel.settings,
        "DATASETS": kernel.datasets,
        "MODEL_SHA256": kernel.model_sha256,
        "PAYLOAD_SHA256": hashlib.sha256(payload.encode()).hexdigest(),
    }
    code = {name: pprint.pformat(value, width=100) for name, value in values.items()}
    code["PAYLOAD"] = f'"""{payload}"""'
    pattern = re.compile(rf"^({'|'.join(code)})(?:: .*)? = .*$", re.MULTILINE)
    _, *pieces = re.split(r"^# %% (\w+)\n", TEMPLATE.read_text(encoding="utf-8"), flags=re.MULTILINE)
    filled = [pattern.sub(lambda found: f"{found[1]} = {code[found[1]]}", piece) for piece in pieces[1::2]]
    return dict(zip(pieces[::2], filled, strict=True))


def make_script(kernel: Kernel, files: dict[str, bytes]) -> str:
    """The text of kernel.py; the same input gives the same bytes."""
    needs = " and ".join(["the contest's files", *(f"the dataset {name}" for name in kernel.datasets)])
    does = f"{kernel.summary} Its inputs are {needs}; everything else is packed below."
    about = f"""{kernel.title}: foldwise, built from a checkout by

    {kernel.built_by}

{textwrap.fill(does, 116)} What runs is

    {shlex.join(["python", "-P", "-m", "foldwise", *kernel.command, "-c", kernel.slug, *kernel.settings])}"""
    about = printable(about).replace("\\", "\\\\").replace('"""', '\\"\\"\\"')
    cells = fill_template(kernel, files)
    return f'"""{about}\n"""\n\n' + "".join(cells[name] for name in ("tools", "main", "payload", "start"))


def check_size(code: str, files: dict[str, bytes]) -> None:
    """Raise an `InputError` for code that Kaggle does not take, with the packed files that weigh most in it."""
    size = len(code.encode())
    if size <= LIMIT:
        return
    weights = {name: len(lzma.compress(content)) * 5 // 4 for name, content in files.items()}
    heaviest = sorted(weights, key=lambda name: -weights[name])[:3]
    raise InputError(
        f"the kernel has {size:,} bytes, and Kaggle takes {LIMIT:,} at most; most of them are those of "
        f"{', '.join(f'{name} ({weights[name]:,})' for name in heaviest)}: move data out of the modules in src/ and "
        "delete those not used; fewer folds take less (--set folds.n=…, and folds --force), and a kernel built with "
        "--infer carries none"
    )
