"""Time one way of training; `throughput.py` starts each in a process of its own, whose memory is then its own too.

    .venv/bin/python tests/benchmarks/variants.py --variant b --data DIR --seconds 5

DIR is what `contest.prepare` wrote. Prints one line of JSON: rows and real tokens per second and the share of padding,
or why this processor cannot run it.
"""

import argparse
import json
from pathlib import Path
from typing import Any

VARIANTS = {
    "a": "DataLoader, padded to the longest of the data, fp32",
    "b": "DataLoader, padded to the batch's longest, fp32",
    "c": "Hugging Face Trainer, grouped by length, fp32",
    "c16": "Hugging Face Trainer, grouped by length, bf16",
    "d": "foldwise",
    "e": "limit: equal lengths, batches ready, steps only",
}


def measure(name: str, folder: Path, seconds: float) -> dict[str, Any]:
    """The figures of one variant."""
    # Here: `throughput.py` reads the names above and must not load torch, whose memory it would share.
    from contest import load

    from foldwise.training.precision import choose_device, why_not

    if name in ("d", "e"):
        import own

        return (own.foldwise if name == "d" else own.limit)(folder, seconds)
    import competitors

    if name in ("a", "b"):
        return (competitors.padded_to_longest if name == "a" else competitors.padded_by_batch)(load(folder), seconds)
    if name == "c16" and (reason := why_not("bf16", choose_device("auto")[0])):
        return {"unavailable": reason}
    return competitors.grouped_by_trainer(load(folder), bf16=name == "c16")


def main() -> None:
    """Measure once and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--variant", choices=VARIANTS, required=True)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument(
        "--seconds", type=float, default=5.0, help="how long a, b and e take steps; c and d do an epoch"
    )
    arguments = parser.parse_args()
    print(json.dumps(measure(arguments.variant, arguments.data, arguments.seconds)))


if __name__ == "__main__":
    main()
