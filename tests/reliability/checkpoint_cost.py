"""How much of the time of training a fold its saved states take.

    PYTHONPATH=src:tests python tests/reliability/checkpoint_cost.py -c movie-reviews --member bilstm --fold 0

Runs `foldwise train` with these arguments in this process, after the stages before it, and prints the seconds of each
save, how large one is, and their share of the time of the whole command.
"""

import sys
import time
from pathlib import Path

from foldwise.cli import main as foldwise
from foldwise.training.state import TrainingState


def main() -> None:
    """Train, and say what saving took."""
    seconds: list[float] = []
    sizes: list[int] = []
    save = TrainingState.save

    def timed(state: TrainingState) -> None:
        started = time.perf_counter()
        save(state)
        seconds.append(time.perf_counter() - started)
        assert isinstance(state.folder, Path)
        sizes.append(sum(path.stat().st_size for path in state.folder.iterdir()))

    TrainingState.save = timed  # type: ignore[method-assign, assignment]
    sys.argv = ["foldwise", "train", *sys.argv[1:]]
    started = time.perf_counter()
    try:
        foldwise()
    except SystemExit as ended:
        whole = time.perf_counter() - started
        each = ", ".join(f"{second:.2f}" for second in seconds)
        print(f"exit {ended.code}: {len(seconds)} saves of {max(sizes, default=0) / 1e6:.1f} MB took {each} s")
        print(f"together {sum(seconds) / whole:.2%} of {whole:.0f} s")


if __name__ == "__main__":
    main()
