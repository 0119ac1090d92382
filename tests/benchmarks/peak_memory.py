"""Peak memory of a command and all its child processes (Linux).

    python tests/benchmarks/peak_memory.py ./run.sh all --output /tmp/fresh

Adds up the proportional set size of the whole process tree, up to five times a second, so that pages which processes
share count once.
"""

import subprocess
import sys
import time
from pathlib import Path


def tree(pid: int) -> list[int]:
    """The process and its descendants."""
    children: dict[int, list[int]] = {}
    for path in Path("/proc").glob("[0-9]*/stat"):
        try:
            parent = int(path.read_text().rsplit(")", 1)[1].split()[1])
        except OSError:  # it ended meanwhile
            continue
        children.setdefault(parent, []).append(int(path.parent.name))
    found = [pid]
    for process in found:  # grows while it runs
        found += children.get(process, [])
    return found


def proportional_set_size(pid: int) -> int:
    """Kilobytes; 0 for a process that ended meanwhile."""
    try:
        lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    except OSError:
        return 0
    return sum(int(line.split()[1]) for line in lines if line.startswith("Pss:"))


def watch(process: subprocess.Popen[str]) -> int:
    """Wait for the process to end; the peak of its tree in kilobytes."""
    peak = 0
    while process.poll() is None:
        start = time.perf_counter()
        peak = max(peak, sum(map(proportional_set_size, tree(process.pid))))
        # The kernel walks all pages for this: large processes are looked at less often, lest it slow them down.
        time.sleep(max(0.2, 50 * (time.perf_counter() - start)))
    return peak


def main() -> int:
    """Run the command, report, and pass its exit code on."""
    start = time.perf_counter()
    process = subprocess.Popen(sys.argv[1:], text=True)
    peak = watch(process)
    print(f"peak memory {peak / 1e6:.2f} GB, {time.perf_counter() - start:.1f} s, exit code {process.returncode}")
    return process.returncode


if __name__ == "__main__":
    sys.exit(main())
