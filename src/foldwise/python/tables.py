"""DataFrames as the tables of a competition in `input/NAME/`: written once as CSVs, then read like any others.

A hidden file says that the tables are foldwise's to write again, and what competition.toml was inferred from.
"""

import json
from collections.abc import Mapping
from datetime import date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from foldwise.config import FilesSection
from foldwise.console import say
from foldwise.data.inspect_competition import Choices
from foldwise.data.inspect_tables import Question
from foldwise.errors import SHOWN, InputError, shorten
from foldwise.files import atomic_file, write_checked, write_csv
from foldwise.hashing import hash_of
from foldwise.paths import CONFIG, Paths
from foldwise.records import Content, read_or_warn
from foldwise.stages.init import init

RECORD = ".dataframes"
CELLS = (str, bool, int, float, np.generic, Decimal, date, datetime, pd.Period, pd.Timedelta)
NOTHING: dict[str, Any] = {"tables": {}, "choices": "", "config": ""}


class Written(Content):
    """The hidden file."""

    tables: dict[str, str]  # hashes
    choices: str  # what the user said of them
    config: str  # hash of the competition.toml that was inferred


def write_tables(paths: Paths, frames: Mapping[str, pd.DataFrame], choices: Choices) -> None:
    """Write the tables by name, without `.csv`, and competition.toml unless the user has edited it.

    Raises:
        InputError: a table cannot be a CSV, others are there, or what the user says is no longer what holds.
    """
    folder, record, config = paths.input, paths.input / RECORD, paths.input / CONFIG
    if not record.exists() and folder.exists() and (there := sorted(path.name for path in folder.glob("[!.]*"))):
        raise InputError(
            f"{folder}: {there[0]} is there, which fw.Competition has not written; open the folder with "
            "fw.Competition.open, or give the tables another name="
        )
    folder.mkdir(parents=True, exist_ok=True)
    known = read_or_warn(record, Written, "competition.toml is taken for yours") or NOTHING
    write_checked(record, {**known, "tables": {}})  # whatever ends this, the folder is known for what it is
    tables = {}
    for name, frame in frames.items():
        path = folder / f"{name}.csv"
        write_table(path, frame)
        tables[path.name] = hash_of(path)
    if "solution" not in frames:
        (folder / "solution.csv").unlink(missing_ok=True)
    told = json.dumps(vars(choices), sort_keys=True)
    is_own = not config.exists() or hash_of(config) == known["config"]
    if not is_own and told != known["choices"]:
        raise InputError(
            f"{config}: was edited, so what it says counts; say it there, or delete it to have it inferred anew"
        )
    if is_own and not (config.exists() and (tables, told) == (known["tables"], known["choices"])):
        say("tables", f"wrote {', '.join(tables)} into {folder}")
        infer_settings(paths, choices, force=True)
        known = {**known, "config": hash_of(config)}
    write_checked(record, {**known, "tables": tables, "choices": told})


def infer_settings(paths: Paths, choices: Choices, force: bool = False) -> None:
    """Write competition.toml from the tables, as stage init; what it asks is asked in Python's words."""
    try:
        init(paths, choices, force)
    except Question as asked:
        name = asked.option.removeprefix("--").replace("-", "_")
        answers = [f'{name}="{candidate}"' for candidate in asked.candidates[:SHOWN]]
        if name in FilesSection.model_fields:
            answers = [f'files={{"{name}": "{candidate}"}}' for candidate in asked.candidates[:SHOWN]]
        told = f"cannot tell {asked.what}: {asked.why}; decide with {' or '.join(answers)}"
        raise InputError(f"{paths.input}: {told}") from None


def write_table(path: Path, frame: pd.DataFrame) -> None:
    """A DataFrame as CSV: missing values are empty; the index is a column if it has a name."""
    where = f"fw.Competition: {path.stem}"
    if not isinstance(frame, pd.DataFrame):
        raise InputError(f"{where} = {shorten(frame)}: {type(frame).__name__}, not a pandas.DataFrame")
    if any(name is not None for name in frame.index.names):
        frame = frame.reset_index()
    names = list(frame.columns)
    if odd := [name for name in names if not isinstance(name, str)]:
        raise InputError(f"{where}: column {odd[0]!r} is {type(odd[0]).__name__}; columns have texts as names")
    columns = [column_texts(frame.iloc[:, number], f"{where}, column {name}") for number, name in enumerate(names)]
    with atomic_file(path) as temporary:
        write_csv(temporary, names, zip(*columns, strict=True))


def column_texts(column: "pd.Series[Any]", where: str) -> list[str]:
    """The cells of a column as text, missing ones empty."""
    texts = []
    for row, (cell, missing) in enumerate(zip(column.astype(object).tolist(), column.isna().tolist(), strict=True)):
        if not missing and not isinstance(cell, CELLS):
            raise InputError(
                f"{where}, row {row}: {shorten(cell)} is {type(cell).__name__}; give texts, numbers, dates or booleans"
            )
        texts.append("" if missing else str(cell))
    try:
        "".join(texts).encode()
    except UnicodeEncodeError:
        odd = next(row for row, text in enumerate(texts) if text != text.encode(errors="replace").decode())
        raise InputError(f"{where}, row {odd}: {shorten(texts[odd])} is no whole Unicode text; correct it") from None
    return texts
