"""Training; `make_data` and `recipe` of test_fold serve other folders too."""

from typing import Any

from foldwise.config import Training

DECIDED = {
    "epochs": 6,
    "learning_rate": 2e-3,
    "embedding_learning_rate": 2e-3,
    "r_drop": 0.0,
}  # what "auto" is for a small table


def decided_training(**fields: Any) -> Training:
    """Settings as training gets them: nothing is left at "auto"."""
    return Training(**DECIDED | fields)
