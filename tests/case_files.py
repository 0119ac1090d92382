"""What tests of the cases share. A case is a situation from public bug reports, in `tests/data/cases/NAME/`.

A test names its case by `@pytest.mark.case("01-semicolon")`; `cli` and `cli_here` then run on a copy of it.
"""

from pathlib import Path

# A network that trains in a second, for cases where it only matters that one does.
QUICK = [
    part
    for setting in (
        *("folds.n=2", "tokens.vectors=none", "tokens.dimension=8", "training.epochs=2", "training.evaluations=1"),
        *("model.hidden=8", 'ensemble.members=["bilstm"]'),
    )
    for part in ("--set", setting)
]


def submitted(workspace: Path, slug: str) -> list[str]:
    """The lines of submission.csv."""
    return (workspace / "output" / slug / "submission.csv").read_text(encoding="utf-8").splitlines()
