"""The file format of a trained fold: `output/SLUG/MEMBER/foldK/`, each complete in itself.

fold.json                 what it was trained on and with, its score, what it ran on
history.jsonl             one line of JSON an evaluation
weights.safetensors, …    see `foldwise.training.checkpoint`
oof.safetensors           predictions of its validation rows, by id
test.safetensors          predictions of the test rows, by id
"""

import json
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter, ValidationError

from foldwise.ensembling.predictions import write_predictions
from foldwise.errors import DamagedError
from foldwise.events import Evaluated
from foldwise.files import atomic_folder, write_record, write_text
from foldwise.paths import FOLD_OOF, FOLD_RECORD, FOLD_TEST, HISTORY
from foldwise.records import FoldRecord, check_files, read_whole
from foldwise.training.checkpoint import write_checkpoint


def write_fold(
    folder: Path, record: dict[str, Any], result: Any, valid_ids: Sequence[str], test_ids: Sequence[str]
) -> None:
    """The folder of a `FoldResult`, all of it or nothing; `record` is fold.json without the files' checksums."""
    shutil.rmtree(stopped_folder(folder), ignore_errors=True)  # of an earlier try
    with atomic_folder(folder, FOLD_RECORD) as temporary:
        write_history(temporary, result.history)
        write_checkpoint(temporary, result.weights, result.facts)
        write_predictions(temporary / FOLD_OOF, valid_ids, result.oof)
        write_predictions(temporary / FOLD_TEST, test_ids, result.test)
        write_record(temporary / FOLD_RECORD, record)


def write_files(folder: Path, files: Mapping[str, bytes | memoryview], record: str = "") -> None:
    """A folder as another machine has written it, byte for byte, all of it or nothing; `record` as `atomic_folder`."""
    with atomic_folder(folder, record) as temporary:
        for name, content in files.items():
            (temporary / name).write_bytes(content)


def write_stopped(folder: Path, history: Sequence[Evaluated], weights: dict[str, Any]) -> Path:
    """Keep what a fold had reached before it went wrong, beside its folder; where that is."""
    stopped = stopped_folder(folder)
    with atomic_folder(stopped) as temporary:
        write_history(temporary, history)
        write_checkpoint(temporary, [weights], {})
    return stopped


def stopped_folder(folder: Path) -> Path:
    """Where a fold that went wrong leaves its best weights."""
    return folder.with_name(f"{folder.name}-stopped")


def write_history(folder: Path, history: Sequence[Evaluated]) -> None:
    """One line of JSON an evaluation."""
    write_text(folder / HISTORY, "".join(json.dumps(asdict(entry)) + "\n" for entry in history))


def read_history(folder: Path) -> list[Evaluated]:
    """The lines of history.jsonl; `DamagedError` if it, or fold.json, is missing or not as it was written."""
    path, record = folder / HISTORY, read_whole(folder / FOLD_RECORD, FoldRecord)
    check_files(folder, {HISTORY: record["files"].get(HISTORY, "")})
    try:
        return [TypeAdapter(Evaluated).validate_json(line) for line in path.read_bytes().splitlines()]
    except ValidationError as error:
        raise DamagedError(folder, [f"{HISTORY} is damaged"]) from error
