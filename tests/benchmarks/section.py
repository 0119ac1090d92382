"""The section of BENCHMARKS.md that `./run.sh bench` writes: tables, chart, and the machine they hold for."""

import datetime
import platform
from importlib.metadata import version
from pathlib import Path
from typing import Any

import matplotlib as mpl
import torch
from contest import BATCH
from tfidf import Figures as JobFigures
from variants import VARIANTS

from foldwise.paths import REPOSITORY
from foldwise.running.placement import count_cores

BEGIN, END = "<!-- bench: begin -->", "<!-- bench: end -->"
CHART = Path("tests/benchmarks/throughput.svg")
INSTRUCTIONS = ("avx2", "avx512f", "avx512_bf16", "amx_bf16", "amx_tile")
GREY, BLUE, PALE = "#7d8590", "#2f81f7", "#9db4cf"  # readable on white and on black
Figures = dict[str, Any]


def machine() -> str:
    """Processor, cores, instruction sets that matter to an LSTM, versions, date."""
    lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    facts = {key.strip(): value.strip() for key, _, value in (line.partition(":") for line in lines)}
    flags = [name for name in INSTRUCTIONS if name in facts.get("flags", "").split()]
    name = facts.get("model name", platform.machine())
    gpu = torch.cuda.get_device_name() if torch.cuda.is_available() else "no GPU"
    return (
        f"{name}, {count_cores()} cores ({', '.join(flags) or 'none of ' + ', '.join(INSTRUCTIONS)}), {gpu}; "
        f"Python {platform.python_version()}, torch {version('torch')}, transformers {version('transformers')}; "
        f"{datetime.datetime.now(datetime.UTC).date()}"
    )


def heading(quick: str = "") -> str:
    """Title, command and machine.

    Args:
        quick: what is said of a quick run's figures; "" for a full one.
    """
    title = (
        f"## Throughput and memory against other ways\n\n`./run.sh bench{' --quick' if quick else ''}` on {machine()}."
    )
    return f"{title}\n\n{quick}" if quick else title


def table(header: list[str], rows: list[list[str]]) -> str:
    """A Markdown table; all columns but the first are aligned to the right."""
    lines = [header, ["---"] + ["---:"] * (len(header) - 1), *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def throughput(figures: dict[str, Figures], facts: Figures, repeats: int) -> str:
    """The ways to train, with how they were timed."""
    header = ["", "rows/s", "real tokens/s", "padding", "peak memory", "foldwise is, rows/s", "tokens/s"]
    rows = []
    for name, title in VARIANTS.items():
        found = figures[name]
        label = f"({name}) {title}" + (f", {found['how']}" if found.get("how") else "")
        if "unavailable" in found:
            rows.append([f"{label}: {found['unavailable']}", *["–"] * 6])
            continue
        numbers = [f"{found['rows']:,.0f}", f"{found['tokens']:,.0f}", f"{found['padding']:.1%}"]
        ratios = [f"× {found['rows_ratio']:.2f}", f"× {found['tokens_ratio']:.2f}"]
        rows.append([label, *numbers, f"{found['memory'] / 1e6:.2f} GB", *ratios])
    size = (
        f"{facts['rows']:,} question-like rows in 5 folds (mean {facts['mean']:.1f} tokens, longest {facts['longest']})"
    )
    notes = [
        f"BiLSTM-64 over trained vectors of {facts['numbers']} numbers, batches of {BATCH}, {size}. Medians",
        f"of {repeats} repeat{'s' if repeats > 1 else ''} in turn, each way in a fresh process; ratios are medians of the repeats' own. (a) to (c)",
        "train one fold in one process with torch's default threads and fused AdamW over the whole table of vectors; (a)",
        "and (b) for some seconds on batches drawn from all rows, and (c) for a whole epoch, all without the",
        "first step. (d) is an epoch of folds side by side, every step counted, an average of the weights included; (e)",
        "has neither average nor padding. Trainer sorts groups of a quarter of the data, at most 50 batches, foldwise groups of 100",
        "batches. Peak memory is of all processes of a way, shared pages counted once. Other programs used at most",
        f"{facts['load']:.1f} cores meanwhile.",
    ]
    return f"{table(header, rows)}\n\n" + "\n".join(notes)


def pieces(figures: Figures) -> str:
    """Batches of a DataLoader and training with them, by way and size; steps by size of the table."""
    by_size = {
        (int(size), way): (found["batches"][way], found["training"][way])
        for size, found in figures["sizes"].items()
        for way in found["batches"]
    }
    made = []
    for (size, way), rates in by_size.items():
        plain = by_size[size, "item by item"]
        shown = [
            part for rate, base in zip(rates, plain, strict=True) for part in (f"{rate:,.0f}", f"{rate / base:.2f}")
        ]
        made.append([f"{size}, {way}", *shown])
    timed = [[f"{int(words):,}", f"{1000 * seconds:.1f}"] for words, seconds in figures["steps"].items()]
    return "\n\n".join(
        [
            "### Pieces of a step alone",
            table(["rows in a batch, DataLoader", "batches, rows/s", "×", "training, rows/s", "×"], made),
            "The same question-like rows in the same bucketed batches of a DataLoader in the training process, 1 thread, fp32. Item by\n"
            "item: `__getitem__` of each row and a `collate_fn` that pads them; foldwise: `__getitems__`, the whole batch at once.",
            table(["words in the table of vectors", f"ms a step ({BATCH} × 14 tokens, 1 thread, fp32)"], timed),
        ]
    )


def whole_jobs(figures: dict[str, JobFigures]) -> str:
    """Score beside time on movie-reviews."""
    rows = [
        [name, f"{found.oof:.4f}", f"{found.leaderboard:.4f}", f"{found.seconds:.1f} s"]
        for name, found in figures.items()
    ]
    header = ["movie-reviews, same folds, scored the same way", "out of fold", "leaderboard", "time"]
    return f"### Whole jobs\n\n{table(header, rows)}"


def write(text: str, figures: dict[str, Figures], root: Path = REPOSITORY) -> None:
    """Draw the chart and put the section between its markers in BENCHMARKS.md, at the end where there are none."""
    draw(figures, root / CHART)
    first, rest = text.split("\n\n", 1)
    part = f"{BEGIN}\n{first}\n\n![rows per second by way]({CHART.as_posix()})\n\n{rest}\n{END}"
    path = root / "BENCHMARKS.md"
    before, begin, after = path.read_text(encoding="utf-8").partition(BEGIN)
    tail = after.partition(END)[2] if begin else "\n"
    path.write_text(before.rstrip() + "\n\n" + part + tail, encoding="utf-8")
    print(f"bench     wrote {path.name} and {CHART}")


def draw(figures: dict[str, Figures], path: Path) -> None:
    """One bar a way, rows/s."""
    mpl.use("Agg")
    mpl.rcParams.update({"svg.hashsalt": "foldwise", "svg.fonttype": "none", "font.size": 10})
    from matplotlib import pyplot as plt

    names = list(VARIANTS)[::-1]
    rates = [figures[name].get("rows", 0.0) for name in names]
    labels = [f"{figures[name]['rows']:,.0f}" if "rows" in figures[name] else "not on this processor" for name in names]
    chart, axes = plt.subplots(figsize=(8, 2.8), layout="constrained")
    titles, colours = (
        [f"({name}) {VARIANTS[name]}" for name in names],
        [BLUE if name == "d" else PALE for name in names],
    )
    bars = axes.barh(titles, rates, color=colours)
    axes.bar_label(bars, labels, padding=4, color=GREY)
    axes.set_title("training, rows per second", color=GREY, loc="left", fontsize=10)
    axes.set_xticks([])
    axes.tick_params(colors=GREY, length=0)
    axes.margins(x=0.15)
    axes.spines[:].set_visible(False)
    chart.savefig(path, metadata={"Date": None}, transparent=True)
    plt.close(chart)
