"""Three tasks from one table of 23,703 rated snippets, with no tuning for any: regression, four classes, eight labels.

    .venv/bin/python tests/benchmarks/snippets.py --source vader_snippets.csv --folder /tmp/snippets

The table (id, domain, valence, text) is that of Hutto & Gilbert, "VADER" (ICWSM 2014); input/README.md says where it
comes from. Valence over all domains is the regression; the domain is the class; sign × domain are the labels. Beside
the BiLSTM stands the linear member, TF-IDF with ridge or logistic regression, on the same folds.
"""

import argparse
import csv
import hashlib
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pandas as pd
from commands import command, environment

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "src"))

from foldwise.config import Metric, Task
from foldwise.console import duration
from foldwise.files import read_json, write_csv, write_text
from foldwise.metrics import METRICS, score
from foldwise.paths import CONFIG

DOMAINS = ["editorial", "movie", "product", "tweet"]
SIGNS = {"negative": lambda valence: valence < 0, "positive": lambda valence: valence > 0}
LABELS = [f"{sign}_{domain}" for sign in SIGNS for domain in DOMAINS]
Row = dict[str, str]


def labels_of(row: Row) -> list[str]:
    """0 or 1 for each sign × domain; a snippet rated exactly 0 has none."""
    valence, domain = float(row["valence"]), row["domain"]
    return [str(int(of_sign(valence) and domain == other)) for of_sign in SIGNS.values() for other in DOMAINS]


MEMBERS = {"bilstm": "", "linear": 'model.name = "linear"\n'}
SHOWN: dict[Task, list[Metric]] = {
    "regression": ["rmse", "r2", "spearman"],
    "multiclass": ["accuracy", "log_loss"],
    "multilabel": ["mean_column_roc_auc"],
}
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
    members = "".join(f"[recipe.members.{name}]\n{changes}" for name, changes in MEMBERS.items())
    listed = ", ".join(f'"{name}"' for name in target)
    write_text(
        folder / CONFIG,
        f'[competition]\nslug = "{slug}"\ntask = "{task}"\nmetric = "{metric}"\n'
        f'[columns]\nid = "id"\ntext = ["text"]\ntarget = [{listed}]\n[submission]\nkind = "{kind}"\n{members}',
    )


def run(folder: Path, slug: str, member: str, settings: Sequence[str] = ()) -> tuple[float, dict[str, float]]:
    """Train and ensemble one member alone; its seconds of training and its out-of-fold scores."""
    output = folder / f"output-{member}"
    line = command(folder, slug, ["all"], [f'ensemble.members=["{member}"]', *settings], output=output)
    subprocess.run(line, env=environment(), check=True)
    summary = read_json(output / slug / "summary.json")
    return summary["seconds"]["train"], scores(slug, output / slug / "oof.csv")


def scores(slug: str, path: Path) -> dict[str, float]:
    """The scores of the task on all rows, out of fold."""
    task, _, _, target, _ = TASKS[slug]
    oof = pd.read_csv(path, dtype={"id": str}, keep_default_na=False)
    predictions = oof[oof.columns[2 + len(target) :]].to_numpy(dtype=np.float64)
    if task == "multiclass":
        truth = np.array([DOMAINS.index(domain) for domain in oof["domain"]])
    else:
        truth = oof[target].to_numpy(dtype=np.float64)
    return {name.replace("_", " "): score(METRICS[name], task, truth, predictions) for name in SHOWN[task]}


def main() -> None:
    """Make the competitions, run both members on each, print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--source", type=Path, required=True, help="CSV with id, domain, valence, text")
    parser.add_argument("--folder", type=Path, required=True, help="where everything is made")
    given = parser.parse_args()
    with given.source.open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    lines = ["| task | member | out of fold | training |", "|---|---|---|---|"]
    for slug in TASKS:
        write_competition(given.folder / "input" / slug, slug, rows)
        for member in MEMBERS:
            seconds, found = run(given.folder, slug, member)
            shown = ", ".join(f"{name} {value:.4f}" for name, value in found.items())
            lines.append(f"| {slug} | {member} | {shown} | {duration(seconds)} |")
    print("\n".join(lines))


if __name__ == "__main__":
    main()
