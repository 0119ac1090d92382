from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
from sklearn.metrics import roc_auc_score

from foldwise.config import Recipe
from foldwise.events import Event, Started, Stepped
from foldwise.learners import learner_for
from foldwise.training.fold_data import FoldData
from training.test_fold import make_data

LINEAR = {"char_ngrams": 0, "min_count": 1, "weighting": "tfidf"}
RECIPE = Recipe.model_validate({"model": {"name": "linear"}, "linear": LINEAR})
WORDS = [f"w{number}" for number in range(30)]


def train(data: FoldData, metric: str = "roc_auc"):
    events: list[Event] = []
    job = SimpleNamespace(member="m", fold=0, metric=metric)
    result = learner_for(RECIPE).fit(replace(data, words=WORDS), job, events.append)
    assert isinstance(events[0], Started)
    assert sum(event.steps for event in events if isinstance(event, Stepped)) == events[0].steps
    return result


def test_it_learns_and_the_record_holds_the_score_of_its_rows():
    data = make_data(rows=300)
    result = train(data)
    assert result.rows.tolist() == np.flatnonzero(data.folds == 0).tolist()
    score = roc_auc_score(data.targets.truth[result.rows], result.oof)
    assert score > 0.8
    assert [record.score for record in result.history] == [pytest.approx(score)]
    assert result.test.shape == (17, 1)
    assert len(result.facts["ngrams"][0]["terms"]) == result.weights[0]["coef"].shape[1]


def test_the_fold_is_not_learnt_from():
    data = make_data(rows=300)
    flipped = np.where(data.folds[:, None] == 0, 1 - data.targets.y, data.targets.y)
    other = replace(data, targets=replace(data.targets, y=flipped))
    assert train(other).oof.tobytes() == train(data).oof.tobytes()


def test_rows_without_weight_are_not_learnt_from():
    data = make_data(rows=300)
    weights = (np.arange(300) % 2).astype(np.float32)
    weighed = replace(data.targets, weights=weights)
    flipped = replace(weighed, y=np.where(weights[:, None] == 0, 1 - data.targets.y, data.targets.y))
    results = [train(replace(data, targets=targets)) for targets in (weighed, flipped)]
    assert results[0].oof == pytest.approx(results[1].oof, abs=1e-6)
    assert np.abs(results[0].oof - train(data).oof).max() > 1e-3


@pytest.mark.parametrize(
    ("task", "metric"), [("multiclass", "log_loss"), ("regression", "rmse"), ("ordinal", "quadratic_kappa")]
)
def test_other_tasks(task, metric):
    data = make_data(task, rows=300)
    result = train(data, metric)
    assert result.oof.shape == (100, 3 if task == "multiclass" else 1)
    assert np.isfinite(result.test).all()
