"""Which words carried a prediction: held against the predictions of the very models that are explained."""

import re
import shutil
from pathlib import Path

import numpy as np
import pytest
from scipy.special import logit

from conftest import COMPETITIONS, command
from foldwise.load_config import load_config
from foldwise.paths import resolve
from foldwise.report import words
from foldwise.report.reading import read_made, read_results
from foldwise.report.results import Results
from foldwise.run import Run
from reliability.in_process import run_main

SLUG = "twin-binary"


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    root = tmp_path_factory.mktemp("words")
    shutil.copytree(COMPETITIONS / SLUG, root / "input" / SLUG)
    code, shown, errors = run_main(
        [*command(root, "all", "-c", SLUG)[3:], "--set", "training.precision=fp32", "--set", "linear.C=64"]
    )
    assert code == 0, shown + errors
    return root


def results_of(root: Path) -> Results:
    paths = resolve(SLUG, root / "input", root / "folds", root / "output")
    run = Run(load_config(paths.config, []), paths)
    return read_results(run, read_made(run))


def test_counting_words_leaves_the_tokens_as_they_are(root):
    results = results_of(root)
    before = results.store.tokens.copy()
    assert results.counts.sum() > 0
    assert (results.store.tokens == before).all()


def test_what_all_ngrams_add_is_the_score(root, monkeypatch):
    monkeypatch.setattr(words, "NGRAMS", 10**6)
    results = results_of(root)
    for fold in (0, 1):
        places = np.flatnonzero(results.folds[results.rows] == fold).tolist()
        shown = words.explain_fold(results, "linear", fold, places)
        sums = [sum(float(part) for part in re.findall(r"(?<= )[+-][0-9.e+-]+(?=<| |$)", shown[p])) for p in places]
        scores = logit(results.members["linear"][results.rows[places], 0])
        intercept = np.median(scores - sums)
        assert scores - sums == pytest.approx(intercept, abs=0.05)  # what is shown is rounded
        assert np.ptp(scores) > 1


def test_a_word_carries_what_the_prediction_loses_without_it(root):
    results = results_of(root)
    places = np.flatnonzero(results.folds[results.rows] == 1).tolist()
    shown = words.explain_fold(results, "bilstm", 1, places)
    predicted = results.members["bilstm"][results.rows[places], 0]
    for place, expected in zip(places, predicted, strict=True):
        assert f"bilstm, for 1 ({expected:.3f}; the strongest carries " in shown[place]
        spoken = re.sub("<[^>]*>", "", shown[place].partition("log odds): ")[2]).strip()
        row = results.rows[place]
        assert spoken.count(" ") == len(results.store.row(row)) - 1  # every word, in its order
        assert re.search(r'class="[ud]4"', shown[place])


def test_explanations_need_the_tokens_of_the_training(root, monkeypatch):
    monkeypatch.setattr(words, "learnt_part", lambda _: {"others": 1})
    explained, why_not = words.explain(results_of(root), [0, 1])
    assert explained == {0: [], 1: []}
    assert "the tokens were made anew since its folds were trained" in why_not[0]


def test_no_further_fold_is_asked_once_the_time_is_used_up(root, monkeypatch):
    monkeypatch.setattr(words, "SECONDS", -1.0)
    explained, why_not = words.explain(results_of(root), [0, 1])
    assert not any(explained.values())
    assert "the time for them was used up" in why_not[0]
