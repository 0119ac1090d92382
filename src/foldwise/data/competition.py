"""A competition's tables, read together and checked against each other and against competition.toml."""

from dataclasses import dataclass

import numpy as np
import pandas as pd

from foldwise.config import Config
from foldwise.data.table import Table, check_columns, check_unique, read_table
from foldwise.data.targets import Targets, encode_targets
from foldwise.errors import Faults, InputError, shorten
from foldwise.paths import Paths

DEBUG_ROWS = 200


@dataclass(frozen=True)
class Competition:
    """What the stages work on.

    Attributes:
        train_ids, test_ids: ids in file order, N and M of them.
        train_texts, test_texts: the text columns of each row, joined by a newline.
        targets: encoded targets of the N training rows.
        groups: N group names, or None.
        sample: sample_submission.csv, whose ids are `test_ids` in any order.
        sample_columns: its prediction columns, in the order of `targets.names` (one column for hard labels).
        empty: how many texts of train and test are empty.
    """

    train_ids: list[str]
    train_texts: list[str]
    targets: Targets
    groups: list[str] | None
    test_ids: list[str]
    test_texts: list[str]
    sample: pd.DataFrame
    sample_columns: list[str]
    empty: dict[str, int]


def load_competition(config: Config, paths: Paths, debug: bool = False) -> Competition:
    """Read and check train, test and sample_submission.

    Args:
        debug: keep the first rows of a seeded shuffle only; classes are still those of the whole file.

    Raises:
        InputError: any fault of any of the files.
    """
    columns = config.columns
    train, test, sample = (read_table(paths.table(name)) for name in ("train", "test", "sample_submission"))
    extra = [columns.group] if columns.group else []
    check_columns(train, [columns.id, *columns.text, *columns.target, *extra], columns.ignore)
    check_columns(test, [columns.id, *columns.text], [*columns.ignore, *extra])
    for table in (train, test):
        check_unique(table, columns.id)
    targets = encode_targets(train, columns.target, config.competition.task)
    sample_columns = check_sample(config, sample, targets)
    check_same_ids(test, sample, columns.id)

    rows, test_rows = np.arange(len(train)), np.arange(len(test))
    if debug:
        rng = np.random.default_rng(0)
        rows, test_rows = (np.sort(rng.permutation(n)[:DEBUG_ROWS]) for n in (len(train), len(test)))
    train_frame, test_frame = train.frame.iloc[rows], test.frame.iloc[test_rows]
    texts = [join_texts(frame, columns.text) for frame in (train_frame, test_frame)]
    return Competition(
        train_ids=list(train_frame[columns.id]),
        train_texts=texts[0],
        targets=Targets(targets.task, targets.y[rows], targets.names),
        groups=list(train_frame[columns.group]) if columns.group else None,
        test_ids=list(test_frame[columns.id]),
        test_texts=texts[1],
        sample=sample.frame[sample.frame[columns.id].isin(test_frame[columns.id])],
        sample_columns=sample_columns,
        empty={
            name: sum(not text.strip() for text in part) for name, part in zip(("train", "test"), texts, strict=True)
        },
    )


def join_texts(frame: pd.DataFrame, columns: list[str]) -> list[str]:
    """One text a row."""
    if len(columns) == 1:
        return list(frame[columns[0]])
    return ["\n".join(parts) for parts in frame[columns].itertuples(index=False, name=None)]


def check_sample(config: Config, sample: Table, targets: Targets) -> list[str]:
    """The prediction columns of the sample, in the order of the model's outputs.

    A single column may have any name (train says `target`, the sample `prediction`); several must be the target
    columns, or the classes of a multiclass task.

    Raises:
        InputError: the sample does not fit the task and the kind of submission.
    """
    id_column, kind = config.columns.id, config.submission.kind
    present = list(sample.frame.columns)
    check_unique(sample, id_column) if id_column in present else check_columns(sample, [id_column], present)
    given = [name for name in present if name != id_column]
    multiclass_labels = targets.task == "multiclass" and kind == "label"
    expected = config.columns.target if multiclass_labels else targets.names
    if len(expected) == len(given) == 1:
        return given
    if sorted(given) != sorted(expected):
        check_columns(sample, [id_column, *expected])
    return expected


def check_same_ids(test: Table, sample: Table, column: str) -> None:
    """Test and sample must hold the same ids; their order may differ.

    Raises:
        InputError: listing ids that only one of them has.
    """
    for table, other in ((test, sample), (sample, test)):
        theirs = set(other.frame[column])
        faults = Faults(table.path)
        for value, line in zip(table.frame[column], table.lines.tolist(), strict=True):
            if value not in theirs:
                faults.add(f"id {shorten(value)} is not in {other.path.name}; download both again", line, column)
        faults.raise_if_any()


def read_solution(config: Config, paths: Paths, sample: pd.DataFrame, names: list[str]) -> Targets | None:
    """The true targets in the order of `sample`, where solution.csv is there. Only the final score reads it.

    Raises:
        InputError: it lacks columns or ids, or has labels that train.csv has not.
    """
    if not paths.tables("solution"):
        return None
    solution = read_table(paths.table("solution"))
    id_column, columns = config.columns.id, config.columns.target
    others = [name for name in solution.frame.columns if name not in columns]  # Usage, and whatever else Kaggle adds
    check_columns(solution, [id_column, *columns], others)
    check_unique(solution, id_column)
    place_of = {row_id: place for place, row_id in enumerate(solution.frame[id_column])}
    missing = [row_id for row_id in sample[id_column] if row_id not in place_of]
    if missing:
        raise InputError(f"{solution.path}: {len(missing)} test ids are missing, for example {missing[0]!r}")
    places = np.array([place_of[row_id] for row_id in sample[id_column]])
    ordered = Table(solution.path, solution.frame.iloc[places].reset_index(drop=True), solution.lines[places])
    return encode_targets(ordered, columns, config.competition.task, known=names)
