"""Three contests from one table of 23,703 rated snippets: regression, four classes, eight labels.

    .venv/bin/python tests/benchmarks/snippets.py --source vader_snippets.csv --folder /tmp/snippets
    ./run.sh all -c valence --input /tmp/snippets

The table (id, domain, valence, text) is that of Hutto & Gilbert, "VADER" (ICWSM 2014); input/README.md says where it
comes from. Valence over all domains is the regression; the domain is the class; sign × domain are the labels.
`classics.py` compares the default recipe on them with TF-IDF and fastText.
"""

import argparse
import csv
import hashlib
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "src"))

from foldwise.config import Task
from foldwise.files import write_csv, write_text
from foldwise.paths import CONFIG

DOMAINS = ["editorial", "movie", "product", "tweet"]
SIGNS = {"negative": lambda valence: valence < 0, "positive": lambda valence: valence > 0}
LABELS = [f"{sign}_{domain}" for sign in SIGNS for domain in DOMAINS]
Row = dict[str, str]


def labels_of(row: Row) -> list[str]:
    """0 or 1 for each sign × domain; a snippet rated exactly 0 has none."""
    valence, domain = float(row["valence"]), row["domain"]
    return [str(int(of_sign(valence) and domain == other)) for of_sign in SIGNS.values() for other in DOMAINS]


# slug → task, metric, kind, target columns, and a row's targets.
TASKS: dict[str, tuple[Task, str, str, list[str], Callable[[Row], list[str]]]] = {
    "valence": ("regression", "rmse", "value", ["valence"], lambda row: [row["valence"]]),
    "domain": ("multiclass", "log_loss", "probability", ["domain"], lambda row: [row["domain"]]),
    "sign-domain": ("multilabel", "roc_auc", "probability", LABELS, labels_of),
}


def in_test(row_id: str) -> bool:
    """A fifth of the ids, by a hash of them."""
    return int.from_bytes(hashlib.sha256(row_id.encode()).digest()[:8], "big") % 5 == 0


def write_competition(folder: Path, slug: str, rows: Sequence[Row]) -> None:
    """train.csv, test.csv, sample_submission.csv, solution.csv and competition.toml of one task."""
    task, metric, kind, target, targets_of = TASKS[slug]
    folder.mkdir(parents=True, exist_ok=True)
    train, test = ([row for row in rows if in_test(row["id"]) == side] for side in (False, True))
    write_csv(folder / "train.csv", ["id", "text", *target], ([r["id"], r["text"], *targets_of(r)] for r in train))
    write_csv(folder / "test.csv", ["id", "text"], ([row["id"], row["text"]] for row in test))
    write_csv(folder / "solution.csv", ["id", *target], ([row["id"], *targets_of(row)] for row in test))
    columns = DOMAINS if task == "multiclass" else target
    write_csv(folder / "sample_submission.csv", ["id", *columns], ([r["id"], *("0" for _ in columns)] for r in test))
    listed = ", ".join(f'"{name}"' for name in target)
    write_text(
        folder / CONFIG,
        f'[competition]\nslug = "{slug}"\ntask = "{task}"\nmetric = "{metric}"\n'
        f'[columns]\nid = "id"\ntext = ["text"]\ntarget = [{listed}]\n[submission]\nkind = "{kind}"\n',
    )


def main() -> None:
    """Make the contests."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--source", type=Path, required=True, help="CSV with id, domain, valence, text")
    parser.add_argument("--folder", type=Path, required=True, help="where the contests are written")
    given = parser.parse_args()
    with given.source.open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    for slug in TASKS:
        write_competition(given.folder / slug, slug, rows)
        print(f"{given.folder / slug}")


if __name__ == "__main__":
    main()
