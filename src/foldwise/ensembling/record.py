"""ensemble.json: how the folds become predictions, so that they can predict other rows than those of the test table.

`foldwise.records.Ensemble` says what is in it. It needs no table, and no settings of today: summary.json beside it has
those that the run had.
"""

from foldwise.ensembling.blend import Blend, Records, predicting_folds
from foldwise.files import write_checked
from foldwise.hashing import hash_of
from foldwise.paths import FOLD_RECORD
from foldwise.run import Run


def write_ensemble(run: Run, records: Records, blend: Blend) -> None:
    """Write it for these folds."""
    targets, mixture = run.competition.targets, blend.mixture
    calibrations = zip(records, mixture.calibrations, strict=bool(mixture.calibrations))
    content = {
        "names": targets.names,
        "written": list(targets.written),
        "weights": dict(zip(records, mixture.weights.tolist(), strict=True)),
        "calibrations": {name: calibration.tolist() for name, calibration in calibrations},
        "thresholds": blend.thresholds.tolist(),
        "folds": {
            name: {
                str(fold): hash_of(run.paths.fold(name, fold) / FOLD_RECORD)
                for fold in predicting_folds(run, name, group)
            }
            for name, group in records.items()
        },
    }
    write_checked(run.paths.ensemble, content)
