"""A trained fold predicts another test table; nothing is trained.

Where words are taken from the training table alone (`tokens.vocabulary = "train"`), a test table that was replaced
changes no weight, and so no prediction of the training rows.
"""

import shutil
from typing import Any

import numpy as np

from foldwise.data.token_store import TokenStore
from foldwise.ensembling.predictions import check_predictions, write_predictions
from foldwise.files import atomic_folder, damaged_files, write_record
from foldwise.freshness import TEST_TABLE, changes, read_fold
from foldwise.learners import Learner, NewRows, Trained
from foldwise.paths import FOLD_RECORD, FOLD_TEST, VECTORS
from foldwise.training.checkpoint import find_checkpoint


def only_test_changed(job: Any) -> bool:
    """True if the fold of a job is there, whole, and trained on what it would be trained on now."""
    record = None if job.redo or job.taken is not None else read_fold(job.folder)
    if record is None or TEST_TABLE not in job.inputs or "shortened" in record or job.without:
        return False
    old = record["inputs"]
    learnt, now = ({key: value for key, value in inputs.items() if key != TEST_TABLE} for inputs in (old, job.inputs))
    other = old.get(TEST_TABLE) not in (None, job.inputs[TEST_TABLE])
    return other and not changes(learnt, now) and not damaged_files(job.folder, record["files"])


def predict_new_test(job: Any, learner: Learner, data: Any) -> dict[str, Any]:
    """Predict the test rows with the weights of the fold; → its new fold.json, written with the predictions."""
    rows, store = data.test_rows, data.store
    offsets = store.offsets[rows[0] * store.columns : (rows[-1] + 1) * store.columns + 1]
    new = NewRows(
        store=TokenStore(store.tokens[offsets[0] : offsets[-1]], offsets - offsets[0], store.columns),
        words=data.words,
        features=None if data.features is None else data.features[rows],
        new_vectors=np.empty((0, data.vectors.shape[1]), np.float32),
        trained=Trained(len(data.words), job.paths.tokens / VECTORS, data.vectors.shape[1], data.shape, job.targets),
    )
    record = {**(read_fold(job.folder) or {}), "inputs": job.inputs}
    predictions = learner.predict(find_checkpoint(job.folder, record["files"]), new, job.runtime, lambda _: None)
    check_predictions(str(job), job.test_ids, predictions)
    record["rows"] = {**record["rows"], "test": len(rows)}
    with atomic_folder(job.folder, FOLD_RECORD) as temporary:
        for name in record["files"]:
            shutil.copyfile(job.folder / name, temporary / name)
        write_predictions(temporary / FOLD_TEST, job.test_ids, predictions)
        write_record(temporary / FOLD_RECORD, record)
    return record
