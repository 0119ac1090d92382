import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.special import expit, logit, softmax
from sklearn.linear_model import LogisticRegression

from foldwise.ensembling import calibration as module
from foldwise.ensembling.calibration import calibrate, fit_calibration
from foldwise.metrics import METRICS, score

RNG = np.random.default_rng(0)
CHANCES = RNG.random((4000, 2)) * 0.9 + 0.05
COLUMNS = (RNG.random((4000, 2)) < CHANCES).astype(np.float32)
LOGITS = RNG.normal(0, 1.5, (4000, 4))
CLASSES = np.array([RNG.choice(4, p=row) for row in softmax(LOGITS, axis=1)])


def test_distorted_probabilities_are_set_right():
    distorted = expit(3 * logit(CHANCES) + 1)
    fitted = fit_calibration("multilabel", COLUMNS, distorted)
    assert fitted == pytest.approx(np.array([[1 / 3] * 2, [-1 / 3] * 2]), abs=0.1)
    assert calibrate("multilabel", distorted, fitted) == pytest.approx(CHANCES, abs=0.05)


def test_a_column_is_fitted_as_scikit_learn_does(monkeypatch):
    monkeypatch.setattr(module, "PRIOR", 0.0)
    scores = logit(CHANCES[:, :1])
    reference = LogisticRegression(C=1e9).fit(scores, COLUMNS[:, 0])
    (slope,), (offset,) = fit_calibration("binary", COLUMNS[:, :1], CHANCES[:, :1])
    assert [slope, offset] == pytest.approx([reference.coef_[0, 0], reference.intercept_[0]], abs=1e-3)


def test_the_temperature_of_classes_is_found():
    sure = softmax(2.5 * LOGITS, axis=1)
    fitted = fit_calibration("multiclass", CLASSES, sure)
    assert fitted[0] == pytest.approx(np.full(4, 0.4), abs=0.03)
    right = calibrate("multiclass", sure, fitted)
    assert (right.argmax(axis=1) == sure.argmax(axis=1)).all()
    assert right.sum(axis=1) == pytest.approx(np.ones(4000))
    losses = [score(METRICS["log_loss"], "multiclass", CLASSES, each) for each in (right, softmax(LOGITS, axis=1))]
    assert losses[0] == pytest.approx(losses[1], abs=1e-3)


@given(
    predictions=st.lists(st.sampled_from([0.0, 1e-300, 0.3, 0.5, 1 - 1e-16, 1.0]), min_size=3, max_size=8),
    ones=st.sampled_from([0.0, 0.5, 1.0]),
)
def test_whatever_is_predicted_stays_a_probability_and_keeps_its_order(predictions, ones):
    given_ = np.array(predictions)[:, None]
    fitted = fit_calibration("binary", np.full_like(given_, ones), given_)
    found = calibrate("binary", given_, fitted)
    assert ((found >= 0) & (found <= 1)).all()
    if fitted[0, 0] > 0:
        assert (np.diff(found[np.argsort(given_[:, 0], kind="stable"), 0]) >= 0).all()


def test_a_few_rows_hardly_move_anything():
    fitted = fit_calibration("binary", np.array([[1.0], [0.0]]), np.array([[0.1], [0.9]]))
    assert fitted == pytest.approx(np.array([[1.0], [0.0]]), abs=0.2)


def test_many_rows_are_fitted_by_a_part_of_them(monkeypatch):
    whole = fit_calibration("multilabel", COLUMNS, CHANCES)
    monkeypatch.setattr(module, "ROWS", 2000)
    half = fit_calibration("multilabel", COLUMNS, CHANCES)
    assert (half != whole).any()
    assert (half == fit_calibration("multilabel", COLUMNS[::2], CHANCES[::2])).all()
